import numpy as np
import pytest
import torch

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.scenes import foreground_mask, render_scene, sample_scenes
from calcarine.decoders.selectivity.relevance import overlay, relevance_maps
from calcarine.encoders.dense_embeddings import embed_places
from calcarine.encoders.embedding_models import load_embedding_model


def coarse(pictures):
    """Embed places of a grid of 8 by 8 pixels by their mean colour."""
    return torch.nn.functional.avg_pool2d(pictures, 8).permute(0, 2, 3, 1)


@pytest.fixture
def spot():
    picture = torch.zeros(1, 3, 32, 32)
    picture[0, 2] = 1.0
    picture[0, 0, 18:26, 4:12] = 9.0
    return picture


def test_a_map_peaks_where_the_unit_looks(spot):
    (red,) = relevance_maps(coarse, spot, np.array([[1.0, 0, 0]]))[:, 0]
    y, x = np.unravel_index(red.argmax(), red.shape)
    assert 18 <= y < 26
    assert 4 <= x < 12
    assert red[:8, 20:].max() < 0.1


def test_shifts_are_undone(spot):
    weights = np.array([[1.0, 0, 0], [0, 0, 1.0]])
    plain = relevance_maps(coarse, spot, weights, [(0, 0)])
    for shift in ((8, 0), (0, -8), (8, 8)):
        moved = relevance_maps(coarse, spot, weights, [shift])
        seen = moved != 0
        # whole cells: the map is the same where the picture was still to be seen
        inner = np.zeros_like(seen)
        inner[:, :, 12:20, 12:16] = seen[:, :, 12:20, 12:16]
        np.testing.assert_allclose(moved[inner], plain[inner], atol=1e-5)


def test_maps_of_pictures_and_units_stand_alone(spot, rng):
    pictures = torch.cat(
        [spot, torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))]
    )
    weights = rng.standard_normal((3, 3))
    both = relevance_maps(coarse, pictures, weights)
    assert both.shape == (3, 3, 32, 32)
    one = relevance_maps(coarse, pictures[1:2], weights[2:])
    np.testing.assert_allclose(one[0, 0], both[2, 1], atol=1e-5)
    assert np.abs(both).max() <= 1 + 1e-5


def test_the_tiny_clip_looks_at_the_object():
    """Places of the object fit the words of its caption better than the background does."""
    model = load_embedding_model("calcarine:phantom-clip")
    scenes = [s for s in sample_scenes(60, seed=9) if s.count == 1 and s.background == "grey"][:6]
    texts = model.embed_texts([f"a {s.colour} {s.category}" for s in scenes])
    texts = texts - model.embed_texts(["a picture on a grey background"])
    pictures = torch.from_numpy(np.stack([render_scene(s) for s in scenes])).permute(0, 3, 1, 2)
    large = torch.nn.functional.interpolate(pictures.float(), scale_factor=3, mode="bilinear")
    maps = relevance_maps(
        lambda x: embed_places(model, x), (large / 255 - 0.5) / 0.25, texts, [(0, 0), (12, 12)]
    )
    wins = []
    for i, scene in enumerate(scenes):
        mask = np.kron(foreground_mask(scene), np.ones((3, 3), dtype=bool))
        wins.append(maps[i, i][mask].mean() > maps[i, i][~mask].mean())
    assert sum(wins) >= 5


def test_a_transformer_gives_one_embedding_a_patch(tiny_clip_folder):
    model = load_embedding_model(f"local-dir:{tiny_clip_folder}")
    batch = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert embed_places(model, batch).shape == (2, 4, 4, 20)


def test_overlay_dims_what_does_not_matter():
    picture = np.full((4, 4, 3), 200, dtype=np.uint8)
    relevance = np.zeros((4, 4))
    relevance[0] = 1
    drawn = overlay(picture, relevance)
    assert (drawn[0, :, 1] == 200).all()
    assert (drawn[1:, :, 1] == 80).all()


def test_errors(spot):
    with pytest.raises(CalcarineError, match="smaller than 32"):
        relevance_maps(coarse, spot, np.ones((1, 3)), [(40, 0)])
    with pytest.raises(CalcarineError, match="picture tower"):
        embed_places(load_embedding_model("calcarine:phantom-judge"), spot)
