"""Which events column names the stimuli, and which events show none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from calcarine.data.events import MISSING, read_events
from calcarine.data.stimuli import NO_PICTURE, read_stimuli

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp"}
RESTING = ("rest", "fixation", "baseline")
_NOT_STIMULI = {"onset", "duration", "row", "sample", "response_time", "HED"}
_SPLIT_WORDS = {"train", "test", "validation", "unused"}


@dataclass(frozen=True)
class Shown:
    """What the events say of stimuli.

    Attributes
    ----------
    column
        Column that names what was shown; None where none does.
    names
        What it says, one a trial.
    ignored
        Trial types that show nothing.
    split_column
        Column that says `train` and `test`; None where none does.
    table
        All events of the task.
    """

    column: str | None
    names: pd.Series
    ignored: tuple[str, ...]
    split_column: str | None
    table: pd.DataFrame


def known_names(table: Path | None, pictures: tuple[Path, tuple[str, ...]] | None) -> set[str]:
    """List every spelling that would name a stimulus.

    Parameters
    ----------
    table
        The stimulus table; None where there is none.
    pictures
        Folder and files in it, which count where there is no table.
    """
    if table is not None:
        stimuli = read_stimuli(table)
        files = [f for f in stimuli["file"] if f != NO_PICTURE]
        known = set(stimuli["stimulus_id"])
    else:
        files = list(pictures[1]) if pictures else []
        known = set()
    return known | {s for f in files for s in (f, Path(f).name, Path(f).stem)}


def is_known(name: str, known: set[str]) -> bool:
    """Say whether a name, its last part or its last part without ending is known."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return bool({name, last, last.rpartition(".")[0] or last} & known)


def shown_stimuli(events: Sequence[Path], known: set[str], must_match: bool) -> Shown:
    """Read events tables and find out what they say of stimuli.

    Parameters
    ----------
    events
        All events tables of a task.
    known
        From `known_names`.
    must_match
        Whether a column that names nothing known names no stimulus (there is a stimulus table).
    """
    tables = [read_events(path) for path in events]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    column = _stimulus_column(table, known, must_match)
    split_column = next((c for c in table.columns if _is_split(table[c])), None)
    if column is None:
        return Shown(None, pd.Series(dtype="str"), RESTING, split_column, table)
    shows = ~table[column].isin(MISSING)
    # categories that no picture has a name of are stimuli too
    if any(is_known(str(name), known) for name in table[column]):
        shows &= table[column].map(lambda name: is_known(str(name), known)).astype(bool)
    types = table["trial_type"].astype(str)
    silent = sorted(set(types[~shows]) - set(types[shows]) - MISSING)
    ignored = tuple(dict.fromkeys([*RESTING, *silent]))
    kept = shows & ~types.str.lower().isin([name.lower() for name in ignored])
    return Shown(column, table.loc[kept, column], ignored, split_column, table[kept])


def _stimulus_column(table: pd.DataFrame, known: set[str], must_match: bool) -> str | None:
    """Choose the column that names most stimuli; `stim_file` where several name as many."""
    best: list[tuple[int, int, bool, int, str]] = []
    for number, name in enumerate(table.columns):
        if name in _NOT_STIMULI or table[name].dtype.kind in "fi":
            continue
        values = [str(v) for v in table[name] if str(v) not in MISSING]
        values = [v for v in values if v.lower() not in RESTING]
        n_known = sum(is_known(v, known) for v in values)
        n_files = sum(Path(v).suffix.lower() in PICTURES for v in values)
        is_plain = name in ("stim_file", "trial_type") and len(set(values)) > 1
        if n_known or (not must_match and (n_files or is_plain)):
            best.append((n_known, n_files, name == "stim_file", -number, name))
    return max(best)[-1] if best else None


def _is_split(column: pd.Series) -> bool:
    words = {str(v) for v in column} - MISSING
    return {"train", "test"} <= words <= _SPLIT_WORDS
