import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.decoders.controls import category_only, nearest_training_items


def test_nearest_training_item_by_centred_cosine(rng):
    train = rng.normal(size=(9, 5)) + 30
    chosen = np.array([4, 0, 7])
    centre = train.mean(axis=0)
    # further out in the same direction: raw cosine with the common offset could not tell
    predicted = centre + 3 * (train[chosen] - centre)
    np.testing.assert_array_equal(nearest_training_items(predicted, train), chosen)


def test_category_only_knows_the_guess_and_not_the_truth(rng):
    centres = np.array([[4.0, 0, 0, 1], [0, 4, 0, 1], [0, 0, 4, 1]])
    concepts = np.array(["tool", "face", "house"]).repeat(6)
    train = centres.repeat(6, axis=0) + rng.normal(0, 0.1, size=(18, 4))
    predicted = centres[[1, 1, 0, 2, 2]] * 0.7 + rng.normal(0, 0.1, size=(5, 4))
    means, guess = category_only(predicted, train, concepts)
    assert guess.tolist() == ["face", "face", "tool", "house", "house"]
    np.testing.assert_allclose(means[0], train[concepts == "face"].mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(means[0], means[1])
    assert means.dtype == np.float32


def test_one_item_alone_equals_a_batch(rng):
    train, predicted = rng.normal(size=(11, 6)), rng.normal(size=(4, 6))
    concepts = np.array(list("aabbccaabbc"))
    means, _ = category_only(predicted, train, concepts)
    for row in range(4):
        alone, _ = category_only(predicted[[row]], train, concepts)
        np.testing.assert_array_equal(alone[0], means[row])


def test_no_training_picture_is_an_error():
    with pytest.raises(CalcarineError, match="no training stimulus with a picture"):
        nearest_training_items(np.zeros((2, 3)), np.zeros((0, 3)))
