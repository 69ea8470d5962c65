"""Reconstructed pictures beside their targets, in an order that was fixed before."""

import numpy as np
import pandas as pd

from calcarine.data.reconstructions import Reconstructions
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
from calcarine.pipelines.subject_record import SubjectRecord

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


def _score_figures(record: SubjectRecord, name: str, made: Reconstructions) -> list[Figure]:
    """Draw the first metrics of the table that have a number for the main condition."""
    scores = record.scores
    rows = scores[(scores["stage"] == "reconstruct") & scores["model"].str.startswith(f"{name}/")]
    rows = rows[np.isfinite(rows["value"])]
    own = rows[rows["model"] == f"{name}/{main_condition(record.config, name)}"]
    lead = [m for m in HEADLINES["reconstruct"] if m in set(own["metric"])]
    metrics = list(dict.fromkeys([*lead, *own["metric"]]))[:N_METRICS]
    return [_score_figure(rows[rows["metric"] == metric], name, made) for metric in metrics]


def _score_figure(rows: pd.DataFrame, name: str, made: Reconstructions) -> Figure:
    first = rows.iloc[0]
    rows = rows[(rows["protocol"] == first["protocol"]) & (rows["split"] == first["split"])]
    by_condition = most_repeats(rows).set_index(rows["model"].str.split("/", n=1).str[1])
    order = [c for c in by_path(made) if c in by_condition.index]
    kinds = made.sidecar["controls"]
    metric = str(first["metric"])
    names = [kinds.get(c, c).replace("-", " ") for c in order]
    shown = estimates(by_condition.loc[order], names, [c in kinds for c in order])
    png = interval_plot(shown, f"{name}: {metric}", metric)
    caption = (
        f"{in_words(metric).capitalize()}; {int(first['n_items'])} items, protocol "
        f"{first['protocol']}. Each path is followed by its controls (grey). Bars: 95 % interval; "
        "dashed: chance; pale mark: ceiling of the path."
    )
    alt = f"{metric} of the conditions and controls of {name}."
    return Figure(f"reconstruction_{name}_{metric}", png, caption, alt)


def by_path(made: Reconstructions) -> list[str]:
    """Order conditions by path: each path, then its controls."""
    conditions, paths = made.sidecar["conditions"], made.sidecar["paths"]
    order = list(dict.fromkeys(paths[c] for c in conditions))
    return sorted(conditions, key=lambda c: (order.index(paths[c]), c in made.sidecar["controls"]))


def control_of(made: Reconstructions, path: str, control: str) -> str | None:
    """Name the condition that is a certain control of a path; None where there is none."""
    return next(
        (
            c
            for c, kind in made.sidecar["controls"].items()
            if kind == control and made.sidecar["paths"][c] == path
        ),
        None,
    )


def with_controls(made: Reconstructions) -> np.ndarray:
    """List the items that have all controls, as row numbers."""
    return np.flatnonzero(made.items["controls"])


def fixed_rows(made: Reconstructions, n_rows: int) -> list[int]:
    """Choose items evenly spaced through the list of those that have all controls."""
    rows = with_controls(made)
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
    ids = made.items["stimulus_id"].iloc[with_controls(made)]
    known = [(float(by_stimulus[s]), int(row)) for row, s in ids.items() if s in by_stimulus.index]
    known = sorted((value, row) for value, row in known if np.isfinite(value))
    if len(known) < 3:
        return []
    picked = {"best": known[-1], "median": known[len(known) // 2], "worst": known[0]}
    return [(f"{word} ({number(value)})", row) for word, (value, row) in picked.items()]


def _galleries(record: SubjectRecord, name: str, made: Reconstructions) -> list[Block]:
    n_items = len(with_controls(made))
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


def _gallery(caption: str, rows: list[tuple[str, int]], made: Reconstructions) -> Gallery:
    conditions = _paths_first(made)
    pale = frozenset(i + 1 for i, c in enumerate(conditions) if c in made.sidecar["controls"])
    return Gallery(
        caption,
        ["shown", *(c.replace("-", " ") for c in conditions)],
        [(label, _thumbnails(made, row)) for label, row in rows],
        pale,
    )


def _paths_first(made: Reconstructions) -> list[str]:
    return sorted(by_path(made), key=lambda c: c in made.sidecar["controls"])


def _thumbnails(made: Reconstructions, row: int) -> list[Thumbnail]:
    item = made.items.iloc[row]
    shown = f"{item['stimulus_id']} ({item['concept']})"
    out = [Thumbnail(f"shown: {shown}", thumbnail(made.targets[row]))]
    for condition in _paths_first(made):
        pictures = made.pictures[made.sidecar["conditions"].index(condition)]
        png = thumbnail(pictures[row]) if row in made.made(condition) else None
        out.append(Thumbnail(f"{condition} of {shown}", png))
    return out


def first_pictures(record: SubjectRecord) -> list[Figure]:
    """Draw a few targets above what was made of them, for the first screen."""
    if not record.reconstructions:
        return []
    name, made = next(iter(record.reconstructions.items()))
    own = main_condition(record.config, name)
    beside = [control_of(made, own, kind) for kind in ("shuffled-brain", "ceiling")]
    wanted = [c for c in (own, *beside) if c in made.sidecar["conditions"]]
    rows = fixed_rows(made, N_FIRST)
    layers = [made.targets] + [made.pictures[made.sidecar["conditions"].index(c)] for c in wanted]
    labels = ["shown", *(made.sidecar["controls"].get(c, c).replace("-", " ") for c in wanted)]
    png = picture_strip([np.asarray(layer[rows]) for layer in layers], labels)
    caption = (
        f"{len(rows)} test items, evenly spaced through the list and chosen by no score: what was "
        "shown, and what the same generator drew from the brain's responses, from another brain "
        "response (shuffled brain), and from the true embedding (ceiling)."
    )
    return [Figure(f"first_pictures_{name}", png, caption, f"Pictures shown and drawn ({own}).")]
