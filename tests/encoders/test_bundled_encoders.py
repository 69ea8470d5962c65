"""The encoders that come with the package: README's three lines."""

import numpy as np
import pytest
from PIL import Image

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import CARD_FIELDS, read_card
from calcarine.data.phantom.scenes import render_scene, sample_scenes
from calcarine.encoders import list_pretrained, load_pretrained
from calcarine.encoders.pretrained import BUNDLED, bundled_encoders


@pytest.fixture(scope="module")
def encoder():
    return load_pretrained("calcarine:phantom-sub-01")


def test_three_lines_give_responses_with_their_places(encoder, tmp_path):
    scenes = [Image.fromarray(render_scene(s)) for s in sample_scenes(3, seed=5)]
    scenes[0].save(tmp_path / "scene.png")
    responses = encoder.predict(scenes)
    assert responses.shape == (3, len(encoder.units))
    assert responses.dtype == np.float32
    alone = encoder.predict(tmp_path / "scene.png")[0]
    np.testing.assert_allclose(alone, responses[0], atol=1e-5)
    assert {"i", "j", "k", "x", "y", "z", "roi"} <= set(encoder.units)
    volume = encoder.to_volume(responses)
    assert volume.shape[3] == 3
    assert np.isfinite(volume.get_fdata()).sum() == responses.size
    surface = encoder.to_surface(responses[0])
    assert np.isfinite(surface.data.parts["left"]).sum() > 100


def test_an_encoder_says_what_it_is_in_a_line(encoder):
    assert repr(encoder) == (
        f"VoxelEncoder(calcarine:phantom-clip -> {len(encoder.units)} units, "
        f"mask {encoder.units_sha[:12]})"
    )


def test_face_voxels_prefer_faces(encoder):
    scenes = sample_scenes(200, seed=8)
    responses = encoder.predict([Image.fromarray(render_scene(s)) for s in scenes])
    is_face = np.array([s.category == "face" for s in scenes])
    in_region = (encoder.units["roi"] == "FFA").to_numpy()
    contrast = responses[is_face].mean(axis=0) - responses[~is_face].mean(axis=0)
    assert np.median(contrast[in_region]) > 3 * abs(np.median(contrast[~in_region]))


def test_the_list_begins_with_the_bundled_ones(tmp_path):
    assert list_pretrained(tmp_path) == [f"calcarine:{name}" for name in bundled_encoders()]
    assert bundled_encoders() == ["phantom-sub-01", "phantom-sub-02"]
    assert load_pretrained("phantom-sub-02", check_embedding=False).units_sha


@pytest.mark.parametrize("name", bundled_encoders())
def test_cards_are_complete_and_small(name):
    title, card = read_card(BUNDLED / name)
    assert title
    assert list(card) == list(CARD_FIELDS)
    assert card["licence"] == "Apache-2.0"
    assert sum(f.stat().st_size for f in (BUNDLED / name).iterdir()) < 200_000


def test_another_mask_is_refused(encoder):
    with pytest.raises(CalcarineError, match="this encoder predicts"):
        load_pretrained("calcarine:phantom-sub-01", encoder.units[::-1], check_embedding=False)
