from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.noise_ceiling import noise_ceiling_r
from calcarine.data.predictions import Predictions
from calcarine.encoders.encoding_metrics import encoder_scores
from calcarine.encoders.encoding_scores import correlation

N_ITEMS, N_UNITS = 300, 40


@pytest.fixture
def units():
    ncsnr = np.repeat([0.0, 0.5, 1.0, 2.0], 10)
    roi = np.repeat(["n/a", "V1", "V1", "FFA"], 10)
    return pd.DataFrame({"i": np.arange(N_UNITS), "j": 0, "k": 0, "roi": roi, "ncsnr": ncsnr})


@pytest.fixture
def predictions(rng, units):
    """Make a perfect model of the signal: its ratio to the ceiling is 1."""
    signal = rng.standard_normal((N_ITEMS, N_UNITS)) * units["ncsnr"].to_numpy()
    repeats = signal[:, None] + rng.standard_normal((N_ITEMS, 3, N_UNITS))
    measured, items = [], []
    for n in (1, 2, 3):
        measured.append(repeats[:, :n].mean(axis=1))
        table = pd.DataFrame({"item": np.arange(N_ITEMS), "n_repeats": n})
        items.append(table.assign(brain="measured", averaging="signal"))
    values = np.tile(signal, (3, 1)).astype(np.float32)
    sidecar = {"model": "encoder-clip"}
    return Predictions(values, pd.concat(items), sidecar, np.concatenate(measured))


def table_of(rows):
    return pd.DataFrame([vars(row) for row in rows]).set_index(
        ["model", "target", "metric", "n_repeats"]
    )


def test_a_perfect_model_reaches_its_ceiling(predictions, units):
    rows, by_unit = encoder_scores(predictions, units, "01", "test", seed=0, n_draws=200)
    table = table_of(rows)
    for n in (1, 2, 3):
        row = table.loc[("encoder-clip", "responses", "r_over_ceiling_median", n)]
        assert row["value"] == pytest.approx(1.0, abs=0.03)
        assert row["ci_low"] < row["value"] < row["ci_high"]
        raw = table.loc[("encoder-clip", "responses", "r_median", n)]
        ceiling = noise_ceiling_r(units["ncsnr"].to_numpy(), n)
        assert raw["ceiling"] == pytest.approx(np.median(ceiling))
    chosen = predictions.select("measured", 3, "signal")
    np.testing.assert_allclose(by_unit["r"], correlation(chosen.measured, chosen.values))
    assert by_unit["r_over_ceiling"].isna().tolist() == [True] * 10 + [False] * 30
    assert set(table["n_items"]) == {N_ITEMS}


def test_regions_are_medians_of_their_units(predictions, units):
    rows, by_unit = encoder_scores(predictions, units, "01", "test", seed=0, n_draws=100)
    table = table_of(rows)
    for name in ("V1", "FFA"):
        found = table.loc[("encoder-clip", name, "r_median", 3), "value"]
        assert found == pytest.approx(by_unit["r"][units["roi"] == name].median())
    assert "n/a" not in table.index.get_level_values("target")
    assert ("encoder-clip", "V1", "r_median", 2) not in table.index


def test_controls_stand_at_chance(predictions, units):
    rows, _ = encoder_scores(predictions, units, "01", "test", seed=0, n_draws=200)
    table = table_of(rows)
    shuffled = table.loc[("encoder-clip/shuffled-stimuli", "responses", "r_median", 3)]
    assert shuffled["ci_low"] < 0 < shuffled["ci_high"]
    for metric in ("r_median", "r2_median"):
        mean = table.loc[("encoder-clip/mean-predictor", "responses", metric, 3)]
        assert mean["value"] == 0.0
    assert (table["chance"] == 0).all()


def test_equal_seeds_give_equal_rows(predictions, units):
    first, _ = encoder_scores(predictions, units, "01", "test", seed=4, n_draws=100)
    again, _ = encoder_scores(predictions, units, "01", "test", seed=4, n_draws=100)
    other, _ = encoder_scores(predictions, units, "02", "test", seed=4, n_draws=100)
    assert first == again
    assert first[0].ci_low != other[0].ci_low


def test_unknown_ceilings_are_said_and_not_guessed(predictions, units):
    unknown = units.assign(ncsnr=np.nan)
    rows, by_unit = encoder_scores(predictions, unknown, "01", "test", seed=0, n_draws=100)
    row = table_of(rows).loc[("encoder-clip", "responses", "r_over_ceiling_median", 3)]
    assert np.isnan(row["value"])
    assert row["note"] == "not computed: no unit has a known noise ceiling of at least 0.3"
    assert by_unit["r_over_ceiling"].isna().all()
    assert by_unit["r"].notna().all()


def test_other_units_and_missing_measurements_are_refused(predictions, units):
    with pytest.raises(CalcarineError, match="40 units, some measured responses; expected 39"):
        encoder_scores(predictions, units[1:], "01", "test", seed=0)
    with pytest.raises(CalcarineError, match="no measured responses"):
        encoder_scores(replace(predictions, measured=None), units, "01", "test", seed=0)
