"""When units respond to what was shown: the time course of weights over delays."""

import numpy as np


def response_kernels(weights: np.ndarray) -> np.ndarray:
    """Give the time course that a unit's features share: its part of the best separable fit.

    The weights of a unit, features by delays, are approximated by an outer product (their leading
    singular vectors): what the unit is tuned to, times when it responds.

    Parameters
    ----------
    weights
        Shape (n_features, n_delays, n_units).

    Returns
    -------
    numpy.ndarray
        float64, shape (n_units, n_delays), length one, the largest value positive; zeros for a unit
        without weights.

    Examples
    --------
    >>> tuning, course = np.array([1.0, -2.0]), np.array([0.0, 0.6, 0.8])
    >>> response_kernels((tuning[:, None] * course)[:, :, None]).round(3).tolist()
    [[0.0, 0.6, 0.8]]
    """
    by_unit = np.asarray(weights, dtype=np.float64).transpose(2, 1, 0)
    _, vectors = np.linalg.eigh(by_unit @ by_unit.transpose(0, 2, 1))
    course = vectors[:, :, -1]
    largest = np.take_along_axis(course, np.abs(course).argmax(axis=1)[:, None], axis=1)
    has_weights = np.abs(by_unit).max(axis=(1, 2), initial=0.0) > 0
    return np.where(has_weights[:, None], course * np.where(largest < 0, -1.0, 1.0), 0.0)
