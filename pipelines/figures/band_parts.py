"""What each band of an encoder adds to its score, region by region."""

import numpy as np

from calcarine.pipelines.figures.style import (
    CONTROL,
    SERIES,
    grid_lines,
    house_style,
    new_figure,
    short,
    to_png,
)


def band_plot(regions: list[str], parts: dict[str, np.ndarray], title: str) -> bytes:
    """Stack the parts of all bands, a bar a region; parts that hurt go to the left of zero.

    Parameters
    ----------
    regions
        Names from top to bottom.
    parts
        By band: its part of R² in each region, shape (n_regions,).
    title
        What is shown.

    Returns
    -------
    bytes
        PNG.
    """
    at = np.arange(len(regions))
    right, left = np.zeros(len(regions)), np.zeros(len(regions))
    with house_style():
        figure = new_figure(height_in=1.3 + 0.26 * len(regions))
        axes = figure.add_subplot()
        for k, (name, values) in enumerate(parts.items()):
            known = np.nan_to_num(values)
            start = np.where(known >= 0, right, left)
            axes.barh(at, known, 0.7, start, color=SERIES[k % len(SERIES)], label=short(name))
            right, left = right + np.clip(known, 0, None), left + np.clip(known, None, 0)
        axes.axvline(0, color=CONTROL, lw=0.9)
        axes.set_yticks(at, [short(name) for name in regions])
        axes.invert_yaxis()
        axes.set_xlabel("part of R² (mean over units)")
        axes.set_title(title)
        axes.legend(loc="lower right")
        grid_lines(axes, "x")
        return to_png(figure)
