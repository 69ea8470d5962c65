"""Encoders against each other, unit by unit on the same items."""

from calcarine.pipelines.evaluate_comparisons import METRIC
from calcarine.pipelines.page import Block, Section, Table, Text, number
from calcarine.pipelines.subject_record import SubjectRecord


def comparisons(record: SubjectRecord) -> Section | None:
    """List the mean difference of r of each comparison, its interval and what that says."""
    blocks: list[Block] = []
    for name, section in record.config.comparisons.items():
        metrics = [METRIC + baseline for baseline in section.baselines]
        scores = record.scores[record.scores["model"] == f"encoder-{section.model}"]
        rows = scores[scores["metric"].isin(metrics)]
        if rows.empty:
            continue
        blocks.append(
            Text(
                f"{name}: r of {section.model} less r of another encoder, in the mean over the "
                "units named, with 95 % intervals over the items, which both predict. An encoder "
                f"is not worse where the whole interval lies above −{section.margin:g}, the margin "
                "that the configuration states."
            )
        )
        cells = [
            [
                str(row["target"]),
                str(row["metric"]).removeprefix(METRIC),
                number(row["value"]),
                f"{number(row['ci_low'])} to {number(row['ci_high'])}",
                str(row["note"]),
            ]
            for _, row in rows.iterrows()
        ]
        heads = ["units", "against", "difference of r", "95 % interval", "what that says"]
        blocks.append(Table(f"Comparison: {name}", heads, cells, n_text=2))
    return Section("comparisons", "Encoders compared", blocks) if blocks else None
