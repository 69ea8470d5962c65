"""Latencies and whitening against what was planted, and a leak into the whitening."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.embeddings import Embeddings
from calcarine.data.meeg.noise import whitened_variance
from calcarine.data.meeg.sensor_scaling import SensorScaler
from calcarine.data.phantom.meeg.truth import SensorTruth
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score
from calcarine.pipelines.phantom_sensor_truth import (
    FactorCourses,
    Whitened,
    expected_variance,
    factor_courses,
    latency_scores,
    residuals,
    whitening_scores,
)

NAMES = ["face", "house", "tool", "unknown"]
PATCHES = {"face": "FFA", "house": "PPA", "tool": "pMTG"}
PLANTED_S = {"FFA": 0.17, "PPA": 0.21, "pMTG": 0.26}
CENTRES_S = np.arange(-0.1, 0.5, 0.01)
TEMPLATE = Score("01", "over-time", "category", "", "", "", "test", 0, 0, np.nan)


@pytest.fixture
def truth():
    patches = pd.DataFrame({"roi": list(PLANTED_S), "latency_s": list(PLANTED_S.values())})
    times = np.arange(-0.1, 0.6, 0.01).round(2)
    information = pd.concat(
        pd.DataFrame({"code": name, "time_s": times, "r": np.exp(-((times - 0.2) ** 2))})
        for name in PATCHES
    )
    empty = pd.DataFrame()
    return SensorTruth(patches, empty, information, empty, {"carriers": PATCHES})


def courses(rng, shift_s=0.0, n_items=60, noise=1.0):
    """Predict codes as a decoder would that reads each category when its patch responds."""
    codes = np.eye(len(NAMES))[rng.integers(0, len(NAMES), n_items)]
    late = [PLANTED_S.get(PATCHES.get(n, ""), 0.4) + shift_s for n in NAMES]
    gain = np.exp(-((CENTRES_S[:, None] - late) ** 2) / (2 * 0.03**2))
    predicted = 3 * gain[:, None] * codes + noise * rng.standard_normal(
        (len(CENTRES_S), n_items, len(NAMES))
    )
    return FactorCourses(NAMES, CENTRES_S, predicted, codes, 12)


@pytest.mark.parametrize("shift_s", [0.0, 0.06])
def test_a_planted_delay_is_found(rng, truth, shift_s):
    rows = latency_scores(courses(rng, shift_s), truth, TEMPLATE, 0, 200)
    by_target = {row.target: row for row in rows}
    names = [f"planted-{n}" for n in PATCHES]
    assert list(by_target) == [*names, "planted-categories"]  # what no patch carries is left out
    for row in rows:
        assert abs(row.value - shift_s) <= 0.02
        assert row.ci_low - 1e-9 <= row.value <= row.ci_high + 1e-9
        assert (row.metric, row.protocol, row.n_items) == ("peak_latency_error_s", "phantom", 60)
    assert "FFA planted at 0.170 s; the best linear decoder peaks at 0.20 s" in rows[0].note


def test_a_single_course_is_a_correlation(rng):
    found = courses(rng)
    rows = rng.integers(0, 60, 60)
    expected = [
        [np.corrcoef(window[rows, k], found.codes[rows, k])[0, 1] for k in range(len(NAMES))]
        for window in found.predicted
    ]
    np.testing.assert_allclose(found.r(rows), expected, atol=1e-6)


def test_windows_come_in_order_and_items_meet_their_codes(rng):
    codes = np.eye(2, dtype=np.float32)
    stimuli = pd.DataFrame({"stimulus_id": ["a", "b"], "stimulus_sha": ["a", "b"]})
    embeddings = Embeddings(codes, stimuli, {"model": "codes", "concepts": ["x", "y"]})
    rows = [
        ("measured", "sliding", 0.2, "b"),
        ("measured", "sliding", 0.0, "b"),
        ("measured", "sliding", 0.2, "a"),
        ("shuffled", "sliding", 0.0, "a"),
        ("measured", "full", 0.0, "a"),
        ("measured", "sliding", 0.0, "a"),
    ]
    items = pd.DataFrame(rows, columns=["brain", "window", "start_s", "stimulus_id"])
    items = items.assign(stop_s=items["start_s"] + 0.1, n_repeats=7)
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    found = factor_courses(Predictions(values, items, {}), embeddings)
    np.testing.assert_allclose(found.centres_s, [0.05, 0.25])
    np.testing.assert_array_equal(found.predicted, values[[[5, 1], [2, 0]]])
    np.testing.assert_array_equal(found.codes, codes)
    assert (found.names, found.n_repeats) == (["x", "y"], 7)


def trials(rng, n_shown, n_repeats, smooth=1, n_channels=8, n_times=40):
    """Give trials of signal and correlated noise, `smooth` neighbouring samples alike."""
    shown = np.repeat(np.arange(n_shown), n_repeats).astype(str)
    mixing = np.random.default_rng(3).normal(size=(n_channels, n_channels)) + 2 * np.eye(n_channels)
    white = rng.normal(size=(len(shown), n_channels, n_times + smooth - 1))
    noise = sum(white[:, :, i : i + n_times] for i in range(smooth)) / np.sqrt(smooth)
    signal = rng.normal(0, 2, (n_shown, n_channels, n_times))[shown.astype(int)]
    return signal + np.einsum("ij,njt->nit", mixing, noise), shown


def test_residuals_are_those_of_each_condition(rng):
    values, shown = trials(rng, 4, 3)
    shown[0] = "alone"
    found, owners = residuals(values, shown)
    expected = []
    for name in np.unique(shown):
        own = values[shown == name]
        if len(own) > 1:
            factor = np.sqrt(len(own) / (len(own) - 1))
            expected.append(factor * (own - own.mean(axis=0)))
    np.testing.assert_allclose(found, np.concatenate(expected))
    assert np.bincount(np.unique(owners, return_inverse=True)[1]).tolist() == [2, 3, 3, 3]


@pytest.mark.parametrize("smooth", [1, 6])
def test_the_level_of_theory_is_what_new_trials_have(rng, smooth):
    ratios = []
    for _ in range(20):
        values, shown = trials(rng, 6, 2, smooth)
        scaler = SensorScaler.fit(values, None, shown, None, "residual")
        fitted_on, owners = residuals(scaler.transform(values), shown)
        fresh, fresh_shown = trials(rng, 10, 4, smooth)
        found, _ = residuals(scaler.transform(fresh), fresh_shown)
        theory = expected_variance(fitted_on, owners)
        ratios.append((found**2).mean() / theory)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)


def test_without_shrinkage_theory_is_the_inverse_wishart_mean(rng):
    half = rng.normal(size=(30, 8, 40))
    covariance = np.einsum("nct,ndt->cd", half, half) / (30 * 40)
    white = np.linalg.inv(np.linalg.cholesky(covariance)) @ half
    # as residuals of two repeats: one is the other turned round
    pairs, owners = np.concatenate([white, -white]), np.tile(np.arange(30), 2)
    assert expected_variance(pairs, owners) == pytest.approx(whitened_variance(1200, 8), rel=2e-3)


def test_the_level_is_that_of_a_condition_left_out(rng):
    values, shown = trials(rng, 8, 2, 6)
    residual, owners = residuals(values, shown)
    flat = residual.transpose(0, 2, 1)
    covariance = np.einsum("ntc,ntd->cd", flat, flat) / (16 * 40)
    whitener = np.linalg.inv(np.linalg.cholesky(covariance))
    naive = []
    for name in np.unique(owners):
        rest, own = flat[owners != name].reshape(-1, 8), flat[owners == name].reshape(-1, 8)
        naive.append(np.trace(own @ np.linalg.inv(rest.T @ rest / len(rest)) @ own.T) / own.size)
    found = expected_variance(whitener @ residual, owners)
    assert found == pytest.approx(np.mean(naive), rel=1e-9)


def whitened(rng, n_leaked=0):
    """Whiten with training trials alone, or with the first test stimuli among them."""
    train, shown = trials(rng, 30, 2, 6, 40)
    test, test_shown = trials(rng, 12, 4, 6, 40)
    test_shown = np.char.add("test-", test_shown)
    is_leaked = np.isin(test_shown, np.unique(test_shown)[:n_leaked])
    fitted = np.concatenate([train, test[is_leaked]])
    fitted_shown = np.concatenate([shown, test_shown[is_leaked]])
    scaler = SensorScaler.fit(fitted, None, fitted_shown, None, "residual")
    both = [scaler.transform(values) for values in (train, test)]
    return Whitened(both[0], shown, both[1], test_shown)


def test_without_a_leak_test_trials_are_where_theory_has_them(rng):
    (row,) = whitening_scores([whitened(rng)], TEMPLATE, 0, 500)
    assert row.metric == "whitened_variance_over_theory"
    assert (row.n_items, row.ceiling) == (12, 1.0)
    assert row.value == pytest.approx(1.0, abs=0.03)
    assert row.ci_low <= 1.0 <= row.ci_high
    assert "theory 1.0" in row.note


@pytest.mark.parametrize("n_leaked", [4, 12])
def test_test_trials_in_the_whitening_set_are_caught(rng, n_leaked):
    found = whitened(rng, n_leaked)
    table = found.compare()
    is_leaked = np.arange(12) < n_leaked
    ratio = (table.sort_values("stimulus")["variance"] / table["theory"]).to_numpy()
    assert ratio[is_leaked].mean() < 0.95
    (row,) = whitening_scores([found], TEMPLATE, 0, 500)
    assert row.ci_high < 1.0


def test_sessions_are_gathered_and_what_was_not_repeated_is_said(rng):
    rows = whitening_scores([whitened(rng), whitened(rng)], TEMPLATE, 0, 100)
    assert rows[0].n_items == 12  # a stimulus of both sessions is one item
    once = whitened(rng)
    alone = Whitened(once.train, once.train_shown, once.test, np.arange(48).astype(str))
    (row,) = whitening_scores([alone], TEMPLATE, 0, 100)
    assert np.isnan(row.value)
    assert "nothing was repeated" in row.note
