import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.folds import Folds
from calcarine.encoders.ridge.from_statistics import solve_statistics
from calcarine.encoders.ridge.solver import solve_ridge
from calcarine.encoders.ridge.streaming import RidgeStatistics


@pytest.fixture
def sessions(rng):
    names = np.repeat(["ses-a", "ses-b", "ses-c", "ses-d"], [40, 31, 52, 37])
    x = rng.standard_normal((160, 9)) @ (np.eye(9) + 0.2 * rng.standard_normal((9, 9))) + 4.0
    y = x @ rng.standard_normal((9, 30)) + 5 * rng.standard_normal((160, 30)) + 70.0
    return x.astype(np.float32), y.astype(np.float32), names


def closeness(found, expected):
    return np.abs(found.coef - expected.coef).max() / np.abs(expected.coef).max()


def test_equals_the_fit_to_all_samples_at_once(sessions):
    x, y, names = sessions
    number = np.unique(names, return_inverse=True)[1]
    for options in ({}, {"method": "gcv"}, {"search": "bracket"}):
        summed = solve_statistics(RidgeStatistics.from_arrays(x, y, names), **options)
        whole = solve_ridge(x, y, folds=Folds.held_out(number), **options)
        np.testing.assert_allclose(summed.alpha, whole.alpha, rtol=1e-6)
        np.testing.assert_allclose(summed.cv_score, whole.cv_score, atol=2e-6)
        assert closeness(summed, whole) < 2e-6
        np.testing.assert_allclose(summed.intercept, whole.intercept, rtol=1e-5, atol=1e-4)
        assert summed.edge_share == whole.edge_share


def test_adding_a_session_later_equals_fitting_at_once(sessions):
    x, y, names = sessions
    whole = RidgeStatistics.from_arrays(x, y, names)
    early = names != "ses-d"
    growing = RidgeStatistics.from_arrays(x[early], y[early], names[early])
    solve_statistics(growing)
    growing.update(x[~early], y[~early], names[~early])
    assert growing.names == whole.names
    fixed = {"alphas": [1.0, 30.0, 900.0]}
    late, once = solve_statistics(growing, **fixed), solve_statistics(whole, **fixed)
    np.testing.assert_array_equal(late.alpha, once.alpha)
    assert closeness(late, once) < 1e-6
    np.testing.assert_allclose(late.cv_score, once.cv_score, atol=1e-6)


def test_chunks_of_trials_and_of_targets_give_the_same_sums(sessions, rng):
    x, y, names = sessions
    whole = RidgeStatistics.from_arrays(x, y, names)
    by_trials = RidgeStatistics(whole.x_origin, whole.y_origin)
    for start in range(0, 160, 23):
        rows = slice(start, start + 23)
        by_trials.update(x[rows], y[rows], names[rows])
    by_targets = RidgeStatistics(whole.x_origin, whole.y_origin)
    by_targets.update_features(x, names)
    for start in range(0, 30, 7):
        columns = slice(start, min(start + 7, 30))
        by_targets.update_targets(x, y[:, columns], names, columns)
    order = rng.permutation(160)
    shuffled = RidgeStatistics(whole.x_origin, whole.y_origin)
    shuffled.update(x[np.sort(order)[:1]], y[np.sort(order)[:1]], names[:1])
    for part in np.split(np.setdiff1d(order, [0]), [50]):
        shuffled.update(x[part], y[part], names[part])
    for other in (by_trials, by_targets, shuffled):
        assert other.names == whole.names
        for name, value in whole.tensors().items():
            np.testing.assert_allclose(other.tensors()[name], value, rtol=1e-5, atol=2e-4)


def test_reads_scaled_integers_from_disk(sessions, tmp_path):
    x, y, names = sessions
    np.save(tmp_path / "y.npy", np.round(300 * y).astype(np.int16))
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    found = solve_statistics(RidgeStatistics.from_arrays(x, mapped, names, scale=1 / 300))
    expected = solve_statistics(RidgeStatistics.from_arrays(x, np.asarray(mapped) / 300.0, names))
    np.testing.assert_allclose(found.coef, expected.coef, atol=1e-5)
    np.testing.assert_allclose(found.intercept, expected.intercept, rtol=1e-4)


def test_blocks_may_be_held_out_together(sessions):
    x, y, names = sessions
    pairs = [["ses-a", "ses-c"], ["ses-b", "ses-d"]]
    found = solve_statistics(RidgeStatistics.from_arrays(x, y, names), held_out=pairs)
    folds = np.isin(names, pairs[1]).astype(int)
    expected = solve_ridge(x, y, folds=Folds.held_out(folds))
    np.testing.assert_allclose(found.cv_score, expected.cv_score, atol=2e-6)


def test_round_trip(sessions):
    whole = RidgeStatistics.from_arrays(*sessions)
    again = RidgeStatistics.from_tensors(whole.names, whole.tensors())
    again.update(sessions[0][:5], sessions[1][:5], np.repeat("ses-e", 5))
    assert again.names[-1] == "ses-e"
    assert whole.names[-1] == "ses-d"
    np.testing.assert_array_equal(again.blocks().xty[:4], whole.blocks().xty)


def test_what_is_wrong_is_named(sessions):
    x, y, names = sessions
    sums = RidgeStatistics.from_arrays(x, y, names)
    with pytest.raises(CalcarineError, match="expected at least two folds"):
        solve_statistics(sums, held_out=[["ses-a"], ["ses-z"]])
    with pytest.raises(CalcarineError, match=r"shapes \(\(160, 9\), \(160, 29\), 160\)"):
        sums.update(x, y[:, 1:], names)
    partial = RidgeStatistics(x[0], y[0])
    partial.update_features(x, names)
    partial.update_targets(x, y[:, :4], names, slice(0, 4))
    with pytest.raises(CalcarineError, match="target 4 of 'ses-a' has 0 of 40 samples"):
        partial.blocks()
    y[3, 2] = np.nan
    with pytest.raises(CalcarineError, match="target 2 holds NaN or inf in block 'ses-a'"):
        RidgeStatistics(x[0], y[0] * 0).update(x, y, names)
