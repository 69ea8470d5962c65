import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.banded import BandedSettings, solve_banded
from calcarine.encoders.ridge.estimators import GroupRidgeCV, RidgeCV
from calcarine.encoders.ridge.solver import RidgeSettings, solve_ridge


@parametrize_with_checks([RidgeCV(), RidgeCV(method="gcv"), GroupRidgeCV()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_holds_the_solution_of_the_solver(rng):
    x, groups = rng.standard_normal((60, 7)), np.arange(60) // 4
    y = x @ rng.standard_normal((7, 3)) + rng.standard_normal((60, 3))
    found = RidgeCV(n_folds=3).fit(x, y, groups=groups)
    solution = solve_ridge(x, y, groups, n_folds=3)
    np.testing.assert_array_equal(found.coef_, solution.coef)
    np.testing.assert_array_equal(found.alpha_, solution.alpha)
    np.testing.assert_array_equal(found.cv_score_, solution.cv_score)
    assert found.edge_share_ == solution.edge_share
    np.testing.assert_allclose(found.predict(x), x @ solution.coef + solution.intercept)


def test_one_dimensional_targets_give_numbers(rng):
    x = rng.standard_normal((50, 4))
    y = x @ rng.standard_normal(4) + 2.0
    found = RidgeCV().fit(x, y)
    assert found.coef_.shape == (4,)
    assert np.isscalar(found.alpha_)
    assert found.predict(x).shape == (50,)
    assert found.score(x, y) > 0.999


def test_works_inside_a_pipeline(rng):
    x = rng.standard_normal((80, 5)) * [1, 10, 100, 0.1, 0.01]
    y = (x / x.std(0)) @ rng.standard_normal((5, 2)) + 0.1 * rng.standard_normal((80, 2))
    assert cross_val_score(make_pipeline(StandardScaler(), RidgeCV()), x, y).min() > 0.9


def test_errors_come_from_the_solver(rng):
    y = rng.standard_normal((20, 3))
    y[4, 1] = np.nan
    with pytest.raises(CalcarineError, match=r"\[\(4, 1\)\]"):
        RidgeCV().fit(rng.standard_normal((20, 2)), y)


def test_group_ridge_holds_the_solution_of_the_solver(rng):
    x, bands = rng.standard_normal((60, 7)), np.array([0, 0, 0, 1, 1, 2, 2])
    y = x @ rng.standard_normal((7, 3)) + rng.standard_normal((60, 3))
    found = GroupRidgeCV(bands, n_candidates=3, random_state=4).fit(x, y)
    solution = solve_banded(x, y, bands, settings=BandedSettings(n_candidates=3, seed=4))
    np.testing.assert_array_equal(found.coef_, solution.coef)
    np.testing.assert_array_equal(found.shares_, solution.shares)
    np.testing.assert_array_equal(found.band_scores_, solution.band_scores)
    np.testing.assert_allclose(found.predict(x), x @ solution.coef + solution.intercept)
    single = GroupRidgeCV(bands, n_candidates=3).fit(x, y[:, 0])
    assert single.shares_.shape == (3,)
    assert np.isscalar(single.cv_score_)


def test_search_and_settings_reach_the_solver(rng):
    x = rng.standard_normal((60, 200))
    y = x @ rng.standard_normal((200, 2)) + rng.standard_normal((60, 2))
    settings = RidgeSettings(route="pca", max_axes=9)
    found = RidgeCV(search="continuous", settings=settings).fit(x, y)
    solution = solve_ridge(x, y, search="continuous", settings=settings)
    np.testing.assert_array_equal(found.coef_, solution.coef)
