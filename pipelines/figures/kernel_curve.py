"""When units respond: the time course of weights over delays."""

from collections.abc import Mapping

import numpy as np

from calcarine.pipelines.figures.style import (
    MUTED,
    SERIES,
    grid_lines,
    house_style,
    new_figure,
    to_png,
)

Course = tuple[np.ndarray, np.ndarray, np.ndarray]


def kernel_curve(delays_s: np.ndarray, courses: Mapping[str, Course], title: str) -> bytes:
    """Draw one line a time course with its interval; of two the second is grey and dashed.

    Parameters
    ----------
    delays_s
        Shape (n_delays,).
    courses
        Mean, lower and upper bound by name, each shape (n_delays,).
    title
        What is shown.

    Returns
    -------
    bytes
        PNG.
    """
    with house_style():
        figure = new_figure(height_in=3.0)
        axes = figure.add_subplot()
        for place, (name, (mean, low, high)) in enumerate(courses.items()):
            shade = MUTED if place else SERIES[0]
            axes.fill_between(delays_s, low, high, color=shade, alpha=0.13, lw=0)
            line = (0, (3, 2)) if place else "-"
            axes.plot(delays_s, mean, color=shade, marker="o", ms=4, ls=line, label=name)
        axes.axhline(0, color=MUTED, lw=0.8)
        axes.set_xlabel("seconds after a frame")
        axes.set_ylabel("weight (length one)")
        axes.set_title(title)
        axes.legend(loc="upper right")
        grid_lines(axes, "y")
        return to_png(figure)
