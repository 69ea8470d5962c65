import numpy as np
import pytest
from scipy.spatial.distance import squareform

from calcarine.data.errors import CalcarineError
from calcarine.encoders.geometry.comparison import compare
from calcarine.encoders.geometry.dissimilarity import correlation_distance
from calcarine.encoders.geometry.resampling import (
    bootstrap_ceilings,
    bootstrap_comparisons,
    permutation_p,
    permuted_comparisons,
)


def planted(rng, n_subjects=3, n_conditions=12, noise=1.0):
    truth = rng.normal(size=(n_conditions, 30))
    measured = [
        correlation_distance(truth + noise * rng.normal(size=truth.shape))
        for _ in range(n_subjects)
    ]
    return np.stack(measured), correlation_distance(truth)


@pytest.mark.parametrize("method", ["spearman", "pearson", "cosine", "kendall-a"])
@pytest.mark.parametrize("n_values", [5, 1000])  # many ties, none
def test_draws_are_those_of_drawn_squares(method, n_values, rng):
    """The bootstrap by weights equals drawing rows and columns of the square matrix."""
    measured, models = rng.integers(0, n_values, (2, 2, 28)).astype(float)
    models[0, 3] = measured[1, 7] = np.nan
    found = bootstrap_comparisons(measured, models, 9, n_draws=4, method=method)
    same = np.random.default_rng(9)
    for row in found:
        drawn = same.integers(0, 8, size=(8,))
        i, j = np.triu_indices(8, 1)
        kept = drawn[i] != drawn[j]
        rows, others = (
            np.stack([squareform(r, checks=False)[np.ix_(drawn, drawn)][i, j][kept] for r in rdms])
            for rdms in (measured, models)
        )
        np.testing.assert_allclose(row, compare(rows, others, method).mean(axis=0), atol=1e-10)


def test_bootstrap_over_subjects_matches_the_formula(rng):
    measured, model = planted(rng)
    each = compare(measured, model)[:, 0]
    drawn = bootstrap_comparisons(measured, model[None], 5, n_draws=4000, over="subjects")
    assert drawn.mean() == pytest.approx(each.mean(), abs=0.01)
    assert drawn.std() == pytest.approx(each.std() / np.sqrt(3), rel=0.08)


def test_intervals_over_stimuli_cover_the_value_of_many_stimuli(rng):
    """Of 40 experiments of 20 stimuli, nearly all intervals hold the value of 200 stimuli."""
    many = rng.normal(size=(200, 30))
    noisy = many + 1.5 * rng.normal(size=many.shape)
    true = compare(correlation_distance(noisy), correlation_distance(many))[0, 0]
    hits = 0
    for i in range(40):
        rows = rng.choice(200, 20, replace=False)
        drawn = bootstrap_comparisons(
            correlation_distance(noisy[rows])[None],
            correlation_distance(many[rows])[None],
            seed=i,
            n_draws=150,
        )
        low, high = np.quantile(drawn, [0.025, 0.975])
        hits += low <= true <= high
    assert hits >= 33


def test_drawing_both_is_wider_than_drawing_one(rng):
    measured, model = planted(rng, noise=2.0)
    spread = {
        over: bootstrap_comparisons(measured, model[None], 1, 300, over=over).std()
        for over in ("stimuli", "subjects", "both")
    }
    assert spread["both"] > max(spread["stimuli"], spread["subjects"])


def test_permuted_stimuli_match_by_chance_and_planted_ones_do_not(rng):
    measured, model = planted(rng)
    models = np.stack([model, rng.random(66)])
    null = permuted_comparisons(measured, models, seed=2, n_draws=400)
    assert abs(null.mean(axis=0)).max() < 0.05
    p = permutation_p(compare(measured, models).mean(axis=0), null)
    assert p[0] < 0.01
    assert p[1] > 0.01


@pytest.mark.parametrize("method", ["spearman", "pearson", "cosine", "kendall-a"])
def test_permuted_comparisons_equal_those_of_permuted_squares(method, rng):
    measured, models = rng.random((2, 2, 15))
    found = permuted_comparisons(measured, models, seed=4, n_draws=3, method=method)
    order = np.random.default_rng(4)
    for row in found:
        square = np.stack([squareform(m) for m in models])
        chosen = order.permutation(6)
        moved = np.stack([squareform(s[np.ix_(chosen, chosen)]) for s in square])
        np.testing.assert_allclose(row, compare(measured, moved, method).mean(axis=0))


def test_p_values_are_uniform_where_nothing_is_planted(rng):
    p = [
        permutation_p(
            compare(a, b)[:, 0], permuted_comparisons(a[None], b[None], seed=i, n_draws=99)
        )[0]
        for i, (a, b) in enumerate(rng.random((100, 2, 28)))
    ]
    assert 0.4 < np.mean(p) < 0.6
    assert np.mean(np.array(p) <= 0.1) <= 0.2


def test_draws_descend_from_the_seed(rng):
    measured, model = planted(rng)
    one, same, other = (
        bootstrap_comparisons(measured, model[None], seed, 20) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_bootstrapped_ceilings_stay_in_order(rng):
    drawn = bootstrap_ceilings(planted(rng)[0], seed=0, n_draws=30)
    assert drawn.shape == (30, 2)
    assert (drawn[:, 0] < drawn[:, 1]).all()


def test_an_unknown_unit_of_resampling_is_refused(rng):
    with pytest.raises(CalcarineError, match="'stimuli', 'subjects' or 'both'"):
        bootstrap_comparisons(rng.random((2, 10)), rng.random((1, 10)), 0, 2, over="runs")
