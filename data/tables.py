"""Tables as BIDS has them: tabs, `n/a`, six significant digits; equal runs give equal bytes."""

import csv
import io
import warnings
from pathlib import Path

import pandas as pd

from calcarine.data.atomic import new_file
from calcarine.data.errors import CalcarineError

_NO_TABLE = (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError)
MISSING = frozenset({"", "n/a", "nan", "NaN", "NA"})


def tsv_text(table: pd.DataFrame) -> str:
    """Write a table as text."""
    return str(
        table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g", lineterminator="\n")
    )


def write_tsv(path: Path, table: pd.DataFrame) -> None:
    """Write a table to a file that appears whole or not at all."""
    with new_file(path) as temporary:
        temporary.write_text(tsv_text(table), encoding="utf-8")


def read_table(path: Path, what: str) -> pd.DataFrame:
    """Read a BIDS table as text, every cell as it stands in the file.

    Raises
    ------
    CalcarineError
        The file is absent, is no text, its cells are not separated by tabs, a row has other cells
        than the header, or a column has the name of another one.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise CalcarineError(f"the {what} {path} is not there.") from error
    except (UnicodeDecodeError, OSError) as error:
        raise _unreadable(path, what, error) from error
    if "\0" in text:
        raise _unreadable(path, what, "it holds bytes that are no text")
    try:
        with warnings.catch_warnings():
            # a row with more cells than the header would lose the last of them
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                io.StringIO(text), sep="\t", dtype="str", keep_default_na=False, index_col=False
            )
        # lines without anything are not rows
        header = next(row for row in csv.reader(io.StringIO(text), delimiter="\t") if row)
    except (*_NO_TABLE, csv.Error, StopIteration) as error:
        raise _unreadable(path, what, error) from error
    if len(header) != table.shape[1]:
        raise _unreadable(path, what, f"its header has {len(header)} names")
    table.columns = [str(name).strip() for name in header]
    if len(table.columns) == 1 and any(mark in table.columns[0] for mark in ",;"):
        raise CalcarineError(
            f"the {what} {path} is separated by commas or semicolons; BIDS separates by tabs. "
            "Save it again as tab-separated text."
        )
    twice = sorted(set(table.columns[table.columns.duplicated()]))
    if twice:
        raise CalcarineError(
            f"the {what} {path} has the column `{twice[0]}` twice; expected every name once. "
            "Rename or remove one of them."
        )
    return table.apply(lambda column: column.fillna("").str.strip())


def _unreadable(path: Path, what: str, reason: object) -> CalcarineError:
    return CalcarineError(
        f"the {what} {path} cannot be read as a table ({reason}). "
        "Expected UTF-8 text with tabs between the cells and a header line."
    )
