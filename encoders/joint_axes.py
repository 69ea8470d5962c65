"""Products of a picture's axes and of what a caption adds: what neither embedding says alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.solver import solve_ridge


@dataclass(frozen=True)
class JointAxes:
    """Principal axes of a picture's embedding and of what captions say beyond it.

    Most of what a caption says the picture says too. Its principal axes are therefore those of what
    is left when the captions' embedding has been predicted from the pictures': how something is
    said, what is guessed, what is left out. All of it is fitted on training trials.

    Attributes
    ----------
    means
        Mean of the features, float32, shape (n_features,), both embeddings end to end.
    told
        Weights that predict the second embedding from the first, float32, shape (n_first,
        n_second).
    axes
        One a band, float32, shape (n_features_of_band, n_axes): a score on it has variance 1 over
        the training trials.
    """

    means: np.ndarray
    told: np.ndarray
    axes: tuple[np.ndarray, np.ndarray]

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        sizes: Sequence[int],
        n_axes: Sequence[int],
        groups: np.ndarray | None = None,
    ) -> "JointAxes":
        """Find the axes.

        Parameters
        ----------
        features
            Training trials, shape (n_trials, n_features), two embeddings end to end.
        sizes
            Number of features of each.
        n_axes
            Axes of each; fewer where an embedding has fewer.
        groups
            What must not straddle the folds in which the penalty of the prediction is chosen,
            shape (n_trials,).

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
        first, second = np.split(features - means, [sizes[0]], axis=1)
        told = solve_ridge(first.astype(np.float32), second.astype(np.float32), groups).coef
        beyond = second - first @ told
        axes = _axes(first, n_axes[0]), _axes(beyond, n_axes[1])
        return cls(means.astype(np.float32), told, axes)

    def extend(self, features: np.ndarray) -> np.ndarray:
        """Append the products of the scores: float32, shape (n_items, n_features + n_products)."""
        first, second = np.split(features - self.means, [len(self.axes[0])], axis=1)
        seen, added = first @ self.axes[0], (second - first @ self.told) @ self.axes[1]
        flat = (seen[:, :, None] * added[:, None, :]).reshape(len(features), -1)
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
