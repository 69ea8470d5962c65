import numpy as np

from calcarine.pipelines.label_permutations import shuffled_rows


def test_labels_stay_in_their_run_and_on_their_side(rng):
    runs = rng.integers(0, 4, 60).astype(str)
    is_validation = rng.random(60) < 0.3
    rows = shuffled_rows(runs, is_validation, 5)
    assert sorted(rows) == list(range(60))
    assert (runs[rows] == runs).all()
    assert (is_validation[rows] == is_validation).all()
    assert (rows != np.arange(60)).any()
    assert (shuffled_rows(runs, is_validation, 5) == rows).all()
    assert (shuffled_rows(runs, is_validation, 6) != rows).any()
