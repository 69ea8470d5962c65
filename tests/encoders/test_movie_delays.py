"""Delays for one long film: the planted response shape, and folds that keep their distance."""

import numpy as np
import pytest

from calcarine.encoders.ridge.folds import purged_folds
from calcarine.encoders.ridge.solver import solve_ridge
from calcarine.encoders.temporal_response import TemporalResponse, lagged

TR_S = 1.5
KERNEL = np.array([0.2, 1.0, 0.7, 0.1])


def film(rng, n=600, noise=1.0):
    """Three features drive four voxels one to four volumes later; noise drifts."""
    stimulus = rng.normal(size=(n, 3))
    weights = rng.normal(size=(3, 4))
    drive = lagged(stimulus, [1, 2, 3, 4], np.zeros(n)).reshape(n, 3, 4) @ KERNEL @ weights
    drift = rng.normal(size=(n, 4))
    for t in range(1, n):
        drift[t] += 0.8 * drift[t - 1]
    return stimulus, drive + noise * drift, weights


def encoder(gap_s):
    return TemporalResponse(TR_S, 4 * TR_S, 1 / TR_S, 5, gap_s)


def test_the_planted_shape_is_recovered_from_one_film(rng):
    stimulus, responses, weights = film(rng, noise=0.3)
    found = encoder(9.0).fit(stimulus, responses, np.zeros(600))
    np.testing.assert_allclose(found.lags_s_, [1.5, 3, 4.5, 6])
    expected = weights[:, None, :] * KERNEL[None, :, None]
    assert np.corrcoef(found.kernels_.ravel(), expected.ravel())[0, 1] > 0.97
    new_stimulus, _, _ = film(np.random.default_rng(1))
    drive = lagged(new_stimulus, [1, 2, 3, 4], np.zeros(600)).reshape(600, 3, 4) @ KERNEL @ weights
    assert found.score(new_stimulus, drive, np.zeros(600)).min() > 0.95


def test_penalties_are_those_of_purged_folds(rng):
    stimulus, responses, _ = film(rng)
    found = encoder(9.0).fit(stimulus, responses, np.zeros(600))
    folds = purged_folds(600, 5, gap=6 + 4)  # nine seconds, and the reach of the lags
    features = lagged(stimulus, range(1, 5), np.zeros(600))
    expected = solve_ridge(features, responses, folds=folds)
    np.testing.assert_allclose(found.alpha_, expected.alpha)
    np.testing.assert_allclose(found.kernels_.reshape(12, 4), expected.coef, rtol=1e-5)


def test_without_a_gap_neighbours_in_time_give_drifting_noise_away(rng):
    """Features that drift with the noise look predictive unless folds keep their distance."""
    n = 500
    slow, noise = drifting(rng, n, 60), drifting(rng, n, 8)
    shuffled = solve_ridge(slow, noise, groups=rng.integers(0, 100, n))
    purged = solve_ridge(slow, noise, folds=purged_folds(n, 5, gap=40))
    assert np.median(shuffled.cv_score) > 0.3
    assert np.median(purged.cv_score) < 0.05


def drifting(rng, n, n_columns):
    out = rng.normal(size=(n, n_columns))
    for t in range(1, n):
        out[t] += 0.97 * out[t - 1]
    return out


def test_a_film_without_gap_needs_segments(rng):
    stimulus, responses, _ = film(rng)
    with pytest.raises(ValueError, match="or give `gap_s`"):
        encoder(None).fit(stimulus, responses, np.zeros(600))
