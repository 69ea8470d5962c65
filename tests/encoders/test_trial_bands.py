import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.encoders.trial_bands import behaviour_features, history_features


@pytest.fixture
def trials():
    return pd.DataFrame(
        {
            "session": ["1"] * 6,
            "run": ["1", "1", "1", "2", "2", "1"],
            "onset_s": [0.0, 8.0, 4.0, 0.0, 4.0, 12.0],
            "response_time": ["0.5", "n/a", "0.7", "0.4", "0.9", "0.6"],
            "button": ["left", "right", "left", "n/a", "left", "left"],
        }
    )


def test_history_is_what_was_shown_before_in_the_same_run(trials):
    features = np.arange(1.0, 13.0).reshape(6, 2)
    found = history_features(features, trials, 2).reshape(6, 2, 2)
    order = [0, 2, 1, 5]  # of run 1, by onset
    for place, row in enumerate(order):
        for back in (1, 2):
            expected = features[order[place - back]] if place >= back else [0, 0]
            np.testing.assert_array_equal(found[row, back - 1], expected)
    np.testing.assert_array_equal(found[4, 0], features[3])
    assert (found[3] == 0).all()


def test_a_stimulus_without_an_embedding_leaves_zeros(trials):
    features = np.arange(1.0, 13.0).reshape(6, 2)
    features[2] = np.nan
    assert (history_features(features, trials, 1)[1] == 0).all()


def test_behaviour_is_numbers_with_what_is_missing(trials):
    found = behaviour_features(trials, ["response_time", "button"])
    np.testing.assert_allclose(found[:, 0], [0.5, 0, 0.7, 0.4, 0.9, 0.6], rtol=1e-6)
    assert found[:, 1].tolist() == [0, 1, 0, 0, 0, 0]
    assert found[:, 2:].tolist() == [
        [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]
    ]  # fmt: skip


def test_wrong_requests_are_refused(trials):
    with pytest.raises(CalcarineError, match="no column 'rt'"):
        behaviour_features(trials, ["rt"])
    with pytest.raises(CalcarineError, match="says nothing"):
        behaviour_features(trials.assign(rt="n/a"), ["rt"])
    with pytest.raises(CalcarineError, match="history of 0"):
        history_features(np.zeros((6, 2)), trials, 0)
