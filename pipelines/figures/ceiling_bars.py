"""Models as bars below a band of noise ceilings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcarine.pipelines.figures.style import (
    CONTROL,
    FAINT,
    INK,
    MAIN,
    grid_lines,
    house_style,
    new_figure,
    short,
    to_png,
)


@dataclass(frozen=True)
class Bar:
    """One model.

    Attributes
    ----------
    name
        As it is shown.
    value, low, high
        Estimate and its 95 % interval (NaN: none).
    null_low, null_high
        Middle 95 % of what unrelated stimuli give (NaN: none).
    """

    name: str
    value: float
    low: float
    high: float
    null_low: float
    null_high: float


def ceiling_bars(bars: Sequence[Bar], lower: float, upper: float, title: str, label: str) -> bytes:
    """Draw a bar a model with its interval, the range of its control, and the ceiling's band.

    Parameters
    ----------
    bars
        From top to bottom; at least one.
    lower, upper
        Noise ceilings; where the lower one is NaN a line is drawn at the upper one.
    title, label
        What is shown, and the name of the axis.

    Returns
    -------
    bytes
        PNG.
    """
    with house_style():
        figure = new_figure(height_in=1.35 + 0.3 * len(bars))
        axes = figure.add_subplot()
        if np.isfinite([lower, upper]).all():
            axes.axvspan(lower, upper, color=FAINT, alpha=0.45, lw=0, label="noise ceiling")
        elif np.isfinite(upper):
            axes.axvline(upper, color=FAINT, lw=2.5, label="noise ceiling")
        for row, bar in enumerate(bars):
            axes.barh(row, bar.value, height=0.62, color=MAIN, alpha=0.85)
            if np.isfinite([bar.low, bar.high]).all():
                axes.plot([bar.low, bar.high], [row, row], color=INK, lw=1.6)
            if np.isfinite([bar.null_low, bar.null_high]).all():
                ends = [bar.null_low, bar.null_high]
                axes.plot(ends, [row + 0.38] * 2, color=CONTROL, lw=2.2, solid_capstyle="butt")
        axes.axvline(0, color=INK, lw=0.8)
        axes.set_yticks(range(len(bars)), [short(b.name) for b in bars])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlabel(label)
        axes.set_title(title)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        grid_lines(axes, "x")
        return to_png(figure)
