import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.encoders.few_pictures.empirical_bayes import empirical_bayes_ridge
from calcarine.encoders.few_pictures.weight_prior import (
    WeightPrior,
    fit_weight_prior,
    voxel_posteriors,
    with_constant,
)
from calcarine.encoders.ridge.solver import solve_ridge

N_FEATURES = 6


@pytest.fixture
def planted(rng):
    mean = rng.normal(size=N_FEATURES + 1)
    factor = 0.5 * rng.normal(size=(N_FEATURES + 1, N_FEATURES + 1))
    return WeightPrior(mean, factor, np.array([0.7]))


def voxels(prior, n_pictures, n_units, rng):
    x = rng.normal(size=(n_pictures, N_FEATURES))
    drawn = rng.normal(size=(N_FEATURES + 1, n_units))
    weights = prior.mean[:, None] + prior.factor @ drawn
    noise = np.sqrt(prior.noise[0]) * rng.normal(size=(n_pictures, n_units))
    return x, with_constant(x) @ weights + noise, weights


@pytest.mark.parametrize("n_pictures", [3, 7, 40])
def test_weights_are_those_of_the_formula(planted, rng, n_pictures):
    x, y, _ = voxels(planted, n_pictures, 5, rng)
    found = empirical_bayes_ridge(x, y, planted)
    design, sigma = with_constant(x), planted.covariance
    inner = design @ sigma @ design.T + 0.7 * np.eye(n_pictures)
    naive = planted.mean[:, None] + sigma @ design.T @ np.linalg.solve(
        inner, y - (design @ planted.mean)[:, None]
    )
    np.testing.assert_allclose(found.coef, naive[:-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.intercept, naive[-1], rtol=1e-4, atol=1e-5)


def test_unknown_noise_is_averaged_by_its_likelihood(planted, rng):
    x, y, _ = voxels(planted, 9, 4, rng)
    levels = np.array([0.1, 0.7, 3.0])
    found = empirical_bayes_ridge(x, y, WeightPrior(planted.mean, planted.factor, levels))
    design = with_constant(x)
    each, likelihood = [], []
    for level in levels:
        one = WeightPrior(planted.mean, planted.factor, np.array([level]))
        each.append(empirical_bayes_ridge(x, y, one).coef)
        cov = design @ planted.covariance @ design.T + level * np.eye(9)
        error = y - (design @ planted.mean)[:, None]
        fit = (error * np.linalg.solve(cov, error)).sum(axis=0)
        likelihood.append(-0.5 * (fit + np.linalg.slogdet(cov)[1]))
    odds = np.exp(likelihood - np.max(likelihood, axis=0))
    odds /= odds.sum(axis=0)
    np.testing.assert_allclose(found.coef, (np.stack(each) * odds[:, None]).sum(axis=0), rtol=1e-3)


def test_the_prior_is_found_again(planted, rng):
    people = [voxels(planted, 200, 600, rng)[:2] for _ in range(2)]
    found = fit_weight_prior(people)
    np.testing.assert_allclose(found.mean, planted.mean, atol=0.2)
    error = np.linalg.norm(found.covariance - planted.covariance)
    assert error < 0.15 * np.linalg.norm(planted.covariance)
    np.testing.assert_allclose(np.median(found.noise), 0.7, rtol=0.05)


def test_few_pictures_suffice_where_the_prior_holds(planted, rng):
    learned = fit_weight_prior([voxels(planted, 150, 300, rng)[:2]])
    x, y, weights = voxels(planted, 10, 200, rng)
    found = empirical_bayes_ridge(x, y, learned)
    ridge = solve_ridge(x.astype(np.float32), y.astype(np.float32), np.arange(10))
    new = rng.normal(size=(300, N_FEATURES))
    truth = with_constant(new) @ weights
    error = ((found.predict(new) - truth) ** 2).mean()
    assert error < 0.8 * ((new @ ridge.coef + ridge.intercept - truth) ** 2).mean()


def test_many_pictures_outweigh_the_prior(planted, rng):
    wrong = WeightPrior(planted.mean + 1, planted.factor, planted.noise)
    x, y, weights = voxels(planted, 20_000, 3, rng)
    np.testing.assert_allclose(empirical_bayes_ridge(x, y, wrong).coef, weights[:-1], atol=0.05)


def test_people_need_the_same_features(rng):
    people = [(rng.normal(size=(9, n)), rng.normal(size=(9, 2))) for n in (3, 4)]
    with pytest.raises(CalcarineError, match=r"got 2 with \[3, 4\] features"):
        fit_weight_prior(people)


def test_posteriors_are_those_of_the_formula(planted, rng):
    x, y, _ = voxels(planted, 30, 3, rng)
    found = voxel_posteriors(x, y, planted)
    design = with_constant(x) @ planted.factor
    residual = y - (with_constant(x) @ planted.mean)[:, None]
    for unit in range(3):
        precision = design.T @ design / found.noise[unit] + np.eye(N_FEATURES + 1)
        mean = np.linalg.solve(precision, design.T @ residual[:, unit] / found.noise[unit])
        np.testing.assert_allclose(found.mean[:, unit], mean, atol=1e-6)
        covariance = (found.axes * found.variance[:, unit]) @ found.axes.T
        np.testing.assert_allclose(covariance, np.linalg.inv(precision), atol=1e-6)
    drawn = found.draw(np.zeros(4000, dtype=int), rng)
    covariance = (found.axes * found.variance[:, 0]) @ found.axes.T
    np.testing.assert_allclose(np.cov(drawn), covariance, atol=0.08)
