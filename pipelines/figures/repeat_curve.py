"""How a score grows with the number of averaged repeats."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcarine.pipelines.figures.style import (
    MUTED,
    SERIES,
    grid_lines,
    house_style,
    new_figure,
    short,
    to_png,
)


@dataclass(frozen=True)
class Curve:
    """One model's scores over numbers of repeats; all arrays have shape (n_points,).

    Curves of one name have one colour; `is_dashed` tells the second way of averaging apart.
    """

    name: str
    n_repeats: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    is_dashed: bool


def repeat_curve(
    curves: Sequence[Curve],
    chance: float,
    title: str,
    label: str,
    counted: str = "repeats averaged",
) -> bytes:
    """Draw one line a model with its interval, and chance as a grey dashed line.

    Parameters
    ----------
    curves
        At least one.
    chance
        NaN where there is none.
    title, label, counted
        What is shown, and the names of the vertical and the horizontal axis.

    Returns
    -------
    bytes
        PNG.
    """
    with house_style():
        figure = new_figure(height_in=3.5)
        axes = figure.add_subplot()
        names = list(dict.fromkeys(c.name for c in curves))
        for curve in curves:
            shade = SERIES[names.index(curve.name) % len(SERIES)]
            if not curve.is_dashed:
                axes.fill_between(
                    curve.n_repeats, curve.low, curve.high, color=shade, alpha=0.13, lw=0
                )
            axes.plot(
                curve.n_repeats,
                curve.value,
                color=shade,
                marker="o",
                ms=4.5,
                lw=1.2 if curve.is_dashed else 1.8,
                ls="--" if curve.is_dashed else "-",
                label=None if curve.is_dashed else short(curve.name),
            )
        if np.isfinite(chance):
            axes.axhline(chance, color=MUTED, ls=(0, (3, 2)), lw=1.2, label="chance")
        axes.set_xticks(np.unique(np.concatenate([c.n_repeats for c in curves])).astype(int))
        lowest = np.concatenate([np.r_[c.low, c.value] for c in curves])
        axes.set_ylim(bottom=min(0.0, float(np.nanmin(lowest))))
        axes.set_xlabel(counted)
        axes.set_ylabel(label)
        axes.set_title(title)
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1))
        grid_lines(axes, "y")
        return to_png(figure)
