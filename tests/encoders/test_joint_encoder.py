from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from calcarine.data.errors import CalcarineError
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.joint_axes import JointAxes
from calcarine.encoders.joint_encoder import JointEncoder
from calcarine.encoders.pretrained import load_pretrained
from calcarine.encoders.ridge.banded import BandedSettings
from calcarine.encoders.ridge.solver import solve_ridge
from calcarine.encoders.voxel_encoder import VoxelEncoder

CARD = {"data": "x", "licence": "CC0", "split": "none", "preprocessing": "none", "seed": "0"}
SIDECARS = [{"model": name, "revision": name, "input": name} for name in ("pictures", "captions")]
BANDS = [("picture", 6), ("caption", 4)]


def planted(rng, n=400):
    """Responses to the picture, to the caption, to both added, and to their product."""
    features = rng.normal(size=(n, 10))
    picture, caption = features[:, 0], features[:, 6]
    signal = np.stack([picture, caption, picture + caption, picture * caption], axis=1)
    return features.astype(np.float32), (signal + 0.5 * rng.normal(size=signal.shape)).astype(
        np.float32
    )


@pytest.fixture
def fitted(rng):
    features, responses = planted(rng)
    units = pd.DataFrame({"i": range(4), "j": 0, "k": 0})
    settings = BandedSettings(n_candidates=5, n_refinements=1)
    encoder = JointEncoder(BANDS, SIDECARS, units, (6, 4), 5, settings)
    return encoder.fit(features, responses, np.arange(len(features)))


def test_axes_are_principal_and_products_are_all_pairs(rng):
    features = rng.normal(size=(200, 10)) @ rng.normal(size=(10, 10))
    axes = JointAxes.fit(features, (6, 4), (3, 3))
    extended = axes.extend(features)
    assert extended.shape == (200, 10 + 9)
    centred = features - features.mean(axis=0)
    ridge = solve_ridge(centred[:, :6].astype(np.float32), centred[:, 6:].astype(np.float32))
    u, _, _ = np.linalg.svd(centred[:, :6], full_matrices=False)
    beyond = centred[:, 6:] - centred[:, :6] @ ridge.coef
    v, _, _ = np.linalg.svd(beyond, full_matrices=False)
    expected = 200 * u[:, 1] * v[:, 2]
    found = extended[:, 10 + 1 * 3 + 2]
    assert abs(np.corrcoef(found, expected)[0, 1]) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-3)


def test_axes_come_from_training_trials_alone(rng):
    features = rng.normal(size=(50, 10))
    axes = JointAxes.fit(features, (6, 4), (3, 3))
    test = rng.normal(size=(5, 10))
    together, alone = axes.extend(test), axes.extend(test[:1])
    np.testing.assert_allclose(alone[0], together[0], atol=1e-6)


def test_what_the_picture_tells_is_no_axis_of_the_caption(rng):
    """A caption that repeats the picture loudly and adds one quiet thing has that as its axis."""
    picture = rng.normal(size=(600, 6))
    added = rng.normal(size=600)
    caption = np.column_stack([5 * picture[:, :3], 0.5 * added])
    axes = JointAxes.fit(np.hstack([picture, caption]), (6, 4), (2, 1))
    new = rng.normal(size=(50, 6)), rng.normal(size=50)
    shown = np.hstack([new[0], 5 * new[0][:, :3], 0.5 * new[1][:, None]])
    product = axes.extend(shown)[:, 10]
    seen = (new[0] - axes.means[:6]) @ axes.axes[0][:, 0]
    assert abs(np.corrcoef(product, seen * new[1])[0, 1]) > 0.97


def test_the_product_is_predicted_where_no_sum_can(fitted, rng):
    features, responses = planted(rng)
    measured = fitted.standardizer_.transform(responses)
    joint = correlation(measured, fitted.predict(features))
    assert joint.min() > 0.75
    train_features, train = planted(rng)
    plain = VoxelEncoder(SIDECARS[0], fitted.units).fit(train_features, train)
    assert correlation(measured, plain.predict(features))[3] < 0.2
    parts = fitted.predict_bands(features)
    assert fitted.band_names == ("picture", "caption", "joint")
    strongest = parts.std(axis=1).argmax(axis=0)
    assert strongest[[0, 1, 3]].tolist() == [0, 1, 2]


def test_saved_and_loaded_it_is_the_same(fitted, tmp_path, rng):
    fitted.save(tmp_path / "encoder", CARD)
    found = load_pretrained(tmp_path / "encoder")
    rows = rng.normal(size=(7, 10)).astype(np.float32)
    np.testing.assert_array_equal(found.predict(rows), fitted.predict(rows))
    assert found.units_sha == fitted.units_sha


def test_a_folder_of_before_captions_were_predicted_can_be_loaded(fitted, tmp_path, rng):
    folder = tmp_path / "encoder"
    fitted.axes_ = replace(fitted.axes_, told=np.zeros_like(fitted.axes_.told))
    fitted.save(folder, CARD)
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    del tensors["axes.told"]
    save_file(tensors, weights)
    rows = rng.normal(size=(7, 10)).astype(np.float32)
    np.testing.assert_array_equal(load_pretrained(folder).predict(rows), fitted.predict(rows))


def test_three_embeddings_are_refused(rng):
    with pytest.raises(CalcarineError, match="takes two embeddings"):
        JointAxes.fit(rng.normal(size=(9, 6)), (2, 2, 2), (2, 2))
