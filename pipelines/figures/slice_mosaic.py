"""Values of voxels in native space, slice by slice."""

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from calcarine.pipelines.figures.style import MUTED, house_style, new_figure, score_colours, to_png

MAX_SLICES = 12
_BACKGROUND, _MASK = 0.97, 0.80


def slices_shown(units: pd.DataFrame, axis: str) -> list[int]:
    """Choose at most twelve of the slices that hold units, evenly spaced.

    Parameters
    ----------
    units
        Units table with voxel indices.
    axis
        Column that counts slices: `i`, `j` or `k`.
    """
    present = np.unique(units[axis].to_numpy(dtype=int))
    rows = np.round(np.linspace(0, len(present) - 1, min(len(present), MAX_SLICES))).astype(int)
    return [int(s) for s in present[rows]]


def slice_mosaic(
    values: np.ndarray, units: pd.DataFrame, title: str, label: str, top: float
) -> bytes:
    """Draw values of voxels on their own grid, as recorded.

    Parameters
    ----------
    values
        One value a unit, shape (n_units,); NaN units stay grey.
    units
        Units table with `i j k`. Slices are cut along the axis with the fewest of them.
    title, label
        What is shown, and the name of the colour scale.
    top
        Upper end of the colour scale, which begins at 0.

    Returns
    -------
    bytes
        PNG.
    """
    axis = min("kji", key=lambda name: units[name].nunique())
    across, upward = [name for name in "ijk" if name != axis]
    shown = slices_shown(units, axis)
    n_columns = min(len(shown), 3)
    n_rows = -(-len(shown) // n_columns)
    colours, scale = score_colours(), Normalize(0, top, clip=True)
    with house_style():
        figure = new_figure(height_in=_height(units, across, upward, n_rows, n_columns))
        axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
        for panel in axes:
            panel.axis("off")
        for panel, number in zip(axes, shown, strict=False):
            rows = np.flatnonzero(units[axis] == number)
            pixels = _slice(values, units, rows, across, upward)
            known = np.isfinite(pixels[..., 0])
            rgb = np.where(known[..., None], colours(scale(pixels[..., 0]))[..., :3], 1.0)
            rgb = np.where(known[..., None], rgb, pixels[..., 1][..., None])
            panel.imshow(rgb, origin="lower", interpolation="nearest")
            panel.set_title(
                f"{axis} = {number}", loc="center", color=MUTED, fontsize=8.5, fontweight="normal"
            )
        bar = figure.colorbar(
            ScalarMappable(scale, colours),
            ax=axes.tolist(),
            orientation="horizontal",
            shrink=0.6,
            aspect=32,
        )
        bar.set_label(label)
        bar.outline.set_visible(False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        return to_png(figure)


def _slice(
    values: np.ndarray, units: pd.DataFrame, rows: np.ndarray, across: str, upward: str
) -> np.ndarray:
    """Lay one slice out: values (NaN where there is none) and a grey background."""
    low = units[[across, upward]].min().to_numpy(dtype=int) - 1
    size = units[[across, upward]].max().to_numpy(dtype=int) - low + 2
    pixels = np.full((size[1], size[0], 2), np.nan)
    pixels[..., 1] = _BACKGROUND
    spot = units.iloc[rows][[across, upward]].to_numpy(dtype=int) - low
    pixels[spot[:, 1], spot[:, 0], 0] = values[rows]
    pixels[spot[:, 1], spot[:, 0], 1] = _MASK
    return pixels


def _height(units: pd.DataFrame, across: str, upward: str, n_rows: int, n_columns: int) -> float:
    extent = units[[across, upward]].max() - units[[across, upward]].min() + 3
    panel = 4.9 / n_columns * float(extent[upward]) / float(extent[across])
    return float(np.clip(panel * n_rows + 1.2, 2.4, 9.0))
