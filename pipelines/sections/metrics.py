"""Every row of the score table, metric by metric, with its protocol."""

import numpy as np
import pandas as pd

from calcarine.pipelines.page import Block, Fold, Section, Table, Text, number
from calcarine.pipelines.sections.metric_names import in_words
from calcarine.pipelines.sections.score_rows import is_control
from calcarine.pipelines.subject_record import SubjectRecord

_HEADS = (
    "model",
    "target",
    "protocol",
    "split",
    "items",
    "repeats",
    "value",
    "95 % interval",
    "chance",
    "ceiling",
)


def metrics(record: SubjectRecord) -> Section:
    """List all scores; a metric opens by a click."""
    blocks: list[Block] = [
        Text(
            "Every number of metrics.tsv. A number belongs to its protocol: the same name under "
            "another protocol, split or number of repeats is another measure. Controls are grey."
        )
    ]
    for (stage, metric), rows in record.scores.groupby(["stage", "metric"], sort=False):
        title = f"{stage} · {metric}"
        if in_words(str(metric)) != str(metric).replace("_", " "):
            title += f": {in_words(str(metric))}"
        blocks.append(Fold(title, [_table(rows)]))
    return Section("metrics", "All metrics", blocks)


def _table(rows: pd.DataFrame) -> Table:
    cells = [_cells(row) for _, row in rows.iterrows()]
    pale = frozenset(i for i, model in enumerate(rows["model"]) if is_control(str(model)))
    return Table("", _HEADS, cells, n_text=4, pale=pale)


def _cells(row: pd.Series) -> list[str]:
    has_interval = np.isfinite(row["ci_low"]) and np.isfinite(row["ci_high"])
    interval = f"{number(row['ci_low'])} to {number(row['ci_high'])}" if has_interval else "–"
    value = number(row["value"]) if np.isfinite(row["value"]) else "not computed"
    words = [str(row[name]) for name in ("model", "target", "protocol", "split")]
    counts = [f"{int(row['n_items']):,}", f"{int(row['n_repeats']):,}"]
    return [*words, *counts, value, interval, number(row["chance"]), number(row["ceiling"])]
