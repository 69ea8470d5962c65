"""Values of units on the inflated cortex, seen from four sides."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from scipy.spatial import cKDTree

from calcarine.data.errors import CalcarineError
from calcarine.pipelines.figures.style import MUTED, house_style, new_figure, score_colours, to_png
from calcarine.pipelines.figures.surface_raster import (
    HEMISPHERES,
    Raster,
    load_hemisphere,
    load_raster,
)

RADIUS_MM = 5.0
_PIXELS_PER_MM = 2.3
_PLACES: dict[tuple[str, str], tuple[int, int | slice]] = {
    ("lateral", "left"): (0, slice(0, 2)),
    ("lateral", "right"): (0, slice(2, 4)),
    ("medial", "left"): (1, slice(0, 2)),
    ("medial", "right"): (1, slice(2, 4)),
    ("ventral", "left"): (2, 0),
    ("ventral", "right"): (2, 1),
    ("posterior", "left"): (2, 2),
    ("posterior", "right"): (2, 3),
}
_N_VERTICES = 10242  # fsaverage6 and fsaverage contain the vertices of fsaverage5 as their first


def vertex_units(units: pd.DataFrame, radius_mm: float = RADIUS_MM) -> dict[str, np.ndarray]:
    """Find the unit that each vertex of fsaverage5 shows.

    Parameters
    ----------
    units
        Units table with `hemisphere` and `vertex` (of the fsaverage family), or with MNI
        coordinates `x y z` in mm.
    radius_mm
        A vertex without a unit within this distance shows none.

    Returns
    -------
    dict
        For `left` and `right`: row number of the nearest unit, -1 for none, shape (10242,).
        Nothing is smoothed.

    Raises
    ------
    CalcarineError
        The table has neither vertices nor coordinates.
    """
    if {"hemisphere", "vertex"} <= set(units.columns):
        return {side: _own_vertices(units, side) for side in HEMISPHERES}
    if not {"x", "y", "z"} <= set(units.columns):
        raise CalcarineError(
            f"a surface map needs the columns x, y, z or hemisphere, vertex; the units table has "
            f"{list(units.columns)}."
        )
    tree = cKDTree(units[["x", "y", "z"]].to_numpy(dtype=np.float64))
    found = {}
    for side in HEMISPHERES:
        # fsaverage lives in MNI305; it lies within 2 mm of MNI152, as nilearn takes it too
        distance, nearest = tree.query(load_hemisphere(side).middle)
        found[side] = np.where(distance <= radius_mm, nearest, -1)
    return found


def _own_vertices(units: pd.DataFrame, side: str) -> np.ndarray:
    rows = np.full(_N_VERTICES, -1)
    first = units["hemisphere"].astype(str).str.lower().str[0]
    here = (first == side[0]) & (units["vertex"] < _N_VERTICES)
    rows[units.loc[here, "vertex"].to_numpy(dtype=int)] = np.flatnonzero(here)
    return rows


def surface_map(
    values: np.ndarray, shown: dict[str, np.ndarray], title: str, label: str, top: float
) -> bytes:
    """Draw values on both inflated hemispheres: lateral, medial, ventral and posterior.

    Parameters
    ----------
    values
        One value a unit, shape (n_units,); NaN units stay grey.
    shown
        From `vertex_units`.
    title, label
        What is shown, and the name of the colour scale.
    top
        Upper end of the colour scale, which begins at 0.

    Returns
    -------
    bytes
        PNG.
    """
    colours, scale = score_colours(), Normalize(0, top, clip=True)
    on_vertices = {side: np.where(rows >= 0, values[rows], np.nan) for side, rows in shown.items()}
    with house_style():
        figure = new_figure(height_in=5.5)
        grid = figure.add_gridspec(3, 4, height_ratios=_heights())
        panels = []
        for (view, side), place in _PLACES.items():
            axes = figure.add_subplot(grid[place])
            raster = load_raster(side, view, _PIXELS_PER_MM)
            pixels = paint(raster, side, on_vertices[side], colours, scale)
            axes.imshow(pixels, interpolation="antialiased")
            axes.set_title(
                f"{side} {view}", loc="center", color=MUTED, fontsize=8.5, fontweight="normal"
            )
            axes.axis("off")
            panels.append(axes)
        bar = figure.colorbar(
            ScalarMappable(scale, colours),
            ax=panels,
            orientation="horizontal",
            shrink=0.6,
            aspect=32,
            pad=0.02,
        )
        bar.set_label(label)
        bar.outline.set_visible(False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        return to_png(figure)


def _heights() -> list[int]:
    views = ("lateral", "medial", "ventral")
    return [load_raster("left", view, _PIXELS_PER_MM).shade.shape[0] for view in views]


def paint(
    raster: Raster,
    side: str,
    on_vertices: np.ndarray,
    colours: mpl.colors.Colormap,
    scale: Normalize,
) -> np.ndarray:
    """Colour a raster: values where there are some, else gyri pale and sulci dark; uint8 RGB."""
    inside = raster.vertices[..., 0] >= 0
    depth = (load_hemisphere(side).sulcal_depth[raster.vertices] * raster.weights).sum(axis=-1)
    grey = np.where(depth > 0, 0.68, 0.86)[..., None] * np.ones(3)
    corners = on_vertices[raster.vertices]
    known = np.isfinite(corners) * raster.weights
    total = known.sum(axis=-1)
    value = np.where(np.isfinite(corners), corners, 0.0) * known
    mean = value.sum(axis=-1) / np.where(total > 0, total, 1.0)
    rgb = np.where((total >= 0.5)[..., None], colours(scale(mean))[..., :3], grey)
    rgb = rgb * (0.62 + 0.38 * raster.shade[..., None])
    rgb = np.where(inside[..., None], rgb, np.array(to_rgb("white")))
    return np.clip(np.round(rgb * 255), 0, 255).astype(np.uint8)
