"""Scores over the time of a trial."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcarine.pipelines.figures.style import (
    CONTROL,
    MUTED,
    SERIES,
    grid_lines,
    house_style,
    new_figure,
    short,
    to_png,
)


@dataclass(frozen=True)
class TimeCurve:
    """One model's score over time; all arrays have shape (n_windows,).

    Attributes
    ----------
    name
        Of the model.
    times_s
        Middle of each window, seconds after onset.
    value, low, high
        Score and its interval.
    is_control
        Drawn in grey, without an interval.
    """

    name: str
    times_s: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    is_control: bool = False


def time_curves(
    curves: Sequence[TimeCurve],
    chance: float,
    title: str,
    label: str,
    ceiling: tuple[np.ndarray, np.ndarray] | None = None,
) -> bytes:
    """Draw one line a model with its interval, the onset, chance, and each model's peak.

    Parameters
    ----------
    curves
        At least one.
    chance
        NaN where there is none.
    title, label
        What is shown, and the name of the vertical axis.
    ceiling
        Times and noise ceiling, where it is known.

    Returns
    -------
    bytes
        PNG.
    """
    with house_style():
        figure = new_figure(height_in=3.5)
        axes = figure.add_subplot()
        shades = iter(SERIES * (1 + len(curves) // len(SERIES)))
        for curve in curves:
            if curve.is_control:
                axes.plot(curve.times_s, curve.value, color=CONTROL, lw=1.1, label=curve.name)
                continue
            shade = next(shades)
            axes.fill_between(curve.times_s, curve.low, curve.high, color=shade, alpha=0.13, lw=0)
            axes.plot(curve.times_s, curve.value, color=shade, lw=1.8, label=short(curve.name))
            after = np.where(curve.times_s >= 0, curve.value, -np.inf)
            peak = int(np.argmax(np.nan_to_num(after, nan=-np.inf)))
            axes.plot(curve.times_s[peak], curve.value[peak], "o", ms=5, color=shade)
        if ceiling is not None and np.isfinite(ceiling[1]).any():
            axes.plot(*ceiling, color=MUTED, lw=1.0, ls=":", label="noise ceiling")
        axes.axvline(0, color=MUTED, lw=0.9)
        if np.isfinite(chance):
            axes.axhline(chance, color=MUTED, ls=(0, (3, 2)), lw=1.2, label="chance")
        axes.set_xlabel("seconds after onset")
        axes.set_ylabel(label)
        axes.set_title(title)
        figure.legend(loc="outside lower center", ncols=3)
        grid_lines(axes, "y")
        return to_png(figure)


def time_matrix(
    train_s: np.ndarray, test_s: np.ndarray, values: np.ndarray, chance: float, title: str
) -> bytes:
    """Draw how decoders of one time do at every other.

    Parameters
    ----------
    train_s, test_s
        Middles of the windows, shapes (n_train,) and (n_test,).
    values
        Scores, shape (n_train, n_test).
    chance
        Middle of the colour scale.
    title
        What is shown.

    Returns
    -------
    bytes
        PNG.
    """
    with house_style():
        figure = new_figure(height_in=4.2)
        axes = figure.add_subplot()
        reach = max(float(np.nanmax(np.abs(values - chance))), 1e-6)
        mesh = axes.pcolormesh(
            test_s,
            train_s,
            values,
            cmap="RdBu_r",
            vmin=chance - reach,
            vmax=chance + reach,
            shading="nearest",
        )
        axes.axvline(0, color=MUTED, lw=0.9)
        axes.axhline(0, color=MUTED, lw=0.9)
        axes.set_aspect("equal")
        axes.set_xlabel("tested, seconds after onset")
        axes.set_ylabel("trained, seconds after onset")
        axes.set_title(title)
        bar = figure.colorbar(mesh, ax=axes, shrink=0.8)
        bar.outline.set_visible(False)
        return to_png(figure)
