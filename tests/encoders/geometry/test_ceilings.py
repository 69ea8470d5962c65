import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import rankdata, spearmanr

from calcarine.data.errors import CalcarineError
from calcarine.encoders.geometry.ceilings import geometry_ceilings, pooled
from calcarine.encoders.geometry.comparison import compare


def noisy_subjects(rng, n_subjects=5, noise=1.0):
    return rng.normal(size=36) + noise * rng.normal(size=(n_subjects, 36))


def test_ceilings_equal_the_leave_one_out_formula(rng):
    rdms = noisy_subjects(rng)
    ranks = np.stack([rankdata(r) for r in rdms])
    bounds = geometry_ceilings(rdms)
    for i in range(5):
        others = np.delete(ranks, i, axis=0).mean(axis=0)
        assert bounds.lower[i] == pytest.approx(spearmanr(rdms[i], others)[0])
        assert bounds.upper[i] == pytest.approx(spearmanr(rdms[i], ranks.mean(axis=0))[0])


def test_no_model_exceeds_the_upper_bound_of_pearson(rng):
    rdms = noisy_subjects(rng, n_subjects=3)
    bound = geometry_ceilings(rdms, "pearson").upper.mean()
    best = minimize(lambda m: -compare(rdms, m, "pearson").mean(), rng.normal(size=36))
    assert -best.fun <= bound + 1e-6
    assert -best.fun == pytest.approx(bound, abs=1e-3)


def test_no_model_exceeds_the_upper_bound_of_spearman(rng):
    rdms = noisy_subjects(rng, n_subjects=3)
    bound = geometry_ceilings(rdms).upper.mean()
    near = pooled(rdms) + rng.normal(scale=2.0, size=(200, 36))
    assert compare(rdms, near).mean(axis=0).max() <= bound + 1e-12


@pytest.mark.parametrize("method", ["spearman", "pearson", "cosine", "kendall-a"])
def test_the_bounds_close_as_noise_goes(method, rng):
    gaps = []
    for noise in (1.0, 0.1):
        bounds = geometry_ceilings(5 + noisy_subjects(rng, noise=noise), method)
        assert bounds.lower.mean() < bounds.upper.mean()
        gaps.append(bounds.upper.mean() - bounds.lower.mean())
    assert gaps[1] < gaps[0]


def test_one_subject_has_no_ceiling(rng):
    with pytest.raises(CalcarineError, match="at least two"):
        geometry_ceilings(rng.normal(size=(1, 10)))
