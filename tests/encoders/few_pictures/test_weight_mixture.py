"""Kinds of voxels against the formula, and planted kinds found again."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from calcarine.data.errors import CalcarineError
from calcarine.encoders.few_pictures.empirical_bayes import empirical_bayes_ridge
from calcarine.encoders.few_pictures.mixture_fit import fit_weight_mixture
from calcarine.encoders.few_pictures.weight_mixture import (
    WeightMixture,
    log_likelihood,
    mixture_weights,
)
from calcarine.encoders.few_pictures.weight_prior import WeightPrior, with_constant

CENTRES = np.array([[2.0, 0, 0, 0, 0], [0, -1.5, 1.5, 0, 0]])
NAMES = np.array(["left", "right"])


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def person(rng, n_trials=200, n_units=60, centres=CENTRES):
    """Features, responses and regions of voxels whose kind is their region's."""
    kind = rng.integers(0, len(centres), n_units)
    weights = centres[kind].T + 0.2 * rng.standard_normal((5, n_units))
    x = rng.standard_normal((n_trials, 5))
    return x, x @ weights + rng.standard_normal((n_trials, n_units)), NAMES[kind], weights


def mixture(rng, n_features=3):
    factors = rng.standard_normal((2, n_features + 1, n_features + 1))
    means = rng.standard_normal((2, n_features + 1))
    return WeightMixture(np.array([0.3, 0.7]), means, factors, np.array([[0.5], [2.0]]))


@pytest.mark.parametrize("n_pictures", [3, 9])
def test_weights_are_those_of_the_formula(rng, n_pictures):
    kinds = mixture(rng)
    x, y = rng.standard_normal((n_pictures, 3)), rng.standard_normal((n_pictures, 4))
    full = with_constant(x)
    weights, evidence = [], []
    for share, mean, factor, noise in zip(
        kinds.shares, kinds.means, kinds.factors, kinds.noise[:, 0], strict=True
    ):
        covariance = factor @ factor.T
        of_y = full @ covariance @ full.T + noise * np.eye(n_pictures)
        gain = covariance @ full.T @ np.linalg.inv(of_y)
        weights.append(mean[:, None] + gain @ (y - (full @ mean)[:, None]))
        evidence.append(share * multivariate_normal(full @ mean, of_y).pdf(y.T))
    odds = np.array(evidence) / np.sum(evidence, axis=0)
    wanted = sum(o * w for o, w in zip(odds, weights, strict=True))
    np.testing.assert_allclose(mixture_weights(x, y, kinds), wanted, rtol=1e-8)
    constant = 4 * n_pictures / 2 * np.log(2 * np.pi)
    wanted = np.log(np.sum(evidence, axis=0)).sum()
    assert log_likelihood(x, y, kinds) - constant == pytest.approx(wanted)


def test_one_kind_is_empirical_bayes(rng):
    prior = WeightPrior(
        rng.standard_normal(4), rng.standard_normal((4, 4)), np.array([0.3, 1.0, 2.0])
    )
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 5))
    wanted = empirical_bayes_ridge(x, y, prior)
    found = mixture_weights(x, y, WeightMixture.of(prior))
    np.testing.assert_allclose(found[:-1], wanted.coef, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[-1], wanted.intercept, rtol=1e-5, atol=1e-6)


def test_planted_kinds_are_found_and_counted(rng):
    people = [person(rng) for _ in range(2)]
    found = fit_weight_mixture([p[:2] for p in people], n_kinds=(1, 2, 4))
    assert len(found.shares) == 2
    order = np.argsort(-found.means[:, 0])
    np.testing.assert_allclose(found.means[order, :5], CENTRES, atol=0.15)


def test_one_kind_is_enough_where_there_is_one(rng):
    people = [person(rng, centres=CENTRES[:1])[:2] for _ in range(2)]
    assert len(fit_weight_mixture(people, n_kinds=(1, 4)).shares) == 1


def test_voxels_of_one_person_choose_the_number_too(rng):
    assert len(fit_weight_mixture([person(rng, n_units=120)[:2]], n_kinds=(1, 2)).shares) == 2


def test_a_region_tells_where_pictures_do_not(rng):
    teacher = person(rng)
    found = fit_weight_mixture([teacher[:2]], [teacher[2]], n_kinds=(2,))
    x, y, regions, weights = person(rng, n_trials=1)
    told = mixture_weights(x, y, found, regions)[:5]
    alone = mixture_weights(x, y, found)[:5]
    assert ((told - weights) ** 2).mean() < 0.5 * ((alone - weights) ** 2).mean()
    unknown = mixture_weights(x, y, found, np.full(len(regions), "elsewhere"))[:5]
    np.testing.assert_array_equal(unknown, alone)


def test_wrong_regions_give_way_to_many_pictures(rng):
    teacher = person(rng)
    found = fit_weight_mixture([teacher[:2]], [teacher[2]], n_kinds=(2,))
    x, y, regions, weights = person(rng)
    wrong = NAMES[(regions == NAMES[0]).astype(int)]
    assert np.abs(mixture_weights(x, y, found, wrong)[:5] - weights).mean() < 0.1


def test_before_any_picture_the_region_gives_the_mean(rng):
    teacher = person(rng)
    found = fit_weight_mixture([teacher[:2]], [teacher[2]], n_kinds=(2,))
    means = found.mean_weights(NAMES, 2)[:5].T
    np.testing.assert_allclose(means, CENTRES, atol=0.2)


def test_arrays_give_the_mixture_back(rng):
    teacher = person(rng)
    found = fit_weight_mixture([teacher[:2]], [teacher[2]], n_kinds=(2,))
    again = WeightMixture.from_arrays(found.arrays(), found.regions)
    x, y, regions, _ = person(rng, n_trials=4)
    np.testing.assert_array_equal(
        mixture_weights(x, y, again, regions), mixture_weights(x, y, found, regions)
    )


def test_nobody_is_refused():
    with pytest.raises(CalcarineError, match="people with the same features"):
        fit_weight_mixture([])
