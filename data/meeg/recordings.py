"""Finding the EEG or MEG runs of a subject in BIDS."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calcarine.data.bids_names import NO_LABEL, check_labels, entities_of, inherited, same_label
from calcarine.data.errors import CalcarineError

ENDINGS = {
    "eeg": (".vhdr", ".edf", ".bdf", ".set", ".fif"),
    "meg": (".fif", ".ds", ".sqd", ".con", ".kdf"),
}
# whole parts of a long FIF recording; the first part leads to the others
_SPLIT = "split"


@dataclass(frozen=True)
class MeegFiles:
    """The files of one run.

    Attributes
    ----------
    subject, session, run, task
        BIDS labels; `n/a` where the file name has none.
    datatype
        `eeg` or `meg`.
    recording
        The file, or a CTF folder.
    events
        events.tsv, or None.
    root
        Data set.
    """

    subject: str
    session: str
    run: str
    task: str
    datatype: str
    recording: Path
    events: Path | None
    root: Path

    @property
    def name(self) -> str:
        """Label for messages and trial ids, such as `sub-01_ses-01_run-02`."""
        parts = [("sub", self.subject), ("ses", self.session), ("run", self.run)]
        return "_".join(f"{key}-{label}" for key, label in parts if label != NO_LABEL)

    def events_file(self) -> Path:
        """Give events.tsv.

        Raises
        ------
        CalcarineError
            There is none.
        """
        if self.events is None:
            raise CalcarineError(
                f"{self.recording.name} has no events.tsv in {self.recording.parent}. Put it "
                "there: without it nobody knows what was shown."
            )
        return self.events


def _folders(root: Path, subject: str, datatype: str) -> list[Path]:
    own = root / f"sub-{subject}"
    sessions = sorted(p for p in own.glob("ses-*") if p.is_dir()) if own.is_dir() else []
    return [f / datatype for f in [own, *sessions] if (f / datatype).is_dir()]


def _recordings(folder: Path, datatype: str) -> list[tuple[Path, dict[str, str]]]:
    found = []
    for path in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
        own = entities_of(path.name)
        if own["suffix"] == datatype and own["ending"] in ENDINGS[datatype]:
            check_labels(path, own)
            found.append((path, own))
    return found


def find_recordings(
    root: Path,
    subject: str,
    task: str,
    datatype: str,
    sessions: Sequence[str] | None = None,
    runs: Sequence[str] | None = None,
) -> list[MeegFiles]:
    """Find the runs of a subject with their events.

    Parameters
    ----------
    root
        Root of the raw data set.
    subject, task
        BIDS labels.
    datatype
        `eeg` or `meg`.
    sessions, runs
        Labels to take; without them all.

    Returns
    -------
    list of MeegFiles
        Sorted by session and run.

    Raises
    ------
    CalcarineError
        Nothing is there, what was asked for is missing, or two files claim the same run.
    """
    if not root.is_dir():
        raise CalcarineError(f"the BIDS folder {root} is not there. Correct the path.")
    folders = _folders(root, subject, datatype)
    if not folders:
        there = sorted(p.name for p in root.glob("sub-*") if p.is_dir())
        raise CalcarineError(
            f"{root} has no folder `{datatype}` of sub-{subject}; it has {there[:20]}. "
            "Correct `subjects`, the path, or `recording.modality`."
        )
    everything = [r for folder in folders for r in _recordings(folder, datatype)]
    found = [(path, own) for path, own in everything if own.get("task") == task]
    if not found:
        tasks = sorted({own.get("task", NO_LABEL) for _, own in everything})
        raise CalcarineError(
            f"{root}/sub-{subject} has no {datatype.upper()} run of task {task!r}; its tasks are "
            f"{tasks}, its formats may be {list(ENDINGS[datatype])}. Correct `recording.task`."
        )
    by_run: dict[tuple[str, str], list[tuple[Path, dict[str, str]]]] = {}
    for path, own in found:
        key = (own.get("ses", NO_LABEL), own.get("run", NO_LABEL))
        by_run.setdefault(key, []).append((path, own))
    _check_wanted("session", sessions, sorted({s for s, _ in by_run}), subject)
    _check_wanted("run", runs, sorted({r for _, r in by_run}), subject)
    chosen = [k for k in by_run if _is_wanted(k[0], sessions) and _is_wanted(k[1], runs)]
    _check_scans(root, subject, task, datatype, chosen, sessions, runs)
    return [_run(root, subject, datatype, key, by_run[key]) for key in sorted(chosen, key=_order)]


def _order(key: tuple[str, str]) -> tuple[str, int, str]:
    return key[0], int(key[1]) if key[1].isdigit() else -1, key[1]


def _is_wanted(label: str, wanted: Sequence[str] | None) -> bool:
    return wanted is None or any(same_label(label, w) for w in wanted)


def _check_wanted(what: str, wanted: Sequence[str] | None, there: list[str], subject: str) -> None:
    missing = [w for w in wanted or () if not any(same_label(w, t) for t in there)]
    if missing:
        raise CalcarineError(
            f"sub-{subject} has no {what} {missing}; it has {there}. Correct `recording.{what}s`."
        )


def _check_scans(
    root: Path,
    subject: str,
    task: str,
    datatype: str,
    there: list[tuple[str, str]],
    sessions: Sequence[str] | None,
    runs: Sequence[str] | None,
) -> None:
    """Refuse a recording of which a run that scans.tsv names is not there."""
    own = root / f"sub-{subject}"
    for path in sorted([*own.glob("*_scans.tsv"), *own.glob("ses-*/*_scans.tsv")]):
        for line in path.read_text(encoding="utf-8-sig").splitlines()[1:]:
            name = entities_of(Path(line.split("\t")[0]).name)
            key = (name.get("ses", NO_LABEL), name.get("run", NO_LABEL))
            asked = _is_wanted(key[0], sessions) and _is_wanted(key[1], runs)
            of_kind = name["suffix"] == datatype and name.get("task") == task
            if of_kind and asked and key not in there:
                raise CalcarineError(
                    f"{path} names {line.split(chr(9))[0]}, which is not there. Put the recording "
                    "in its place, remove the row, or list the runs that count in "
                    "`recording.runs`."
                )


def _run(
    root: Path,
    subject: str,
    datatype: str,
    key: tuple[str, str],
    files: list[tuple[Path, dict[str, str]]],
) -> MeegFiles:
    parts = sorted((own.get(_SPLIT, ""), path, own) for path, own in files)
    is_split = all(label for label, _, _ in parts)
    if len(parts) > 1 and not is_split:
        raise CalcarineError(
            f"sub-{subject}, session {key[0]}, run {key[1]}: expected one recording, found "
            f"{[path.name for _, path, _ in parts]}. Remove what does not belong."
        )
    if is_split and int(parts[0][0]) != 1:
        raise CalcarineError(
            f"{parts[0][1].name} is part {parts[0][0]} of a split recording whose first part is "
            f"not in {parts[0][1].parent}. Put all parts there."
        )
    _, path, own = parts[0]
    entities = {k: v for k, v in own.items() if k not in ("suffix", "ending", _SPLIT)}
    events = inherited(root, path.parent, entities, ("events",), ".tsv")
    return MeegFiles(
        subject, *key, own["task"], datatype, path, events[-1] if events else None, root
    )
