"""Delays of samples against the naive formula, and kernels against planted ones."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.encoders.delays import delayed_features, delayed_sequence, step_s
from calcarine.encoders.encoding_scores import summary_interval
from calcarine.encoders.kernels import response_kernels
from calcarine.encoders.temporal_response import lagged

TR_S = 1.5


def samples(rng, n_runs=3, n_volumes=20):
    run = np.repeat([f"{i:02d}" for i in range(n_runs)], n_volumes)
    onset = np.tile(TR_S * np.arange(n_volumes), n_runs)
    table = pd.DataFrame({"session": "01", "run": run, "onset_s": onset})
    return table, rng.standard_normal((len(table), 4)).astype(np.float32)


def test_whole_steps_are_lags_within_runs(rng):
    table, features = samples(rng)
    found = delayed_features(features, table, [0, 1.5, 4.5])
    np.testing.assert_array_equal(found, lagged(features, [0, 1, 3], table["run"].to_numpy()))


def test_rows_may_stand_in_any_order_and_volumes_may_be_missing(rng):
    table, features = samples(rng)
    order = rng.permutation(len(table))
    delayed = delayed_features(features, table, [1.5, 3])
    shuffled = delayed_features(features[order], table.iloc[order], [1.5, 3])
    np.testing.assert_array_equal(shuffled, delayed[order])
    kept = np.delete(np.arange(len(table)), 5)
    gap = delayed_features(features[kept], table.iloc[kept], [1.5]).reshape(-1, 4)
    assert not gap[5].any()  # the volume before it is not there
    np.testing.assert_array_equal(gap[6], features[6])


def test_a_frame_without_an_embedding_is_zero(rng):
    table, features = samples(rng)
    features[3] = np.nan
    found = delayed_features(features, table, [1.5])
    assert np.isfinite(found).all()
    assert not found[4].any()


def test_what_comes_later_is_taken_by_negative_delays(rng):
    table, features = samples(rng, 1)
    np.testing.assert_array_equal(delayed_features(features, table, [-1.5])[:-1], features[1:])


def test_a_sequence_is_a_run(rng):
    table, features = samples(rng, 1)
    np.testing.assert_array_equal(
        delayed_sequence(features, TR_S, [0, 3]), delayed_features(features, table, [0, 3])
    )


def test_single_trials_and_no_delays_are_refused(rng):
    table = pd.DataFrame({"session": "1", "run": ["1", "2"], "onset_s": [0.0, 0.0]})
    with pytest.raises(CalcarineError, match="average: false"):
        step_s(table)
    with pytest.raises(CalcarineError, match="no delays"):
        delayed_features(np.zeros((2, 1)), table, [])


def test_kernels_of_separable_weights_are_their_time_course(rng):
    course = np.array([[0.1, 0.7, 0.4], [0.0, 0.2, 0.9]])
    tuning = rng.standard_normal((5, 2))
    weights = tuning[:, None, :] * course.T[None]
    found = response_kernels(weights)
    np.testing.assert_allclose(found, course / np.linalg.norm(course, axis=1, keepdims=True))
    mixed = rng.standard_normal((5, 3))
    right = np.linalg.svd(mixed)[2]
    best = response_kernels(mixed[:, :, None])[0]
    np.testing.assert_allclose(np.abs(best), np.abs(right[0]))
    assert not response_kernels(np.zeros((5, 3, 1))).any()


def test_stretches_widen_the_interval_of_what_is_autocorrelated(rng):
    """Against many films: the interval of stretches covers the truth, that of items does not."""
    n_items, n_films, hits = 300, 120, np.zeros(2)

    def slow():
        noise = rng.standard_normal((n_items + 50, 1))
        kernel = np.exp(-np.arange(50) / 10)
        return np.convolve(noise[:, 0], kernel, mode="valid")[:n_items, None]

    for _ in range(n_films):
        measured, predicted = slow(), slow()
        for way, stretch in enumerate((1, 60)):
            low, high = summary_interval(
                measured, predicted, lambda r: r[:, 0], 0, 200, n_in_stretch=stretch
            )
            hits[way] += low <= 0 <= high
    assert hits[0] / n_films < 0.7
    assert hits[1] / n_films > 0.8
