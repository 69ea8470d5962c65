"""Single-trial responses of a subject's EEG or MEG runs, one run in memory at a time."""

from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.channels import (
    channel_types,
    check_same_channels,
    unit_scales,
    units_table,
)
from calcarine.data.meeg.cleaning import CleanRun, clean_run
from calcarine.data.meeg.quality import RunQuality, quality_report
from calcarine.data.meeg.reading import open_raw
from calcarine.data.meeg.settings import MeegReading
from calcarine.data.meeg.trials import MeegRun
from calcarine.data.meeg.windows import run_windows
from calcarine.data.responses import Responses


def response_window_s(reading: MeegReading) -> tuple[float, float]:
    """Give the data that a trial uses, in seconds after its onset."""
    return reading.epochs.span_s


def prepare_meeg(
    reading: MeegReading, runs: list[MeegRun], trials: pd.DataFrame
) -> tuple[Responses, dict[str, Any]]:
    """Clean every run and cut the windows of its trials.

    Parameters
    ----------
    reading
        What to read and how.
    runs, trials
        From `read_meeg_trials`; `split` of the trials is declared.

    Returns
    -------
    tuple
        Responses in µV, fT or fT/cm of shape (n_kept, n_channels, n_times), not standardised, with
        their trials (those that were rejected are left out), and the quality of the data.

    Raises
    ------
    CalcarineError
        A file is damaged, runs have different channels, or every trial was rejected.
    """
    parts: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    qualities: list[RunQuality] = []
    first: CleanRun | None = None
    units, times, start = pd.DataFrame(), np.array([]), 0
    first_head = None
    for run in tqdm(runs, desc=f"sub-{reading.subject}: windows", disable=None):
        raw = open_raw(run.files, reading)
        first_head = raw.info["dev_head_t"] if first is None else first_head
        clean = clean_run(raw, run.files, reading, first_head)
        own_units = units_table(clean.raw.info, clean.names, clean.bads)
        if first is None:
            first, units = clean, own_units
        check_same_channels(units, own_units, runs[0].files.name, run.files.name)
        units["interpolated"] |= own_units["interpolated"].to_numpy()
        found = run_windows(run, clean.raw, clean.names, reading.epochs)
        times = found.times_s
        parts.append(found.values)
        kept.append(start + found.kept)
        qualities.append(RunQuality.of(run, clean, found, trials["trial_id"].iloc[start:]))
        start += len(run.trials)
    assert first is not None
    values = np.concatenate(parts)
    _check_left(values, qualities, reading)
    chosen = trials.iloc[np.concatenate(kept)].reset_index(drop=True)
    chosen = chosen.assign(repeat=chosen.groupby("stimulus_id").cumcount() + 1)
    _, unit = unit_scales(channel_types(first.raw.info, first.names))
    sidecar = {
        "space": "sensors",
        "montage": reading.montage or "of the recording",
        "times_s": [round(float(t), 6) for t in times],
        "sampling_rate_hz": float(first.raw.info["sfreq"]) / reading.epochs.decim,
        "unit": unit,
        "response_window_s": list(response_window_s(reading)),
        "steps": first.steps,
        "provenance": {
            "recordings": [str(r.files.recording.relative_to(reading.bids)) for r in runs],
            "events": [str(r.files.events_file().relative_to(reading.bids)) for r in runs],
        },
    }
    return Responses(values, chosen, units, sidecar), quality_report(qualities, units, reading)


def _check_left(values: np.ndarray, qualities: list[RunQuality], reading: MeegReading) -> None:
    if not len(values):
        reasons: dict[str, int] = {}
        for quality in qualities:
            for reason in quality.dropped.values():
                reasons[reason] = reasons.get(reason, 0) + 1
        raise CalcarineError(
            f"sub-{reading.subject}: every trial was rejected ({reasons}). Raise the limits in "
            "`recording.epochs.reject` (µV, fT, fT/cm), or look at the channels that are named."
        )
