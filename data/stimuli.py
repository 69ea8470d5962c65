"""The stimulus table of a data set: what was shown, where its picture is, what it is called."""

import json
import os
from pathlib import Path

import pandas as pd

from calcarine.data.atomic import new_file
from calcarine.data.digests import picture_sha, text_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.tables import read_table

STIMULUS_COLUMNS = ("stimulus_id", "file", "concept", "captions")
NO_PICTURE = "n/a"
MAX_ID = 255
_FORMULA = ("=", "+", "-", "@")


def read_stimuli(path: Path) -> pd.DataFrame:
    """Read `stimuli.tsv`.

    Parameters
    ----------
    path
        The table. `file` is relative to its folder: a picture, a folder of pictures, or `n/a`.
        `captions` is a JSON list of sentences (`[]` where none is known). Columns `concept` and
        `captions` may be absent.

    Returns
    -------
    pandas.DataFrame
        Columns `stimulus_id file concept captions` and whatever else the table has; `captions`
        holds lists.

    Raises
    ------
    CalcarineError
        The table is absent, lacks a column, names a stimulus twice, or leaves its folder.
    """
    if not path.exists():
        raise CalcarineError(
            f"the stimulus table {path} is not there. Write one with the columns "
            f"{list(STIMULUS_COLUMNS)}, one row a stimulus."
        )
    table = read_table(path, "stimulus table")
    for name in ("stimulus_id", "file"):
        if name not in table.columns:
            raise CalcarineError(f"{path}: column `{name}` is missing; it has {list(table)}.")
    for name, default in (("concept", "n/a"), ("captions", "[]")):
        if name not in table.columns:
            table[name] = default
    if not len(table):
        raise CalcarineError(f"{path} has a header and no stimulus; write one row a stimulus.")
    for row, name in enumerate(table["stimulus_id"]):
        _check_name(path, name, row)
    twice = table["stimulus_id"].duplicated()
    if twice.any():
        raise CalcarineError(
            f"{path}, row {int(twice.idxmax()) + 2}: stimulus_id "
            f"{table['stimulus_id'][twice.idxmax()]!r} stands there a second time."
        )
    table["captions"] = [
        parse_captions(text, f"{path}, row {i + 2}") for i, text in enumerate(table["captions"])
    ]
    for row, name in enumerate(table["file"]):
        _check_inside(path, name, row)
    return table


def parse_captions(text: str, where: str) -> list[str]:
    """Read a JSON list of sentences; `where` names its place in an error."""
    try:
        captions = json.loads(text) if text not in ("", "n/a") else []
    except (json.JSONDecodeError, RecursionError):
        captions = None
    if not isinstance(captions, list) or not all(isinstance(c, str) for c in captions):
        raise CalcarineError(
            f'{where}: `captions` is {text[:200]!r}; expected a JSON list such as ["a red house"].'
        )
    return captions


def _check_name(table: Path, name: str, row: int) -> None:
    """Refuse a stimulus_id that could not be told apart or shown in a message."""
    wrong = None
    if name in ("", NO_PICTURE):
        wrong = "is empty"
    elif not name.isprintable():
        wrong = "holds control characters"
    elif len(name) > MAX_ID:
        wrong = f"has {len(name)} characters"
    elif name.startswith(_FORMULA):
        wrong = f"begins with {name[0]!r}, which spreadsheets run as a formula"
    elif "<" in name or ">" in name:
        wrong = "holds < or >, which is markup"
    if wrong is not None:
        raise CalcarineError(
            f"{table}, row {row + 2}: stimulus_id {name[:40]!r} {wrong}; expected 1 to {MAX_ID} "
            "printable characters. Give the stimulus a name."
        )


def _check_inside(table: Path, name: str, row: int) -> None:
    folder = table.parent.absolute()
    place = Path(os.path.normpath(folder / name))
    if place == folder or not name.isprintable():
        raise CalcarineError(
            f"{table}, row {row + 2}: `file` is {name[:40]!r}; expected a picture, a folder of "
            f"pictures, or {NO_PICTURE}."
        )
    # by name, not by target: a converter links folders of pictures that stay where they are
    if name != NO_PICTURE and not place.is_relative_to(folder):
        raise CalcarineError(
            f"{table}, row {row + 2}: `file` {name!r} leads out of {folder}. "
            "Use a path below the folder of stimuli.tsv."
        )


def write_stimuli(path: Path, table: pd.DataFrame) -> None:
    """Write `stimuli.tsv`; `captions` holds lists of sentences."""
    written = table.copy()
    written["captions"] = [json.dumps(list(c), ensure_ascii=False) for c in table["captions"]]
    with new_file(path) as temporary:
        written.to_csv(temporary, sep="\t", index=False, lineterminator="\n")


def stimulus_shas(table: pd.DataFrame, folder: Path) -> pd.Series:
    """Hash the content of each stimulus.

    Parameters
    ----------
    table
        Stimulus table, as `read_stimuli` returns it, or some of its rows with their index.
    folder
        The folder that `file` is relative to.

    Returns
    -------
    pandas.Series
        Hash by `stimulus_id`. A stimulus without a picture has the hash of its id.

    Raises
    ------
    CalcarineError
        With its row: a picture is not there or cannot be read.
    """
    shas = []
    for row, stimulus, file in zip(table.index, table["stimulus_id"], table["file"], strict=True):
        try:
            shas.append(text_sha(stimulus) if file == NO_PICTURE else picture_sha(folder / file))
        except CalcarineError as error:
            raise CalcarineError(f"stimuli.tsv, row {row + 2}: {error}") from error
    return pd.Series(shas, index=list(table["stimulus_id"]), name="stimulus_sha", dtype="str")
