"""From features and responses to their sums over blocks."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.arrays import NUMPY, Array, ArrayLibrary
from calcarine.encoders.ridge.statistics import BlockStatistics

_ROWS_AT_A_TIME = 512


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
    features: np.ndarray,
    blocks: np.ndarray,
    with_gram: bool = True,
    library: ArrayLibrary = NUMPY,
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
    library
        What multiplies; the sums are numpy's.

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
            values = library.double(features[part])
            sum_x[block] += library.get(values.sum(0))
            if with_gram:
                gram[block] += library.get(values.T @ values)
    none = np.zeros((n_blocks, 0))
    xty = np.zeros((n_blocks, n_features, 0), dtype=np.float32)
    return BlockStatistics(n_samples, sum_x, gram, none, none, xty)


def add_responses(
    statistics: BlockStatistics,
    features: Array,
    responses: Array,
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
        float32, shape (n_samples, n_targets), from numpy or from `library`.
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
        there = library.put(values)
        products.append(features[rows].T @ there)
        if library.device is not None:
            sum_y[block] = library.column_sums(there)
            sum_yy[block] = library.column_products(there, there)
            continue
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
