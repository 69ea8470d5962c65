"""When units respond to a film, where an encoder has delays."""

import re

import numpy as np
import pandas as pd

from calcarine.pipelines.figures.kernel_curve import Course, kernel_curve
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
        delays, course = _course(own)
        courses = {"encoder": course}
        if len(planted):
            courses["planted"] = _course(planted)[1]
        caption = (
            "When units respond to what was on the screen: the time course that the weights of a "
            "unit's features share, of length one; mean over the "
            f"{int(own['n_items'].iloc[0])} units whose noise ceiling reaches the floor."
        )
        title = f"{str(model).removeprefix('encoder-')}: response after a frame"
        png = kernel_curve(delays, courses, title)
        figures.append(Figure(f"kernel_{model}", png, caption, "Curve of weights over delays."))
    return [Figures(figures)] if figures else []


def _course(rows: pd.DataFrame) -> tuple[np.ndarray, Course]:
    delays = rows["metric"].str.extract(_AT)[0].to_numpy(dtype=np.float64)
    mean, low, high = (
        rows[column].to_numpy(dtype=np.float64) for column in ("value", "ci_low", "ci_high")
    )
    return delays, (mean, low, high)
