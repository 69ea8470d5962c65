"""Windows around the onsets of trials: baseline, rejection, one array."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.channels import UNITS, channel_types, unit_scales
from calcarine.data.meeg.settings import Windows
from calcarine.data.meeg.trials import MeegRun, onset_samples


@dataclass(frozen=True)
class RunWindows:
    """The windows of one run.

    Attributes
    ----------
    values
        float32, shape (n_kept, n_channels, n_times), in µV, fT, fT/cm.
    times_s
        Seconds after the onset, shape (n_times,).
    kept
        Which trials of the run these are, shape (n_kept,).
    dropped
        Why the other trials were left out, by their number in the run.
    """

    values: np.ndarray
    times_s: np.ndarray
    kept: np.ndarray
    dropped: dict[int, str]


def run_windows(run: MeegRun, raw: Any, names: list[str], windows: Windows) -> RunWindows:
    """Cut the windows of a run's trials out of its clean signals.

    Parameters
    ----------
    run, raw
        The run and its recording after cleaning.
    names
        Channels to keep.
    windows
        Start, end, baseline, limits.

    Raises
    ------
    CalcarineError
        Start and end leave no window, or the baseline lies outside of it.
    """
    import mne

    check_windows(windows)
    samples = onset_samples(run, raw, windows)
    events = np.column_stack([samples, np.zeros_like(samples), np.ones_like(samples)])
    kinds = set(channel_types(raw.info, names))
    epochs = mne.Epochs(
        raw,
        events,
        tmin=windows.tmin,
        tmax=windows.tmax,
        baseline=windows.baseline,
        picks=names,
        reject=_limits(windows.reject, kinds),
        flat=_limits(windows.flat, kinds),
        decim=windows.decim,
        proj=False,
        preload=True,
        reject_by_annotation=True,
        event_repeated="drop",
        verbose="error",
    )
    factors, _ = unit_scales(channel_types(epochs.info, names))
    values = np.empty((0, len(names), len(epochs.times)))
    if len(epochs):
        values = epochs.get_data(copy=False)
        values *= factors[:, None]
    kept = np.asarray(epochs.selection, dtype=np.int64)
    log = epochs.drop_log
    dropped = {i: ", ".join(log[i]) for i in range(len(samples)) if i not in set(kept.tolist())}
    return RunWindows(values.astype(np.float32), np.asarray(epochs.times), kept, dropped)


def _limits(limits: Mapping[str, float] | None, kinds: set[str]) -> dict[str, float] | None:
    """Turn limits into SI units; those of channel types that are not recorded are left out."""
    if limits is None:
        return None
    unknown = sorted(set(limits) - set(UNITS))
    if unknown:
        raise CalcarineError(
            f"recording.epochs names limits for {unknown}; expected some of {list(UNITS)}."
        )
    return {kind: limit / UNITS[kind][0] for kind, limit in limits.items() if kind in kinds}


def check_windows(windows: Windows) -> None:
    """Refuse windows that end before they start, or with a baseline outside of them.

    Raises
    ------
    CalcarineError
        With the key and what it says.
    """
    if windows.tmin >= windows.tmax:
        raise CalcarineError(
            f"recording.epochs runs from tmin {windows.tmin:g} s to tmax {windows.tmax:g} s; the "
            "end must come after the start."
        )
    start, end = windows.baseline or (None, None)
    edges = (windows.tmin if start is None else start, windows.tmax if end is None else end)
    if not windows.tmin <= edges[0] < edges[1] <= windows.tmax:
        raise CalcarineError(
            f"recording.epochs.baseline {list(edges)} s does not lie in the window from "
            f"{windows.tmin:g} to {windows.tmax:g} s. Correct it, or set it to null."
        )
