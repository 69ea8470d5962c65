"""Confound tables: motion and the like, one row a volume."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.events import numbers_of
from calcarine.data.tables import read_table

_DISPLACEMENT = ("framewise_displacement", "FramewiseDisplacement")
_MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_OLD_MOTION = ("X", "Y", "Z", "RotX", "RotY", "RotZ")
HEAD_RADIUS_MM = 50.0


def read_confounds(
    path: Path | None, columns: Sequence[str], n_volumes: int, run: str
) -> np.ndarray:
    """Read the confounds that the model shall have.

    Parameters
    ----------
    path
        Confounds table of the run, or None.
    columns
        Names of its columns.
    n_volumes
        Volumes of the run.
    run
        Name of the run, for messages.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_volumes, n_columns), each column with mean 0 and variance 1. `n/a` at the
        beginning of a column (derivatives have none there) becomes the mean.

    Raises
    ------
    CalcarineError
        The table or a column is not there, its length differs, or a cell is no number.
    """
    if not columns:
        return np.zeros((n_volumes, 0))
    if path is None:
        raise CalcarineError(
            f"{run} has no confounds table, but `recording.confounds` asks for {list(columns)}. "
            "Put a *_desc-confounds_timeseries.tsv beside the BOLD file or ask for none."
        )
    table = read_table(path, "confounds table")
    _check_length(table, path, n_volumes)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        near = difflib.get_close_matches(missing[0], list(table.columns), n=5)
        there = f"near it are {near}" if near else f"it has {list(table.columns)[:30]}"
        raise CalcarineError(
            f"{path} has no column {missing[0]!r}; {there}. Correct `recording.confounds`."
        )
    values = np.column_stack([_filled(table[name], path) for name in columns])
    values -= values.mean(axis=0)
    spread = values.std(axis=0)
    return values[:, spread > 0] / spread[spread > 0]


def _check_length(table: pd.DataFrame, path: Path, n_volumes: int) -> None:
    if len(table) != n_volumes:
        raise CalcarineError(
            f"{path} has {len(table)} rows; the run has {n_volumes} volumes. "
            "Expected one row a volume."
        )


def _filled(column: pd.Series, path: Path) -> np.ndarray:
    values = numbers_of(column, str(path), allow_missing=True)
    there = np.flatnonzero(np.isfinite(values))
    if not len(there):
        raise CalcarineError(f"{path}: column {column.name!r} holds no number.")
    gaps = np.flatnonzero(~np.isfinite(values[there[0] :])) + there[0]
    if len(gaps):
        raise CalcarineError(
            f"{path}, row {gaps[0] + 2}: `{column.name}` is n/a in the middle of the run; "
            "only the first rows may be. Fill it in or leave the column out."
        )
    values[: there[0]] = values[there].mean()
    return values


def framewise_displacement(path: Path | None, n_volumes: int) -> np.ndarray | None:
    """Give the framewise displacement of a run.

    Parameters
    ----------
    path
        Confounds table: its own column is taken, or the six motion parameters (mm and radians on
        a sphere of 50 mm; Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018).
    n_volumes
        Volumes of the run.

    Returns
    -------
    numpy.ndarray or None
        mm, shape (n_volumes,), 0 for the first volume; None where the table does not tell.
    """
    if path is None:
        return None
    table = read_table(path, "confounds table")
    _check_length(table, path, n_volumes)
    for name in _DISPLACEMENT:
        if name in table.columns:
            return np.nan_to_num(numbers_of(table[name], str(path), allow_missing=True))
    for names in (_MOTION, _OLD_MOTION):
        if set(names) <= set(table.columns):
            motion = np.column_stack([_filled(table[name], path) for name in names])
            motion[:, 3:] *= HEAD_RADIUS_MM
            return np.r_[0.0, np.abs(np.diff(motion, axis=0)).sum(axis=1)]
    return None
