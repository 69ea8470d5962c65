"""Sums over blocks of samples: all that ridge regression needs to know of the data.

Every quantity of a cross-validated ridge (weights, held-out errors, scores) is a function of a few
sums a block. The sums of a training set are those of all blocks less those that it leaves out, and
centring by training means is a correction of rank one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.arrays import NUMPY, Array, ArrayLibrary

_ROWS_AT_A_TIME = 512


@dataclass(frozen=True)
class FeatureMoments:
    """Features of the test and of the training blocks, about the mean of the training blocks.

    Attributes
    ----------
    train_gram, test_gram
        Products of centred features, float64, shape (n_features, n_features).
    """

    train_gram: np.ndarray
    test_gram: np.ndarray


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

    def feature_moments(self, train: np.ndarray, test: np.ndarray) -> FeatureMoments:
        """Centre the features of training and test blocks by the mean of the training blocks.

        Parameters
        ----------
        train, test
            Which blocks are which, bool, shape (n_blocks,).
        """
        n_train, n_test = self.n_samples[train].sum(), self.n_samples[test].sum()
        mean = self.sum_x[train].sum(axis=0) / n_train
        outer = np.outer(mean, mean)
        train_gram = _sum_of(self.gram, train) - n_train * outer
        mixed = np.outer(self.sum_x[test].sum(axis=0), mean)
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


def _sum_of(sums: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    out = np.zeros_like(sums[0])
    for block in np.flatnonzero(blocks):
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


def block_statistics(
    features: np.ndarray, responses: np.ndarray, blocks: np.ndarray, chunk_size: int = 1024
) -> BlockStatistics:
    """Sum features, targets and their products over each block.

    Parameters
    ----------
    features
        Shape (n_samples, n_features).
    responses
        Shape (n_samples, n_targets); an array or a memory map, read in chunks of targets.
    blocks
        Block of each sample, 0 … n_blocks − 1, shape (n_samples,).
    chunk_size
        Number of targets at a time.

    Returns
    -------
    BlockStatistics
        Of all targets. `feature_statistics` once and `add_responses` for each chunk of targets
        give the same with flat memory.

    Examples
    --------
    >>> x, y = np.eye(4, 2), np.arange(8.0).reshape(4, 2)
    >>> block_statistics(x, y, np.array([0, 0, 1, 1])).xty[0]
    array([[0., 1.],
           [2., 3.]], dtype=float32)
    """
    of_features = feature_statistics(features, blocks)
    features = np.asarray(features, dtype=np.float32)
    n_blocks, n_targets = of_features.n_blocks, responses.shape[1]
    sum_y = np.empty((n_blocks, n_targets))
    sum_yy = np.empty((n_blocks, n_targets))
    xty = np.empty((n_blocks, features.shape[1], n_targets), dtype=np.float32)
    for start in range(0, n_targets, chunk_size):
        chunk = slice(start, start + chunk_size)
        values = np.asarray(responses[:, chunk], dtype=np.float32)
        part = add_responses(of_features, features, values, blocks)
        sum_y[:, chunk], sum_yy[:, chunk], xty[:, :, chunk] = part.sum_y, part.sum_yy, part.xty
    return replace(of_features, sum_y=sum_y, sum_yy=sum_yy, xty=xty)


def feature_statistics(
    features: np.ndarray, blocks: np.ndarray, with_gram: bool = True
) -> BlockStatistics:
    """Sum features over each block; the result has no targets yet.

    Parameters
    ----------
    features
        Shape (n_samples, n_features).
    blocks
        Block of each sample, 0 … n_blocks − 1, shape (n_samples,).
    with_gram
        Multiply features with each other; without it `gram` is empty, for those who know it.

    Raises
    ------
    CalcarineError
        The lengths differ, or a block is empty.
    """
    if len(features) != len(blocks):
        raise CalcarineError(f"{len(features)} samples of features came with {len(blocks)} blocks.")
    n_samples = np.bincount(blocks)
    if not n_samples.all():
        raise CalcarineError(
            f"blocks {np.flatnonzero(n_samples == 0)} hold no sample; number the blocks "
            f"0 … {np.unique(blocks).size - 1} without gaps."
        )
    n_blocks, n_features = len(n_samples), features.shape[1]
    sum_x = np.zeros((n_blocks, n_features))
    gram = np.zeros((n_blocks, n_features, n_features) if with_gram else (n_blocks, 0, 0))
    for block, rows in enumerate(block_rows(blocks)):
        for part in _parts(rows, 4096):
            values = np.asarray(features[part], dtype=np.float64)
            sum_x[block] += values.sum(axis=0)
            if with_gram:
                gram[block] += values.T @ values
    none = np.zeros((n_blocks, 0))
    xty = np.zeros((n_blocks, n_features, 0), dtype=np.float32)
    return BlockStatistics(n_samples, sum_x, gram, none, none, xty)


def add_responses(
    statistics: BlockStatistics,
    features: Array,
    responses: np.ndarray,
    blocks: np.ndarray,
    library: ArrayLibrary = NUMPY,
) -> BlockStatistics:
    """Put the targets of one chunk in the place of those that `statistics` holds.

    Parameters
    ----------
    statistics
        Of the same features and blocks.
    features
        float32, shape (n_samples, n_features), where `library` keeps its arrays.
    responses
        float32, shape (n_samples, n_targets).
    blocks
        Block of each sample, shape (n_samples,).
    library
        What multiplies; the products stay with it.
    """
    n_blocks, n_targets = statistics.n_blocks, responses.shape[1]
    if len(responses) != len(features):
        raise CalcarineError(
            f"the responses have {len(responses)} samples, the features {len(features)}."
        )
    sum_y = np.zeros((n_blocks, n_targets))
    sum_yy = np.zeros((n_blocks, n_targets))
    products = []
    for block, rows in enumerate(block_rows(blocks)):
        values = responses[rows]
        products.append(features[rows].T @ library.put(values))
        # short float32 sums added in float64: one pass, and no drift over many samples
        for start in range(0, len(values), _ROWS_AT_A_TIME):
            part = values[start : start + _ROWS_AT_A_TIME]
            sum_y[block] += part.sum(axis=0)
            sum_yy[block] += np.einsum("nv,nv->v", part, part)
    return replace(statistics, sum_y=sum_y, sum_yy=sum_yy, xty=library.stack(products))


def block_rows(blocks: np.ndarray) -> list[slice | np.ndarray]:
    """Find the rows of each block: slices where blocks follow each other, else row numbers."""
    n_blocks = int(blocks.max()) + 1
    if (np.diff(blocks) >= 0).all():
        bounds = np.searchsorted(blocks, np.arange(n_blocks + 1))
        return [slice(a, b) for a, b in pairwise(bounds)]
    return [np.flatnonzero(blocks == block) for block in range(n_blocks)]


def _parts(rows: slice | np.ndarray, size: int) -> Iterator[slice | np.ndarray]:
    if isinstance(rows, slice):
        for start in range(rows.start, rows.stop, size):
            yield slice(start, min(start + size, rows.stop))
    else:
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
