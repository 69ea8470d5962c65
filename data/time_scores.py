"""Scores over the time of a trial: `over_time.tsv`, one row a window."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.tables import write_tsv


@dataclass(frozen=True)
class TimeScore:
    """One row of `over_time.tsv`.

    Attributes
    ----------
    subject, stage, model, target, metric, split, n_items, n_repeats
        As in `metrics.tsv`.
    window
        `sliding`; `growing`: from stimulus onset; `full`: the whole trial; `crosswise`: trained
        in one window and tested in another; `sample`: a single sample.
    train_start_s, train_stop_s, start_s, stop_s
        Window that was trained on and window that was scored, in seconds after onset.
    value, ci_low, ci_high, chance, ceiling
        As in `metrics.tsv`.
    """

    subject: str
    stage: str
    model: str
    target: str
    metric: str
    split: str
    n_items: int
    n_repeats: int
    window: str
    train_start_s: float
    train_stop_s: float
    start_s: float
    stop_s: float
    value: float
    ci_low: float = np.nan
    ci_high: float = np.nan
    chance: float = np.nan
    ceiling: float = np.nan


TIME_COLUMNS = tuple(TimeScore.__dataclass_fields__)
_TEXT = ("subject", "stage", "model", "target", "metric", "split", "window")


def write_time_scores(path: Path, scores: Iterable[TimeScore]) -> None:
    """Write `over_time.tsv` with six significant digits, so that equal runs give equal bytes."""
    write_tsv(path, pd.DataFrame([asdict(s) for s in scores], columns=list(TIME_COLUMNS)))


def read_time_scores(path: Path) -> pd.DataFrame:
    """Read `over_time.tsv`."""
    return pd.read_csv(
        path, sep="\t", dtype={n: "str" for n in _TEXT}, na_values=["n/a"], keep_default_na=False
    )
