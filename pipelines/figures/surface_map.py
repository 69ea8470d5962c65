"""Values of units on the inflated cortex, seen from four sides."""

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from scipy.spatial import cKDTree

from calcarine.data.errors import CalcarineError
from calcarine.pipelines.figures.style import MUTED, house_style, new_figure, score_colours, to_png
from calcarine.pipelines.figures.surface_plate import Plate, load_plate
from calcarine.pipelines.figures.surface_raster import HEMISPHERES, load_hemisphere

RADIUS_MM = 5.0
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
    plate = load_plate()
    colours, scale = score_colours(), Normalize(0, top, clip=True)
    rows = np.concatenate([shown[side] for side in HEMISPHERES])
    on_vertices = np.where(rows >= 0, values[rows], np.nan)
    with house_style():
        figure = new_figure(height_in=6.4)
        axes = figure.add_subplot()
        axes.imshow(paint(plate, on_vertices, colours, scale), interpolation="antialiased")
        axes.axis("off")
        for text, x, y in plate.labels:
            axes.text(x, y, text, color=MUTED, fontsize=8.5, ha="center", va="top")
        bar = figure.colorbar(
            ScalarMappable(scale, colours),
            ax=axes,
            orientation="horizontal",
            shrink=0.6,
            aspect=32,
            pad=0.02,
        )
        bar.set_label(label)
        bar.outline.set_visible(False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        return to_png(figure)


def paint(plate: Plate, on_vertices: np.ndarray, colours: Colormap, scale: Normalize) -> np.ndarray:
    """Colour a plate: values where there are some, else gyri pale and sulci dark.

    Parameters
    ----------
    plate
        What lies under each pixel.
    on_vertices
        Values of the left, then the right hemisphere's vertices; NaN for none.
    colours, scale
        From value to colour.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width, 3); white outside of the cortex.
    """
    raster = plate.raster
    corners = on_vertices[raster.vertices]
    known = np.isfinite(corners) * raster.weights
    total = known.sum(axis=-1)
    mean = (np.nan_to_num(corners) * known).sum(axis=-1) / np.where(total > 0, total, 1.0)
    grey = np.where(plate.sulcal_depth > 0, 0.68, 0.86)[..., None]
    rgb = np.where((total >= 0.5)[..., None], colours(scale(mean))[..., :3], grey)
    rgb = rgb * (0.62 + 0.38 * raster.shade[..., None])
    rgb = np.where(raster.vertices[..., :1] >= 0, rgb, 1.0)
    return np.clip(np.round(rgb * 255), 0, 255).astype(np.uint8)
