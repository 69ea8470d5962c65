import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import r2_score

from calcarine.data.errors import CalcarineError
from calcarine.encoders.encoding_scores import (
    bootstrap_correlations,
    correlation,
    encoding_scores,
    r2,
    r_over_ceiling,
    summary_interval,
    unit_intervals,
)


@pytest.fixture
def responses(rng):
    measured = rng.standard_normal((40, 7))
    predicted = 0.5 * measured + rng.standard_normal((40, 7)) * np.linspace(0.1, 3, 7)
    return measured, predicted


def test_r_equals_scipy(responses):
    measured, predicted = responses
    expected = [pearsonr(y, x).statistic for y, x in zip(measured.T, predicted.T, strict=True)]
    np.testing.assert_allclose(correlation(measured, predicted), expected, atol=1e-12)
    shifted = correlation(measured + 1e5, 1e-3 * predicted - 40)
    np.testing.assert_allclose(shifted, expected, atol=1e-6)


def test_r2_about_the_training_mean(responses):
    measured, predicted = responses
    mean = measured.mean(axis=0)
    expected = r2_score(measured, predicted, multioutput="raw_values")
    np.testing.assert_allclose(r2(measured, predicted, mean), expected)
    training_mean = np.full(7, 0.3)
    np.testing.assert_allclose(r2(measured, np.full((40, 7), 0.3), training_mean), 0.0, atol=1e-12)
    np.testing.assert_allclose(r2(measured, measured), 1.0)


def test_constant_predictions_and_constant_responses(responses):
    measured, _ = responses
    measured[:, 2] = 1e3 + 0.1
    constant = np.full((40, 7), 0.1)
    r = correlation(measured, constant)
    assert np.isnan(r[2])
    np.testing.assert_array_equal(np.delete(r, 2), 0.0)


def test_ratio_is_withheld_below_the_floor():
    r, ceiling = np.array([0.3, 0.3, 0.3, 0.3]), np.array([0.6, 0.3, 0.29, np.nan])
    np.testing.assert_allclose(r_over_ceiling(r, ceiling), [0.5, 1.0, np.nan, np.nan])
    np.testing.assert_allclose(r_over_ceiling(r, ceiling, floor=0.5), [0.5, *[np.nan] * 3])
    both = r_over_ceiling(np.stack([r, 2 * r]), ceiling)
    np.testing.assert_allclose(both[1, :2], [1.0, 2.0])


def test_table_has_the_exact_names(responses):
    measured, predicted = responses
    ceiling = np.linspace(0.2, 0.9, 7)
    table = encoding_scores(measured, predicted, ceiling)
    assert list(table.columns) == ["r", "r2", "r_over_ceiling"]
    np.testing.assert_allclose(table["r_over_ceiling"], r_over_ceiling(table["r"], ceiling))
    assert encoding_scores(measured, predicted)["r_over_ceiling"].isna().all()


def test_unit_intervals_equal_a_plain_bootstrap(responses):
    measured, predicted = responses
    low, high = unit_intervals(measured, predicted, seed=3, n_draws=60, level=0.8)
    draws = np.random.default_rng(3).integers(0, 40, (60, 40))
    for unit in range(7):
        r = [pearsonr(measured[rows, unit], predicted[rows, unit]).statistic for rows in draws]
        np.testing.assert_allclose([low[unit], high[unit]], np.quantile(r, [0.1, 0.9]), atol=1e-12)


def test_intervals_cover_at_their_level(rng):
    covered = []
    for seed in range(200):
        x = rng.standard_normal((60, 1))
        y = 0.6 * x + 0.8 * rng.standard_normal((60, 1))
        low, high = unit_intervals(y, x, seed, n_draws=200)
        covered.append(low[0] <= 0.6 <= high[0])
    assert 0.88 <= np.mean(covered) <= 0.99


def test_summary_of_one_unit_is_its_interval(responses):
    measured, predicted = responses
    low, high = unit_intervals(measured, predicted, seed=5, n_draws=500)
    ours = summary_interval(measured, predicted, lambda r: r[:, 4], seed=5, n_draws=500)
    np.testing.assert_allclose(ours, (low[4], high[4]))
    again = summary_interval(measured, predicted, lambda r: r[:, 4], seed=5, n_draws=500)
    assert again == ours
    low, high = summary_interval(measured, predicted, lambda r: np.median(r, axis=1), seed=5)
    assert low < np.median(correlation(measured, predicted)) < high


def test_wrong_input_is_named(responses):
    measured, predicted = responses
    with pytest.raises(CalcarineError, match=r"\(40, 7\), predicted \(40, 6\)"):
        correlation(measured, predicted[:, :6])
    with pytest.raises(CalcarineError, match="at least two items"):
        r2(measured[:1], predicted[:1])
    with pytest.raises(CalcarineError, match=r"\(3,\) noise ceilings"):
        r_over_ceiling(np.zeros(4), np.ones(3))
    with pytest.raises(CalcarineError, match="floor of the noise ceiling is 0"):
        r_over_ceiling(np.zeros(3), np.ones(3), floor=0)


def test_many_units_are_correlated_as_few_are(rng, monkeypatch):
    measured, predicted = rng.standard_normal((2, 30, 23))
    whole = correlation(measured, predicted)
    drawn = bootstrap_correlations(measured, predicted, 3, 70)
    monkeypatch.setattr("calcarine.encoders.encoding_scores._UNITS_AT_A_TIME", 5)
    np.testing.assert_allclose(correlation(measured, predicted), whole, rtol=1e-12)
    np.testing.assert_allclose(bootstrap_correlations(measured, predicted, 3, 70), drawn, rtol=1e-9)
