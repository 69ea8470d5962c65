import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.folds import grouped_folds


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
