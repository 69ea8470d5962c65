"""Products of two embeddings' principal axes: what neither of them says alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcarine.data.errors import CalcarineError


@dataclass(frozen=True)
class JointAxes:
    """Principal axes of two embeddings, fitted on training trials.

    Attributes
    ----------
    means
        Mean of the features, float32, shape (n_features,), both embeddings end to end.
    axes
        One a band, float32, shape (n_features_of_band, n_axes): a score on it has variance 1 over
        the training trials.
    """

    means: np.ndarray
    axes: tuple[np.ndarray, np.ndarray]

    @classmethod
    def fit(cls, features: np.ndarray, sizes: Sequence[int], n_axes: int) -> "JointAxes":
        """Find the axes.

        Parameters
        ----------
        features
            Training trials, shape (n_trials, n_features), two embeddings end to end.
        sizes
            Number of features of each.
        n_axes
            Axes of each; fewer where an embedding has fewer.

        Raises
        ------
        CalcarineError
            There are not two embeddings.
        """
        if len(sizes) != 2 or features.ndim != 2 or sum(sizes) != features.shape[1]:
            raise CalcarineError(
                f"a joint encoder takes two embeddings end to end; got the sizes {list(sizes)} for "
                f"features of the shape {features.shape}."
            )
        means = features.mean(axis=0, dtype=np.float64)
        centred = features - means
        bands = np.split(centred, [sizes[0]], axis=1)
        axes = tuple(_axes(band, n_axes) for band in bands)
        return cls(means.astype(np.float32), (axes[0], axes[1]))

    def extend(self, features: np.ndarray) -> np.ndarray:
        """Append the products of the scores: float32, shape (n_items, n_features + n_products)."""
        centred = features - self.means
        bands = np.split(centred, [len(self.axes[0])], axis=1)
        first, second = (band @ axes for band, axes in zip(bands, self.axes, strict=True))
        products = first[:, :, None] * second[:, None, :]
        flat = products.reshape(len(features), -1)
        return np.concatenate([features, flat], axis=1).astype(np.float32)

    @property
    def n_products(self) -> int:
        """Number of features that `extend` appends."""
        return int(self.axes[0].shape[1] * self.axes[1].shape[1])


def _axes(centred: np.ndarray, n_axes: int) -> np.ndarray:
    _, spread, directions = np.linalg.svd(centred, full_matrices=False)
    n_kept = min(n_axes, int((spread > 1e-6 * spread.max(initial=0.0)).sum()))
    scale = np.sqrt(len(centred)) / spread[:n_kept]
    return (directions[:n_kept].T * scale).astype(np.float32)
