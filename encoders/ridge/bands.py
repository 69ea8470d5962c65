"""Bands of features: families that may be shrunk by different amounts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.axes import PrincipalAxes, principal_axes


@dataclass(frozen=True)
class Bands:
    """Features turned onto the principal axes of their own band, which loses nothing.

    The penalty of a band does not feel a rotation within the band, so that a band of more features
    than samples becomes one of fewer axes than samples.

    Attributes
    ----------
    columns
        Feature numbers of each band.
    axes
        Principal axes of each band.
    unit
        What each band is multiplied by, so that all have the same total variance; shape (n_bands,).
    scores
        Turned features of all bands end to end, float32, shape (n_samples, n_axes).
    band_of_axis
        Band of each column of `scores`, shape (n_axes,).
    """

    columns: tuple[np.ndarray, ...]
    axes: tuple[PrincipalAxes, ...]
    unit: np.ndarray
    scores: np.ndarray
    band_of_axis: np.ndarray

    @property
    def n_bands(self) -> int:
        """Number of bands."""
        return len(self.columns)

    @property
    def axis_numbers(self) -> list[np.ndarray]:
        """Columns of `scores` of each band."""
        return [np.flatnonzero(self.band_of_axis == band) for band in range(self.n_bands)]

    def stretch(self, shares: np.ndarray) -> np.ndarray:
        """Say what the turned features are multiplied by where bands have some shares.

        Parameters
        ----------
        shares
            γ of each band, shape (n_bands,).

        Returns
        -------
        numpy.ndarray
            √γ × unit of each axis' band, shape (n_axes,).
        """
        return (np.sqrt(shares) * self.unit)[self.band_of_axis]

    def weights_of_features(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn weights back.

        Parameters
        ----------
        weights
            Of the axes, float32, shape (n_axes, n_targets).

        Returns
        -------
        tuple
            Weights of the features, shape (n_features, n_targets), and what the features' means
            contribute, shape (n_targets,).
        """
        n_features = sum(len(columns) for columns in self.columns)
        coef = np.empty((n_features, weights.shape[1]), dtype=np.float32)
        at_mean = np.zeros(weights.shape[1])
        for columns, axes, own in zip(self.columns, self.axes, self.axis_numbers, strict=True):
            turned = axes.axes @ weights[own]
            coef[columns] = turned
            at_mean += axes.mean @ turned
        return coef, at_mean


def make_bands(
    features: np.ndarray,
    labels: Sequence[object] | np.ndarray,
    equal: bool,
    max_axes: int | None = None,
) -> Bands:
    """Sort features into bands and turn each onto its principal axes.

    Parameters
    ----------
    features
        Shape (n_samples, n_features).
    labels
        Band of each feature, shape (n_features,); bands are ordered by their first feature.
    equal
        Give all bands the same total variance before they are shared out.
    max_axes
        Axes of largest variance that a band keeps; without it all.

    Raises
    ------
    CalcarineError
        There are not as many labels as features.
    """
    names = np.asarray(labels)
    if names.shape != (features.shape[1],):
        raise CalcarineError(
            f"`bands` has shape {names.shape}; expected ({features.shape[1]},), one a feature."
        )
    first = np.unique(names, return_index=True)[1]
    columns = [np.flatnonzero(names == names[k]) for k in np.sort(first)]
    axes = [principal_axes(features[:, own], max_axes) for own in columns]
    totals = np.array([a.variances.sum() for a in axes])
    mean = totals.mean() or 1.0
    unit = np.sqrt(np.divide(mean, totals, out=np.ones_like(totals), where=totals > 0))
    return Bands(
        tuple(columns),
        tuple(axes),
        unit if equal else np.ones_like(totals),
        np.concatenate([a.scores for a in axes], axis=1),
        np.repeat(np.arange(len(axes)), [len(a.variances) for a in axes]),
    )


def band_shares(n_bands: int, n_candidates: int, seed: int) -> np.ndarray:
    """Draw how much of the prior variance each band gets.

    Parameters
    ----------
    n_bands
        Number of bands.
    n_candidates
        Number of draws beside the fixed ones.
    seed
        Of the draws.

    Returns
    -------
    numpy.ndarray
        Rows that add to one, shape (1 + n_bands + n_candidates, n_bands): equal shares; each band
        alone; then Dirichlet draws whose concentration is 1 (anything) and 0.1 (a few bands) by
        turns. One band has one row.
    """
    if n_bands == 1:
        return np.ones((1, 1))
    rng = np.random.default_rng(seed)
    drawn = [rng.dirichlet(np.full(n_bands, (1.0, 0.1)[k % 2])) for k in range(n_candidates)]
    fixed = np.concatenate([np.full((1, n_bands), 1 / n_bands), np.eye(n_bands)])
    return np.concatenate([fixed, np.array(drawn).reshape(-1, n_bands)])
