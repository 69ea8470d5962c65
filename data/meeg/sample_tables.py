"""Recordings as consumer devices write them: a CSV of samples with a marker column."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError

SCALES_V = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "µV": 1e-6, "nV": 1e-9}
_MAX_RATE_ERROR = 0.01


@dataclass(frozen=True)
class SampleTable:
    """What the columns of a CSV mean.

    Attributes
    ----------
    time
        Column of time stamps in seconds; None: there is none.
    marker
        Column that is 0 (or empty) except at the samples of events.
    unit
        Unit of the samples: V, mV, uV, nV.
    sampling_rate_hz
        Nominal rate; the time stamps must agree with it to one per cent.
    ignore
        Columns that are neither samples nor markers.
    channel_types
        Types of channels that are not EEG.
    """

    marker: str
    sampling_rate_hz: float
    time: str | None = None
    unit: str = "uV"
    ignore: tuple[str, ...] = ()
    channel_types: Mapping[str, str] = field(default_factory=dict)


def read_sample_table(path: Path, layout: SampleTable) -> tuple[Any, pd.DataFrame]:
    """Read a CSV of samples.

    Samples are taken as equally spaced: devices of this kind send them in packets, and their time
    stamps jitter by the length of one.

    Parameters
    ----------
    path
        One sample a row, one channel a column, with a header line.
    layout
        What the columns mean.

    Returns
    -------
    raw : mne.io.RawArray
        Samples in volts.
    events : pandas.DataFrame
        `onset` (seconds) and the marker column as text, one row a marker.

    Raises
    ------
    CalcarineError
        A column is missing, a cell is no number, the time stamps do not fit the rate, or there is
        no marker.
    """
    import mne

    table = _read(path, layout)
    names = [n for n in table.columns if n not in {layout.time, layout.marker, *layout.ignore}]
    values = table[names].to_numpy(dtype=np.float64)
    holes = np.argwhere(~np.isfinite(values))
    if len(holes):
        raise CalcarineError(
            f"{path}, row {holes[0][0] + 2}: `{names[holes[0][1]]}` is no number; {len(holes)} "
            "samples are missing. Remove the rows at the ends, or repair them."
        )
    if layout.time is not None:
        _check_rate(table[layout.time].to_numpy(dtype=np.float64), path, layout)
    kinds = [layout.channel_types.get(n, "eeg") for n in names]
    info = mne.create_info(names, layout.sampling_rate_hz, kinds)
    raw = mne.io.RawArray(values.T * SCALES_V[layout.unit], info, verbose="error")
    return raw, _events(table[layout.marker], path, layout)


def _read(path: Path, layout: SampleTable) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise CalcarineError(
            f"{path} cannot be read as a table of samples ({error}). Expected commas between the "
            "cells and a header line."
        ) from error
    table.columns = [str(n).strip() for n in table.columns]
    wanted = [n for n in (layout.time, layout.marker, *layout.ignore) if n is not None]
    missing = [n for n in (*wanted, *layout.channel_types) if n not in table.columns]
    if missing:
        raise CalcarineError(
            f"{path} lacks the columns {missing}; it has {list(table.columns)}. Correct "
            "`source.table`."
        )
    if layout.unit not in SCALES_V:
        raise CalcarineError(
            f"`source.table.unit` is {layout.unit!r}; expected one of {list(SCALES_V)}."
        )
    return table.apply(pd.to_numeric, errors="coerce")


def _check_rate(times: np.ndarray, path: Path, layout: SampleTable) -> None:
    rate = (len(times) - 1) / (times[-1] - times[0]) if times[-1] > times[0] else np.nan
    if not abs(rate / layout.sampling_rate_hz - 1) < _MAX_RATE_ERROR:
        raise CalcarineError(
            f"{path}: {len(times)} samples in {times[-1] - times[0]:g} s are {rate:g} Hz; "
            f"`source.table.sampling_rate_hz` is {layout.sampling_rate_hz:g}. Correct it, mend "
            "the time stamps (seconds), or leave a recording with gaps out."
        )


def _events(marker: pd.Series, path: Path, layout: SampleTable) -> pd.DataFrame:
    values = marker.fillna(0).to_numpy(dtype=np.float64)
    rows = np.flatnonzero(values != 0)
    if not len(rows):
        raise CalcarineError(f"{path}: the column {layout.marker!r} marks no event.")
    return pd.DataFrame(
        {
            "onset": rows / layout.sampling_rate_hz,
            layout.marker: [f"{v:g}" for v in values[rows]],
        }
    )
