"""Scores of given weights on blocks that were left out, without a prediction."""

from collections.abc import Sequence

import numpy as np

from calcarine.encoders.ridge.statistics import BlockStatistics


def explained_squares(
    statistics: BlockStatistics,
    train: np.ndarray,
    test: np.ndarray,
    coef: np.ndarray,
    bands: Sequence[np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Say how much of the test blocks' squares weights explain, band by band.

    With predictions ŷ = Σ_b ŷ_b about the training mean, the squared error is less than that of the
    training mean by Σ_b ŷ_bᵀ(2y − ŷ): the product measure, whose parts add up exactly (Hoffman
    1960, doi:10.1037/h0040561; as split R² in Dupré la Tour et al. 2022,
    doi:10.1016/j.neuroimage.2022.119728).

    Parameters
    ----------
    statistics
        Sums over blocks.
    train, test
        Which blocks gave the means, and which are scored, bool, shape (n_blocks,).
    coef
        Weights, float32, shape (n_features, n_targets).
    bands
        Features of each band, as numbers; without it all are one band.

    Returns
    -------
    tuple
        What each band explains, float64, shape (n_bands, n_targets), and the squared error of the
        training mean, shape (n_targets,). The first over the second is R², split.
    """
    of_features = statistics.feature_moments(train, test)
    of_targets = statistics.target_moments(train, test)
    share = coef * (2 * of_targets.test_cross - np.float32(of_features.test_gram) @ coef)
    bands = [np.arange(len(coef))] if bands is None else bands
    parts = np.stack([share[band].sum(axis=0, dtype=np.float64) for band in bands])
    return parts, of_targets.test_squares


def ratio(parts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide, and give 0 where there is nothing to explain."""
    shape = np.broadcast_shapes(parts.shape, whole.shape)
    whole = np.broadcast_to(whole, shape)
    return np.divide(parts, whole, out=np.zeros(shape), where=whole > 0)
