import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.decoders.low_level import latents_to_vectors, vectors_to_latents


def test_vectors_and_latents_are_each_others_inverse(rng):
    latents = rng.normal(size=(5, 2, 3, 4)).astype(np.float32)
    vectors = latents_to_vectors(latents)
    assert vectors.shape == (5, 24)
    assert vectors[1, 23] == latents[1, 1, 2, 3]
    assert vectors[1, 4] == latents[1, 0, 1, 0]
    np.testing.assert_array_equal(vectors_to_latents(vectors, (2, 3, 4)), latents)


def test_wrong_length_is_refused():
    with pytest.raises(CalcarineError, match=r"\(5, 23\); latents of shape \(2, 3, 4\)"):
        vectors_to_latents(np.zeros((5, 23)), (2, 3, 4))
