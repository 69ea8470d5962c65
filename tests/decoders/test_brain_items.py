import numpy as np
import pandas as pd
import pytest

from calcarine.decoders.brain_items import average_predictions, averaged_items, single_items

N_UNITS = 40


@pytest.fixture
def test_trials():
    """Give 3 repeats of `b`, 3 of `a` and 2 of `c`, out of order, as one fold's test trials."""
    shown = ["b", "a", "c", "a", "b", "a", "c", "b"]
    return pd.DataFrame(
        {
            "stimulus_id": shown,
            "concept": [f"kind-{s}" for s in shown],
            "session": "1",
            "run": "1",
            "onset_s": np.arange(8.0),
        }
    )


@pytest.fixture
def responses(rng):
    return rng.standard_normal((8, N_UNITS)).astype(np.float32)


def test_the_first_repeats_are_averaged(test_trials, responses):
    items = averaged_items(responses, test_trials, "run-2", 10, 2, "measured", seed=0)
    assert items.table["stimulus_id"].tolist() == ["a", "b", "c"]
    assert items.table["item"].tolist() == [10, 11, 12]
    assert items.table["concept"].tolist() == ["kind-a", "kind-b", "kind-c"]
    assert set(items.table["fold"]) == {"run-2"}
    expected = [responses[[1, 3]].mean(0), responses[[0, 4]].mean(0), responses[[2, 6]].mean(0)]
    np.testing.assert_allclose(items.responses, expected, rtol=1e-6)


def test_stimuli_with_fewer_repeats_are_left_out_and_keep_their_number(test_trials, responses):
    items = averaged_items(responses, test_trials.replace("a", "d"), "f", 0, 3, "measured", seed=0)
    assert items.table["stimulus_id"].tolist() == ["b", "d"]
    assert items.table["item"].tolist() == [0, 2]
    nothing = averaged_items(responses, test_trials, "f", 0, 4, "noise", seed=0)
    assert nothing.responses.shape == (0, N_UNITS)


def test_shuffled_brains_are_the_same_averages_in_another_order(test_trials, responses):
    own = averaged_items(responses, test_trials, "f", 0, 2, "measured", seed=0)
    orders = set()
    for seed in range(60):
        items = averaged_items(responses, test_trials, "f", 0, 2, "shuffled", seed)
        assert items.table["stimulus_id"].tolist() == ["a", "b", "c"]
        match = (items.responses[:, None] == own.responses[None]).all(axis=2)
        assert sorted(match.argmax(axis=1)) == [0, 1, 2]
        orders.add(tuple(match.argmax(axis=1)))
    # every order comes up, also those in which an item keeps its own brain: that is chance
    assert len(orders) == 6


def test_noise_brains_know_nothing_and_have_the_size_of_averaged_noise(rng):
    trials = pd.DataFrame(
        {"stimulus_id": [f"s{i // 4:02d}" for i in range(80)], "concept": "x", "session": "1",
         "run": "1", "onset_s": np.arange(80.0)}
    )  # fmt: skip
    first, again, other = (
        averaged_items(rng.standard_normal((80, 500)), trials, "f", 0, 4, "noise", seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.responses, again.responses)
    assert not np.array_equal(first.responses, other.responses)
    assert first.responses.std() == pytest.approx(0.5, rel=0.03)


def test_single_trials_keep_the_number_of_their_stimulus(test_trials, responses):
    items = single_items(responses, test_trials, "f", 5)
    np.testing.assert_array_equal(items.responses, responses)
    assert items.table["item"].tolist() == [6, 5, 7, 5, 6, 5, 7, 6]
    assert set(items.table["averaging"]) == {"single"}


def test_predictions_are_averaged_like_signals(test_trials, responses):
    signal = averaged_items(responses, test_trials, "f", 0, 2, "measured", seed=0)
    embedding = average_predictions(responses, test_trials, "f", 0, 2)
    np.testing.assert_array_equal(signal.responses, embedding.responses)
    assert set(embedding.table["averaging"]) == {"embedding"}
