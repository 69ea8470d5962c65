"""Autoencoder latents as vectors: the low-level path of a reconstruction."""

import numpy as np

from calcarine.data.errors import CalcarineError


def latents_to_vectors(latents: np.ndarray) -> np.ndarray:
    """Lay the latents of each picture end to end.

    Parameters
    ----------
    latents
        Shape (n, channels, height, width).

    Returns
    -------
    numpy.ndarray
        float32, shape (n, channels × height × width): channels slowest, columns fastest.
    """
    return np.asarray(latents, dtype=np.float32).reshape(len(latents), -1)


def vectors_to_latents(vectors: np.ndarray, latent_shape: tuple[int, ...]) -> np.ndarray:
    """Give vectors the shape of a generator's latents.

    Parameters
    ----------
    vectors
        Shape (n, channels × height × width), e.g. predicted by a decoder whose target is an
        embedding `diffusers-vae:…`.
    latent_shape
        (channels, height, width) of the generator.

    Returns
    -------
    numpy.ndarray
        float32, shape (n, *latent_shape).

    Raises
    ------
    CalcarineError
        The vectors have another length.

    Examples
    --------
    >>> vectors_to_latents(np.zeros((5, 24)), (2, 3, 4)).shape
    (5, 2, 3, 4)
    """
    expected = int(np.prod(latent_shape))
    if vectors.ndim != 2 or vectors.shape[1] != expected:
        raise CalcarineError(
            f"low-level predictions have shape {vectors.shape}; latents of shape {latent_shape} "
            f"need (n, {expected}). Decode to the `diffusers-vae:` embedding of the same generator."
        )
    return np.asarray(vectors, dtype=np.float32).reshape(len(vectors), *latent_shape)
