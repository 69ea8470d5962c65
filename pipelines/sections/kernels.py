"""When units respond to a film, where an encoder has delays."""

import re

import numpy as np
import pandas as pd

from calcarine.pipelines.figures.time_curves import TimeCurve, time_curves
from calcarine.pipelines.page import Block, Figure, Figures
from calcarine.pipelines.subject_record import SubjectRecord

_AT = re.compile(r"kernel_at_(-?[\d.e+-]+)_s")
_PLANTED = "/planted-kernel"


def kernels(record: SubjectRecord) -> list[Block]:
    """Draw the mean kernel of every encoder with several delays, beside the planted one."""
    scores = record.scores
    rows = scores[scores["metric"].str.fullmatch(_AT.pattern)]
    figures = []
    for model in rows["model"].unique():
        if str(model).endswith(_PLANTED):
            continue
        own, planted = (rows[rows["model"] == name] for name in (model, f"{model}{_PLANTED}"))
        curves = [_curve("encoder", own)]
        if len(planted):
            curves.append(_curve("planted", planted))
        caption = (
            "When units respond to what was on the screen: the time course that the weights of a "
            "unit's features share, of length one; mean over the "
            f"{int(own['n_items'].iloc[0])} units whose noise ceiling reaches the floor."
        )
        title = f"{str(model).removeprefix('encoder-')}: response after a frame"
        png = time_curves(curves, np.nan, title, "weight (length one)")
        figures.append(Figure(f"kernel_{model}", png, caption, "Curve of weights over delays."))
    return [Figures(figures)] if figures else []


def _curve(name: str, rows: pd.DataFrame) -> TimeCurve:
    delays = rows["metric"].str.extract(_AT)[0].to_numpy(dtype=np.float64)
    value, low, high = (
        rows[column].to_numpy(dtype=np.float64) for column in ("value", "ci_low", "ci_high")
    )
    return TimeCurve(name, delays, value, low, high, is_control=name == "planted")
