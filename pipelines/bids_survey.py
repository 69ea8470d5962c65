"""What a BIDS folder holds, as far as a configuration needs to know."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calcarine.data.bids_names import NO_LABEL, entities_of, inherited
from calcarine.data.errors import CalcarineError
from calcarine.pipelines.shown_stimuli import PICTURES, Shown, known_names, shown_stimuli


@dataclass(frozen=True)
class Kind:
    """How recordings of a modality are named: folder, suffix, endings."""

    folder: str
    suffix: str
    endings: tuple[str, ...]


KINDS = {
    "fmri": Kind("func", "bold", (".nii", ".nii.gz", ".func.gii")),
    "meg": Kind("meg", "meg", (".fif", ".ds", ".con", ".sqd", ".kdf", ".mef")),
    "eeg": Kind("eeg", "eeg", (".vhdr", ".edf", ".bdf", ".set", ".fif")),
}


@dataclass(frozen=True)
class TaskRecordings:
    """Recordings of one task in one modality.

    Attributes
    ----------
    modality, task
        Name in `KINDS`, BIDS label.
    runs
        Recordings with their entities.
    events
        Events table of each run that has one.
    """

    modality: str
    task: str
    runs: tuple[tuple[Path, dict[str, str]], ...]
    events: tuple[Path, ...]

    def labels(self, entity: str) -> list[str]:
        """List the labels of an entity, sorted."""
        return sorted({own[entity] for _, own in self.runs if entity in own})

    @property
    def title(self) -> str:
        """Name for a person."""
        return f"{self.modality} of task {self.task} ({len(self.runs)} runs)"


@dataclass(frozen=True)
class Survey:
    """What a folder holds.

    Attributes
    ----------
    bids
        Root of the raw data set.
    chosen, others
        Recordings that the configuration will read, and what else there is.
    shown
        What its events say.
    stimuli
        Stimulus table; None where there is none.
    pictures
        Folder with pictures, and all of them by their path in it; None where there is none.
    derivatives, spaces
        fMRIPrep folder and its spaces.
    sidecar
        JSON sidecar of the first run.
    """

    bids: Path
    chosen: TaskRecordings
    others: tuple[TaskRecordings, ...]
    shown: Shown
    stimuli: Path | None
    pictures: tuple[Path, tuple[str, ...]] | None
    derivatives: Path | None = None
    spaces: tuple[str, ...] = ()
    sidecar: dict[str, Any] = field(default_factory=dict)


def survey(folder: Path, modality: str | None = None, task: str | None = None) -> Survey:
    """Look through a BIDS folder.

    Parameters
    ----------
    folder
        Root of a raw data set, or of derivatives in its folder `derivatives`.
    modality, task
        What to take where there is more than one; by default what has most events.

    Raises
    ------
    CalcarineError
        The folder is absent, is not BIDS, or holds no recording.
    """
    if not folder.is_dir():
        raise CalcarineError(f"{folder} is not a folder. Give the root of a BIDS data set.")
    derivatives = folder if _is_derivative(folder) else None
    bids = folder.parent.parent if derivatives else folder
    found = _tasks(bids)
    if not found:
        raise CalcarineError(
            f"{bids} holds no recording that BIDS names: expected files such as "
            "sub-01/func/sub-01_task-look_bold.nii.gz, sub-01/eeg/sub-01_task-look_eeg.vhdr or "
            f"sub-01/meg/sub-01_task-look_meg.fif; there are {_some(bids)}."
        )
    chosen = _choose(found, modality, task)
    others = tuple(t for t in found if t is not chosen)
    table = next((p for p in _stimulus_tables(bids)), None)
    pictures = _pictures(bids)
    known = known_names(table, pictures)
    derivatives = derivatives or _fmriprep(bids)
    spaces = _spaces(derivatives, chosen.task) if derivatives else ()
    path, own = chosen.runs[0]
    sidecar = _sidecar(bids, path, own)
    if chosen.modality != "fmri" or not spaces:
        derivatives, spaces = None, ()
    shown = shown_stimuli(chosen.events, known, table is not None)
    return Survey(bids, chosen, others, shown, table, pictures, derivatives, spaces, sidecar)


def _some(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())[:8]


def _is_derivative(folder: Path) -> bool:
    try:
        text = (folder / "dataset_description.json").read_text(encoding="utf-8-sig")
        return json.loads(text).get("DatasetType") == "derivative" and (
            folder.parent.name == "derivatives"
        )
    except (OSError, ValueError, AttributeError):
        return False


def _recordings(root: Path, kind: Kind) -> Iterable[tuple[Path, dict[str, str]]]:
    for pattern in (f"sub-*/{kind.folder}", f"sub-*/ses-*/{kind.folder}"):
        for folder in sorted(root.glob(pattern)):
            for path in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
                own = entities_of(path.name)
                if own["suffix"] == kind.suffix and own["ending"] in kind.endings:
                    yield path, own


def _tasks(bids: Path) -> list[TaskRecordings]:
    out = []
    for modality, kind in KINDS.items():
        by_task: dict[str, list[tuple[Path, dict[str, str]]]] = {}
        for path, own in _recordings(bids, kind):
            if "sub" in own and own.get("split", "01") in ("1", "01"):
                by_task.setdefault(own.get("task", NO_LABEL), []).append((path, own))
        for task, runs in sorted(by_task.items()):
            events = [e for path, own in runs if (e := _events_of(bids, path, own)) is not None]
            out.append(TaskRecordings(modality, task, tuple(runs), tuple(dict.fromkeys(events))))
    return out


def _events_of(bids: Path, path: Path, own: dict[str, str]) -> Path | None:
    source = {k: v for k, v in own.items() if k not in ("suffix", "ending", "split", "echo")}
    found = inherited(bids, path.parent, source, ("events",), ".tsv")
    return found[-1] if found else None


def _choose(found: Sequence[TaskRecordings], modality: str | None, task: str | None) -> Any:
    fitting = [t for t in found if modality in (None, t.modality) and task in (None, t.task)]
    if not fitting:
        raise CalcarineError(
            f"there is no {modality or 'recording'} of task {task or 'any'}; the folder holds "
            f"{[t.title for t in found]}."
        )
    return max(fitting, key=lambda t: (len(t.events), len(t.runs)))


def _stimulus_tables(bids: Path) -> list[Path]:
    return [p for p in (bids / "stimuli" / "stimuli.tsv", bids / "stimuli.tsv") if p.is_file()]


def _pictures(bids: Path) -> tuple[Path, tuple[str, ...]] | None:
    folder = bids / "stimuli"
    if not folder.is_dir():
        return None
    files = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in PICTURES]
    names = tuple(p.relative_to(folder).as_posix() for p in files if p.is_file())
    return (folder, names) if names else None


def _fmriprep(bids: Path) -> Path | None:
    for folder in sorted((bids / "derivatives").glob("*")):
        if any(folder.glob("sub-*/**/func/*_desc-preproc_bold*")):
            return folder
    return None


def _spaces(derivatives: Path, task: str) -> tuple[str, ...]:
    names: Counter[str] = Counter()
    for path, own in _recordings(derivatives, KINDS["fmri"]):
        if own.get("task") == task and own.get("desc", "preproc") == "preproc":
            extra = [f"{k}-{own[k]}" for k in ("res", "den") if k in own]
            names[":".join([own.get("space", "func"), *extra])] += 1
            assert path
    return tuple(sorted(names))


def _sidecar(bids: Path, path: Path, own: dict[str, str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    source = {k: v for k, v in own.items() if k not in ("suffix", "ending", "split")}
    for file in inherited(bids, path.parent, source, (own["suffix"],), ".json"):
        try:
            values = json.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            continue  # `check` says what is wrong with it
        merged |= values if isinstance(values, dict) else {}
    return merged
