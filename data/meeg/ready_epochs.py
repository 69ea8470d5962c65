"""Epochs that somebody else has cut: an array, its times and channels, and the trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from calcarine.data.atomic import write_json, write_npy
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json
from calcarine.data.meeg.channels import flat_layout, picked
from calcarine.data.meeg.reading import standard_montage
from calcarine.data.responses import Responses
from calcarine.data.stimuli import read_stimuli
from calcarine.data.tables import read_table
from calcarine.data.trial_assembly import assemble_trials


@dataclass(frozen=True)
class ReadyEpochs:
    """Epochs of one subject.

    Attributes
    ----------
    values
        float32, shape (n_trials, n_channels, n_times).
    times_s
        Shape (n_times,).
    names
        Channels.
    trials
        `session run onset duration stimulus phase` and more, one row a trial.
    unit
        Of the values.
    montage
        MNE's name of a montage that has the channels' positions, or a table `channel type x y z`.
    """

    values: np.ndarray
    times_s: np.ndarray
    names: list[str]
    trials: pd.DataFrame
    unit: str
    montage: str | pd.DataFrame

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put epochs of the same channels and times together.

        Raises
        ------
        CalcarineError
            Channels or times differ.
        """
        first = parts[0]
        for part in parts[1:]:
            if part.names != first.names or not np.allclose(part.times_s, first.times_s):
                raise CalcarineError(
                    f"epochs have the channels {first.names[:5]} and {part.names[:5]}, "
                    f"{len(first.times_s)} and {len(part.times_s)} times; expected the same."
                )
        return cls(
            np.concatenate([p.values for p in parts]),
            first.times_s,
            first.names,
            pd.concat([p.trials for p in parts], ignore_index=True),
            first.unit,
            first.montage,
        )


def _stem(root: Path, subject: str, datatype: str) -> Path:
    return root / f"sub-{subject}" / datatype / f"sub-{subject}_epochs"


def write_epochs(root: Path, subject: str, datatype: str, epochs: ReadyEpochs) -> None:
    """Write epochs into a data set: `sub-<label>_epochs.npy`, `.json`, `.tsv`."""
    stem = _stem(root, subject, datatype)
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_npy(stem.with_suffix(".npy"), epochs.values.astype(np.float32, copy=False))
    channels = _channel_table(epochs)
    write_json(
        stem.with_suffix(".json"),
        {
            "times_s": [round(float(t), 6) for t in epochs.times_s],
            "unit": epochs.unit,
            "montage": epochs.montage if isinstance(epochs.montage, str) else "of the recording",
            "channels": {c: list(channels[c]) for c in channels.columns},
        },
    )
    epochs.trials.to_csv(stem.with_suffix(".tsv"), sep="\t", index=False, na_rep="n/a")


def _channel_table(epochs: ReadyEpochs) -> pd.DataFrame:
    if not isinstance(epochs.montage, str):
        return epochs.montage
    placed = standard_montage(epochs.montage).get_positions()["ch_pos"]
    by_name = {n.lower(): p for n, p in placed.items()}
    lost = [n for n in epochs.names if n.lower() not in by_name]
    if lost:
        raise CalcarineError(f"the montage {epochs.montage} does not know the channels {lost[:8]}.")
    xyz = np.array([by_name[n.lower()] for n in epochs.names]).round(6)
    axes: dict[str, Any] = {axis: xyz[:, i].tolist() for i, axis in enumerate("xyz")}
    return pd.DataFrame({"channel": epochs.names, "type": "eeg", **axes})


@dataclass(frozen=True)
class _Part:
    subject: str
    session: str
    run: str

    @property
    def name(self) -> str:
        return f"sub-{self.subject}_ses-{self.session}_run-{self.run}"


def read_epochs(
    root: Path, subject: str, datatype: str, stimuli_path: Path, picks: Sequence[str] | None
) -> tuple[Responses, dict[str, Any]]:
    """Read epochs as responses; their split is not declared yet.

    Parameters
    ----------
    root, subject, datatype
        Data set and BIDS labels.
    stimuli_path
        The stimulus table.
    picks
        Channels to keep, as names or regular expressions.

    Returns
    -------
    tuple
        Responses and their quality.

    Raises
    ------
    CalcarineError
        Files are missing or do not belong together, or a stimulus is unknown.
    """
    stem = _stem(root, subject, datatype)
    try:
        told = read_json(stem.with_suffix(".json"))
        values = np.load(stem.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CalcarineError(
            f"{stem}.npy and .json cannot be read ({error}). Run the `source` step again."
        ) from error
    table = read_table(stem.with_suffix(".tsv"), "table of epochs")
    channels = pd.DataFrame(told["channels"])
    expected = (len(table), len(channels), len(told["times_s"]))
    if values.shape != expected:
        raise CalcarineError(
            f"{stem}.npy has the shape {values.shape}; its tables say {expected}. Run the "
            "`source` step again."
        )
    trials = _trials(table, subject, stimuli_path)
    names = picked(list(channels["channel"]), picks, stem.name)
    rows = [list(channels["channel"]).index(n) for n in names]
    units = channels.iloc[rows].reset_index(drop=True)
    flat = flat_layout(units[["x", "y", "z"]].to_numpy(dtype=float)).round(6)
    units = units.assign(layout_x=flat[:, 0], layout_y=flat[:, 1], interpolated=False)
    times = told["times_s"]
    sidecar = {
        "space": "sensors",
        "montage": told["montage"],
        "times_s": times,
        "sampling_rate_hz": round((len(times) - 1) / (times[-1] - times[0]), 6),
        "unit": told["unit"],
        "response_window_s": [times[0], times[-1]],
        "steps": ["epochs as their publisher made them"],
        "provenance": {"recordings": [str(stem.relative_to(root)) + ".npy"]},
    }
    chosen = values if len(rows) == len(channels) else values[:, rows]
    quality = {"subject": subject, "n_trials": len(trials), "n_units": len(units), "warnings": []}
    return Responses(np.asarray(chosen), trials, units, sidecar), quality


def _trials(table: pd.DataFrame, subject: str, stimuli_path: Path) -> pd.DataFrame:
    stimuli = read_stimuli(stimuli_path)
    concept = dict(zip(stimuli["stimulus_id"], stimuli["concept"], strict=True))
    unknown = sorted(set(table["stimulus"]) - set(concept))
    if unknown:
        raise CalcarineError(f"the epochs show {unknown[:5]}, which stimuli.tsv does not have.")
    numbered = table.assign(
        row=np.arange(len(table)) + 2,
        onset=table["onset"].astype(float),
        duration=table["duration"].astype(float),
        stimulus_id=table["stimulus"],
        concept=[concept[s] for s in table["stimulus"]],
    )
    runs: list[tuple[_Part, pd.DataFrame]] = []
    for (session, run), own in numbered.groupby(["session", "run"], sort=False):
        rest = own.drop(columns=["session", "run"])
        runs.append((_Part(subject, str(session), str(run)), rest))
    return assemble_trials(runs, stimuli, stimuli_path.parent, subject)
