"""What went wrong, what is missing, and what was checked."""

import numpy as np

from calcarine.data.leaks import find_leaks
from calcarine.pipelines.leak_check import checked_units
from calcarine.pipelines.page import Block, Heading, Items, Section, Table, Text
from calcarine.pipelines.subject_record import SubjectRecord

_SHOWN_LEAKS = 10


def failures(record: SubjectRecord) -> Section:
    """List missing steps, numbers that could not be computed, warnings, and the leak check."""
    blocks: list[Block] = [Text(leak_statement(record))]
    leaks = leaks_of(record)
    if leaks:
        blocks.append(Items(leaks[:_SHOWN_LEAKS]))
    if record.missing:
        blocks += [Heading("Missing"), Items(record.missing)]
    warnings = [str(w) for w in record.quality.get("warnings", [])]
    if warnings:
        blocks += [Heading("Warnings about the data"), Items(warnings)]
    noted = _noted_rows(record)
    if noted:
        heads = ["model", "target", "metric", "protocol", "note"]
        blocks += [Heading("Notes"), Table("Scores with a note", heads, noted, n_text=5)]
    if not (record.missing or warnings or noted):
        blocks.append(Text("Every step ran, and every configured score was computed."))
    return Section("failures", "Failures and warnings", blocks)


def leaks_of(record: SubjectRecord) -> list[str]:
    """Repeat the leak check on the trial table as it was written."""
    start, end = record.responses.sidecar.get("response_window_s", (0.0, 0.0))
    split = record.config.split
    window = float(start), float(end)
    return find_leaks(record.trials, checked_units(split), window, split.allowed_pairs)


def leak_statement(record: SubjectRecord) -> str:
    """Say what the leak check looked for and what it found."""
    n_leaks = len(leaks_of(record))
    units = ", ".join(checked_units(record.config.split)) or "nothing"
    found = (
        "nothing stands on both sides"
        if n_leaks == 0
        else f"{n_leaks} cases were found: no number on this page can be trusted"
    )
    return (
        f"Leak check, repeated on the trial table when this page was made: of what must not stand "
        f"on both sides of the split ({units}), {found}."
    )


def _noted_rows(record: SubjectRecord) -> list[list[str]]:
    rows = record.scores[(record.scores["note"] != "") | ~np.isfinite(record.scores["value"])]
    names = ("model", "target", "metric", "protocol")
    return [
        [*(str(row[n]) for n in names), str(row["note"]) or "no value, and no reason was given"]
        for _, row in rows.iterrows()
    ]
