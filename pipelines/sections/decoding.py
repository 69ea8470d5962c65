"""What can be read out of the responses, beside controls and chance."""

import numpy as np
import pandas as pd

from calcarine.data.embeddings import Embeddings, read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions, read_predictions
from calcarine.pipelines.figures.confusion import confusion_matrix, confusion_plot
from calcarine.pipelines.figures.intervals import interval_plot
from calcarine.pipelines.figures.repeat_curve import Curve, repeat_curve
from calcarine.pipelines.page import Block, Figure, Figures, Section, Text, counted
from calcarine.pipelines.sections.metric_names import in_words
from calcarine.pipelines.sections.score_rows import decoding_rows, is_control, model_estimates
from calcarine.pipelines.subject_record import SubjectRecord


def decoding(record: SubjectRecord) -> Section | None:
    """Draw, for each target: models and controls, the curve over repeats, confusions."""
    figures: list[Figure] = comparison_figures(record)
    for target in dict.fromkeys(d.target for d in record.config.decode.values()):
        rows = decoding_rows(record.config, record.scores, target)
        if rows.empty:
            continue
        curve = _curve_figure(record, rows, target)
        if curve is not None:
            figures.append(curve)
    figures += _confusions(record)
    if not figures:
        return None
    introduction = (
        "A decoder predicts an embedding of the stimulus (or its category) from the responses to "
        "it. Directions are named by what is ranked: brain_to_image ranks all test pictures for "
        "each brain response. A control gets the same model with a brain that cannot know: "
        "responses of another trial (shuffled), or noise of the same size."
    )
    blocks: list[Block] = [Text(introduction), Figures(figures)]
    return Section("decoding", "Decoding and retrieval", blocks)


def comparison_figures(record: SubjectRecord) -> list[Figure]:
    """Draw the decoders of each target with their controls."""
    targets = dict.fromkeys(d.target for d in record.config.decode.values())
    found = {target: decoding_rows(record.config, record.scores, target) for target in targets}
    return [_comparison_figure(rows, target) for target, rows in found.items() if len(rows)]


def _comparison_figure(rows: pd.DataFrame, target: str) -> Figure:
    metric, first = str(rows["metric"].iloc[0]), rows.iloc[0]
    png = interval_plot(model_estimates(rows), f"Decoding {target}", metric)
    caption = (
        f"{in_words(metric).capitalize()}; {counted(int(first['n_items']), 'item')}, split "
        f"{first['split']}, {counted(int(first['n_repeats']), 'repeat')} averaged, protocol "
        f"{first['protocol']}. Bars: 95 % interval; dashed: chance; pale mark: ceiling; controls "
        "in grey."
    )
    return Figure(f"decoding_{target}", png, caption, f"Scores of decoders of {target}.")


def _curve_figure(record: SubjectRecord, shown: pd.DataFrame, target: str) -> Figure | None:
    first, scores = shown.iloc[0], record.scores
    same = (scores["stage"] == "decode") & (scores["target"] == target)
    same &= (scores["metric"] == first["metric"]) & (scores["split"] == first["split"])
    rows = scores[same & np.isfinite(scores["value"]) & ~scores["model"].map(is_control)]
    curves = []
    for (model, protocol), points in rows.groupby(["model", "protocol"], sort=False):
        points = points.drop_duplicates("n_repeats").sort_values("n_repeats")
        if len(points) > 1:
            curves.append(_curve(str(model), points, protocol != first["protocol"]))
    if not curves:
        return None
    metric = str(first["metric"])
    png = repeat_curve(curves, float(first["chance"]), f"Repeats: {target}", metric)
    caption = (
        f"{in_words(metric).capitalize()} when the first 1, 2, … repeats of each test stimulus "
        "are averaged: responses (solid, with 95 % intervals)"
        + (" or predicted embeddings (dashed)" if any(c.is_dashed for c in curves) else "")
        + ". Numbers of different repeats are not comparable."
    )
    return Figure(f"repeats_{target}", png, caption, f"Score of {target} over repeats.")


def _curve(model: str, points: pd.DataFrame, is_dashed: bool) -> Curve:
    def column(name: str) -> np.ndarray:
        return points[name].to_numpy(dtype=np.float64)

    bounds = column("ci_low"), column("ci_high")
    return Curve(model, column("n_repeats"), column("value"), *bounds, is_dashed)


def _confusions(record: SubjectRecord) -> list[Figure]:
    figures = []
    for name, decoder in record.config.decode.items():
        if record.config.embeddings[decoder.target].input != "concepts":
            continue
        folder = record.config.layout.prediction(record.subject, f"decoder-{name}")
        try:
            predictions = read_predictions(folder)
            codes = read_embeddings(record.config.layout.embedding(decoder.target))
        except CalcarineError:
            continue  # named among what is missing
        figure = _confusion_figure(name, predictions, codes)
        if figure is not None:
            figures.append(figure)
    return figures


def code_names(codes: Embeddings) -> list[str]:
    """Name the columns of an embedding of concept codes."""
    column = np.asarray(codes.flat).argmax(axis=1)
    names = dict(zip(column.tolist(), codes.stimuli["concept"], strict=True))
    return [str(names.get(i, i)) for i in range(codes.flat.shape[1])]


def _confusion_figure(name: str, predictions: Predictions, codes: Embeddings) -> Figure | None:
    names = code_names(codes)
    chosen = predictions.most_repeats()
    if not len(chosen.items):
        chosen = predictions.select("measured", None, "single")
    position = {n: i for i, n in enumerate(names)}
    known = chosen.items["concept"].isin(list(position)).to_numpy()
    if not known.any() or chosen.values.shape[1] != len(names):
        return None
    truth = chosen.items.loc[known, "concept"].map(position).to_numpy(dtype=int)
    taken = np.asarray(chosen.values)[known].argmax(axis=1)
    shares = confusion_matrix(truth, taken, len(names))
    caption = (
        f"What {name} took each category for: rows were shown, columns decoded; each row sums to "
        f"1. {len(truth)} items. A perfect decoder would fill the diagonal."
    )
    alt = f"Confusion matrix of {name}; {(truth == taken).mean():.2f} of items on the diagonal."
    png = confusion_plot(shares, names, f"Confusions of {name}")
    return Figure(f"confusion_{name}", png, caption, alt)
