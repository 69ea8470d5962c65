"""Reconstructed pictures beside their targets, in an order that was fixed before."""

import numpy as np
import pandas as pd

from calcarine.pipelines.figures.intervals import interval_plot
from calcarine.pipelines.figures.picture_strip import picture_strip
from calcarine.pipelines.figures.thumbnails import thumbnail
from calcarine.pipelines.page import (
    Block,
    Figure,
    Figures,
    Gallery,
    Heading,
    Section,
    Text,
    Thumbnail,
    number,
)
from calcarine.pipelines.sections.metric_names import HEADLINES, in_words
from calcarine.pipelines.sections.score_rows import estimates, main_condition, most_repeats
from calcarine.pipelines.subject_record import Reconstruction, SubjectRecord

N_FIXED, N_FIRST, N_METRICS = 8, 4, 4


def reconstruction(record: SubjectRecord) -> Section | None:
    """Show, for each reconstruction, its scores with controls and its pictures."""
    if not record.reconstructions:
        return None
    blocks: list[Block] = [
        Text(
            "A generator draws a picture from what the decoder predicted. Every control goes "
            "through the same generator with the same noise: a shuffled brain and pure noise show "
            "what it draws without any information, category-only what is left when nothing but "
            "the decoded category is known, and the ceiling what it draws from the true "
            "embedding. The nearest training picture is not generated at all."
        )
    ]
    for name, made in record.reconstructions.items():
        blocks.append(Heading(name))
        figures = _score_figures(record, name, made)
        if figures:
            blocks.append(Figures(figures))
        blocks += _galleries(record, name, made)
    return Section("reconstruction", "Reconstructions", blocks)


def _score_figures(record: SubjectRecord, name: str, made: Reconstruction) -> list[Figure]:
    """Draw the first metrics of the table that have a number for the main condition."""
    scores = record.scores
    rows = scores[(scores["stage"] == "reconstruct") & scores["model"].str.startswith(f"{name}/")]
    rows = rows[np.isfinite(rows["value"])]
    own = rows[rows["model"] == f"{name}/{main_condition(record.config, name)}"]
    lead = [m for m in HEADLINES["reconstruct"] if m in set(own["metric"])]
    metrics = list(dict.fromkeys([*lead, *own["metric"]]))[:N_METRICS]
    return [_score_figure(rows[rows["metric"] == metric], name, made) for metric in metrics]


def _score_figure(rows: pd.DataFrame, name: str, made: Reconstruction) -> Figure:
    first = rows.iloc[0]
    rows = rows[(rows["protocol"] == first["protocol"]) & (rows["split"] == first["split"])]
    rows = most_repeats(rows)
    conditions = rows["model"].str.split("/", n=1).str[1].tolist()
    controls = [made.is_control(c) for c in conditions]
    metric = str(first["metric"])
    shown = estimates(rows, [c.replace("-", " ") for c in conditions], controls)
    png = interval_plot(shown, f"{name}: {metric}", metric)
    caption = (
        f"{in_words(metric).capitalize()}; {int(first['n_items'])} items, protocol "
        f"{first['protocol']}. Bars: 95 % interval; dashed: chance; controls in grey."
    )
    alt = f"{metric} of the conditions and controls of {name}."
    return Figure(f"reconstruction_{name}_{metric}", png, caption, alt)


def fixed_rows(made: Reconstruction, n_rows: int) -> list[int]:
    """Choose items evenly spaced through the list of those that have all controls."""
    rows = made.with_controls()
    chosen = np.linspace(0, len(rows) - 1, min(n_rows, len(rows))).round().astype(int)
    return [int(rows[i]) for i in chosen]


def judged_rows(record: SubjectRecord, name: str) -> list[tuple[str, int]]:
    """Name the best, the median and the worst item by the judge, among those with all controls.

    Empty where the judge's scores of single items are not there.
    """
    made, table = record.reconstructions[name], record.item_scores
    if not {"model", "metric", "stimulus_id", "value"} <= set(table.columns):
        return []
    metric = HEADLINES["reconstruct"][0]
    own = f"{name}/{main_condition(record.config, name)}"
    scores = table[(table["model"] == own) & (table["metric"] == metric)]
    by_stimulus = scores.drop_duplicates("stimulus_id").set_index("stimulus_id")["value"]
    ids = made.items["stimulus_id"].iloc[made.with_controls()]
    known = [(float(by_stimulus[s]), int(row)) for row, s in ids.items() if s in by_stimulus.index]
    known = sorted((value, row) for value, row in known if np.isfinite(value))
    if len(known) < 3:
        return []
    picked = {"best": known[-1], "median": known[len(known) // 2], "worst": known[0]}
    return [(f"{word} ({number(value)})", row) for word, (value, row) in picked.items()]


def _galleries(record: SubjectRecord, name: str, made: Reconstruction) -> list[Block]:
    n_items = len(made.with_controls())
    fixed = [(str(made.items["stimulus_id"].iloc[row]), row) for row in fixed_rows(made, N_FIXED)]
    order = (
        f"{len(fixed)} of {n_items} items, evenly spaced through the list of test items; the "
        "choice depends on no score. First column: what was shown. Controls have grey headings."
    )
    blocks: list[Block] = [_gallery(order, fixed, made)]
    judged = judged_rows(record, name)
    if judged:
        rule = (
            f"The best, the median and the worst of {n_items} items by the judge's "
            f"{in_words(HEADLINES['reconstruct'][0])} of {main_condition(record.config, name)} "
            "(in brackets)."
        )
        blocks.append(_gallery(rule, judged, made))
    return blocks


def _gallery(caption: str, rows: list[tuple[str, int]], made: Reconstruction) -> Gallery:
    pale = frozenset(i + 1 for i, c in enumerate(made.conditions) if made.is_control(c))
    return Gallery(
        caption,
        ["shown", *(c.replace("-", " ") for c in made.conditions)],
        [(label, _thumbnails(made, row)) for label, row in rows],
        pale,
    )


def _thumbnails(made: Reconstruction, row: int) -> list[Thumbnail]:
    item = made.items.iloc[row]
    shown = f"{item['stimulus_id']} ({item['concept']})"
    out = [Thumbnail(f"shown: {shown}", thumbnail(made.targets[row]))]
    for number_, condition in enumerate(made.conditions):
        png = thumbnail(made.pictures[number_, row]) if row in made.made(condition) else None
        out.append(Thumbnail(f"{condition} of {shown}", png))
    return out


def first_pictures(record: SubjectRecord) -> list[Figure]:
    """Draw a few targets above what was made of them, for the first screen."""
    figures = []
    for name, made in list(record.reconstructions.items())[:1]:
        own = main_condition(record.config, name)
        if own not in made.conditions:
            continue
        rows = fixed_rows(made, N_FIRST)
        wanted = ["shown", own, *(c for c in ("shuffled-brain", "ceiling") if c in made.conditions)]
        layers = [
            made.targets if c == "shown" else made.pictures[made.conditions.index(c)]
            for c in wanted
        ]
        labels = [c.replace("-", " ") for c in wanted]
        png = picture_strip([np.asarray(layer[rows]) for layer in layers], labels)
        caption = (
            f"{len(rows)} test items, evenly spaced through the list and chosen by no score: what "
            f"was shown, what {own} made of the brain's responses, of another brain response "
            "(shuffled), and of the true embedding (ceiling)."
        )
        figures.append(Figure(f"first_pictures_{name}", png, caption, f"Pictures shown, {own}."))
    return figures
