import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student_t

from calcarine.data.time_windows import Window
from calcarine.decoders.meeg.latency import (
    corrected_p,
    onset_latency,
    peak_latency,
    share_above_before_onset,
)

WINDOWS = [Window(round(0.1 * i, 3), round(0.1 * i + 0.1, 3)) for i in range(-2, 4)]


def test_the_peak_is_the_window_of_the_highest_mean():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((6, 200)) * 0.1
    values[4] += 1
    assert peak_latency(values, WINDOWS, seed=0) == pytest.approx((0.25, 0.25, 0.25))


def test_an_uncertain_peak_has_a_wide_interval():
    values = np.random.default_rng(1).standard_normal((6, 30))
    _, low, high = peak_latency(values, WINDOWS, seed=0)
    assert high - low >= 0.3


def test_clusters_are_drawn_together():
    rng = np.random.default_rng(2)
    values = np.zeros((2, 60))
    clusters = np.repeat([0, 1, 2], 20)
    values[0, clusters < 2] = 1
    values[1, clusters == 2] = 1.9
    values += 1e-3 * rng.standard_normal(values.shape)
    of_items = peak_latency(values, WINDOWS[:2], 0)
    of_clusters = peak_latency(values, WINDOWS[:2], 0, clusters=clusters)
    assert of_items[0] == of_clusters[0] == pytest.approx(-0.15)
    assert of_clusters[2] == pytest.approx(-0.05)
    one = peak_latency(values, WINDOWS[:2], 0, clusters=np.zeros(60))
    assert np.isnan(one[1:]).all()


def test_items_that_could_not_be_scored_are_left_out():
    values = np.zeros((6, 10))
    values[3] = 1
    values[5, 0] = np.nan
    assert peak_latency(values, WINDOWS, 0)[0] == pytest.approx(0.15)
    assert np.isnan(peak_latency(np.full((6, 2), np.nan), WINDOWS, 0)).all()


def test_onset_needs_two_windows_in_a_row_after_the_stimulus():
    above = np.array([True, True, False, True, True, True])
    assert onset_latency(above, WINDOWS) == pytest.approx(0.15)
    assert np.isnan(onset_latency(np.array([True, True, True, False, True, False]), WINDOWS))


def test_windows_before_onset_are_counted():
    share, n_before = share_above_before_onset(np.array([True, False, True, 1, 1, 1]), WINDOWS)
    assert (share, n_before) == (0.5, 2)
    assert np.isnan(share_above_before_onset(np.ones(2, bool), WINDOWS[2:4])[0])


def overlapping(rng, n_windows, n_items):
    """Give windows that share two thirds of their samples, without a signal."""
    samples = rng.standard_normal((n_windows + 2, n_items))
    return np.stack([samples[i : i + 3].mean(axis=0) for i in range(n_windows)])


def test_corrected_windows_keep_their_rate_where_plain_ones_do_not():
    rng = np.random.default_rng(0)
    corrected, plain = 0, 0
    for number in range(300):
        values = overlapping(rng, 12, 40)
        corrected += corrected_p(values, 0.0, number, 400).min() <= 0.05
        error = values.std(axis=1, ddof=1) / np.sqrt(40)
        plain += bool((values.mean(axis=1) / error > 1.685).any())  # t of 39, one-sided 5 %
    assert binomtest(corrected, 300, 0.05).pvalue > 0.01
    assert plain / 300 > 0.2


def test_what_is_there_survives_the_correction():
    values = overlapping(np.random.default_rng(1), 12, 40)
    values[5] += 1.5
    p = corrected_p(values, 0.0, 0)
    assert p[5] < 0.01
    # the same scores seen through a monotone function, with its chance level
    bent = corrected_p(values, float(np.exp(0.0)), 0, convert=lambda m: float(np.exp(m)))
    assert bent[5] < 0.01
    one = corrected_p(values[:1], 0.0, 0, 20000)[0]
    t = values[0].mean() / (values[0].std(ddof=1) / np.sqrt(40))
    assert one == pytest.approx(student_t.sf(t, 39), abs=0.02)


def test_few_clusters_are_no_independent_items():
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(4), 25)
    found = [
        corrected_p(rng.standard_normal((1, 4))[:, clusters], 0.0, i, 400, clusters)[0]
        for i in range(200)
    ]
    assert (np.array(found) <= 0.05).mean() < 0.15
    assert np.isnan(corrected_p(np.zeros((2, 10)), 0.0, 0, clusters=np.zeros(10))).all()
    assert np.isnan(corrected_p(np.full((2, 3), np.nan), 0.0, 0)).all()
