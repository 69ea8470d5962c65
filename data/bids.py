"""Finding the BOLD runs of a subject in BIDS, raw or fMRIPrep."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcarine.data.bids_names import (
    NO_LABEL,
    check_labels,
    entities_of,
    files_in,
    inherited,
    same_label,
)
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json

_BOLD_ENDINGS = (".nii", ".nii.gz", ".func.gii")
# entities that name a derived file and not the recording that it belongs to
_DERIVED = ("desc", "space", "res", "den", "hemi")


@dataclass(frozen=True)
class RunFiles:
    """The files of one run.

    Attributes
    ----------
    subject, session, run
        BIDS labels; `n/a` where the file name has none.
    bold
        One NIfTI file, or the GIFTI files of the left and the right hemisphere.
    events
        events.tsv.
    confounds, mask
        Confounds table and brain mask that belong to the run; None where there is none.
    metadata
        JSON sidecars merged by the inheritance principle.
    """

    subject: str
    session: str
    run: str
    bold: tuple[Path, ...]
    events: Path
    confounds: Path | None
    mask: Path | None
    metadata: dict[str, Any]

    @property
    def name(self) -> str:
        """Label for messages and trial ids, such as `sub-01_ses-01_run-02`."""
        parts = [("sub", self.subject), ("ses", self.session), ("run", self.run)]
        return "_".join(f"{key}-{label}" for key, label in parts if label != NO_LABEL)

    @property
    def is_surface(self) -> bool:
        """Whether the run lies on the cortical surface."""
        return self.bold[0].name.endswith(".gii")


def _folders(root: Path, subject: str) -> list[Path]:
    own = root / f"sub-{subject}"
    sessions = sorted(p for p in own.glob("ses-*") if p.is_dir()) if own.is_dir() else []
    return [f / "func" for f in [own, *sessions] if (f / "func").is_dir()]


def _metadata(roots: Sequence[tuple[Path, Path]], entities: dict[str, str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for root, folder in roots:
        for path in inherited(root, folder, entities, ("bold",), ".json"):
            try:
                merged |= read_json(path)
            except OSError as error:
                raise CalcarineError(f"{path} cannot be read ({error}). Get it again.") from error
    return merged


def _bold_files(
    root: Path, subject: str, task: str, is_derived: bool
) -> list[tuple[Path, dict[str, str]]]:
    if not root.is_dir():
        raise CalcarineError(f"the BIDS folder {root} is not there. Correct the path.")
    folders = _folders(root, subject)
    if not folders:
        there = sorted(p.name for p in root.glob("sub-*") if p.is_dir())
        raise CalcarineError(
            f"{root} has no functional data of sub-{subject}; it has {there[:20]}. "
            "Correct `subjects` or the path."
        )
    all_bold = []
    for folder in folders:
        for path in files_in(folder):
            own = entities_of(path.name)
            if own["suffix"] == "bold" and own["ending"] in _BOLD_ENDINGS:
                check_labels(path, own)
                all_bold.append((path, own))
    found = [
        (path, own)
        for path, own in all_bold
        if own.get("task") == task and (not is_derived or own.get("desc", "preproc") == "preproc")
    ]
    if not found:
        tasks = sorted({own.get("task", NO_LABEL) for _, own in all_bold})
        raise CalcarineError(
            f"{root}/sub-{subject} has no BOLD run of task {task!r}; its tasks are {tasks}. "
            "Correct `recording.task`."
        )
    return found


def _in_space(
    found: list[tuple[Path, dict[str, str]]], space: str | None, where: str
) -> list[tuple[Path, dict[str, str]]]:
    def name(own: dict[str, str]) -> str:
        extra = [f"{k}-{own[k]}" for k in ("res", "den") if k in own]
        return ":".join([own.get("space", "func"), *extra])

    spaces = sorted({name(own) for _, own in found})
    if space is None and len(spaces) == 1:
        return found
    chosen = [(p, own) for p, own in found if space in (name(own), own.get("space"))]
    if not chosen or len({name(own) for _, own in chosen}) > 1:
        raise CalcarineError(
            f"{where} has BOLD in the spaces {spaces}; `recording.space` is {space!r}. "
            "Set it to one of them (`func` is the space of the scan itself)."
        )
    return chosen


def find_runs(
    bids: Path,
    subject: str,
    task: str,
    derivatives: Path | None = None,
    space: str | None = None,
    sessions: Sequence[str] | None = None,
    runs: Sequence[str] | None = None,
) -> list[RunFiles]:
    """Find the BOLD runs of a subject with all that belongs to them.

    Parameters
    ----------
    bids
        Root of the raw data set; events.tsv is read from here.
    subject, task
        BIDS labels.
    derivatives
        fMRIPrep folder; without it the raw BOLD files are taken.
    space
        Space of the derivatives as fMRIPrep writes it, e.g. `MNI152NLin2009cAsym:res-2`; `func`
        is the space of the scan. May be left out where there is only one.
    sessions, runs
        Labels to take; without them all.

    Returns
    -------
    list of RunFiles
        Sorted by session and run.

    Raises
    ------
    CalcarineError
        A run, an events file or a hemisphere is missing, or two files claim the same run.
    """
    root = derivatives or bids
    found = _bold_files(root, subject, task, derivatives is not None)
    found = _in_space(found, space, f"{root}/sub-{subject}")
    groups: dict[tuple[str, str], list[tuple[Path, dict[str, str]]]] = {}
    for path, own in found:
        key = (own.get("ses", NO_LABEL), own.get("run", NO_LABEL))
        groups.setdefault(key, []).append((path, own))
    _check_complete(bids, subject, task, list(groups), sessions, runs)
    chosen = {key: files for key, files in groups.items() if _is_wanted(key, sessions, runs)}
    return [
        _run_files(bids, root, subject, key, chosen[key]) for key in sorted(chosen, key=_run_order)
    ]


def _run_order(key: tuple[str, str]) -> tuple[str, int, str]:
    return key[0], int(key[1]) if key[1].isdigit() else -1, key[1]


def _is_wanted(
    key: tuple[str, str], sessions: Sequence[str] | None, runs: Sequence[str] | None
) -> bool:
    in_session = sessions is None or any(same_label(key[0], s) for s in sessions)
    return in_session and (runs is None or any(same_label(key[1], r) for r in runs))


def _run_files(
    bids: Path,
    root: Path,
    subject: str,
    key: tuple[str, str],
    files: list[tuple[Path, dict[str, str]]],
) -> RunFiles:
    paths = tuple(path for path, _ in sorted(files, key=lambda f: f[1].get("hemi", "")))
    hemispheres = [own.get("hemi") for _, own in files]
    is_pair = sorted(map(str, hemispheres)) == ["L", "R"]
    if not (is_pair or (len(files) == 1 and hemispheres == [None])):
        raise CalcarineError(
            f"sub-{subject}, session {key[0]}, run {key[1]}: expected one NIfTI file or the "
            f"hemispheres L and R, found {[p.name for p in paths]}. Remove what does not belong."
        )
    own = files[0][1]
    source = {k: v for k, v in own.items() if k not in (*_DERIVED, "suffix", "ending")}
    parent = paths[0].parent
    raw_folder = bids / parent.relative_to(root)
    events = inherited(bids, raw_folder, source, ("events",), ".tsv")
    if not events:
        raise CalcarineError(
            f"{paths[0].name} has no events.tsv in {raw_folder}. Put it there: "
            "without it nobody knows what was shown."
        )
    places = [(bids, raw_folder)] if root == bids else [(bids, raw_folder), (root, parent)]
    tables = [
        p
        for r, f in places
        for p in inherited(r, f, source, ("timeseries", "regressors", "confounds"), ".tsv")
    ]
    space = {k: own[k] for k in ("space", "res") if k in own}
    masks = [p for p in _masks(root, parent, source | space) if _is_brain(p)]
    return RunFiles(
        subject,
        *key,
        paths,
        events[-1],
        tables[-1] if tables else None,
        masks[-1] if masks else None,
        _metadata(places, source | {k: own[k] for k in _DERIVED if k in own}),
    )


def _masks(root: Path, parent: Path, entities: dict[str, str]) -> list[Path]:
    return [
        p
        for ending in (".nii", ".nii.gz")
        for p in inherited(root, parent, entities, ("mask",), ending)
        if entities_of(p.name).get("space") == entities.get("space")
    ]


def _is_brain(mask: Path) -> bool:
    return entities_of(mask.name).get("desc", "brain") == "brain"


def _check_complete(
    bids: Path,
    subject: str,
    task: str,
    keys: list[tuple[str, str]],
    sessions: Sequence[str] | None,
    runs: Sequence[str] | None,
) -> None:
    """Refuse a recording of which something that was announced is not there."""
    there = {(s, r) for s, r in keys if _is_wanted((s, r), sessions, None)}
    for wanted in sessions or ():
        if not any(same_label(wanted, s) for s, _ in there):
            raise CalcarineError(
                f"sub-{subject} has no session {wanted!r} of task {task!r}; it has "
                f"{sorted({s for s, _ in keys})}. Correct `recording.sessions`."
            )
    for session in sorted({s for s, _ in there}):
        own = sorted(r for s, r in there if s == session)
        expected = _announced(bids, subject, session, task, own) if runs is None else runs
        missing = [r for r in expected if not any(same_label(r, t) for t in own)]
        if missing:
            raise CalcarineError(
                f"sub-{subject}, session {session}, task {task!r}: the BOLD file of run "
                f"{', '.join(missing)} is missing; there are the runs {own}. Put it in its place. "
                "If it was left out on purpose, remove its events.tsv and write a scans.tsv "
                "without it, or list the runs that count in `recording.runs`."
            )


def _announced(bids: Path, subject: str, session: str, task: str, there: list[str]) -> list[str]:
    """List the runs that have events, that scans.tsv names, or that the numbering implies."""
    folder = bids / f"sub-{subject}"
    folder = folder if session == NO_LABEL else folder / f"ses-{session}"
    func = folder / "func"
    events = [p.name for p in files_in(func)] if func.is_dir() else []
    announced = _runs_of([n for n in events if n.endswith("_events.tsv")], task)
    scans = sorted(folder.glob("sub-*_scans.tsv"))
    if scans:
        rows = scans[0].read_text(encoding="utf-8-sig").splitlines()[1:]
        return announced + _runs_of([Path(r.split("\t")[0]).name for r in rows], task)
    numbers = [int(r) for r in (*there, *announced) if r.isdigit()]
    if not numbers:
        return announced
    return [f"{n:02d}" for n in range(min(numbers), max(numbers) + 1)]


def _runs_of(names: list[str], task: str) -> list[str]:
    own = [entities_of(name) for name in names]
    return sorted({o["run"] for o in own if o.get("task") == task and "run" in o})
