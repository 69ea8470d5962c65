"""Which category was taken for which."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np

from calcarine.pipelines.figures.style import INK, house_style, new_figure, short, to_png

_MAX_WRITTEN = 12


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, n_categories: int) -> np.ndarray:
    """Give the share of each true category (rows) that was taken for each category (columns).

    Parameters
    ----------
    truth, predicted
        Category numbers, shape (n_items,).
    n_categories
        How many there are.

    Returns
    -------
    numpy.ndarray
        Shape (n_categories, n_categories); rows sum to 1, or to 0 where nothing was shown.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    counts = np.zeros((n_categories, n_categories))
    np.add.at(counts, (truth, predicted), 1)
    total = counts.sum(axis=1, keepdims=True)
    return counts / np.where(total > 0, total, 1)


def confusion_plot(shares: np.ndarray, categories: Sequence[str], title: str) -> bytes:
    """Draw a confusion matrix: shown in rows, decoded in columns, shares written in the cells.

    Parameters
    ----------
    shares
        From `confusion_matrix`.
    categories
        Names in the order of rows.
    title
        What is shown.

    Returns
    -------
    bytes
        PNG.
    """
    n = len(categories)
    with house_style():
        figure = new_figure(height_in=4.6)
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap=mpl.colormaps["Blues"], vmin=0, vmax=1)
        names = [short(c, 14) for c in categories]
        axes.set_xticks(range(n), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(n), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if n <= _MAX_WRITTEN:
            for row, column in np.argwhere(shares >= 0.005):
                share = shares[row, column]
                colour = "white" if share > 0.55 else INK
                axes.text(
                    column,
                    row,
                    f"{share:.2f}".lstrip("0") if share < 1 else "1",
                    ha="center",
                    va="center",
                    color=colour,
                    fontsize=8.5,
                )
        axes.set_xlabel("decoded")
        axes.set_ylabel("shown")
        axes.set_title(title)
        bar = figure.colorbar(image, ax=axes, shrink=0.7, label="share of the shown category")
        bar.outline.set_visible(False)
        return to_png(figure)
