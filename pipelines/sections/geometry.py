"""Representational geometry: dissimilarities of the responses beside those of models."""

import numpy as np
import pandas as pd

from calcarine.data.dissimilarities import Dissimilarities, read_dissimilarities
from calcarine.data.errors import CalcarineError
from calcarine.pipelines.figures.ceiling_bars import Bar, ceiling_bars
from calcarine.pipelines.figures.rdm_plate import rdm_plate
from calcarine.pipelines.page import Block, Figure, Figures, Section, Table, Text, number
from calcarine.pipelines.sections.metric_names import in_words
from calcarine.pipelines.sections.score_rows import is_control
from calcarine.pipelines.subject_record import SubjectRecord

STAGE = "geometry"
CEILING = "noise-ceiling/"
_SHUFFLED = "/shuffled-stimuli"
_MAX_MATRICES, _MAX_TARGETS = 6, 6


def geometry(record: SubjectRecord) -> Section | None:
    """Draw each geometry's matrices, and its models below their ceilings."""
    rows = record.scores[record.scores["stage"] == STAGE]
    if rows.empty:
        return None
    blocks: list[Block] = [
        Text(
            "Two stimuli are dissimilar where the brain responds to them with different patterns. "
            "A model is like the brain where it finds the same stimuli dissimilar, whatever its "
            "units are. The band is the noise ceiling: its lower edge is how well other people "
            "match this one, its upper edge the best that any model could do. Short grey bars: "
            "the middle 95 % when the model's stimuli are permuted."
        )
    ]
    figures = [f for name in record.config.geometry for f in _matrices(record, name)]
    figures += bar_figures(rows)
    blocks.append(Figures(figures))
    table = topology_table(rows)
    blocks += [table] if table is not None else []
    return Section("geometry", "Representational geometry", blocks)


def _matrices(record: SubjectRecord, name: str) -> list[Figure]:
    try:
        found = read_dissimilarities(record.config.layout.geometry(record.subject, name))
    except CalcarineError:
        return []  # named among what is missing
    chosen = matrices_shown(found.rdms)
    groups = found.stimuli["concept"].tolist()
    order = np.argsort(pd.factorize(found.stimuli["concept"])[0], kind="stable")
    rdms = [np.asarray(found.values[i], dtype=np.float64) for i in chosen]
    titles = [_title(found, i) for i in chosen]
    caption = (
        f"Dissimilarities of {len(groups)} stimuli by {name}, as percentiles of their ranks; "
        "stimuli of a concept stand together, white lines between concepts. Measured matrices "
        "come first, models in the order of the configuration."
    )
    png = rdm_plate(rdms, titles, groups, order)
    return [Figure(f"rdm_{name}", png, caption, f"Dissimilarity matrices: {', '.join(titles)}.")]


def matrices_shown(table: pd.DataFrame) -> list[int]:
    """Choose matrices by order alone: up to half of the places for regions, the rest for models."""
    whole = table["part"] == "whole"
    regions = np.flatnonzero((table["role"] == "measured") & whole)
    models = np.flatnonzero((table["role"] != "measured") & whole)
    n_regions = min(len(regions), max(_MAX_MATRICES // 2, _MAX_MATRICES - len(models)))
    return [*regions[:n_regions].tolist(), *models[: _MAX_MATRICES - n_regions].tolist()]


def _title(found: Dissimilarities, row: int) -> str:
    entry = found.rdms.iloc[row]
    return f"measured, {entry['region']}" if entry["role"] == "measured" else str(entry["name"])


def bar_figures(rows: pd.DataFrame) -> list[Figure]:
    """Draw the models of each target below its ceilings; the plain comparison only.

    Parameters
    ----------
    rows
        Rows of stage `geometry`.
    """
    first = str(rows["metric"].iloc[0])
    plain = rows[(rows["metric"] == first) & np.isfinite(rows["value"])]
    figures = []
    for target in list(dict.fromkeys(plain["target"]))[:_MAX_TARGETS]:
        here = plain[plain["target"] == target].drop_duplicates("model").set_index("model")
        models = [m for m in here.index if not is_control(m)]
        if not models:
            continue
        lower, upper = ceiling_band(here["value"])
        png = ceiling_bars(
            [_bar(here, model) for model in models], lower, upper, f"Models of {target}", first
        )
        band = f"from {number(lower)} to {number(upper)}" if np.isfinite(lower) else number(upper)
        caption = (
            f"{in_words(first).capitalize()}: {target}, {int(here['n_items'].max())} stimuli, "
            f"protocol {here['protocol'].iloc[0]}. Bars with 95 % intervals; noise ceiling {band}."
        )
        name = f"geometry_{target.replace('/', '_')}"
        figures.append(Figure(name, png, caption, f"Models of {target} beside their ceiling."))
    return figures


def ceiling_band(values: pd.Series) -> tuple[float, float]:
    """Find the ceilings among the values by model: lower and upper, or NaN and within-subject."""
    lower = float(values.get(f"{CEILING}lower", np.nan))
    upper = float(values.get(f"{CEILING}upper", np.nan))
    return lower, upper if np.isfinite(upper) else float(
        values.get(f"{CEILING}within-subject", np.nan)
    )


def _bar(here: pd.DataFrame, model: str) -> Bar:
    own = here.loc[model]
    null = here.loc[model + _SHUFFLED] if model + _SHUFFLED in here.index else None
    ends = (np.nan, np.nan) if null is None else (float(null["ci_low"]), float(null["ci_high"]))
    return Bar(model, float(own["value"]), float(own["ci_low"]), float(own["ci_high"]), *ends)


def topology_table(rows: pd.DataFrame) -> Table | None:
    """Lay the comparison before and after the topological transform side by side."""
    models = rows[~rows["model"].map(is_control) & np.isfinite(rows["value"])]
    plain = models[models["metric"] == rows["metric"].iloc[0]]
    moved = models[models["metric"] == f"{rows['metric'].iloc[0]}_topological"]
    both = plain.merge(moved, on=["target", "model"], suffixes=("", "_moved"))
    if both.empty:
        return None
    cells = [
        [
            row["target"],
            row["model"],
            *(
                text
                for end in ("", "_moved")
                for text in (
                    number(row[f"value{end}"]),
                    f"{number(row[f'ci_low{end}'])} to {number(row[f'ci_high{end}'])}",
                    number(row[f"ceiling{end}"]),
                )
            ),
        ]
        for _, row in both.iterrows()
    ]
    heads = ["target", "model", "geometry", "95 % interval", "ceiling"]
    heads += ["topology", "95 % interval", "ceiling"]
    return Table("Geometry and, after the transform, topology", heads, cells, n_text=2)
