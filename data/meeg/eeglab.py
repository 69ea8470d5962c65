"""EEGLAB recordings with every field of their events, which MNE's annotations leave out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.io

from calcarine.data.errors import CalcarineError

_OWN = ("latency", "duration", "urevent")


def read_eeglab(path: Path) -> tuple[Any, pd.DataFrame]:
    """Read a continuous EEGLAB recording (.set, .fdt).

    Returns
    -------
    raw : mne.io.BaseRaw
        The recording.
    events : pandas.DataFrame
        `onset` (seconds from the first sample) and all other fields of the events as text; `n/a`
        where a field is empty.

    Raises
    ------
    CalcarineError
        The file is damaged, holds epochs, or has no events.
    """
    import mne

    try:
        raw = mne.io.read_raw_eeglab(path, preload=True, verbose="error")
        found = scipy.io.loadmat(path, simplify_cells=True)
    except Exception as error:  # MATLAB files of version 7.3, truncated files, epochs
        raise CalcarineError(
            f"{path} cannot be read as a continuous EEGLAB recording ({error}). Save it from "
            "EEGLAB again, continuous, as version 6 or 7."
        ) from error
    events = found.get("EEG", found).get("event", [])
    rows = list(np.atleast_1d(events))
    if not rows:
        raise CalcarineError(f"{path} holds no events.")
    names = [n for n in dict.fromkeys(k for row in rows for k in row) if n not in _OWN]
    table = pd.DataFrame({n: [_text(row.get(n)) for row in rows] for n in names})
    # EEGLAB counts samples from 1 and allows fractions
    onset = [(float(row["latency"]) - 1) / raw.info["sfreq"] for row in rows]
    table.insert(0, "onset", onset)
    raw.set_annotations(None)
    return raw, table


def _text(value: Any) -> str:
    if value is None or np.size(value) == 0:
        return "n/a"
    if isinstance(value, str):
        return value.strip() or "n/a"
    number = float(np.asarray(value).ravel()[0])
    return "n/a" if np.isnan(number) else f"{number:g}"
