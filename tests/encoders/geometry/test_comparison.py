import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from calcarine.data.errors import CalcarineError
from calcarine.encoders.geometry.comparison import COMPARISONS, compare


def naive_kendall_a(a, b):
    n = len(a)
    total = sum(
        np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]) for i in range(n) for j in range(i + 1, n)
    )
    return total / (n * (n - 1) / 2)


@pytest.mark.parametrize("n_values", [4, 1000])  # with many ties and without
def test_comparisons_equal_scipy_and_the_naive_formula(n_values, rng):
    first = rng.integers(0, n_values, size=(2, 45)).astype(float)
    second = rng.integers(0, n_values, size=(3, 45)).astype(float)
    oracles = {
        "pearson": lambda a, b: pearsonr(a, b)[0],
        "spearman": lambda a, b: spearmanr(a, b)[0],
        "kendall-a": naive_kendall_a,
        "cosine": lambda a, b: a @ b / np.sqrt((a @ a) * (b @ b)),
    }
    assert oracles.keys() == COMPARISONS.keys()
    for method, oracle in oracles.items():
        expected = [[oracle(a, b) for b in second] for a in first]
        np.testing.assert_allclose(compare(first, second, method), expected, atol=1e-12)


def test_unknown_pairs_are_left_out_of_all(rng):
    first, second = rng.normal(size=(2, 2, 21))
    holed = second.copy()
    holed[1, [3, 8]] = np.nan
    kept = np.setdiff1d(np.arange(21), [3, 8])
    np.testing.assert_allclose(compare(first, holed), compare(first[:, kept], second[:, kept]))


def test_ranks_survive_a_monotone_change_and_correlation_a_linear_one(rng):
    first, second = rng.normal(size=(2, 1, 28))
    np.testing.assert_allclose(compare(np.exp(first), second), compare(first, second))
    np.testing.assert_allclose(
        compare(3 * first + 2, second, "pearson"), compare(first, second, "pearson")
    )


def test_a_constant_rdm_matches_nothing(rng):
    assert np.isnan(compare(np.full(10, 0.3), rng.normal(size=10))[0, 0])


def test_impossible_input_is_refused(rng):
    with pytest.raises(CalcarineError, match="expected one of"):
        compare(np.ones(3), np.ones(3), "kendall")
    with pytest.raises(CalcarineError, match="10 dissimilarities cannot be compared with 6"):
        compare(np.ones(10), np.ones(6))
    with pytest.raises(CalcarineError, match="only 2 pairs"):
        compare(np.array([1.0, 2.0, np.nan]), np.arange(3.0))
