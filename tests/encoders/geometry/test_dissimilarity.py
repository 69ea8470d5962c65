import numpy as np
import pytest
from scipy.spatial.distance import squareform

from calcarine.data.errors import CalcarineError
from calcarine.encoders.geometry.dissimilarity import (
    DISTANCES,
    correlation_distance,
    crossnobis,
    n_conditions_of,
    noise_precision,
    partition_means,
    squared_euclidean_distance,
)


def naive_crossnobis(partitions, precision):
    n_partitions, n_conditions, n_units = partitions.shape
    out = []
    for i in range(n_conditions):
        for j in range(i + 1, n_conditions):
            values = []
            for m in range(n_partitions):
                for k in range(n_partitions):
                    if m != k:
                        one = partitions[m, i] - partitions[m, j]
                        other = partitions[k, i] - partitions[k, j]
                        values.append(one @ precision @ other)
            out.append(np.mean(np.array(values)[np.isfinite(values)]) / n_units)
    return np.array(out)


def test_correlation_distance_is_one_minus_r(rng):
    patterns = rng.normal(size=(5, 7))
    expected = 1 - np.corrcoef(patterns)[np.triu_indices(5, 1)]
    np.testing.assert_allclose(correlation_distance(patterns), expected, atol=1e-12)


def test_euclidean_distance_is_the_mean_squared_difference(rng):
    patterns = rng.normal(size=(4, 6))
    i, j = np.triu_indices(4, 1)
    expected = ((patterns[i] - patterns[j]) ** 2).mean(axis=1)
    np.testing.assert_allclose(squared_euclidean_distance(patterns), expected)


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_follow_a_permutation_of_conditions_and_forget_that_of_units(name, rng):
    patterns = rng.normal(size=(6, 5))
    order = rng.permutation(6)
    square = squareform(DISTANCES[name](patterns))
    moved = squareform(DISTANCES[name](patterns[order][:, rng.permutation(5)]))
    np.testing.assert_allclose(moved, square[np.ix_(order, order)], atol=1e-12)


def test_crossnobis_equals_the_formula_written_naively(rng):
    partitions = rng.normal(size=(4, 5, 3))
    root = rng.normal(size=(3, 3))
    precision = root @ root.T + np.eye(3)
    np.testing.assert_allclose(
        crossnobis(partitions, precision), naive_crossnobis(partitions, precision), rtol=1e-10
    )


def test_crossnobis_leaves_out_what_a_partition_lacks(rng):
    partitions = rng.normal(size=(4, 5, 3))
    partitions[1, 2] = np.nan
    np.testing.assert_allclose(
        crossnobis(partitions), naive_crossnobis(partitions, np.eye(3)), rtol=1e-10
    )


def test_crossnobis_is_unbiased_where_a_plain_distance_is_not(rng):
    true = np.zeros((3, 20))
    true[2] = 1.0
    draws = [true + rng.normal(scale=2.0, size=(4, 3, 20)) for _ in range(400)]
    found = np.mean([crossnobis(d) for d in draws], axis=0)
    plain = np.mean([squared_euclidean_distance(d.mean(axis=0)) for d in draws], axis=0)
    np.testing.assert_allclose(found, [0, 1, 1], atol=0.1)
    assert plain[0] > 1.5  # 2 σ² / n_partitions = 2


def test_crossnobis_of_two_runs_without_noise_is_the_squared_distance(rng):
    patterns = rng.normal(size=(5, 4))
    np.testing.assert_allclose(
        crossnobis(np.stack([patterns, patterns])), squared_euclidean_distance(patterns)
    )


def test_noise_precision_inverts_the_covariance_where_trials_are_many(rng):
    root = np.array([[1.0, 0.0, 0.0], [0.6, 1.0, 0.0], [0.2, -0.3, 0.7]])
    residuals = rng.normal(size=(60_000, 3)) @ root.T
    covariance = root @ root.T
    np.testing.assert_allclose(noise_precision(residuals) @ covariance, np.eye(3), atol=0.05)


def test_noise_precision_exists_with_fewer_trials_than_units(rng):
    precision = noise_precision(rng.normal(size=(10, 40)))
    assert np.linalg.eigvalsh(precision).min() > 0


def test_partition_means_average_and_residuals_keep_the_variance_of_the_noise(rng):
    conditions = np.tile(np.arange(3), 2000)
    partitions = np.repeat(np.arange(2), 3000)
    true = rng.normal(size=(3, 2))
    values = true[conditions] + rng.normal(scale=1.5, size=(6000, 2))
    means, residuals = partition_means(values, conditions, partitions)
    np.testing.assert_allclose(
        means[1, 2], values[(conditions == 2) & (partitions == 1)].mean(axis=0)
    )
    np.testing.assert_allclose(residuals.var(axis=0), 2.25, rtol=0.05)


def test_partition_means_say_nan_where_a_condition_is_missing():
    means, residuals = partition_means(np.ones((3, 2)), np.array([0, 1, 0]), np.array([0, 0, 1]))
    assert np.isnan(means[1, 1]).all()
    assert residuals.shape == (2, 2)  # condition 1 was shown once


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: n_conditions_of(7), "no upper triangle"),
        (lambda: correlation_distance(np.ones((4, 5))), "4 patterns are constant"),
        (lambda: correlation_distance(np.full((4, 5), np.nan)), "not finite"),
        (lambda: crossnobis(np.ones((1, 3, 2))), "at least two partitions"),
        (lambda: noise_precision(np.ones((4, 2))), "no noise at all"),
    ],
)
def test_impossible_input_is_refused(call, message):
    with pytest.raises(CalcarineError, match=message):
        call()


def test_pairs_that_never_meet_are_refused(rng):
    partitions = rng.normal(size=(2, 3, 4))
    partitions[0, 0] = np.nan
    with pytest.raises(CalcarineError, match="2 pairs of conditions never stand together"):
        crossnobis(partitions)
