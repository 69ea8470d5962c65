"""Scores of single units: their distribution, and each beside its noise ceiling."""

import numpy as np

from calcarine.pipelines.figures.style import (
    CONTROL,
    MAIN,
    MUTED,
    SECOND,
    SERIES,
    grid_lines,
    house_style,
    new_figure,
    round_up,
    short,
    to_png,
)


def score_against_ceiling(score: np.ndarray, ceiling: np.ndarray, title: str) -> bytes:
    """Draw each unit's correlation against its noise ceiling, with the line of equality.

    Parameters
    ----------
    score, ceiling
        In units of r, shape (n_units,); units with a NaN are left out.
    title
        What is shown.

    Returns
    -------
    bytes
        PNG.
    """
    known = np.isfinite(score) & np.isfinite(ceiling)
    with house_style():
        figure = new_figure(height_in=4.1)
        axes = figure.add_subplot()
        top = round_up(float(max(np.max(score[known]), np.max(ceiling[known]), 0.1)))
        axes.plot([0, top], [0, top], color=SECOND, ls=(0, (3, 2)), lw=1.2)
        axes.annotate(
            "as good as the ceiling allows",
            (top, top),
            xytext=(-6, 0),
            textcoords="offset points",
            color=SECOND,
            ha="right",
            fontsize=8.5,
        )
        axes.axhline(0, color=MUTED, lw=0.8)
        size = float(np.clip(6000 / max(int(known.sum()), 1), 2, 14))
        axes.scatter(ceiling[known], score[known], s=size, color=MAIN, alpha=0.45, lw=0)
        axes.set_xlabel("noise ceiling (r)")
        axes.set_ylabel("r, predicted with measured")
        axes.set_title(title)
        grid_lines(axes, "both")
        return to_png(figure)


def score_histogram(scores: dict[str, np.ndarray], title: str, label: str) -> bytes:
    """Draw the distribution of units' scores, one outline an embedding, medians as ticks below.

    Parameters
    ----------
    scores
        By name, shape (n_units,); NaN units are left out.
    title, label
        What is shown, and the name of the horizontal axis.

    Returns
    -------
    bytes
        PNG.
    """
    known = {name: v[np.isfinite(v)] for name, v in scores.items()}
    known = {name: v for name, v in known.items() if len(v)}
    every = np.concatenate(list(known.values()))
    edges = np.linspace(min(float(every.min()), 0.0), float(every.max()) + 1e-6, 41).tolist()
    with house_style():
        figure = new_figure(height_in=3.4)
        axes = figure.add_subplot()
        for (name, values), colour in zip(known.items(), _cycled(len(known)), strict=True):
            axes.hist(values, edges, histtype="stepfilled", color=colour, alpha=0.10)
            axes.hist(
                values,
                edges,
                histtype="step",
                color=colour,
                lw=1.6,
                label=f"{short(name)} (median {np.median(values):.2f})",
            )
            axes.axvline(np.median(values), ymax=0.04, color=colour, lw=2.5)
        axes.axvline(0, color=CONTROL, lw=0.9)
        axes.set_xlabel(label)
        axes.set_ylabel("units")
        axes.set_title(title)
        axes.legend(loc="upper right")
        grid_lines(axes, "y")
        return to_png(figure)


def _cycled(n: int) -> list[str]:
    return [SERIES[i % len(SERIES)] for i in range(n)]


def region_plot(regions: list[str], scores: dict[str, list[np.ndarray]], title: str) -> bytes:
    """Draw median and interquartile range of units' correlations by region of interest.

    Parameters
    ----------
    regions
        Names from top to bottom.
    scores
        By embedding: for each region the values of its units.
    title
        What is shown.

    Returns
    -------
    bytes
        PNG.
    """
    with house_style():
        figure = new_figure(height_in=1.5 + 0.34 * len(regions))
        axes = figure.add_subplot()
        shifts = np.linspace(-0.24, 0.24, len(scores)) if len(scores) > 1 else [0.0]
        for (name, values), shift, colour in zip(
            scores.items(), shifts, _cycled(len(scores)), strict=True
        ):
            quartiles = np.array([np.percentile(v, [25, 50, 75]) for v in values])
            at = np.arange(len(regions)) + shift
            axes.hlines(at, quartiles[:, 0], quartiles[:, 2], color=colour, lw=2.4, alpha=0.5)
            axes.plot(quartiles[:, 1], at, "o", ms=5, color=colour, label=short(name))
        axes.axvline(0, color=CONTROL, lw=0.9)
        axes.set_yticks(range(len(regions)), [short(r) for r in regions])
        axes.set_ylim(len(regions) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("r, predicted with measured")
        axes.set_title(title)
        figure.legend(loc="outside lower center", ncols=3)
        grid_lines(axes, "x")
        return to_png(figure)
