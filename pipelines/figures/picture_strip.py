"""Pictures in rows with a name each."""

from collections.abc import Sequence

import numpy as np

from calcarine.pipelines.figures.style import MUTED, house_style, new_figure, to_png


def picture_strip(rows: Sequence[np.ndarray], labels: Sequence[str]) -> bytes:
    """Draw rows of pictures, the row's name to the left.

    Parameters
    ----------
    rows
        Each uint8, shape (n_pictures, height, width, 3); equally many in each row.
    labels
        One name a row.

    Returns
    -------
    bytes
        PNG.
    """
    n_rows, n_columns = len(rows), len(rows[0])
    with house_style():
        figure = new_figure(height_in=0.2 + 1.12 * n_rows)
        axes = figure.subplots(n_rows, n_columns, squeeze=False)
        for line, pictures, label in zip(axes, rows, labels, strict=True):
            for panel, picture in zip(line, pictures, strict=True):
                panel.imshow(picture, interpolation="nearest")
                panel.set_xticks([])
                panel.set_yticks([])
                panel.spines[:].set_visible(False)
            line[0].set_ylabel(label.replace(" ", "\n"), color=MUTED, fontsize=9)
        return to_png(figure)
