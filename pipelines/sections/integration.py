"""Where the joint encoder is needed: units that picture and caption alone do not explain."""

import numpy as np

from calcarine.pipelines.page import Block, Section, Table, Text, counted, number
from calcarine.pipelines.sections.score_rows import is_control
from calcarine.pipelines.subject_record import SubjectRecord


def integration(record: SubjectRecord) -> Section | None:
    """List, for each test, how many units integrate in each region, beside its control."""
    blocks: list[Block] = []
    for name, section in record.config.integration.items():
        rows = record.scores[record.scores["model"].str.split("/").str[0] == f"integration-{name}"]
        column = f"integrates_{name}"
        if rows.empty or column not in record.unit_scores:
            continue
        n_found = int(record.unit_scores[column].sum())
        blocks.append(
            Text(
                f"{name}: {counted(n_found, record.unit_noun)} of {len(record.units):,} are "
                f"predicted better by {section.joint} than by each of "
                f"{', '.join(section.rivals)} (false discovery rate {section.level:g}, "
                "Benjamini & Yekutieli 2001). A unit that another model of the same stimuli "
                "explains better does not count, however well the joint model does."
            )
        )
        cells = [
            [
                "shuffled stimuli" if is_control(row["model"]) else str(row["target"]),
                str(row["metric"]).replace("_", " "),
                f"{int(row['n_items']):,}",
                number(row["value"]) if np.isfinite(row["value"]) else "not computed",
            ]
            for _, row in rows.iterrows()
        ]
        heads = ["units", "measure", "items", "value"]
        pale = frozenset(i for i, m in enumerate(rows["model"]) if is_control(m))
        blocks.append(Table(f"Integration: {name}", heads, cells, n_text=2, pale=pale))
    return Section("integration", "Integration of picture and caption", blocks) if blocks else None
