import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.folds import Folds, grouped_folds, purged_folds


def test_groups_never_straddle_and_folds_are_even(rng):
    groups = rng.integers(0, 23, 200)
    folds = grouped_folds(200, groups, 4)
    assert all(len(set(folds[groups == g])) == 1 for g in np.unique(groups))
    sizes = np.bincount(folds)
    assert len(sizes) == 4
    assert sizes.max() - sizes.min() <= np.bincount(groups).max()


def test_sizes_equal_those_of_scikit_learn(rng):
    groups = rng.integers(0, 30, 150)
    theirs = sorted(len(test) for _, test in GroupKFold(5).split(groups, groups=groups))
    assert sorted(np.bincount(grouped_folds(150, groups, 5))) == theirs
    consecutive = [len(test) for _, test in KFold(5).split(np.zeros(50))]
    folds = grouped_folds(50, None, 5)
    assert np.bincount(folds).tolist() == consecutive
    assert (np.diff(folds) >= 0).all()


def test_samples_in_another_order_keep_their_folds(rng):
    groups = rng.integers(0, 17, 90)
    order = rng.permutation(90)
    np.testing.assert_array_equal(
        grouped_folds(90, groups, 3)[order], grouped_folds(90, groups[order], 3)
    )


def test_one_group_at_a_time():
    runs = np.array(["run-2", "run-1", "run-2", "run-3"])
    folds = grouped_folds(4, runs, None)
    assert folds[0] == folds[2]
    assert len(set(folds)) == 3


def test_impossible_requests_are_named():
    with pytest.raises(CalcarineError, match=r"5 folds were asked of 2 groups \(n_samples=6\)"):
        grouped_folds(6, np.repeat([0, 1], 3), 5)
    with pytest.raises(CalcarineError, match="1 folds were asked of 6 samples"):
        grouped_folds(6, None, 1)
    with pytest.raises(CalcarineError, match=r"shape \(5,\); expected \(6,\)"):
        grouped_folds(6, np.zeros(5), 2)


def test_purging_leaves_a_gap_in_samples():
    folds = purged_folds(20, 4, gap=2)
    train, test = folds.train[1][folds.blocks], folds.test[1][folds.blocks]
    np.testing.assert_array_equal(np.flatnonzero(test), np.arange(5, 10))
    np.testing.assert_array_equal(np.flatnonzero(train), [0, 1, 2, *range(12, 20)])


def test_purging_counts_seconds_and_stops_at_the_end_of_a_run(rng):
    times = np.concatenate([np.sort(rng.uniform(0, 100, 30)), np.sort(rng.uniform(0, 100, 30))])
    runs = np.repeat(["a", "b"], 30)
    folds = purged_folds(60, 3, gap=8.0, times=times, segments=runs)
    for train, test in zip(folds.train, folds.test, strict=True):
        train, test = train[folds.blocks], test[folds.blocks]
        near = (np.abs(times[:, None] - times[test]) <= 8) & (runs[:, None] == runs[test])
        np.testing.assert_array_equal(train, ~near.any(axis=1))


def test_no_gap_is_plain_k_fold():
    purged, plain = purged_folds(30, 5), Folds.held_out(grouped_folds(30, None, 5))
    for k in range(5):
        np.testing.assert_array_equal(purged.test[k][purged.blocks], plain.test[k][plain.blocks])
        np.testing.assert_array_equal(purged.train[k][purged.blocks], plain.train[k][plain.blocks])


def test_roles_become_blocks(rng):
    test = rng.random((3, 40)) < 0.2
    train = ~test & (rng.random((3, 40)) < 0.8)
    folds = Folds.of_roles(train, test)
    np.testing.assert_array_equal(folds.train[:, folds.blocks], train)
    np.testing.assert_array_equal(folds.test[:, folds.blocks], test)


def test_impossible_roles_are_named():
    both = np.ones((1, 4), dtype=bool)
    with pytest.raises(CalcarineError, match="fold 0 share a sample"):
        Folds.of_roles(both, both)
    with pytest.raises(CalcarineError, match="fold 0 are not both filled"):
        purged_folds(10, 2, gap=100)
    with pytest.raises(CalcarineError, match="the gap is -1"):
        purged_folds(10, 2, gap=-1)
