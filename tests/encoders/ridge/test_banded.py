import numpy as np
import pytest
from himalaya.ridge import solve_group_ridge_random_search
from sklearn.model_selection import PredefinedSplit

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.band_search import BandProblem, relative_grid, share_gradient
from calcarine.encoders.ridge.banded import BandedSettings, solve_banded
from calcarine.encoders.ridge.bands import band_shares, make_bands
from calcarine.encoders.ridge.folds import Folds, grouped_folds
from calcarine.encoders.ridge.losses import ALL, KFoldLoss
from calcarine.encoders.ridge.solver import solve_ridge
from calcarine.encoders.ridge.summing import add_responses, feature_statistics

BANDS = np.repeat(["pixels", "objects", "words"], [6, 9, 4])


@pytest.fixture
def planted(rng):
    """Plant targets of one band each, of all bands and of none; features overlap across bands."""
    x = rng.standard_normal((150, 19)) + 0.4 * rng.standard_normal((150, 1)) + 2.0
    weights = rng.standard_normal((19, 40))
    weights[BANDS != "pixels", :10] = 0
    weights[BANDS != "objects", 10:20] = 0
    weights[:, 30:] = 0
    y = x @ weights + 1.5 * rng.standard_normal((150, 40)) + 9.0
    return x.astype(np.float32), y.astype(np.float32)


def test_equals_himalaya_at_the_same_candidates(planted, rng):
    x, y = planted
    gammas = np.concatenate([np.full((1, 3), 1 / 3), rng.dirichlet(np.ones(3), 7)])
    folds = grouped_folds(150, None, 5)
    relative = np.logspace(-3, 3, 9)
    settings = BandedSettings(shares=gammas, n_refinements=0, equal_bands=False)
    for gamma in gammas:  # our penalties follow the shares' variance
        ours = solve_banded(
            x,
            y,
            BANDS,
            alphas=relative,
            settings=BandedSettings(shares=gamma, n_refinements=0, equal_bands=False),
        )
        scale = (
            sum(
                g * ((x - x.mean(0))[:, b == BANDS] ** 2).sum()
                for g, b in zip(gamma, ("pixels", "objects", "words"), strict=True)
            )
            / 19
        )
        deltas, weights = solve_group_ridge_random_search(
            [x[:, b == BANDS].astype(np.float64) for b in ("pixels", "objects", "words")],
            y.astype(np.float64),
            n_iter=gamma[None],
            alphas=relative * scale,
            fit_intercept=True,
            cv=PredefinedSplit(folds),
            return_weights=True,
            progress_bar=False,
            score_func=lambda t, p: -((t - p) ** 2).sum(-2),
            warn=False,
        )[:2]
        alpha = gamma[0] / np.exp(deltas[0])
        same = np.isclose(ours.alpha, alpha, rtol=1e-5)
        assert same.mean() >= 0.999
        assert np.abs(ours.coef - weights).max() < 1e-4 * np.abs(weights).max()
    best = solve_banded(x, y, BANDS, alphas=relative, settings=settings)
    single = [
        solve_banded(
            x,
            y,
            BANDS,
            alphas=relative,
            settings=BandedSettings(shares=gamma, n_refinements=0, equal_bands=False),
        ).cv_score
        for gamma in gammas
    ]
    np.testing.assert_allclose(best.cv_score, np.max(single, axis=0), atol=1e-6)
    np.testing.assert_array_equal(best.shares.T, gammas[np.argmax(single, axis=0)])


def test_weights_equal_the_closed_form(planted):
    x, y = planted
    found = solve_banded(x, y, BANDS, settings=BandedSettings(n_candidates=4))
    xc = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    yc = y.astype(np.float64) - y.mean(0, dtype=np.float64)
    for target in range(0, 40, 3):
        names = ("pixels", "objects", "words")
        penalty = np.array([found.penalties[names.index(b), target] for b in BANDS])
        used = np.isfinite(penalty)
        gram = xc[:, used].T @ xc[:, used] + np.diag(penalty[used])
        coef = np.zeros(19)
        coef[used] = np.linalg.solve(gram, xc[:, used].T @ yc[:, target])
        np.testing.assert_allclose(found.coef[:, target], coef, atol=2e-4 * np.abs(coef).max())
        at_zero = y[:, target].mean(dtype=np.float64) - x.mean(0, dtype=np.float64) @ coef
        assert found.intercept[target] == pytest.approx(at_zero, abs=1e-3)


def test_one_band_is_plain_ridge(planted):
    x, y = planted
    banded = solve_banded(x, y, np.zeros(19))
    variance = ((x - x.mean(0)) ** 2).sum() / 19
    plain = solve_ridge(x, y, alphas=relative_grid(None) * variance)
    np.testing.assert_allclose(banded.alpha, plain.alpha, rtol=1e-5)
    np.testing.assert_allclose(banded.coef, plain.coef, atol=1e-4)
    np.testing.assert_allclose(banded.band_scores[0], plain.cv_score, atol=2e-6)


def test_bands_come_out_where_they_were_planted(planted):
    x, y = planted
    found = solve_banded(x, y, BANDS)
    plain = solve_ridge(x, y)
    assert (found.shares[0, :10] > 0.8).mean() >= 0.8
    assert (found.shares[1, 10:20] > 0.8).mean() >= 0.8
    assert (found.band_scores[0, :10] > 3 * np.abs(found.band_scores[1:, :10]).max(0)).all()
    assert found.cv_score[:20].mean() > plain.cv_score[:20].mean()
    np.testing.assert_allclose(found.band_scores.sum(0), found.cv_score, atol=2e-6)
    assert np.abs(found.cv_score[30:]).max() < 0.15


def test_gradient_equals_finite_differences(planted):
    x, y = planted
    folds = Folds.held_out(grouped_folds(150, None, 5))
    bands = make_bands(x, BANDS, equal=True)
    features = feature_statistics(bands.scores, folds.blocks)
    problem = BandProblem(bands, features, folds, relative_grid(None), 1)
    sums = add_responses(features, bands.scores, y - y.mean(0), folds.blocks)
    shares, alpha = np.array([0.5, 0.3, 0.2]), np.full(40, 60.0)
    slope = share_gradient(problem, sums, shares, alpha)

    def loss(logs):
        return KFoldLoss(sums, problem.bases(np.exp(logs))).each(ALL, alpha)

    for band in range(3):
        step = 0.05 * np.eye(3)[band]
        rise = (loss(np.log(shares) + step) - loss(np.log(shares) - step)) / 0.1
        np.testing.assert_allclose(slope[band], rise, atol=2e-5 + 0.01 * np.abs(rise).max())


def test_refinement_never_loses(planted):
    x, y = planted
    coarse = BandedSettings(shares=np.full((1, 3), 1 / 3), n_refinements=0)
    fine = BandedSettings(shares=np.full((1, 3), 1 / 3), n_refinements=4)
    start, end = (solve_banded(x, y, BANDS, settings=s) for s in (coarse, fine))
    assert (end.cv_score >= start.cv_score - 1e-7).all()
    assert (end.cv_score[:20] > start.cv_score[:20]).mean() > 0.9


def test_portions_and_threads_change_nothing(planted):
    x, y = planted
    whole = solve_banded(x, y, BANDS, settings=BandedSettings(n_refinements=0, n_threads=1))
    small = BandedSettings(n_refinements=0, n_threads=3, max_working_bytes=350_000)
    y_wide = np.concatenate([y] * 4, axis=1)
    parts = solve_banded(x, y_wide, BANDS, settings=small)
    np.testing.assert_array_equal(parts.shares[:, :40], whole.shares)
    np.testing.assert_array_equal(parts.shares[:, 120:], whole.shares)
    np.testing.assert_allclose(parts.coef[:, 120:], whole.coef, atol=1e-4)


def test_band_of_more_features_than_samples(rng):
    x = rng.standard_normal((40, 90)).astype(np.float32)
    y = x[:, :3] @ rng.standard_normal((3, 4)) + 0.1 * rng.standard_normal((40, 4))
    found = solve_banded(x, y, np.arange(90) >= 3)
    assert found.coef.shape == (90, 4)
    assert (found.cv_score > 0.95).all()
    assert (found.shares[0] > 0.5).all()


def test_few_axes_are_those_of_largest_variance(planted):
    x, y = planted
    few = solve_banded(x, y, BANDS, settings=BandedSettings(max_axes=2, n_refinements=0))
    assert few.kept_shares.shape == (3,)
    assert (few.kept_shares > 0.2).all()
    assert (few.kept_shares < 0.9).all()
    assert few.cv_score.mean() < solve_banded(x, y, BANDS).cv_score.mean()


def test_shares_of_the_search():
    shares = band_shares(3, 10, seed=1)
    assert shares.shape == (14, 3)
    np.testing.assert_allclose(shares.sum(1), 1.0)
    np.testing.assert_array_equal(shares[1:4], np.eye(3))
    np.testing.assert_array_equal(shares, band_shares(3, 10, seed=1))
    assert band_shares(1, 10, seed=1).shape == (1, 1)


def test_what_is_wrong_is_named(planted):
    x, y = planted
    with pytest.raises(CalcarineError, match=r"shape \(18,\); expected \(19,\)"):
        solve_banded(x, y, BANDS[1:])
    with pytest.raises(CalcarineError, match=r"\(1, 2\); expected \(n_candidates, 3\)"):
        solve_banded(x, y, BANDS, settings=BandedSettings(shares=np.ones((1, 2))))
    with pytest.raises(CalcarineError, match="`max_working_bytes` allows 0 MB"):
        solve_banded(x, y, BANDS, settings=BandedSettings(max_working_bytes=1000))
