"""`calcarine init`: a commented configuration for a BIDS folder that was looked through."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from calcarine.data.atomic import new_folder, write_text
from calcarine.data.errors import CalcarineError
from calcarine.data.events import MISSING
from calcarine.data.stimuli import NO_PICTURE, read_stimuli, write_stimuli
from calcarine.pipelines.bids_survey import Survey, survey
from calcarine.pipelines.init_lines import FEW_STIMULI, FILL_IN, StimulusTable, configuration
from calcarine.pipelines.shown_stimuli import is_known

_CONCEPTS = ("concept", "category", "condition", "trial_type")


@dataclass(frozen=True)
class Draft:
    """A configuration that was written.

    Attributes
    ----------
    path
        The file.
    to_fill
        Number of each line that a person must fill in, and why.
    notes
        What was chosen among several, for a person to look at.
    """

    path: Path
    to_fill: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run(
    folder: Path, out: Path | None = None, modality: str | None = None, task: str | None = None
) -> Draft:
    """Look through a BIDS folder and write a configuration for it.

    Where the folder has no stimulus table, a draft of one is written beside the configuration;
    nothing is written into the data set.

    Parameters
    ----------
    folder
        Root of the data set.
    out
        Configuration file to write; by default the folder's name.
    modality, task
        What to read where there is more than one.

    Raises
    ------
    CalcarineError
        The folder holds nothing to read, or `out` is there already.
    """
    out = out or Path(f"{folder.resolve().name}.yaml")
    if out.exists():
        raise CalcarineError(f"{out} is there already. Choose another file by `--out`.")
    found = survey(folder, modality, task)
    stimuli = _stimuli(found, out)
    lines = configuration(found, stimuli)
    write_text(out, "\n".join(lines) + "\n")
    marked = [(number, line) for number, line in enumerate(lines, 1) if FILL_IN in line]
    to_fill = [(number, line.partition("# ")[2]) for number, line in marked]
    return Draft(out, to_fill, _notes(found, stimuli))


def _stimuli(found: Survey, out: Path) -> StimulusTable:
    if found.stimuli is not None:
        return StimulusTable(found.stimuli, read_stimuli(found.stimuli), False)
    table = _drafted(found)
    if not len(table):
        return StimulusTable(None, table, True)
    folder = out.parent / f"{out.stem}_stimuli"
    with new_folder(folder) as root:
        if found.pictures is not None:
            (root / "pictures").symlink_to(found.pictures[0].resolve())
        write_stimuli(root / "stimuli.tsv", table)
    return StimulusTable(folder / "stimuli.tsv", table, True)


def _drafted(found: Survey) -> pd.DataFrame:
    """Make a stimulus table from what the events name and the pictures that are there."""
    names = list(dict.fromkeys(str(n) for n in found.shown.names))
    files = [_file_of(name, found) for name in names]
    ids = [Path(f).stem if f != NO_PICTURE else n for n, f in zip(names, files, strict=True)]
    if len(set(ids)) < len(ids):
        ids = [f.removeprefix("pictures/") for f in files]
    concepts = _concepts(found, names, files)
    empty: list[list[str]] = [[] for _ in names]
    columns = {"stimulus_id": ids, "file": files, "concept": concepts, "captions": empty}
    return pd.DataFrame(columns).drop_duplicates("stimulus_id", ignore_index=True)


def _file_of(name: str, found: Survey) -> str:
    fitting = []
    for file in found.pictures[1] if found.pictures else ():
        if is_known(name, {file, Path(file).name, Path(file).stem}):
            fitting.append(file)
    exact = [f for f in fitting if name.replace("\\", "/").endswith(f)]
    chosen = exact or fitting
    return f"pictures/{chosen[0]}" if len(chosen) == 1 else NO_PICTURE


def _concepts(found: Survey, names: list[str], files: list[str]) -> list[str]:
    """Take a column that says the same of a stimulus in every trial, or the picture's folder."""
    table = found.shown.table
    for column in _CONCEPTS:
        if column in table and found.shown.column is not None:
            pairs = table[[found.shown.column, column]].astype(str).drop_duplicates()
            values = dict(pairs.to_numpy().tolist())
            is_one = len(pairs) == len(values)
            if is_one and 1 < len(set(values.values()) - MISSING) < max(len(values), 3):
                return [values[n] for n in names]
    folders = [Path(f).parent.name for f in files]
    if len(set(folders)) > 1 and "pictures" not in folders:
        return folders
    return names if len(names) <= FEW_STIMULI else ["n/a"] * len(names)


def _notes(found: Survey, stimuli: StimulusTable) -> list[str]:
    notes = [f"reads {found.chosen.title}"]
    if found.others:
        names = ", ".join(t.title for t in found.others)
        notes.append(f"left out: {names}; choose by --modality and --task")
    if found.shown.column is not None:
        n_shown, n_trials = found.shown.names.nunique(), len(found.shown.names)
        notes.append(f"{n_trials} trials of {n_shown} stimuli by the column {found.shown.column}")
    if stimuli.is_draft and stimuli.path is not None:
        notes.append(f"drafted {stimuli.path}: look at it")
    return notes
