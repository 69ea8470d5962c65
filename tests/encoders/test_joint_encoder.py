import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.joint_axes import JointAxes
from calcarine.encoders.joint_encoder import JointEncoder
from calcarine.encoders.pretrained import load_pretrained
from calcarine.encoders.ridge.banded import BandedSettings
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
    encoder = JointEncoder(BANDS, SIDECARS, units, (6, 4, 4), 5, settings)
    return encoder.fit(features, responses, np.arange(len(features)))


def test_products_are_all_pairs_of_scores_of_variance_one(rng):
    first = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6))
    wording = rng.normal(size=(400, 3))
    features = np.column_stack([first, first[:, :1] + first[:, 1:2], wording])
    axes = JointAxes.fit(features, (6, 4), (3, 3, 2))
    assert [a.shape[1] for a in (axes.seen, axes.told, axes.added)] == [3, 1, 2]
    centred = features - features.mean(axis=0)
    seen, added = centred[:, :6] @ axes.seen, centred[:, 6:] @ axes.added
    told = centred[:, 6:] @ axes.told
    for scores in (seen, told, added):
        np.testing.assert_allclose(scores.var(axis=0), 1, rtol=1e-3)
    np.testing.assert_allclose(told.T @ added / 400, 0, atol=1e-4)
    principal = np.linalg.svd(centred[:, :6], full_matrices=False)[0][:, :3]
    assert np.linalg.svd(principal.T @ seen / 20)[1].min() == pytest.approx(1, abs=1e-4)
    pairs = [
        s[:, i] * s[:, j]
        for s in (seen, told)
        for i in range(s.shape[1])
        for j in range(i, s.shape[1])
    ]
    squares = np.stack(pairs, axis=1)
    extended = axes.extend(features)
    assert extended.shape == (400, 10 + 7 + 6)
    assert axes.extend(features, with_products=False).shape == (400, 10 + 7)
    np.testing.assert_allclose(extended[:, 10:17], squares - squares.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(extended[:, 17 + 1 * 2 + 1], seen[:, 1] * added[:, 1], atol=1e-3)


def test_axes_come_from_training_trials_alone(rng):
    features = rng.normal(size=(50, 10))
    axes = JointAxes.fit(features, (6, 4), (3, 3, 3))
    test = rng.normal(size=(5, 10))
    together, alone = axes.extend(test), axes.extend(test[:1])
    np.testing.assert_allclose(alone[0], together[0], atol=1e-6)


def test_what_the_picture_tells_is_no_axis_of_the_caption(rng):
    """A caption that repeats the picture loudly and adds one quiet thing has that as its axis."""
    picture = rng.normal(size=(600, 6))
    added = rng.normal(size=600)
    caption = np.column_stack([5 * picture[:, :3], 0.5 * added])
    axes = JointAxes.fit(np.hstack([picture, caption]), (6, 4), (2, 3, 1))
    new = rng.normal(size=(50, 6)), rng.normal(size=50)
    shown = np.hstack([new[0], 5 * new[0][:, :3], 0.5 * new[1][:, None]])
    product = axes.extend(shown)[:, 10 + axes.n_squares]
    seen = (new[0] - axes.means[:6]) @ axes.seen[:, 0]
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
    assert fitted.band_names == ("picture", "caption", "squares", "joint")
    strongest = parts.std(axis=1).argmax(axis=0)
    assert strongest[[0, 1, 3]].tolist() == [0, 1, 3]


def test_without_products_it_is_the_rival_that_curves(rng):
    features = rng.normal(size=(400, 10)).astype(np.float32)
    signal = np.stack([features[:, 0] * features[:, 1], features[:, 0] * features[:, 6]], axis=1)
    responses = (signal + 0.3 * rng.normal(size=signal.shape)).astype(np.float32)
    units = pd.DataFrame({"i": range(2), "j": 0, "k": 0})
    settings = BandedSettings(n_candidates=5, n_refinements=1)
    rival = JointEncoder(BANDS, SIDECARS, units, (6, 4, 4), 5, settings, with_products=False)
    rival.fit(features, responses, np.arange(400))
    assert rival.band_names == ("picture", "caption", "squares")
    r = correlation(responses, rival.predict(features))
    assert r[0] > 0.9
    assert r[1] < 0.3


def test_curves_of_the_picture_are_no_axis_of_the_caption(rng):
    picture, added = rng.normal(size=(800, 6)), rng.normal(size=800)
    caption = np.column_stack([3 * picture[:, :1] * picture[:, 1:2], added])
    axes = JointAxes.fit(np.hstack([picture, caption]), (6, 2), (6, 1, 1))
    assert abs(axes.added[1, 0]) > 5 * abs(axes.added[0, 0])


def test_products_of_what_captions_say_of_the_picture_are_curves(rng):
    """The picture shows two things unclearly, the caption names both: no wording is needed."""
    content = rng.normal(size=(600, 2))
    picture = content @ rng.normal(size=(2, 6)) + 0.7 * rng.normal(size=(600, 6))
    features = np.hstack([picture, content, rng.normal(size=(600, 2))]).astype(np.float32)
    responses = (content[:, :1] * content[:, 1:]).astype(np.float32)
    units = pd.DataFrame({"i": [0], "j": 0, "k": 0})
    settings = BandedSettings(n_candidates=5, n_refinements=1)
    rival = JointEncoder(BANDS, SIDECARS, units, (6, 4, 4), 5, settings, with_products=False)
    rival.fit(features[:400], responses[:400], np.arange(400))
    assert correlation(responses[400:], rival.predict(features[400:]))[0] > 0.95


def test_captions_that_say_nothing_else_are_refused(rng):
    picture = rng.normal(size=(300, 6))
    features = np.hstack([picture, picture[:, :4]]).astype(np.float32)
    axes = JointAxes.fit(features, (6, 4), (6, 4, 4))
    assert (axes.told.shape[1], axes.added.shape[1], axes.n_products) == (4, 0, 0)
    encoder = JointEncoder(BANDS, SIDECARS, pd.DataFrame({"i": [0], "j": 0, "k": 0}), (6, 4, 4))
    with pytest.raises(CalcarineError, match="caption says nothing that picture does not tell"):
        encoder.fit(features, features[:, :1], np.arange(300))


def test_saved_and_loaded_it_is_the_same(fitted, tmp_path, rng):
    fitted.save(tmp_path / "encoder", CARD)
    found = load_pretrained(tmp_path / "encoder")
    rows = rng.normal(size=(7, 10)).astype(np.float32)
    np.testing.assert_array_equal(found.predict(rows), fitted.predict(rows))
    assert found.units_sha == fitted.units_sha


def test_three_embeddings_are_refused(rng):
    with pytest.raises(CalcarineError, match="takes two embeddings"):
        JointAxes.fit(rng.normal(size=(9, 6)), (2, 2, 2), (2, 2, 2))
