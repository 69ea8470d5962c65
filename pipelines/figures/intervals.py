"""Numbers with their intervals, controls, chance and ceiling, one row each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from calcarine.pipelines.figures.style import (
    CONTROL,
    FAINT,
    INK,
    MAIN,
    MUTED,
    grid_lines,
    house_style,
    new_figure,
    short,
    to_png,
)


@dataclass(frozen=True)
class Estimate:
    """One row of the figure.

    Attributes
    ----------
    name
        Model, or control; a control's name is drawn in grey.
    value, low, high
        Estimate and its 95 % interval (NaN: none).
    chance, ceiling
        What guessing and what a perfect model would get (NaN: none).
    is_control
        Drawn in grey.
    """

    name: str
    value: float
    low: float
    high: float
    chance: float
    ceiling: float
    is_control: bool


def interval_plot(estimates: Sequence[Estimate], title: str, label: str) -> bytes:
    """Draw one row an estimate: a dot, its interval, chance as a dashed line, ceiling as a mark.

    Parameters
    ----------
    estimates
        From top to bottom; at least one.
    title, label
        What is shown, and the name of the axis with its unit.

    Returns
    -------
    bytes
        PNG.
    """
    with house_style():
        figure = new_figure(height_in=1.35 + 0.3 * len(estimates))
        axes = figure.add_subplot()
        for row, estimate in enumerate(estimates):
            _draw(axes, row, estimate)
        axes.set_yticks(range(len(estimates)), [short(e.name) for e in estimates])
        for tick, estimate in zip(axes.get_yticklabels(), estimates, strict=True):
            tick.set_color(MUTED if estimate.is_control else INK)
        axes.set_ylim(len(estimates) - 0.4, -0.6)
        axes.set_xlim(*_limits(estimates))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel(label)
        axes.set_title(title)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        grid_lines(axes, "x")
        return to_png(figure)


def _draw(axes: Axes, row: int, estimate: Estimate) -> None:
    colour = CONTROL if estimate.is_control else MAIN
    if np.isfinite(estimate.chance):
        axes.plot(
            [estimate.chance] * 2, [row - 0.5, row + 0.5], color=MUTED, lw=1.2, ls=(0, (3, 2))
        )
    if np.isfinite(estimate.ceiling):
        axes.plot(estimate.ceiling, row, marker="|", ms=13, mew=2, color=FAINT)
    if np.isfinite(estimate.low) and np.isfinite(estimate.high):
        axes.plot([estimate.low, estimate.high], [row, row], color=colour, lw=2.4, alpha=0.55)
    axes.plot(estimate.value, row, "o", ms=6, color=colour)


def _limits(estimates: Sequence[Estimate]) -> tuple[float, float]:
    numbers = np.array([(e.value, e.low, e.high, e.chance, e.ceiling) for e in estimates])
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    low = min(low, 0.0)
    margin = 0.05 * max(high - low, 1e-3)
    return (low - margin if low < 0 else -0.4 * margin), high + margin
