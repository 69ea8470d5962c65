from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.sensor_metrics import sensor_scores

TIMES_S = np.round(-0.1 + 0.05 * np.arange(12), 6)
TEMPLATE = Score("01", "encode", "encoder-clip", "", "", "", "test", 0, 0, np.nan)


def predictions(n_items=60, n_channels=5, peak=6, seed=0):
    rng = np.random.default_rng(seed)
    predicted = rng.standard_normal((n_items, n_channels, 12))
    gain = np.exp(-((np.arange(12) - peak) ** 2) / 4)
    measured = gain * predicted + 0.5 * rng.standard_normal(predicted.shape)
    items = pd.DataFrame(
        {
            "item": np.arange(n_items),
            "stimulus_id": [f"s{i}" for i in range(n_items)],
            "concept": "c",
            "fold": "holdout",
            "brain": "measured",
            "n_repeats": 3,
            "averaging": "signal",
        }
    )
    return Predictions(
        predicted.astype(np.float32), items, {"model": "encoder-clip"}, measured.astype(np.float32)
    )


def test_rows_are_medians_of_correlations():
    made = predictions()
    found = sensor_scores(made, np.ones((5, 12)), TIMES_S, TEMPLATE, seed=0, n_draws=300)
    r = np.stack(
        [correlation(made.measured[:, :, t], made.values[:, :, t]) for t in range(12)], axis=1
    )
    rows = {s.metric: s for s in found.scores if "/" not in s.model}
    assert rows["r_median"].value == pytest.approx(np.median(r[:, TIMES_S >= 0]))
    ceiling = np.sqrt(1 / (1 + 1 / 3))
    assert rows["r_median"].ceiling == pytest.approx(ceiling)
    assert rows["r_over_ceiling_median"].value == pytest.approx(
        np.median(r[:, TIMES_S >= 0]) / ceiling
    )
    curve = [s.value for s in found.over_time]
    np.testing.assert_allclose(curve, np.median(r, axis=0), rtol=1e-6)
    assert [s.start_s for s in found.over_time] == TIMES_S.tolist()
    assert all(s.ci_low <= s.value <= s.ci_high for s in found.over_time)
    np.testing.assert_allclose(found.channels["r"], r[:, 6], rtol=1e-6)
    assert {s.n_items for s in found.scores} == {60}


def test_the_peak_is_where_it_was_planted_and_never_before_onset():
    found = sensor_scores(predictions(), np.ones((5, 12)), TIMES_S, TEMPLATE, 0, 300)
    row = next(s for s in found.scores if s.metric == "peak_latency_s")
    assert row.value == pytest.approx(0.2)
    assert row.ci_low <= 0.2 <= row.ci_high
    assert row.ci_high - row.ci_low <= 0.11
    early = sensor_scores(predictions(peak=0), np.ones((5, 12)), TIMES_S, TEMPLATE, 0, 300)
    assert next(s for s in early.scores if s.metric == "peak_latency_s").value >= 0


def test_shuffled_stimuli_are_at_chance():
    found = sensor_scores(predictions(), np.ones((5, 12)), TIMES_S, TEMPLATE, 0, 300)
    control = next(s for s in found.scores if s.model == "encoder-clip/shuffled-stimuli")
    assert control.ci_low <= 0.05
    assert abs(control.value) < 0.1


def test_no_ratio_to_an_unknown_ceiling():
    unknown = np.full((5, 12), np.nan)
    found = sensor_scores(predictions(), unknown, TIMES_S, TEMPLATE, 0, 100)
    row = next(s for s in found.scores if s.metric == "r_over_ceiling_median")
    assert np.isnan(row.value)
    assert "no sample has a known noise ceiling" in row.note


def test_other_shapes_are_refused():
    with pytest.raises(CalcarineError, match="expected measured responses of 4 channels"):
        sensor_scores(predictions(), np.ones((4, 12)), TIMES_S, TEMPLATE, 0)
    with pytest.raises(CalcarineError, match="no sample of the trial lies after onset"):
        sensor_scores(predictions(), np.ones((5, 12)), TIMES_S - 5, TEMPLATE, 0)
    bare = replace(predictions(), measured=None)
    with pytest.raises(CalcarineError, match="expected measured responses"):
        sensor_scores(bare, np.ones((5, 12)), TIMES_S, TEMPLATE, 0)
