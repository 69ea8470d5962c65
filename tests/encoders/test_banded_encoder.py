import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions
from calcarine.encoders.band_metrics import band_scores
from calcarine.encoders.banded_encoder import BandedEncoder
from calcarine.encoders.encoding_scores import r2
from calcarine.encoders.encoding_trials import PredictsBands
from calcarine.encoders.ridge.banded import BandedSettings
from calcarine.encoders.voxel_encoder import VoxelEncoder

BANDS = [("pixels", 4), ("objects", 5)]
SIDECARS = [{"model": "a"}, {"model": "b"}]
CARD = dict.fromkeys(("data", "licence", "split", "preprocessing", "seed"), "text")


@pytest.fixture
def units():
    return pd.DataFrame({"i": range(12), "j": 0, "k": 0, "roi": ["V1"] * 6 + ["FFA"] * 6})


@pytest.fixture
def trials(rng):
    """Plant the first half of the units in one band and the other half in the other."""
    features = rng.standard_normal((120, 9)).astype(np.float32) + 2.0
    weights = rng.standard_normal((9, 12))
    weights[4:, :6], weights[:4, 6:] = 0, 0
    responses = features @ weights + 1.5 * rng.standard_normal((120, 12)) + 30
    return features, responses.astype(np.float32)


@pytest.fixture
def fitted(trials, units):
    settings = BandedSettings(n_candidates=4, n_refinements=1)
    return BandedEncoder(BANDS, SIDECARS, units, settings=settings).fit(*trials)


def test_bands_add_up_to_the_prediction(fitted, trials):
    parts = fitted.predict_bands(trials[0][:7])
    assert parts.shape == (2, 7, 12)
    np.testing.assert_allclose(parts.sum(axis=0), fitted.predict(trials[0][:7]), atol=1e-5)
    np.testing.assert_allclose(fitted.predict_bands(trials[0]).mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(
        fitted.predict(trials[0][3:4]), fitted.predict(trials[0])[3:4], atol=1e-6
    )
    assert isinstance(fitted, PredictsBands)
    assert not isinstance(VoxelEncoder({}, fitted.units), PredictsBands)


def test_planted_bands_are_found(fitted):
    assert (fitted.shares_[0, :6] > 0.7).mean() > 0.8
    assert (fitted.shares_[1, 6:] > 0.7).mean() > 0.8
    assert (fitted.band_scores_[0, :6] > fitted.band_scores_[1, :6]).all()


def test_round_trip(fitted, trials, tmp_path):
    fitted.save(tmp_path / "model", CARD)
    loaded = BandedEncoder.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(trials[0]), fitted.predict(trials[0]))
    np.testing.assert_array_equal(loaded.predict_bands(trials[0]), fitted.predict_bands(trials[0]))
    assert loaded.bands == fitted.bands
    assert "pixels" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_other_features_are_refused(fitted):
    with pytest.raises(CalcarineError, match=r"\(n_items, 9\), the embeddings"):
        fitted.predict(np.zeros((3, 8), np.float32))
    with pytest.raises(CalcarineError, match=r"Use the kind `ridge` for responses over time"):
        fitted.fit(np.zeros((3, 9), np.float32), np.zeros((3, 2, 4), np.float32))


def scored(rng, units, n_repeats=1):
    measured = rng.standard_normal((20, 12)).astype(np.float32)
    parts = np.stack([0.5 * measured, 0.2 * rng.standard_normal((20, 12))]).astype(np.float32)
    items = pd.DataFrame(
        {
            "item": np.arange(20) // n_repeats,
            "stimulus_id": "s",
            "concept": "c",
            "fold": "test",
            "brain": "measured",
            "n_repeats": 3,
            "averaging": "signal",
        }
    )
    sidecar = {"model": "encoder-banded", "bands": ["pixels", "objects"]}
    predictions = Predictions(parts.sum(axis=0), items, sidecar, measured, parts)
    return predictions, band_scores(predictions, units, "01", "test", seed=1, n_draws=200)


def test_parts_of_the_score_add_up_to_r2(rng, units):
    predictions, (rows, table) = scored(rng, units)
    expected = r2(predictions.measured, predictions.values)
    np.testing.assert_allclose(table.sum(axis=1), expected, atol=1e-6)
    values = {(row.target, row.metric): row for row in rows}
    assert len(rows) == 9
    for target, mask in (("responses", slice(None)), ("V1", slice(0, 6)), ("FFA", slice(6, 12))):
        whole = values[target, "r2_mean"]
        assert whole.value == pytest.approx(expected[mask].mean(), abs=1e-6)
        parts = [values[target, f"r2_part_{band}_mean"].value for band in ("pixels", "objects")]
        assert sum(parts) == pytest.approx(whole.value)
        assert whole.ci_low < whole.value < whole.ci_high
        assert parts[0] > parts[1]
    assert (rows[0].n_items, rows[0].n_repeats, rows[0].model) == (20, 3, "encoder-banded")


def test_rows_of_one_item_are_drawn_together(rng, units):
    _, (rows, _) = scored(rng, units, n_repeats=2)
    assert {row.n_items for row in rows} == {10}


def test_encoders_without_bands_have_no_rows(rng, units):
    predictions, _ = scored(rng, units)
    plain = Predictions(predictions.values, predictions.items, {"model": "m"}, predictions.measured)
    rows, table = band_scores(plain, units, "01", "test", 1)
    assert rows == []
    assert table.shape == (12, 0)
