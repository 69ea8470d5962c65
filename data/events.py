"""Reading events.tsv, in the dialects that data sets are written in."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import NO_PICTURE
from calcarine.data.tables import MISSING, read_table
from calcarine.data.trials import TRIAL_COLUMNS


def numbers_of(column: pd.Series, where: str, allow_missing: bool) -> np.ndarray:
    """Turn a column of text into float64, NaN for `n/a`.

    Raises
    ------
    CalcarineError
        A cell is no number, with its row.
    """
    values = np.full(len(column), np.nan)
    for i, text in enumerate(column):
        if text in MISSING:
            if allow_missing:
                continue
            raise CalcarineError(
                f"{where}, row {i + 2}: `{column.name}` is {text!r}; expected a number. "
                "Fill it in or remove the row."
            )
        try:
            values[i] = _number(text)
        except ValueError as error:
            comma = " with a point, not a comma" if "," in text else ""
            raise CalcarineError(
                f"{where}, row {i + 2}: `{column.name}` is {text!r}; expected a number{comma}."
            ) from error
        if not np.isfinite(values[i]):
            raise CalcarineError(f"{where}, row {i + 2}: `{column.name}` is {text}; not finite.")
    return values


def _number(text: str) -> float:
    """Read a number as every program does: Python alone takes 1_4 for 14, and other digits."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def read_events(path: Path) -> pd.DataFrame:
    """Read events.tsv.

    Returns
    -------
    pandas.DataFrame
        Columns `onset` and `duration` (float, seconds; a duration may be NaN), `trial_type`
        (`n/a` where there is none), `row` (line of the file, header is 1) and the other columns
        as text; sorted by onset.

    Raises
    ------
    CalcarineError
        With file and row: a column is missing, a cell is no number, a duration is negative.
    """
    table = read_table(path, "events table")
    missing = [name for name in ("onset", "duration") if name not in table.columns]
    if missing:
        raise CalcarineError(
            f"{path} lacks the columns {missing}; it has {list(table.columns)}. "
            "BIDS events need `onset` and `duration` in seconds."
        )
    if not len(table):
        raise CalcarineError(f"{path} has a header and no events.")
    table["row"] = np.arange(len(table)) + 2
    table["onset"] = numbers_of(table["onset"], str(path), allow_missing=False)
    table["duration"] = numbers_of(table["duration"], str(path), allow_missing=True)
    negative = table["duration"] < 0
    if negative.any():
        first = table[negative].iloc[0]
        raise CalcarineError(
            f"{path}, row {int(first['row'])}: `duration` is {first['duration']:g} s; "
            "expected 0 or more."
        )
    if "trial_type" not in table.columns:
        table["trial_type"] = "n/a"
    return table.sort_values("onset", kind="stable", ignore_index=True)


def check_within_scan(events: pd.DataFrame, path: Path, scan_s: float, tr_s: float) -> None:
    """Refuse events that no volume was measured for.

    Parameters
    ----------
    events
        As `read_events` returns them.
    path
        The file, for the message.
    scan_s, tr_s
        Length of the scan and of one volume in seconds.

    Raises
    ------
    CalcarineError
        An event begins after the last volume or before the first. Onsets that would fit as
        milliseconds are named as such.
    """
    late = events[events["onset"] >= scan_s]
    if len(late):
        first = late.iloc[0]
        last = events["onset"].max()
        hint = "Mend the onset or remove the row."
        if last >= 10 * scan_s and last / 1000 < scan_s:
            hint = "The onsets look like milliseconds or samples; BIDS counts in seconds."
        raise CalcarineError(
            f"{path}, row {int(first['row'])}: {len(late)} of {len(events)} events begin beyond "
            f"the scan, the first at {first['onset']:g} s; the scan ends at {scan_s:g} s. {hint}"
        )
    early = events[events["onset"] < -tr_s]
    if len(early):
        first = early.iloc[0]
        raise CalcarineError(
            f"{path}, row {int(first['row'])}: the event begins at {first['onset']:g} s, before "
            "the first volume. Count onsets from the first volume that is in the BOLD file."
        )


def match_stimuli(names: pd.Series, rows: pd.Series, stimuli: pd.DataFrame, where: str) -> list:
    """Find the stimulus that each name of an events.tsv column means.

    A name is a `stimulus_id`, a `file`, or the last part of a file's path, with or without its
    ending.

    Parameters
    ----------
    names, rows
        What the events say, and in which row.
    stimuli
        Stimulus table.
    where
        The events file, for messages.

    Returns
    -------
    list of str
        `stimulus_id` of each name.

    Raises
    ------
    CalcarineError
        A name fits no stimulus, or several.
    """
    known = _names_of(stimuli)
    out = []
    for name, row in zip(names, rows, strict=True):
        found = _candidates(str(name), known)
        if len(found) != 1:
            what = "no stimulus" if not found else f"the stimuli {sorted(found)[:5]}"
            raise CalcarineError(
                f"{where}, row {row}: {names.name} {name!r} fits {what} of stimuli.tsv "
                f"(ids such as {list(stimuli['stimulus_id'][:3])}, files such as "
                f"{list(stimuli['file'][:3])}). Correct the name or add the stimulus."
            )
        out.append(next(iter(found)))
    return out


def _names_of(stimuli: pd.DataFrame) -> list[dict[str, set[str]]]:
    """Give the ways of naming a stimulus, the most exact first."""
    ways: list[dict[str, set[str]]] = [{}, {}, {}, {}]
    for stimulus, file in zip(stimuli["stimulus_id"], stimuli["file"], strict=True):
        path = Path(file)
        ways[0].setdefault(stimulus, set()).add(stimulus)
        if file != NO_PICTURE:
            for way, name in zip(ways[1:], (file, path.name, path.stem), strict=True):
                way.setdefault(name, set()).add(stimulus)
    return ways


def _candidates(name: str, known: list[dict[str, set[str]]]) -> set[str]:
    name = name.replace("\\", "/")
    last = name.rpartition("/")[2]
    spellings = [name, last, Path(last).stem if "." in last else last]
    for way in known:
        for spelling in spellings:
            if spelling in way:
                return way[spelling]
    return set()


def stimulus_events(
    events: pd.DataFrame,
    path: Path,
    stimuli: pd.DataFrame,
    stimulus_column: str,
    ignore_trial_types: Collection[str],
) -> pd.DataFrame:
    """Take the events that show a stimulus, with its `stimulus_id` and `concept`.

    Parameters
    ----------
    events, path
        As `read_events` returns them, and their file.
    stimuli
        Stimulus table.
    stimulus_column
        Column that names what was shown.
    ignore_trial_types
        `trial_type` of events that are not trials, such as `rest`.

    Returns
    -------
    pandas.DataFrame
        The events, with the columns that bear a trial table's name renamed to `event_<name>`.

    Raises
    ------
    CalcarineError
        With file and row: the column is missing, a stimulus is unknown, an event stands there
        twice, or a duration is missing.
    """
    if stimulus_column not in events.columns:
        raise CalcarineError(
            f"{path} has no column {stimulus_column!r}; it has {list(events.columns)}. "
            "Name the column that says what was shown in `recording.stimulus_column`."
        )
    ignored = {t.lower() for t in ignore_trial_types}
    shown = ~events["trial_type"].str.lower().isin(ignored)
    shown &= ~events[stimulus_column].isin(MISSING)
    table = events[shown].reset_index(drop=True)
    ids = match_stimuli(table[stimulus_column], table["row"], stimuli, str(path))
    _check_events(table, ids, path)
    table = table.rename(columns={n: f"event_{n}" for n in TRIAL_COLUMNS if n in table.columns})
    if "event_trial_id" in table.columns:
        table = table.rename(columns={"event_trial_id": "trial_id"})
    table["stimulus_id"] = ids
    concept = dict(zip(stimuli["stimulus_id"], stimuli["concept"], strict=True))
    table["concept"] = [concept[i] for i in ids]
    return table


def _check_events(table: pd.DataFrame, ids: list[str], path: Path) -> None:
    unknown = table[table["duration"].isna()]
    if len(unknown):
        raise CalcarineError(
            f"{path}, row {int(unknown.iloc[0]['row'])}: the duration of a trial is n/a; "
            "expected seconds (0 for a flash)."
        )
    twice = table["onset"].duplicated(keep=False)
    if twice.any():
        onset = table["onset"][twice].iloc[0]
        rows = table["row"][table["onset"] == onset].tolist()
        shown = sorted({i for i, o in zip(ids, table["onset"], strict=True) if o == onset})
        raise CalcarineError(
            f"{path}, rows {rows}: {len(rows)} trials begin at {onset:g} s ({shown}). "
            "Remove the copies, or set `ignore_trial_types` so that one of them is no trial."
        )
