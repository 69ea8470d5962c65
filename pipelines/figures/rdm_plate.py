"""Dissimilarity matrices side by side."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from calcarine.pipelines.figures.style import MUTED, house_style, new_figure, short, to_png

_N_COLUMNS = 3


def percentiles(rdm: np.ndarray) -> np.ndarray:
    """Turn dissimilarities into percentiles of their ranks, as comparisons by rank see them.

    Parameters
    ----------
    rdm
        Shape (n_pairs,); NaN is kept.

    Returns
    -------
    numpy.ndarray
        From 0 to 100.

    Examples
    --------
    >>> percentiles(np.array([0.3, 0.1, 0.2])).tolist()
    [100.0, 0.0, 50.0]
    """
    known = np.isfinite(rdm)
    out = np.full(len(rdm), np.nan)
    ranks = rankdata(rdm[known]) - 1
    out[known] = 100 * ranks / max(known.sum() - 1, 1)
    return out


def rdm_plate(
    rdms: Sequence[np.ndarray], titles: Sequence[str], groups: Sequence[str], order: np.ndarray
) -> bytes:
    """Draw matrices of percentiles with lines between groups of stimuli.

    Parameters
    ----------
    rdms
        Each of shape (n_pairs,).
    titles
        One a matrix.
    groups
        Group of each stimulus, in the order of the RDMs.
    order
        Order in which stimuli are drawn, groups together.

    Returns
    -------
    bytes
        PNG.
    """
    drawn = [groups[i] for i in order]
    edges = [i for i in range(1, len(drawn)) if drawn[i] != drawn[i - 1]]
    n_columns = min(_N_COLUMNS, len(rdms))
    n_rows = -(-len(rdms) // n_columns)
    with house_style():
        figure = new_figure(height_in=0.5 + 4.6 / n_columns * n_rows)
        panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
        for panel, rdm, title in zip(panels, rdms, titles, strict=False):
            square = squareform(percentiles(rdm), checks=False)
            np.fill_diagonal(square, np.nan)
            image = panel.imshow(
                square[np.ix_(order, order)],
                cmap=mpl.colormaps["cividis"],
                vmin=0,
                vmax=100,
                interpolation="nearest",
            )
            for edge in edges if len(edges) < len(order) / 3 else ():
                panel.axhline(edge - 0.5, color="white", lw=0.5)
                panel.axvline(edge - 0.5, color="white", lw=0.5)
            panel.set_title(short(title, 22), fontsize=8.5)
        for panel in panels:
            panel.set_xticks([])
            panel.set_yticks([])
            panel.spines[:].set_visible(False)
        for panel in panels[len(rdms) :]:
            panel.set_visible(False)
        bar = figure.colorbar(image, ax=list(panels), location="bottom", shrink=0.5, aspect=30)
        bar.set_label("dissimilarity (percentile)", color=MUTED, fontsize=9)
        bar.outline.set_visible(False)
        return to_png(figure)
