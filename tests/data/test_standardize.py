import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from calcarine.data.errors import CalcarineError
from calcarine.data.standardize import Standardizer


def test_one_group_is_scikit_learns_scaler(rng):
    train, test = rng.normal(5, 3, size=(20, 4)), rng.normal(5, 3, size=(7, 4))
    found = Standardizer.fit(train).transform(test)
    np.testing.assert_allclose(found, StandardScaler().fit(train).transform(test), atol=1e-5)
    assert found.dtype == np.float32


def test_each_group_has_its_own_statistics(rng):
    values = rng.normal(size=(30, 4))
    groups = np.repeat(["a", "b", "c"], 10)
    fitted = Standardizer.fit(values, groups)
    found = fitted.transform(values, groups)
    for name in "abc":
        own = values[groups == name]
        expected = StandardScaler().fit_transform(own)
        np.testing.assert_allclose(found[groups == name], expected, atol=1e-5)


def test_one_item_alone_equals_the_item_in_a_batch(rng):
    values = rng.normal(size=(12, 3))
    groups = np.repeat(["a", "b"], 6)
    fitted = Standardizer.fit(values, groups)
    batch = fitted.transform(values, groups)
    np.testing.assert_array_equal(fitted.transform(values[7:8], groups[7:8]), batch[7:8])


def test_an_unknown_session_gets_the_average_of_the_known(rng):
    values = rng.normal(size=(12, 3))
    fitted = Standardizer.fit(values, np.repeat(["a", "b"], 6))
    found = fitted.transform(values[:2], np.array(["z", "z"]))
    expected = (values[:2] - fitted.mean.mean(axis=0)) / fitted.std.mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_constant_unit_stays_finite():
    values = np.column_stack([np.full(5, 3.0), np.arange(5.0)])
    found = Standardizer.fit(values).transform(values)
    np.testing.assert_array_equal(found[:, 0], 0)


def test_units_with_times_are_kept_apart(rng):
    values = rng.normal(size=(9, 3, 4))
    fitted = Standardizer.fit(values)
    assert fitted.mean.shape == (1, 3, 4)
    np.testing.assert_allclose(fitted.transform(values).mean(axis=0), 0, atol=1e-6)


def test_it_travels_as_tensors(rng):
    values = rng.normal(size=(12, 3))
    groups = np.repeat(["a", "b"], 6)
    fitted = Standardizer.fit(values, groups)
    again = Standardizer.from_tensors(list(fitted.groups), fitted.tensors())
    np.testing.assert_array_equal(again.transform(values, groups), fitted.transform(values, groups))


def test_a_group_with_one_trial_is_refused(rng):
    with pytest.raises(CalcarineError, match="group 'b' has 1 training trial"):
        Standardizer.fit(rng.normal(size=(4, 2)), np.array(["a", "a", "a", "b"]))
