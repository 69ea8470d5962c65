import numpy as np
import pytest
from sklearn.linear_model import Ridge

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.held_out import explained_squares
from calcarine.encoders.ridge.resampling import (
    block_draws,
    learning_curve,
    nested_score,
    weight_stability,
)
from calcarine.encoders.ridge.streaming import RidgeStatistics

ALPHAS = np.logspace(-1, 4, 6)


@pytest.fixture
def runs(rng):
    names = np.repeat(["run-1", "run-2", "run-3", "run-4"], [30, 25, 33, 28])
    x = rng.standard_normal((116, 6)) + 1.0
    noise = rng.standard_normal((116, 8)) * np.linspace(0.5, 12, 8)
    y = x @ rng.standard_normal((6, 8)) + noise + 3.0
    return x, y, names


def squares(x, y, train, test, alpha):
    fitted = Ridge(alpha).fit(x[train], y[train])
    error = ((y[test] - fitted.predict(x[test])) ** 2).sum()
    return error, ((y[test] - y[train].mean()) ** 2).sum()


def test_nested_scores_equal_two_plain_loops(runs):
    x, y, names = runs
    found = nested_score(RidgeStatistics.from_arrays(x, y, names), ALPHAS)
    for target in range(8):
        outer = np.zeros(2)
        for number, run in enumerate(np.unique(names)):
            train, others = names != run, [n for n in np.unique(names) if n != run]
            inner = [
                sum(
                    squares(x, y[:, target], train & (names != k), names == k, alpha)[0]
                    for k in others
                )
                for alpha in ALPHAS
            ]
            alpha = ALPHAS[np.argmin(inner)]
            assert found.alpha[number, target] == pytest.approx(alpha)
            outer += squares(x, y[:, target], train, ~train, alpha)
        assert found.r2[target] == pytest.approx(1 - outer[0] / outer[1], abs=1e-5)


def test_learning_curve_equals_fits_to_the_first_runs(runs):
    x, y, names = runs
    sums = RidgeStatistics.from_arrays(x, y, names)
    found = learning_curve(sums, ["run-4"], alphas=[3.0])
    np.testing.assert_array_equal(found.n_samples, [30, 55, 88])
    for point, n_samples in enumerate(found.n_samples):
        for target in range(8):
            train, test = np.arange(116) < n_samples, names == "run-4"
            error, baseline = squares(x, y[:, target], train, test, 3.0)
            assert found.r2[point, target] == pytest.approx(1 - error / baseline, abs=1e-5)


def test_learning_curve_rises_and_never_sees_the_test_runs(runs, rng):
    x, y, names = runs
    settings = {"alphas": ALPHAS, "method": "kfold"}
    curve = learning_curve(RidgeStatistics.from_arrays(x, y, names), ["run-4"], **settings)
    assert len(curve.n_samples) == 2
    assert curve.r2[-1, 0] >= curve.r2[0, 0] - 0.01
    other = y.copy()
    other[names == "run-4"] = rng.standard_normal((28, 8))
    again = learning_curve(RidgeStatistics.from_arrays(x, other, names), ["run-4"], **settings)
    np.testing.assert_allclose(again.alpha, curve.alpha, rtol=1e-6)


def test_stability_equals_fits_to_drawn_runs(runs):
    x, y, names = runs
    alpha = np.linspace(1, 20, 8)
    found = weight_stability(RidgeStatistics.from_arrays(x, y, names), alpha, n_draws=6, seed=3)
    draws = []
    for counts in block_draws(4, 6, seed=3):
        drawn = np.repeat(np.arange(4), counts)
        rows = np.concatenate([np.flatnonzero(names == f"run-{k + 1}") for k in drawn])
        own = alpha * len(rows) / len(x)  # penalties follow the number of samples
        draws.append([Ridge(a).fit(x[rows], y[rows, t]).coef_ for t, a in enumerate(own)])
    full = np.array([Ridge(a).fit(x, y[:, t]).coef_ for t, a in enumerate(alpha)])
    expected = np.array(draws)
    np.testing.assert_allclose(found.mean.T, expected.mean(0), atol=1e-4)
    np.testing.assert_allclose(found.deviation.T, expected.std(0, ddof=1), atol=1e-4)
    lengths = np.linalg.norm(expected, axis=2) * np.linalg.norm(full, axis=1)
    cosine = (expected * full).sum(-1) / lengths
    np.testing.assert_allclose(found.agreement, cosine.mean(0), atol=1e-4)
    assert found.agreement[0] > found.agreement[-1]


def test_draws_are_with_replacement():
    draws = block_draws(5, 200, seed=1)
    assert (draws.sum(axis=1) == 5).all()
    assert (draws == 0).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(draws, block_draws(5, 200, seed=1))


def test_parts_of_bands_add_up_to_the_score_of_the_prediction(runs, rng):
    x, y, names = runs
    sums = RidgeStatistics.from_arrays(x, y, names).blocks()
    coef = rng.standard_normal((6, 8)).astype(np.float32)
    test = np.array([False, True, False, True])
    bands = [np.array([0, 3]), np.array([1, 2, 4, 5])]
    parts, baseline = explained_squares(sums, ~test, test, coef, bands)
    tested = np.isin(names, ["run-2", "run-4"])
    xc, yc = x[tested] - x[~tested].mean(0), y[tested] - y[~tested].mean(0)
    predicted = [xc[:, band] @ coef[band] for band in bands]
    for part, own in zip(parts, predicted, strict=True):
        np.testing.assert_allclose(part, (own * (2 * yc - sum(predicted))).sum(0), rtol=1e-4)
    np.testing.assert_allclose(baseline, (yc**2).sum(0), rtol=1e-5)
    error = ((yc - sum(predicted)) ** 2).sum(0)
    np.testing.assert_allclose(parts.sum(0), baseline - error, rtol=1e-4)


def test_too_few_blocks_are_named(runs):
    x, y, names = runs
    two = RidgeStatistics.from_arrays(x[:55], y[:55], names[:55])
    with pytest.raises(CalcarineError, match="needs at least 3 blocks"):
        nested_score(two)
    with pytest.raises(CalcarineError, match="expected two disjoint sets"):
        learning_curve(two, ["run-1"], ["run-1"])
    one = RidgeStatistics.from_arrays(x[:30], y[:30], names[:30])
    with pytest.raises(CalcarineError, match=r"\['run-1'\] only"):
        weight_stability(one, np.ones(8))
