"""Rows of responses that stay on disk: read and standardised piece by piece, never whole."""

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol, cast

import numpy as np

from calcarine.data.errors import CalcarineError

IN_MEMORY_BYTES = 2**29
_BLOCK_BYTES = 64 * 2**20


class FittedScale(Protocol):
    """What standardises some columns of some rows."""

    def transform_columns(
        self, values: np.ndarray, groups: np.ndarray | None, columns: slice
    ) -> np.ndarray:
        """Standardise `values`, float32 (n_rows, n_columns), which may be overwritten."""


class StoredRows:
    """Some rows of a memory-mapped `.npy` file, in any order, as an array that is read in parts.

    The file is read by its offsets and not through its map, so that pages which were read do not
    count as memory of the process. Whoever needs all of it at once is refused: that is what this
    class is there to prevent.

    Parameters
    ----------
    values
        Memory map of a whole float32 file in C order, shape (n_trials, n_units).
    rows
        Row numbers, shape (n_rows,).
    scale
        Standardises what is read; None: as stored.
    groups
        Session of each row for `scale`, shape (n_rows,); None: one set of statistics.
    factor
        Multiplies what was standardised, shape (n_units,); None: 1.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/r.npy", np.arange(12, dtype=np.float32).reshape(4, 3))
    ...     rows = StoredRows(np.load(f"{folder}/r.npy", mmap_mode="r"), np.array([2, 0]))
    ...     rows.shape, rows[:, 1:].tolist()
    ((2, 3), [[7.0, 8.0], [1.0, 2.0]])
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(
        self,
        values: np.memmap,
        rows: np.ndarray,
        scale: FittedScale | None = None,
        groups: np.ndarray | None = None,
        factor: np.ndarray | None = None,
    ) -> None:
        if not can_stay(values):
            raise CalcarineError(
                f"rows of a {type(values).__name__} of shape {np.shape(values)} cannot stay on "
                "disk; expected the memory map of a float32 .npy file with two dimensions."
            )
        self.values, self.scale, self.groups, self.factor = values, scale, groups, factor
        self.rows = np.asarray(rows, dtype=np.int64)
        self.shape = (len(self.rows), values.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes that all rows would take in memory."""
        return 4 * self.shape[0] * self.shape[1]

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        """Refuse to be read at once."""
        raise CalcarineError(
            f"{self.shape[0]} × {self.shape[1]} responses ({self.nbytes / 1e9:.1f} GB) were asked "
            "for at once. This step reads all of them; choose fewer units by `recording.rois` or "
            "`recording.mask`."
        )

    def __getitem__(self, key: object) -> np.ndarray:
        """Read some rows, or some columns of them: `[rows]`, `[rows, columns]`."""
        which, columns = key if isinstance(key, tuple) else (key, slice(None))
        chosen = np.arange(len(self))[which]
        start, stop, step = columns.indices(self.shape[1])
        if np.ndim(chosen) != 1 or step != 1:
            raise CalcarineError("stored rows are read by rows and by one stretch of columns.")
        out = self._read(self.rows[chosen], slice(start, max(start, stop)))
        if self.scale is not None:
            groups = None if self.groups is None else self.groups[chosen]
            out = self.scale.transform_columns(out, groups, slice(start, stop))
        return out if self.factor is None else out * self.factor[start:stop]

    def take(self, rows: np.ndarray) -> "StoredRows":
        """Give some of the rows, which stay on disk too."""
        groups = None if self.groups is None else self.groups[rows]
        return StoredRows(self.values, self.rows[rows], self.scale, groups, self.factor)

    def scaled(self, scale: FittedScale, groups: np.ndarray | None) -> "StoredRows":
        """Give the same rows, standardised where they are read."""
        return StoredRows(self.values, self.rows, scale, groups)

    def times(self, factor: np.ndarray) -> "StoredRows":
        """Give the same rows, each unit multiplied by its factor, float32 (n_units,)."""
        whole = factor if self.factor is None else self.factor * factor
        return StoredRows(self.values, self.rows, self.scale, self.groups, whole)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Read everything once, some rows at a time."""
        n_rows = max(1, _BLOCK_BYTES // max(4 * self.shape[1], 1))
        for start in range(0, len(self), n_rows):
            rows = slice(start, min(start + n_rows, len(self)))
            yield rows, self[rows]

    def _read(self, rows: np.ndarray, columns: slice) -> np.ndarray:
        n_columns = columns.stop - columns.start
        out = np.empty((len(rows), n_columns), dtype=np.float32)
        if not out.size:
            return out
        width = 4 * self.shape[1]
        first = self.values.offset + 4 * columns.start
        # rows that follow each other are one read, where whole rows are wanted
        breaks = np.ones(len(rows), dtype=bool)
        if n_columns == self.shape[1]:
            breaks[1:] = np.diff(rows) != 1
        starts = np.append(np.flatnonzero(breaks), len(rows))
        # an open file of its own: threads read side by side
        descriptor = os.open(str(self.values.filename), os.O_RDONLY)
        try:
            for begin, end in pairwise(starts):
                place = first + int(rows[begin]) * width
                _fill(descriptor, out[begin:end].data.cast("B"), place)
        finally:
            os.close(descriptor)
        return out


def _fill(descriptor: int, buffer: memoryview, place: int) -> None:
    while len(buffer):
        n_read = os.preadv(descriptor, [buffer], place)
        if not n_read:
            raise CalcarineError(
                "a file of responses ended before its last trial; it was changed or cut while it "
                "was read. Run `prepare` again."
            )
        buffer, place = buffer[n_read:], place + n_read


def can_stay(values: object) -> bool:
    """Say whether rows of an array can be read from its file."""
    return (
        isinstance(values, np.memmap)
        and values.filename is not None
        and values.ndim == 2
        and values.dtype == np.dtype("<f4")
        and values.flags.c_contiguous
        and values.size > 0
        # a view of a map keeps its offset, and would be read from the wrong place
        and not isinstance(values.base, np.ndarray)
    )


def take_rows(values: np.ndarray, rows: np.ndarray, limit: int | None = None) -> np.ndarray:
    """Take rows of responses: into memory where they are few, otherwise left on disk.

    Parameters
    ----------
    values
        Shape (n_trials, n_units …): in memory, memory-mapped, or `StoredRows`.
    rows
        Row numbers.
    limit
        Bytes that may be copied into memory; by default 512 MB.

    Returns
    -------
    numpy.ndarray
        Or `StoredRows`, which stands for an array wherever responses are read in parts.
    """
    limit = IN_MEMORY_BYTES if limit is None else limit
    n_bytes = len(rows) * int(np.prod(values.shape[1:])) * values.dtype.itemsize
    if isinstance(values, StoredRows):
        return values[rows] if n_bytes <= limit else cast(np.ndarray, values.take(rows))
    if n_bytes <= limit or not can_stay(values):
        return np.asarray(values[rows])
    return cast(np.ndarray, StoredRows(cast(np.memmap, values), rows))


def times(values: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Multiply each unit (columns) by its factor, wherever the array is."""
    if isinstance(values, StoredRows):
        return cast(np.ndarray, values.times(factor))
    product: np.ndarray = values * factor
    return product


def row_blocks(values: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Walk over an array some rows at a time, wherever it is.

    Parameters
    ----------
    values
        Shape (n_rows, …), an array or `StoredRows`.
    """
    if isinstance(values, StoredRows):
        yield from values.blocks()
        return
    a_row = max(values.itemsize * int(np.prod(values.shape[1:])), 1)
    n_rows = max(1, _BLOCK_BYTES // a_row)
    for start in range(0, len(values), n_rows):
        rows = slice(start, min(start + n_rows, len(values)))
        yield rows, values[rows]
