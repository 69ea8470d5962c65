import numpy as np
import pytest
from PIL import Image

from calcarine.data.errors import CalcarineError
from calcarine.encoders.embedding_models import load_embedding_model
from calcarine.encoders.word_counts import word_counts


def test_pixels_are_the_picture(rng):
    picture = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    model = load_embedding_model("pixels:16")
    row = model.embed_pictures([Image.fromarray(picture)])
    expected = (picture.transpose(2, 0, 1) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(row.reshape(1, 3, 16, 16)[0], expected, atol=1e-6)
    assert model.latent_shape == (3, 16, 16)


def test_sizes_have_revisions_of_their_own():
    small, large = (load_embedding_model(f"pixels:{size}") for size in (8, 16))
    assert small.revision != large.revision
    assert small.transform_sha != large.transform_sha


@pytest.mark.parametrize("size", ["4", "600", "big"])
def test_odd_sizes_are_refused(size):
    with pytest.raises(CalcarineError, match=f"pixels:{size} names no size"):
        load_embedding_model(f"pixels:{size}")


def test_counts_are_means_over_captions():
    captions = [["a red cat", "a cat and a cat"], ["a dog"], []]
    counts, words = word_counts(captions, 1)
    assert words == ["a", "and", "cat", "dog", "red"]
    np.testing.assert_allclose(counts[0], [1.5, 0.5, 1.5, 0, 0.5])
    np.testing.assert_allclose(counts[1], [1, 0, 0, 1, 0])
    assert np.isnan(counts[2]).all()


def test_rare_words_are_left_out():
    counts, words = word_counts([["a cat"], ["A dog"], ["a cat!"]])
    assert words == ["a", "cat"]
    np.testing.assert_array_equal(counts, [[1, 1], [1, 0], [1, 1]])


def test_without_words_there_is_nothing_to_count():
    with pytest.raises(CalcarineError, match="no word stands in the captions of 2 stimuli"):
        word_counts([["one"], ["two"], []])
