"""When responses tell what was shown: encoders and decoders over the time of a trial."""

import numpy as np
import pandas as pd

from calcarine.decoders.meeg.sensors import flat_positions
from calcarine.pipelines.figures.channel_maps import channel_maps
from calcarine.pipelines.figures.time_curves import TimeCurve, time_curves, time_matrix
from calcarine.pipelines.page import Block, Figure, Figures, Section, Table, Text, number
from calcarine.pipelines.sections.metric_names import in_words
from calcarine.pipelines.sections.score_rows import is_control
from calcarine.pipelines.subject_record import SubjectRecord

# as in the time metrics, the one that uses all ranks leads; fixed before any value was seen
_LEADING = ("brain_to_image_dprime_centred", "balanced_accuracy")
_PLANTED = ("peak_latency_error_s",)
_LATENCIES = (
    "peak_latency_s",
    "onset_latency_s",
    "share_above_chance_before_onset",
    "share_above_chance_before_onset_corrected",
)


def over_time(record: SubjectRecord) -> Section | None:
    """Draw encoders and decoders over time, windows side by side, and generalisation."""
    table = record.over_time
    if table.empty:
        return None
    figures = [*_encoders(record), *_decoders(table), *_generalisation(table)]
    introduction = (
        "Each point scores one moment of the trial. Decoders are fitted afresh in every window; a "
        "window never reaches across the onset, so that what stands before 0 cannot know the "
        "stimulus. Dots mark peaks. Filters that are symmetric in time smear a response to both "
        "sides by about the length of their kernel."
    )
    blocks: list[Block] = [Text(introduction), Figures(figures)]
    return Section("over-time", "Over time", [*blocks, *_latencies(record), *_windows(record)])


def _curve(name: str, rows: pd.DataFrame) -> TimeCurve:
    rows = rows.sort_values("start_s")

    def column(key: str) -> np.ndarray:
        return rows[key].to_numpy(dtype=np.float64)

    middle = (column("start_s") + column("stop_s")) / 2
    bounds = column("ci_low"), column("ci_high")
    return TimeCurve(name, middle, column("value"), *bounds, is_control(name))


def _encoders(record: SubjectRecord) -> list[Figure]:
    rows = record.over_time[record.over_time["stage"] == "encode"]
    if rows.empty:
        return []
    curves = [
        _curve(str(name).removeprefix("encoder-"), own)
        for name, own in rows.groupby("model", sort=False)
    ]
    first = rows[rows["model"] == rows["model"].iloc[0]].sort_values("start_s")
    ceiling = first["start_s"].to_numpy(), first["ceiling"].to_numpy(dtype=np.float64)
    title = "Which embedding explains which latency"
    png = time_curves(curves, 0.0, title, "r, median over channels", ceiling)
    caption = (
        "Correlation of predicted with measured responses to test stimuli, median over channels, "
        "with 95 % intervals over stimuli; dotted: noise ceiling. "
        + " ".join(f"{c.name} peaks at {number(_peak_s(c))} s." for c in curves)
    )
    return [Figure("encoders_over_time", png, caption, title), *_maps(record)]


def _peak_s(curve: TimeCurve) -> float:
    after = np.where(curve.times_s >= 0, curve.value, -np.inf)
    return float(curve.times_s[np.argmax(np.nan_to_num(after, nan=-np.inf))])


def _maps(record: SubjectRecord) -> list[Figure]:
    units, scores = record.units, record.unit_scores
    values = {
        name: scores[f"r_{name}"].to_numpy(dtype=np.float64)
        for name in record.config.encode
        if f"r_{name}" in scores
    }
    if not values or not {"x", "y", "z"} <= set(units):
        return []
    where = units[["x", "y", "z"]].to_numpy(dtype=np.float64)
    known = np.isfinite(where).all(axis=1)
    if known.sum() < 3 or not all(np.isfinite(v[known]).any() for v in values.values()):
        return []
    png = channel_maps(flat_positions(where), values, "r at the peak")
    caption = (
        "Each channel's correlation at the sample where the encoder's median over channels is "
        "highest; the head is seen from above, nose up. The sample was chosen on the same "
        "stimuli: read the pattern, not the height."
    )
    return [Figure("channels_at_peak", png, caption, "Encoder scores of channels on the head.")]


def _decoders(table: pd.DataFrame) -> list[Figure]:
    slides = table[(table["window"] == "sliding") & table["metric"].isin(_LEADING)]
    figures = []
    for metric, rows in slides.groupby("metric", sort=False):
        curves = [_curve(str(name), own) for name, own in rows.groupby("model", sort=False)]
        chance = float(rows["chance"].iloc[0])
        width = float((rows["stop_s"] - rows["start_s"]).iloc[0])
        repeats = int(rows["n_repeats"].iloc[0])
        png = time_curves(curves, chance, "Decoding over time", str(metric))
        caption = (
            f"{in_words(str(metric)).capitalize()}, in windows of {number(width)} s, {repeats} "
            f"repeats averaged, {int(rows['n_items'].iloc[0])} items; 95 % intervals; grey: the "
            "same with responses of other trials. Intervals are of single windows: of 40 windows "
            "without any information one lies above chance. The table below also tests the windows "
            "before onset together, corrected for their number."
        )
        figures.append(Figure(f"decoding_over_time_{metric}", png, caption, "Decoding over time."))
    return figures


def _generalisation(table: pd.DataFrame) -> list[Figure]:
    crossed = table[(table["window"] == "crosswise") & table["metric"].isin(_LEADING)]
    figures = []
    for model, rows in crossed.groupby("model", sort=False):
        trained = (rows["train_start_s"] + rows["train_stop_s"]) / 2
        tested = (rows["start_s"] + rows["stop_s"]) / 2
        grid = rows.assign(trained=trained.round(6), tested=tested.round(6)).pivot(
            index="trained", columns="tested", values="value"
        )
        if len(grid) < 2:
            continue
        png = time_matrix(
            grid.index.to_numpy(),
            grid.columns.to_numpy(),
            grid.to_numpy(dtype=np.float64),
            float(rows["chance"].iloc[0]),
            f"Time generalisation: {model}",
        )
        caption = (
            f"{in_words(str(rows['metric'].iloc[0])).capitalize()} of decoders trained at one time "
            "and tested at another. A code that stays gives a square, one that moves a diagonal."
        )
        figures.append(Figure(f"generalisation_{model}", png, caption, "Time generalisation."))
    return figures


def _latencies(record: SubjectRecord) -> list[Block]:
    rows = record.scores[record.scores["metric"].isin(_LATENCIES)]
    if rows.empty:
        return []
    cells = [
        [
            str(row["model"]),
            in_words(str(row["metric"])),
            number(row["value"]),
            f"{number(row['ci_low'])} to {number(row['ci_high'])}",
            number(row["chance"]),
            str(row["note"]),
        ]
        for _, row in rows.iterrows()
    ]
    heads = ["model", "what", "value", "95 % interval", "chance", "note"]
    return [Table("Latencies, and the check before onset", heads, cells, n_text=2)]


def _windows(record: SubjectRecord) -> list[Block]:
    """Lay the onset-locked window beside the full one."""
    rows = record.scores[
        (record.scores["stage"] == "over-time")
        & ~record.scores["metric"].isin([*_LATENCIES, *_PLANTED])
    ]
    if rows.empty:
        return []
    cells = [
        [
            str(row["model"]),
            str(row["metric"]),
            str(row["note"]),
            number(row["value"]),
            f"{number(row['ci_low'])} to {number(row['ci_high'])}",
            number(row["chance"]),
        ]
        for _, row in rows.iterrows()
    ]
    pale = frozenset(i for i, row in enumerate(cells) if is_control(row[0]))
    heads = ["model", "metric", "window", "value", "95 % interval", "chance"]
    title = "Onset-locked and full window side by side"
    return [Table(title, heads, cells, n_text=3, pale=pale)]
