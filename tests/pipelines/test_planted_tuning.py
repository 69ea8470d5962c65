"""Rows on the phantom's voxels by what they are tuned to, on planted truth."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.phantom.scenes import factor_table, sample_scenes
from calcarine.data.phantom.tuning import factor_code_names, factor_codes
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score
from calcarine.encoders.encoding_scores import correlation
from calcarine.pipelines.planted_tuning import band_place_scores, tuning_scores

N_ITEMS, N_VOXELS = 50, 24
KINDS = np.repeat(["category", "pixels", "part", "none"], 6)


@pytest.fixture
def planted(rng):
    """Voxels in another order than their truth; predictions are the planted sums, plus noise."""
    scenes = factor_table(sample_scenes(N_ITEMS, 3, "all"))
    stimuli = scenes.assign(stimulus_id=[f"s{i:02d}" for i in range(N_ITEMS)])
    names = factor_code_names()
    weights = pd.DataFrame(rng.normal(size=(N_VOXELS, len(names))), columns=names)
    weights["more"] = 9.0
    truth = pd.DataFrame({"i": np.arange(N_VOXELS), "j": 0, "k": 0, "tuned_to": KINDS})
    truth["linear"] = KINDS == "category"
    truth["noise_ceiling_n"] = np.where(np.arange(N_VOXELS) % 6 < 3, 0.9, 0.5)
    order = rng.permutation(N_VOXELS)
    units = truth[["i", "j", "k"]].iloc[order].reset_index(drop=True)
    signal = (factor_codes(scenes) @ weights[names].to_numpy().T)[:, order]
    predicted = signal + 0.2 * signal.std() * rng.normal(size=signal.shape)
    measured = signal + signal.std() * rng.normal(size=signal.shape)
    items = pd.DataFrame(
        {
            "item": np.arange(N_ITEMS),
            "stimulus_id": stimuli["stimulus_id"],
            "concept": "n/a",
            "fold": "test",
            "brain": "measured",
            "n_repeats": 3,
            "averaging": "signal",
        }
    )
    predictions = Predictions(predicted, items, {"model": "encoder-factors"}, measured)
    return predictions, units, truth, weights, stimuli, signal, order


def rows_of(planted):
    predictions, units, truth, weights, stimuli, _, _ = planted
    found = tuning_scores(predictions, units, truth, weights, stimuli, "01", "test", 0, 200)
    return {row.target: row for row in found}


def test_recovered_tuning_is_compared_with_the_noiseless_sum(planted):
    predictions, _, truth, _, _, signal, order = planted
    row = rows_of(planted)["planted-linear-high-ceiling"]
    high = (truth["linear"] & (truth["noise_ceiling_n"] >= 0.8)).to_numpy()[order]
    expected = np.median(correlation(signal[:, high], predictions.values[:, high]))
    assert row.value == pytest.approx(expected)
    assert row.metric == "tuning_r_median"
    assert row.value > 0.9
    assert row.ci_low < row.value < row.ci_high


def test_kinds_are_scored_with_measured_responses(planted):
    predictions, _, _, _, _, _, order = planted
    rows = rows_of(planted)
    assert set(rows) == {
        "tuned-to-category", "tuned-to-pixels", "tuned-to-part", "planted-linear-high-ceiling",
    }  # fmt: skip
    own = KINDS[order] == "part"
    r = correlation(predictions.measured[:, own], predictions.values[:, own])
    assert rows["tuned-to-part"].value == pytest.approx(np.median(r))
    assert rows["tuned-to-part"].ceiling == pytest.approx(0.7)
    assert rows["tuned-to-part"].n_repeats == 3


def test_nothing_is_said_where_no_ceiling_is_high(planted):
    predictions, units, truth, weights, stimuli, _, _ = planted
    low = truth.assign(noise_ceiling_n=0.4)
    found = tuning_scores(predictions, units, low, weights, stimuli, "01", "test", 0, 200)
    assert "no linear voxel" in found[-1].note
    assert np.isnan(found[-1].value)


def test_bands_are_asked_where_they_explain(planted):
    _, units, truth, _, _, _, order = planted
    is_early = (KINDS == "pixels")[order]
    parts = pd.DataFrame(
        {
            "r2_part_low": np.where(is_early, 0.3, 0.1),
            "r2_part_meaning": np.where(is_early, 0.0, 0.2),
            "r2_part_even": 0.1,
        }
    )
    template = Score("01", "encode", "encoder-bands", "", "", "", "test", 5, 3, np.nan)
    rows = {r.target: r for r in band_place_scores(parts, units, truth, template, 0, 100)}
    assert rows["planted-early-by-low"].value == 1
    assert rows["planted-early-by-meaning"].value == 0
    assert rows["planted-early-by-even"].value == 0.5
    assert rows["planted-early-by-low"].protocol == "phantom"
