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
    is left when the captions' embedding has been predicted from the pictures' and from products of
    the pictures' own axes: how something is said, what is guessed, what is left out. All of it is
    fitted on training trials.

    Attributes
    ----------
    means
        Mean of the features, float32, shape (n_features,), both embeddings end to end.
    told
        Weights that predict the second embedding from the first, and from the products of its
        axes with each other where there are `square_means`, float32, shape (n_first [+ n_squares],
        n_second).
    axes
        One a band, float32, shape (n_features_of_band, n_axes): a score on it has variance 1 over
        the training trials.
    square_means
        Means of the products of the first embedding's axes with each other, shape (n_squares,);
        None in encoders of before these were a band.
    """

    means: np.ndarray
    told: np.ndarray
    axes: tuple[np.ndarray, np.ndarray]
    square_means: np.ndarray | None = None

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
        own = _axes(first, n_axes[0])
        squares = _squares(first @ own)
        square_means = squares.mean(axis=0)
        tell = np.concatenate([first, squares - square_means], axis=1)
        told = solve_ridge(tell.astype(np.float32), second.astype(np.float32), groups).coef
        axes = own, _axes(second - tell @ told, n_axes[1])
        return cls(means.astype(np.float32), told, axes, square_means.astype(np.float32))

    def extend(self, features: np.ndarray, with_products: bool = True) -> np.ndarray:
        """Append products of scores: float32, shape (n_items, n_features + n_squares + n_products).

        Parameters
        ----------
        features
            Two embeddings end to end, shape (n_items, n_features).
        with_products
            Whether to append products of both embeddings' scores to those of the first's own.
        """
        first, second = np.split(features - self.means, [len(self.axes[0])], axis=1)
        seen = first @ self.axes[0]
        parts, tell = [features], first
        if self.square_means is not None:
            squares = _squares(seen) - self.square_means
            parts, tell = [features, squares], np.concatenate([first, squares], axis=1)
        if with_products:
            added = (second - tell @ self.told) @ self.axes[1]
            parts.append((seen[:, :, None] * added[:, None, :]).reshape(len(features), -1))
        return np.concatenate(parts, axis=1).astype(np.float32)

    @property
    def n_squares(self) -> int:
        """Number of products of the first embedding's axes with each other."""
        return 0 if self.square_means is None else len(self.square_means)

    @property
    def n_products(self) -> int:
        """Number of products of both embeddings' axes."""
        return int(self.axes[0].shape[1] * self.axes[1].shape[1])


def _squares(scores: np.ndarray) -> np.ndarray:
    """Multiply every two axes, and each by itself: shape (n_items, n_axes (n_axes + 1) / 2)."""
    one, other = np.triu_indices(scores.shape[1])
    return np.asarray(scores[:, one] * scores[:, other])


def _axes(centred: np.ndarray, n_axes: int) -> np.ndarray:
    _, spread, directions = np.linalg.svd(centred, full_matrices=False)
    n_kept = min(n_axes, int((spread > 1e-6 * spread.max(initial=0.0)).sum()))
    scale = np.sqrt(len(centred)) / spread[:n_kept]
    return (directions[:n_kept].T * scale).astype(np.float32)
