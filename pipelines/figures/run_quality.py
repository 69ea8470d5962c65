"""One number a run, run after run."""

from collections.abc import Sequence

import numpy as np

from calcarine.pipelines.figures.style import MAIN, grid_lines, house_style, new_figure, to_png


def run_plot(runs: Sequence[str], values: np.ndarray, title: str, label: str) -> bytes:
    """Draw one dot a run, joined by a line.

    Parameters
    ----------
    runs
        Names from first to last.
    values
        Shape (n_runs,); NaN leaves a gap.
    title, label
        What is shown, and the name of the vertical axis with its unit.

    Returns
    -------
    bytes
        PNG.
    """
    with house_style():
        figure = new_figure(height_in=2.6)
        axes = figure.add_subplot()
        at = np.arange(len(runs))
        axes.plot(at, values, "o-", ms=4.5, lw=1.2, color=MAIN)
        step = max(1, -(-len(runs) // 14))
        axes.set_xticks(at[::step], list(runs)[::step], rotation=0 if len(runs) < 9 else 60)
        low, high = min(0.0, float(np.nanmin(values))), float(np.nanmax(values))
        axes.set_ylim(low, high + 0.12 * (high - low) if high > low else low + 1)
        axes.set_xlabel("run")
        axes.set_ylabel(label)
        axes.set_title(title)
        grid_lines(axes, "y")
        return to_png(figure)
