"""Signed values of sensors where they are on the head, and the time course that they come from."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np

from calcarine.pipelines.figures.style import (
    INK,
    MAIN,
    MUTED,
    SECOND,
    grid_lines,
    house_style,
    new_figure,
    short,
    to_png,
)


def draw_head(axes: Any, places: np.ndarray, values: np.ndarray, limit: float) -> Any:
    """Draw one dot a sensor on a head seen from above, nose up, nothing interpolated between them.

    Parameters
    ----------
    axes
        Where.
    places
        Shape (n_sensors, 2); length 1 is the head's equator.
    values
        Shape (n_sensors,).
    limit
        Value of the strongest colours.
    """
    turn = np.linspace(0, 2 * np.pi, 100)
    reach = max(1.0, 1.05 * float(np.nanmax(np.linalg.norm(places, axis=1))))
    axes.plot(reach * np.cos(turn), reach * np.sin(turn), color=MUTED, lw=1)
    axes.plot(
        reach * np.array([-0.1, 0, 0.1]), reach * np.array([0.99, 1.12, 0.99]), color=MUTED, lw=1
    )
    axes.set_axis_off()
    axes.set_aspect("equal")
    return axes.scatter(
        *places.T,
        c=values,
        s=float(np.clip(2200 / max(len(values), 1), 8, 70)),
        cmap=matplotlib.colormaps["RdBu_r"],
        vmin=-limit,
        vmax=limit,
        edgecolors=INK,
        linewidths=0.3,
    )


def evoked_plot(
    times_s: np.ndarray, values: np.ndarray, places: np.ndarray, title: str, unit: str
) -> tuple[bytes, float]:
    """Draw the mean response of every sensor, and where it is strongest at its peak.

    Parameters
    ----------
    times_s
        Shape (n_times,).
    values
        Mean over trials, shape (n_sensors, n_times).
    places
        Shape (n_sensors, 2).
    title, unit
        What is shown, and its unit.

    Returns
    -------
    tuple
        PNG, and the time of the peak after the onset: the largest spread over sensors.
    """
    spread = np.sqrt(np.mean(values**2, axis=0))
    after = np.where(times_s >= 0, spread, -np.inf)
    peak = int(np.argmax(after))
    with house_style():
        figure = new_figure(height_in=2.9)
        left, right = figure.subplots(1, 2, width_ratios=(2.2, 1))
        left.plot(times_s, values.T, color=MAIN, lw=0.5, alpha=0.5)
        left.axvline(0, color=MUTED, lw=0.9)
        left.axvline(times_s[peak], color=SECOND, lw=0.9, ls=(0, (3, 2)))
        left.set_xlabel("seconds after onset")
        left.set_ylabel(unit)
        left.set_title(title)
        grid_lines(left, "y")
        limit = max(float(np.abs(values[:, peak]).max()), 1e-12)
        dots = draw_head(right, places, values[:, peak], limit)
        right.set_title(f"{1000 * times_s[peak]:.0f} ms", fontsize=9)
        bar = figure.colorbar(dots, ax=right, shrink=0.7, label=unit)
        bar.outline.set_visible(False)
        return to_png(figure), float(times_s[peak])


def pattern_plot(places: Sequence[np.ndarray], patterns: Mapping[str, np.ndarray]) -> bytes:
    """Draw topographies beside each other, each with its own sensors.

    Parameters
    ----------
    places
        Sensors of each pattern, shape (n_sensors, 2).
    patterns
        By name, shape (n_sensors,), largest magnitude 1.
    """
    n_columns = min(4, len(patterns))
    n_rows = -(-len(patterns) // n_columns)
    with house_style():
        figure = new_figure(height_in=0.3 + 1.5 * n_rows)
        grid = np.atleast_1d(figure.subplots(n_rows, n_columns)).ravel()
        for axes in grid:
            axes.set_axis_off()
        for axes, own, (name, values) in zip(grid, places, patterns.items(), strict=False):
            draw_head(axes, own, values, 1.0)
            axes.set_title(short(name, 24), fontsize=8)
        return to_png(figure)
