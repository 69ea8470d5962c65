"""Products of two embeddings' axes: of what both say, and of what only the two together say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.folds import grouped_folds
from calcarine.encoders.ridge.solver import solve_ridge

_TOLD = 0.05
_N_FOLDS = 5


@dataclass(frozen=True)
class JointAxes:
    """Axes of a picture's embedding, and those of captions by whether pictures tell them.

    Most of what a caption says the picture shows too: its content. The rest is how it is said, what
    is guessed, what is left out. Directions of the captions' embedding are therefore ordered by how
    well pictures predict them on training trials that the prediction was not fitted on, linearly
    and by products of the pictures' own axes: *told* are those of which they predict 5 % or more,
    *added* are the principal axes of what is left without these. All of it is fitted on training
    trials, without responses.

    Attributes
    ----------
    means
        Mean of the features, float32, shape (n_features,); both embeddings end to end.
    seen
        Principal axes of the first embedding, float32, shape (n_first, n_seen).
    told, added
        Axes of the second, float32, shape (n_second, n_told) and (n_second, n_added). A score on
        any axis has variance 1 over the training trials.
    square_means
        Means of products within `seen` and within `told`, float32, shape (n_squares,).
    """

    means: np.ndarray
    seen: np.ndarray
    told: np.ndarray
    added: np.ndarray
    square_means: np.ndarray

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
            Largest numbers of axes: seen, told, added.
        groups
            What must not straddle the folds of the prediction, shape (n_trials,).

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
        seen = _principal(first, n_axes[0])
        tell = np.concatenate([first, _squares(first @ seen)], axis=1)
        told = _told(second, tell, n_axes[1], groups)
        scores = second @ told
        left = second - scores @ (scores.T @ second / len(second))
        added = _principal(left, n_axes[2], float(np.linalg.norm(second)))
        added -= told @ (scores.T @ (second @ added)) / len(second)
        squares = np.concatenate([_squares(first @ seen), _squares(scores)], axis=1)
        arrays = means, seen, told, added, squares.mean(axis=0)
        return cls(*(a.astype(np.float32) for a in arrays))

    def extend(self, features: np.ndarray, with_products: bool = True) -> np.ndarray:
        """Append products of scores: float32, shape (n_items, n_features + n_squares + n_products).

        Parameters
        ----------
        features
            Two embeddings end to end, shape (n_items, n_features).
        with_products
            Whether to append products of what is seen and what is added to those within what is
            seen and within what is told.
        """
        first, second = np.split(features - self.means, [len(self.seen)], axis=1)
        seen = first @ self.seen
        squares = np.concatenate([_squares(seen), _squares(second @ self.told)], axis=1)
        parts = [features, squares - self.square_means]
        if with_products:
            added = second @ self.added
            parts.append((seen[:, :, None] * added[:, None, :]).reshape(len(features), -1))
        return np.concatenate(parts, axis=1).astype(np.float32)

    @property
    def n_squares(self) -> int:
        """Number of products within either embedding."""
        return len(self.square_means)

    @property
    def n_products(self) -> int:
        """Number of products of both embeddings' axes."""
        return int(self.seen.shape[1] * self.added.shape[1])


def _squares(scores: np.ndarray) -> np.ndarray:
    """Multiply every two axes, and each by itself: shape (n_items, n_axes (n_axes + 1) / 2)."""
    one, other = np.triu_indices(scores.shape[1])
    return np.asarray(scores[:, one] * scores[:, other])


def _principal(centred: np.ndarray, n_axes: int, size: float | None = None) -> np.ndarray:
    """Find principal axes that are more than rounding beside `size`, by default their own."""
    _, spread, directions = np.linalg.svd(centred, full_matrices=False)
    least = 1e-6 * (spread.max(initial=0.0) if size is None else size)
    n_kept = min(n_axes, int((spread > least).sum()))
    scale = np.sqrt(len(centred)) / spread[:n_kept]
    return np.asarray(directions[:n_kept].T * scale)


def _told(
    second: np.ndarray, tell: np.ndarray, n_axes: int, groups: np.ndarray | None
) -> np.ndarray:
    """Find the axes that are predicted best, and at all, on trials that were left out.

    No more principal axes are looked at than a tenth of the trials.
    """
    whole = _principal(second, len(second) // 10)
    scores = second @ whole
    predicted = np.empty_like(scores)
    of_fold = grouped_folds(len(second), groups, _N_FOLDS)
    for fold in range(_N_FOLDS):
        fit, left_out = of_fold != fold, of_fold == fold
        ridge = solve_ridge(
            tell[fit].astype(np.float32),
            scores[fit].astype(np.float32),
            None if groups is None else groups[fit],
        )
        predicted[left_out] = tell[left_out] @ ridge.coef + ridge.intercept
    shared = predicted.T @ scores / len(scores)
    share, directions = np.linalg.eigh((shared + shared.T) / 2)
    best = np.argsort(-share)[:n_axes]
    return whole @ directions[:, best[share[best] >= _TOLD]]
