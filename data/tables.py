"""Tables as BIDS has them: tabs, `n/a`, six significant digits; equal runs give equal bytes."""

from pathlib import Path

import pandas as pd

from calcarine.data.atomic import new_file


def tsv_text(table: pd.DataFrame) -> str:
    """Write a table as text."""
    return str(
        table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g", lineterminator="\n")
    )


def write_tsv(path: Path, table: pd.DataFrame) -> None:
    """Write a table to a file that appears whole or not at all."""
    with new_file(path) as temporary:
        temporary.write_text(tsv_text(table), encoding="utf-8")
