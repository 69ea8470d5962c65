"""Recordings that are not in BIDS yet: files and a rule for what was shown become BIDS."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder
from calcarine.data.digests import pictures_of
from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.bids_writing import write_data_set, write_eeg_run
from calcarine.data.meeg.eeglab import read_eeglab
from calcarine.data.meeg.sample_tables import SampleTable, read_sample_table
from calcarine.data.stimuli import NO_PICTURE, write_stimuli

UNUSED = "n/a"


@dataclass(frozen=True)
class ImportedStimulus:
    """A stimulus and the events that show it.

    Attributes
    ----------
    when
        Columns of the event and the values that they must have, as text.
    concept, captions
        What it is called.
    pictures
        A picture, or a folder of them of which each event showed one; None: none is known.
    columns
        More columns of stimuli.tsv.
    """

    when: Mapping[str, str]
    concept: str
    captions: Sequence[str] = ()
    pictures: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Import:
    """Which files become which subjects' runs, and what their events mean.

    Attributes
    ----------
    path
        Folder of the release.
    files
        For each subject patterns below `path`; the files that fit, sorted, are the runs.
    task, line_freq
        BIDS label; frequency of the mains in Hz.
    stimuli
        By `stimulus_id`.
    table
        What the columns of CSV files mean; None where there are none.
    n_blocks
        Fewest blocks of a subject: runs are cut into equal parts until there are as many.
    gap_s
        Trials nearer to a cut than this belong to no block, so that windows of different blocks
        share no sample.
    """

    path: Path
    files: Mapping[str, Sequence[str]]
    task: str
    stimuli: Mapping[str, ImportedStimulus]
    line_freq: float = 50.0
    table: SampleTable | None = None
    n_blocks: int = 3
    gap_s: float = 1.0


def read_recording(path: Path, table: SampleTable | None) -> tuple[Any, pd.DataFrame]:
    """Read one file with its events.

    Returns
    -------
    tuple
        `mne.io.BaseRaw`, and a table with `onset` in seconds and other columns as text.

    Raises
    ------
    CalcarineError
        The format is not known, or the file is damaged.
    """
    ending = path.suffix.lower()
    if ending in READERS:
        return READERS[ending](path, table)
    return _by_annotations(path)


def _csv(path: Path, table: SampleTable | None) -> tuple[Any, pd.DataFrame]:
    if table is None:
        raise CalcarineError(
            f"{path} is a table of samples; say what its columns mean in `source.table`."
        )
    return read_sample_table(path, table)


READERS: dict[str, Callable[[Path, SampleTable | None], tuple[Any, pd.DataFrame]]] = {
    ".csv": _csv,
    ".set": lambda path, table: read_eeglab(path),
}


def _by_annotations(path: Path) -> tuple[Any, pd.DataFrame]:
    """Read any other format with MNE; its annotations are the events, their text is `type`."""
    import mne

    try:
        raw = mne.io.read_raw(path, preload=True, verbose="error")
    except Exception as error:  # the readers raise whatever their format's parser does
        raise CalcarineError(f"{path} cannot be read by MNE ({error}).") from error
    events = pd.DataFrame(
        {
            "onset": [float(a["onset"]) for a in raw.annotations],
            "type": [str(a["description"]) for a in raw.annotations],
        }
    )
    if not len(events):
        raise CalcarineError(f"{path} has no annotations, so nobody knows what was shown.")
    raw.set_annotations(None)
    return raw, events


def runs_of(plan: Import, subject: str) -> list[Path]:
    """List the files of a subject's runs.

    Raises
    ------
    CalcarineError
        The subject is not known, or a pattern fits no file.
    """
    if subject not in plan.files:
        raise CalcarineError(
            f"source.files knows the subjects {list(plan.files)}; `subjects` asks for {subject!r}."
        )
    found: list[Path] = []
    for pattern in plan.files[subject]:
        own = sorted(p for p in plan.path.glob(pattern) if p.is_file())
        if not own:
            raise CalcarineError(
                f"source.files of subject {subject}: {pattern!r} fits no file below {plan.path}. "
                "Correct the pattern or `source.path`."
            )
        found += own
    return found


def name_events(events: pd.DataFrame, plan: Import, where: str) -> pd.DataFrame:
    """Say which stimulus each event showed.

    Parameters
    ----------
    events
        `onset` and other columns as text.
    plan
        Its `stimuli` are tried in order.
    where
        The file, for messages.

    Returns
    -------
    pandas.DataFrame
        `onset duration trial_type stimulus` and the events' own columns; trial_type is the
        concept, or `n/a` for events that show nothing.

    Raises
    ------
    CalcarineError
        A rule names a column that is not there, or a stimulus is shown by no event.
    """
    shown = np.full(len(events), UNUSED, dtype=object)
    for name, stimulus in plan.stimuli.items():
        fits = np.ones(len(events), dtype=bool)
        for column, value in stimulus.when.items():
            if column not in events.columns:
                raise CalcarineError(
                    f"{where}: source.stimuli.{name}.when names the column {column!r}; the events "
                    f"have {list(events.columns)}."
                )
            fits &= events[column].astype(str).to_numpy() == str(value)
        if not fits.any():
            there = {c: sorted(set(events[c].astype(str)))[:8] for c in stimulus.when}
            raise CalcarineError(
                f"{where}: no event shows {name!r} ({dict(stimulus.when)}); there are {there}."
            )
        shown[fits & (shown == UNUSED)] = name
    concepts = {name: s.concept for name, s in plan.stimuli.items()} | {UNUSED: UNUSED}
    own = events.rename(columns={c: f"event_{c}" for c in ("duration", "trial_type", "stimulus")})
    out = own.assign(
        duration=0.0, trial_type=[concepts[s] for s in shown], stimulus=list(shown)
    ).sort_values("onset", kind="stable", ignore_index=True)
    first = ["onset", "duration", "trial_type", "stimulus"]
    return out[[*first, *(c for c in out.columns if c not in first)]]


def block_of(
    onset_s: np.ndarray, length_s: float, run: str, n_parts: int, gap_s: float
) -> list[str]:
    """Cut a run into equal parts and name the part of each onset.

    Examples
    --------
    >>> block_of(np.array([1.0, 29.8, 31.5]), 60.0, "02", 2, 1.0)
    ['02a', 'n/a', '02b']
    >>> block_of(np.array([1.0]), 60.0, "02", 1, 1.0)
    ['02']
    """
    if n_parts == 1:
        return [run] * len(onset_s)
    cuts = length_s * np.arange(1, n_parts) / n_parts
    part = np.searchsorted(cuts, onset_s, side="right")
    near = np.any(np.abs(onset_s[:, None] - cuts) < gap_s, axis=1).tolist()
    return [UNUSED if n else f"{run}{chr(97 + p)}" for p, n in zip(part, near, strict=True)]


def import_recordings(plan: Import, subjects: Sequence[str], destination: Path) -> None:
    """Write recordings as raw BIDS (BrainVision), whole or not at all.

    Parameters
    ----------
    plan
        What there is.
    subjects
        Labels to convert.
    destination
        Root of the BIDS data set; what is there is replaced.

    Raises
    ------
    CalcarineError
        A file is missing or damaged, or its events do not fit the rules.
    """
    with new_folder(destination) as root:
        _write_stimuli(root / "stimuli", plan)
        for subject in subjects:
            paths = runs_of(plan, subject)
            n_parts = -(-plan.n_blocks // len(paths))
            for number, path in enumerate(paths, start=1):
                _write_run(root, plan, subject, f"{number:02d}", path, n_parts)
        name = f"Recordings of the task {plan.task}, converted from {plan.path.name}"
        write_data_set(root, name, subjects)


def _write_run(root: Path, plan: Import, subject: str, run: str, path: Path, n_parts: int) -> None:
    raw, events = read_recording(path, plan.table)
    table = name_events(events, plan, str(path))
    length_s = raw.n_times / raw.info["sfreq"]
    table["block"] = block_of(table["onset"].to_numpy(), length_s, run, n_parts, plan.gap_s)
    write_eeg_run(root, raw, table, subject, plan.task, run, line_freq=plan.line_freq)


def _write_stimuli(folder: Path, plan: Import) -> None:
    folder.mkdir(parents=True)
    more = list(dict.fromkeys(c for s in plan.stimuli.values() for c in s.columns))
    rows = []
    for name, stimulus in plan.stimuli.items():
        file = NO_PICTURE
        if stimulus.pictures is not None:
            file = _copy_pictures(stimulus.pictures, folder, name)
        rows.append(
            {
                "stimulus_id": name,
                "file": file,
                "concept": stimulus.concept,
                "captions": list(stimulus.captions),
                **{c: stimulus.columns.get(c, UNUSED) for c in more},
            }
        )
    write_stimuli(folder / "stimuli.tsv", pd.DataFrame(rows))


def _copy_pictures(pictures: Path, folder: Path, name: str) -> str:
    if not pictures.exists():
        raise CalcarineError(
            f"source.stimuli.{name}.pictures {pictures} is not there. Correct the path, or leave "
            "the key out where no picture is known."
        )
    if pictures.is_file():
        shutil.copyfile(pictures, folder / f"{name}{pictures.suffix}")
        return f"{name}{pictures.suffix}"
    (folder / name).mkdir()
    for picture in pictures_of(pictures):
        shutil.copyfile(picture, folder / name / picture.name)
    return name
