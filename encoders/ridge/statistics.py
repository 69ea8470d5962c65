"""Sums over blocks of samples: all that ridge regression needs to know of the data.

Every quantity of a cross-validated ridge (weights, held-out errors, scores) is a function of a few
sums a block. The sums of a training set are those of all blocks less those that it leaves out, and
centring by training means is a correction of rank one.
"""

from dataclasses import dataclass, replace

import numpy as np

from calcarine.encoders.ridge.arrays import NUMPY, Array, ArrayLibrary


@dataclass(frozen=True)
class FeatureMoments:
    """Features of the test and of the training blocks, about the mean of the training blocks.

    Attributes
    ----------
    train_gram, test_gram
        Products of centred features, float64, shape (n_features, n_features).
    """

    train_gram: Array
    test_gram: Array


@dataclass(frozen=True)
class TargetMoments:
    """Targets of the test and of the training blocks, about the means of the training blocks.

    Attributes
    ----------
    train_cross, test_cross
        Products of centred features and targets, float32, shape (n_features, n_targets).
    train_squares, test_squares
        Squared error of predicting the training mean, float64, shape (n_targets,).
    """

    train_cross: Array
    test_cross: Array
    train_squares: np.ndarray
    test_squares: np.ndarray


@dataclass(frozen=True)
class BlockStatistics:
    """Sums over the samples of each block.

    Products with the targets are float32: features and targets should be given roughly centred, or
    large means drown the rest. The exact mean does not matter, for every user centres again.

    Attributes
    ----------
    n_samples
        Number of samples, int64, shape (n_blocks,).
    sum_x
        Sum of features, float64, shape (n_blocks, n_features).
    gram
        Products of features, float64, shape (n_blocks, n_features, n_features).
    sum_y, sum_yy
        Sums of targets and of their squares, float64, shape (n_blocks, n_targets).
    xty
        Products of features and targets, float32, shape (n_blocks, n_features, n_targets); the one
        array that may live on another device.
    """

    n_samples: np.ndarray
    sum_x: np.ndarray
    gram: np.ndarray
    sum_y: np.ndarray
    sum_yy: np.ndarray
    xty: Array

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.n_samples)

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.sum_y.shape[1]

    def select(self, targets: np.ndarray | slice) -> "BlockStatistics":
        """Keep some targets, by number, mask or slice."""
        return replace(
            self,
            sum_y=self.sum_y[:, targets],
            sum_yy=self.sum_yy[:, targets],
            xty=self.xty[:, :, targets],
        )

    def weighted(self, weights: np.ndarray) -> "BlockStatistics":
        """Count every block some number of times and merge all into one.

        Parameters
        ----------
        weights
            How often each block counts, shape (n_blocks,): zeros and ones choose a training set,
            a draw with replacement makes a bootstrap sample.
        """
        counts = np.asarray(weights, dtype=np.float64)
        return BlockStatistics(
            (counts @ self.n_samples)[None],
            (counts @ self.sum_x)[None],
            np.tensordot(counts, self.gram, 1)[None],
            (counts @ self.sum_y)[None],
            (counts @ self.sum_yy)[None],
            _weighted_sum(self.xty, counts)[None],
        )

    def turned(self, axes: np.ndarray, library: ArrayLibrary = NUMPY) -> "BlockStatistics":
        """Express the features along other axes.

        Parameters
        ----------
        axes
            float64, shape (n_features, n_axes).
        library
            Where the products with the targets live.
        """
        turn = library.put(axes.T.astype(np.float32))
        return replace(
            self,
            sum_x=self.sum_x @ axes,
            gram=np.stack([axes.T @ gram @ axes for gram in self.gram]),
            xty=library.stack([turn @ self.xty[block] for block in range(self.n_blocks)]),
        )

    def feature_moments(
        self, train: np.ndarray, test: np.ndarray, library: ArrayLibrary = NUMPY
    ) -> FeatureMoments:
        """Centre the features of training and test blocks by the mean of the training blocks.

        Parameters
        ----------
        train, test
            Which blocks are which, bool, shape (n_blocks,).
        library
            Where `gram` lives, and the moments will.
        """
        n_train, n_test = (float(self.n_samples[own].sum()) for own in (train, test))
        mean = library.double(self.sum_x[train].sum(axis=0) / n_train)
        outer = mean[:, None] * mean[None]
        train_gram = _sum_of(self.gram, train) - n_train * outer
        mixed = library.double(self.sum_x[test].sum(axis=0))[:, None] * mean[None]
        test_gram = _sum_of(self.gram, test) - mixed - mixed.T + n_test * outer
        return FeatureMoments(train_gram, test_gram)

    def target_moments(
        self,
        train: np.ndarray,
        test: np.ndarray,
        total_xty: Array | None = None,
        library: ArrayLibrary = NUMPY,
    ) -> TargetMoments:
        """Centre the targets of training and test blocks by the means of the training blocks.

        Parameters
        ----------
        train, test
            Which blocks are which, bool, shape (n_blocks,).
        total_xty
            `xty` summed over blocks, which all folds share.
        library
            Where `xty` lives.
        """
        n_train, n_test = self.n_samples[train].sum(), self.n_samples[test].sum()
        train_sum, test_sum = self.sum_y[train].sum(axis=0), self.sum_y[test].sum(axis=0)
        mean, test_x = train_sum / n_train, self.sum_x[test].sum(axis=0)
        x_mean = self.sum_x[train].sum(axis=0) / n_train
        train_cross = _cross_of(self.xty, train, total_xty)
        train_cross -= library.outer(x_mean, train_sum)
        # both corrections of the test products as one product of rank two
        left = np.stack([test_x, x_mean], axis=1)
        test_cross = _cross_of(self.xty, test, None)
        test_cross -= library.product(left, np.stack([mean, test_sum - n_test * mean]))
        train_squares = self.sum_yy[train].sum(axis=0) - n_train * mean**2
        squares = self.sum_yy[test].sum(axis=0) - 2 * mean * test_sum + n_test * mean**2
        return TargetMoments(
            train_cross, test_cross, np.maximum(train_squares, 0.0), np.maximum(squares, 0.0)
        )


def _sum_of(sums: Array, blocks: np.ndarray) -> Array:
    first, *others = map(int, np.flatnonzero(blocks))
    out = sums[first] + 0.0
    for block in others:
        out += sums[block]
    return out


def _cross_of(xty: Array, blocks: np.ndarray, total: Array | None) -> Array:
    """Sum the products of some blocks: from all, less the others, where that is shorter."""
    chosen, others = np.flatnonzero(blocks), np.flatnonzero(~blocks)
    if total is not None and len(others) < len(chosen):
        out = total - xty[int(others[0])] if len(others) else total + 0.0
        for block in others[1:]:
            out -= xty[int(block)]
        return out
    out = xty[int(chosen[0])] + 0.0
    for block in chosen[1:]:
        out += xty[int(block)]
    return out


def _weighted_sum(xty: Array, counts: np.ndarray) -> Array:
    out = xty[0] * float(counts[0])
    for block in range(1, len(counts)):
        if counts[block]:
            out += xty[block] * float(counts[block])
    return out
