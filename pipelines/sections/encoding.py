"""How well the responses of each unit are predicted, on the cortex and beside their ceiling."""

import numpy as np
import pandas as pd

from calcarine.pipelines.figures.intervals import interval_plot
from calcarine.pipelines.figures.slice_mosaic import slice_mosaic
from calcarine.pipelines.figures.style import round_up
from calcarine.pipelines.figures.surface_map import RADIUS_MM, surface_map, vertex_units
from calcarine.pipelines.figures.unit_scores import (
    region_plot,
    score_against_ceiling,
    score_histogram,
)
from calcarine.pipelines.page import (
    Block,
    Figure,
    Figures,
    Section,
    Table,
    Text,
    folded_if_long,
    number,
)
from calcarine.pipelines.sections.band_parts import band_parts
from calcarine.pipelines.sections.kernels import kernels
from calcarine.pipelines.sections.metric_names import in_words
from calcarine.pipelines.sections.score_rows import comparison, model_estimates
from calcarine.pipelines.subject_record import SubjectRecord

_MIN_UNITS, _MAX_REGIONS = 5, 16
_NO_REGION = ("n/a", "", "nan")


def encoding(record: SubjectRecord) -> Section | None:
    """Draw maps of ceiling and scores, their distribution, and the regions."""
    columns = score_columns(record)
    ceiling = ceiling_column(record)
    if not columns and ceiling is None:
        return None
    names = ([ceiling] if ceiling is not None else []) + columns
    if "channel" in record.units:
        names = []  # maps of channels stand in the section on time
    maps = [drawn for name in names if (drawn := unit_map(record, name)) is not None]
    blocks: list[Block] = [Text(_introduction(record, bool(columns)))]
    if maps:
        blocks.append(Figures(maps))
    blocks += _distributions(record, columns, ceiling)
    blocks += _regions(record, columns, ceiling)
    blocks += band_parts(record)
    blocks += kernels(record)
    blocks += _planted_truth(record)
    return Section("encoding", "Encoding: from stimulus to response", blocks)


def score_columns(record: SubjectRecord) -> list[str]:
    """List the columns with correlations, in the order of the configuration."""
    wanted = [f"r_{name}" for name in record.config.encode]
    return [name for name in wanted if name in record.unit_scores]


def ceiling_column(record: SubjectRecord) -> str | None:
    """Name the column with noise ceilings: of averaged repeats, else of one measurement."""
    table = unit_table(record)
    known = ("noise_ceiling_n", "noise_ceiling", "noise_ceiling_1")
    return next((n for n in known if n in table and np.isfinite(table[n]).any()), None)


def unit_table(record: SubjectRecord) -> pd.DataFrame:
    """Join units and their scores; both have the same rows in the same order."""
    units, scores = record.units, record.unit_scores
    if len(scores) != len(units):
        return units
    more = [name for name in scores if name not in units]
    return pd.concat([units, scores[more]], axis=1)


def _introduction(record: SubjectRecord, scored: bool) -> str:
    if not scored:
        return (
            "No encoder was asked for. The noise ceiling says how well the best possible model "
            "could predict each measurement, given how much repeats differ."
        )
    return (
        "Encoders predict each measured response from embeddings of the stimulus. Maps "
        "show the correlation of predicted with measured responses to test stimuli, beside the "
        "noise ceiling: the correlation that the best possible model would reach, given how much "
        "repeats of the same stimulus differ. All maps share one colour scale, so that they can be "
        "compared by eye."
    )


def on_template(record: SubjectRecord) -> bool:
    """Tell whether units can be shown on fsaverage: by declared space, never by guess."""
    if not {"x", "y", "z"} <= set(record.units) or "channel" in record.units:
        return False
    space = str(record.responses.sidecar.get("space", ""))
    standard = space.startswith(("MNI", "fsaverage"))
    return standard or record.config.source.kind == "phantom"  # the phantom is planted in MNI


def _label(name: str) -> str:
    if name.startswith("r_over_ceiling_"):
        return "r divided by its noise ceiling"
    return "r, predicted with measured" if name.startswith("r_") else "noise ceiling (r)"


def _title(name: str) -> str:
    if name.startswith("r_over_ceiling_"):
        return f"Encoder from {name.removeprefix('r_over_ceiling_')}, share of the ceiling"
    return f"Encoder from {name.removeprefix('r_')}" if name.startswith("r_") else "Noise ceiling"


def unit_map(record: SubjectRecord, column: str) -> Figure | None:
    """Draw one column of the units table on the cortex, or slice by slice in native space."""
    table = unit_table(record)
    values = table[column].to_numpy(dtype=np.float64)
    if not np.isfinite(values).any():
        return None
    is_share = column.startswith("r_over_ceiling_")
    top = 1.0 if is_share else _scale_top(record)
    label = _label(column)
    known = values[np.isfinite(values)]
    said = f"median {number(float(np.median(known)))}, best {number(float(known.max()))}"
    if on_template(record):
        png = surface_map(values, vertex_units(record.units), _title(column), label, top)
        how = (
            f"Each point of the inflated fsaverage5 surface shows the nearest {record.unit_noun} "
            f"within {RADIUS_MM:g} mm; grey is cortex without one (sulci dark). Not smoothed."
        )
    elif {"i", "j", "k"} <= set(table):
        png = slice_mosaic(values, record.units, _title(column), label, top)
        how = "Voxels on their own grid in native space; slices named by voxel index."
    else:
        return None
    if is_share:
        floor = record.config.evaluate.ceiling_floor
        how += f" Units with a ceiling below {floor:g} have no share."
    caption = f"{_title(column)}: {label}; {said} over {len(known):,} units. {how}"
    alt = f"Map of {_title(column).lower()} on the cortex: {said}."
    return Figure(f"map_{column}", png, caption, alt)


def _scale_top(record: SubjectRecord) -> float:
    table = unit_table(record)
    ceiling = ceiling_column(record)
    names = score_columns(record) + ([ceiling] if ceiling is not None else [])
    high = [np.nanpercentile(table[n].to_numpy(dtype=np.float64), 99) for n in names]
    return min(round_up(float(max(high, default=1.0))), 1.0)


def _distributions(record: SubjectRecord, columns: list[str], ceiling: str | None) -> list[Block]:
    table, figures = unit_table(record), []
    if columns:
        scores = {n.removeprefix("r_"): table[n].to_numpy(dtype=np.float64) for n in columns}
        if any(np.isfinite(v).any() for v in scores.values()):
            label = "r, predicted with measured"
            png = score_histogram(scores, "Scores of all units", label)
            caption = (
                "Distribution of test correlations over units, one outline an encoder; short "
                "bars on the axis mark the medians. A model without any information would "
                "straddle 0."
            )
            figures.append(Figure("score_histogram", png, caption, "Histogram of unit scores."))
    rows = comparison(record.scores, "encode", "responses")
    if len(rows):
        words = in_words(str(rows["metric"].iloc[0]))
        png = interval_plot(
            model_estimates(rows), "Encoders and their controls", str(rows["metric"].iloc[0])
        )
        caption = (
            f"{words.capitalize()}, with 95 % intervals (bars), chance (dashed) and ceiling "
            "(pale mark); controls in grey."
        )
        figures.append(Figure("encoders", png, caption, "Encoder scores beside their controls."))
    if ceiling is not None:
        known_ceiling = table[ceiling].to_numpy(dtype=np.float64)
        for name in columns:
            values = table[name].to_numpy(dtype=np.float64)
            if (np.isfinite(values) & np.isfinite(known_ceiling)).any():
                figures.append(_ceiling_figure(name, values, known_ceiling))
    return [Figures(figures)] if figures else []


def _ceiling_figure(name: str, values: np.ndarray, ceiling: np.ndarray) -> Figure:
    title = f"{_title(name)}: score beside ceiling"
    caption = (
        "One dot a unit. On the dashed line the model explains all that can be explained; far "
        "below it the embedding misses something that the unit repeats reliably."
    )
    png = score_against_ceiling(values, ceiling, title)
    return Figure(f"ceiling_{name}", png, caption, f"Scatter of {name} against noise ceiling.")


def _regions(record: SubjectRecord, columns: list[str], ceiling: str | None) -> list[Block]:
    table = unit_table(record)
    if "roi" not in table or not columns:
        return []
    labels = table["roi"].astype("str")
    counts = labels[~labels.isin(_NO_REGION)].value_counts(sort=False).sort_index()
    regions = [str(r) for r in counts.index[counts >= _MIN_UNITS]][:_MAX_REGIONS]
    if not regions:
        return []
    groups = [table[labels == region] for region in regions]
    scores = {n.removeprefix("r_"): [_known(g[n]) for g in groups] for n in columns}
    png = region_plot(regions, scores, "Scores by region")
    caption = (
        f"Median (dot) and middle half (bar) of the units' correlations; regions with at least "
        f"{_MIN_UNITS} units."
    )
    heads = ["region", "units", *(n.removeprefix("r_") for n in columns)]
    shown = [*columns] + ([ceiling] if ceiling is not None else [])
    rows = [
        [r, f"{len(g):,}", *(number(float(np.median(_known(g[n])))) for n in shown)]
        for r, g in zip(regions, groups, strict=True)
    ]
    heads += ["noise ceiling"] if ceiling is not None else []
    return [
        Figures([Figure("regions", png, caption, "Median scores by region of interest.")]),
        Table("Median correlation by region", heads, rows),
    ]


def _planted_truth(record: SubjectRecord) -> list[Block]:
    """List the scores that compare with what was planted; only a synthetic brain has any."""
    scores = record.scores
    rows = scores[(scores["stage"] == "encode") & (scores["protocol"] == "phantom")]
    if rows.empty:
        return []
    cells = [
        [
            *(str(row[name]) for name in ("model", "target", "metric")),
            number(row["value"]),
            f"{number(row['ci_low'])} to {number(row['ci_high'])}",
            number(row["chance"]),
        ]
        for _, row in rows.iterrows()
    ]
    heads = ["model", "units", "metric", "value", "95 % interval", "chance"]
    title = "Against the planted truth of the synthetic brain"
    return [folded_if_long(Table(title, heads, cells, n_text=3))]


def _known(values: pd.Series) -> np.ndarray:
    array = values.to_numpy(dtype=np.float64)
    array = array[np.isfinite(array)]
    return array if len(array) else np.full(1, np.nan)
