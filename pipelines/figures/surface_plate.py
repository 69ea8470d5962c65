"""Both hemispheres from four sides, side by side on one canvas, ready to be coloured."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from calcarine.pipelines.figures.surface_raster import (
    HEMISPHERES,
    Raster,
    load_hemisphere,
    rasterise,
)

PIXELS_PER_MM = 2.2
_GAP_PX, _LABEL_PX = 24, 50
# forward and up of an orthographic camera; x runs to the right, y to the front, z up
_VIEWS: dict[str, dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]]] = {
    "lateral": {"left": ((1, 0, 0), (0, 0, 1)), "right": ((-1, 0, 0), (0, 0, 1))},
    "medial": {"left": ((-1, 0, 0), (0, 0, 1)), "right": ((1, 0, 0), (0, 0, 1))},
    "ventral": {"left": ((0, 0, 1), (0, 1, 0)), "right": ((0, 0, 1), (0, 1, 0))},
    "posterior": {"left": ((0, 1, 0), (0, 0, 1)), "right": ((0, 1, 0), (0, 0, 1))},
}
_ROWS = (("lateral",), ("medial",), ("ventral", "posterior"))


@dataclass(frozen=True)
class Plate:
    """All views on one canvas.

    Attributes
    ----------
    raster
        Vertices of the right hemisphere are numbered after those of the left one.
    sulcal_depth
        Depth under each pixel, shape (height, width).
    labels
        Text of each panel with its x (middle) and y (top), in pixels.
    """

    raster: Raster
    sulcal_depth: np.ndarray
    labels: tuple[tuple[str, float, float], ...]


@cache
def load_plate() -> Plate:
    """Rasterise the eight views once for all maps of a page."""
    rows = [[_panel(side, view) for view in views for side in HEMISPHERES] for views in _ROWS]
    width = max(sum(p.shade.shape[1] + _GAP_PX for _, p in row) for row in rows)
    height = sum(_LABEL_PX + max(p.shade.shape[0] for _, p in row) for row in rows)
    vertices = np.full((height, width, 3), -1, dtype=np.int64)
    weights = np.zeros((height, width, 3), dtype=np.float32)
    shade = np.zeros((height, width), dtype=np.float32)
    labels = []
    top = 0
    for row in rows:
        space = (width - sum(p.shade.shape[1] for _, p in row)) / len(row)
        at = space / 2
        for name, panel in row:
            h, w = panel.shade.shape
            spot = np.s_[top + _LABEL_PX : top + _LABEL_PX + h, int(at) : int(at) + w]
            vertices[spot], weights[spot], shade[spot] = panel.vertices, panel.weights, panel.shade
            labels.append((name, at + w / 2, top + _LABEL_PX * 0.15))
            at += w + space
        top += _LABEL_PX + max(p.shade.shape[0] for _, p in row)
    depth = np.concatenate([load_hemisphere(side).sulcal_depth for side in HEMISPHERES])
    under = (depth[vertices] * weights).sum(axis=-1)
    return Plate(Raster(vertices, weights, shade), under, tuple(labels))


def _panel(side: str, view: str) -> tuple[str, Raster]:
    hemisphere = load_hemisphere(side)
    forward, up = (np.array(v, dtype=np.float64) for v in _VIEWS[view][side])
    drawn = rasterise(hemisphere.points, hemisphere.faces, forward, up, PIXELS_PER_MM)
    shift = len(hemisphere.points) * HEMISPHERES.index(side)
    vertices = np.where(drawn.vertices >= 0, drawn.vertices + shift, -1)
    return f"{side} {view}", Raster(vertices, drawn.weights, drawn.shade)
