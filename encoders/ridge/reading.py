"""Responses in chunks: from memory or disk, centred, checked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.arrays import NUMPY, Array, ArrayLibrary

NanTargets = Literal["refuse", "mask"]

_ROWS_AT_A_TIME = 512
_PANEL_BYTES = 96 * 2**20
_SENT = ("int16", "int32", "float32", "float64")  # other types become float32 on the way to torch


@dataclass(frozen=True)
class Chunk:
    """Some targets as deviations from a value near their mean.

    Attributes
    ----------
    targets
        Which.
    origin
        What was taken off, shape (n_targets,).
    values
        Deviations, float32, shape (n_samples, n_targets), where the solver's library keeps its
        arrays; zero for constant and masked targets.
    masked
        Targets with values that are not finite, bool, shape (n_targets,).
    """

    targets: slice
    origin: np.ndarray
    values: Array
    masked: np.ndarray


def check_shapes(features: np.ndarray, responses: np.ndarray) -> None:
    """Refuse arrays that do not belong together, and features that are not finite.

    Parameters
    ----------
    features, responses
        Expected (n_samples, n_features) and (n_samples, n_targets).
    """
    if features.ndim != 2 or responses.ndim != 2 or len(features) != len(responses):
        raise CalcarineError(
            f"features have shape {features.shape} and responses {responses.shape}; expected "
            "(n_samples, n_features) and (n_samples, n_targets) with as many samples."
        )
    if len(features) < 2 or not features.shape[1] or not responses.shape[1]:
        raise CalcarineError(
            f"features have shape {features.shape} and responses {responses.shape}; at least two "
            "samples, one feature and one target are needed."
        )
    for start in range(0, len(features), 4096):
        if not np.isfinite(features[start : start + 4096]).all():
            _refuse_non_finite(features, "features", 0)


def raw_chunks(responses: np.ndarray, chunk_size: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Give chunks of targets as they are stored.

    A memory map is read in panels of many targets, because a row of a narrow chunk would be a
    fraction of a page of the disk.

    Parameters
    ----------
    responses
        Shape (n_samples, n_targets).
    chunk_size
        Number of targets at a time.
    """
    n_samples, n_targets = responses.shape
    in_memory = type(responses) is np.ndarray
    width = _PANEL_BYTES // max(n_samples * responses.dtype.itemsize, 1)
    width = n_targets if in_memory else max(chunk_size, width - width % chunk_size)
    for first in range(0, n_targets, width):
        panel = responses[:, first : first + width]
        if type(panel) is not np.ndarray:
            panel = np.array(panel)
        for start in range(0, panel.shape[1], chunk_size):
            chunk = panel[:, start : start + chunk_size]
            yield slice(first + start, first + start + chunk.shape[1]), chunk


def read_chunk(
    targets: slice,
    raw: np.ndarray,
    order: np.ndarray | None,
    nan_targets: NanTargets,
    library: ArrayLibrary = NUMPY,
) -> Chunk:
    """Centre some targets; a constant target deviates nowhere.

    Parameters
    ----------
    targets
        Which targets these are.
    raw
        Shape (n_samples, n_targets).
    order
        Rows in the order of the blocks; None where they stand in it.
    nan_targets
        `refuse` targets with values that are not finite, or `mask` them.
    library
        Where the values are wanted. A GPU gets them as they are stored and does the rest.

    Raises
    ------
    CalcarineError
        A value is not finite and that is to be refused.
    """
    if library.device is not None:
        return _read_there(targets, raw, order, nan_targets, library)
    ordered = raw if order is None else raw[order]
    dtype = np.result_type(raw.dtype, np.float32)
    sums = np.zeros(raw.shape[1])
    for start in range(0, len(ordered), _ROWS_AT_A_TIME):
        sums += ordered[start : start + _ROWS_AT_A_TIME].sum(axis=0, dtype=dtype)
    masked = ~np.isfinite(sums)
    if masked.any() and nan_targets != "mask":
        _refuse_non_finite(raw, "responses", targets.start)
    origin = np.where(masked, 0.0, sums / len(ordered)).astype(dtype)
    values = np.subtract(ordered, origin, dtype=dtype).astype(np.float32, copy=False)
    if masked.any():
        values[:, masked] = 0.0
    constant = np.flatnonzero(values[0] == values[-1])
    constant = constant[(values[:, constant] == values[0, constant]).all(axis=0)]
    origin[constant] += values[0, constant]
    values[:, constant] = 0.0
    return Chunk(targets, origin, values, masked)


def _read_there(
    targets: slice,
    raw: np.ndarray,
    order: np.ndarray | None,
    nan_targets: NanTargets,
    library: ArrayLibrary,
) -> Chunk:
    values = library.put(raw if str(raw.dtype) in _SENT else raw.astype(np.float32))
    if order is not None:
        values = values[library.put(order)]
    sums = library.column_sums(values)
    masked = ~np.isfinite(sums)
    if masked.any() and nan_targets != "mask":
        _refuse_non_finite(raw, "responses", targets.start)
    dtype = np.result_type(raw.dtype, np.float32)
    origin = np.where(masked, 0.0, sums / len(raw)).astype(dtype)
    values = (values - library.put(origin)).to(library.xp.float32)
    if masked.any():
        values[:, library.put(np.flatnonzero(masked))] = 0.0
    ends = library.get(values[0] == values[-1])
    some = library.put(np.flatnonzero(ends))
    same = library.get((values[:, some] == values[0, some]).all(0))
    constant = np.flatnonzero(ends)[same]
    origin[constant] += library.get(values[0])[constant]
    values[:, library.put(constant)] = 0.0
    return Chunk(targets, origin, values, masked)


def _refuse_non_finite(values: np.ndarray, what: str, first_column: int) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        places = [(int(row), int(column) + first_column) for row, column in bad[:5]]
        remedy = "Leave those columns out of the mask or those samples out of the fit" + (
            ", or set `nan_targets` to 'mask'." if what == "responses" else "."
        )
        raise CalcarineError(
            f"{len(bad)} values of the {what} are NaN or inf, the first at (sample, column) "
            f"{places}{' …' * (len(bad) > 5)}. {remedy}"
        )
