import numpy as np
import pandas as pd

from calcarine.data.repeats import average_rows, repeat_rows

TRIALS = pd.DataFrame({"stimulus_id": list("bacabba"), "run": ["2"] * 4 + ["10"] * 3})


def test_rows_of_each_stimulus_in_order_of_presentation():
    found = repeat_rows(TRIALS, np.array([6, 0, 1, 3, 4, 5]))
    assert [g.tolist() for g in found] == [[1, 3, 6], [0, 4, 5]]


def test_the_first_repeats_are_taken_and_rarer_stimuli_left_out():
    found = repeat_rows(TRIALS, np.arange(7), n_repeats=2)
    assert [g.tolist() for g in found] == [[1, 3], [0, 4]]


def test_averages_are_means(rng):
    values = rng.normal(size=(7, 3)).astype(np.float32)
    found = average_rows(values, [np.array([1, 3, 6]), np.array([2])])
    np.testing.assert_allclose(found, [values[[1, 3, 6]].mean(axis=0), values[2]], rtol=1e-6)
    assert found.dtype == np.float32
