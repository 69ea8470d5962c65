"""What units are about, on the inflated cortex: one colour a concept, with a legend."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from calcarine.pipelines.figures.style import MUTED, house_style, new_figure, to_png
from calcarine.pipelines.figures.surface_plate import Plate, load_plate
from calcarine.pipelines.figures.surface_raster import HEMISPHERES

# told apart by people of every colour vision, at least in neighbouring pairs (Okabe & Ito 2008)
PALETTE = (
    (0.84, 0.37, 0.00),
    (0.00, 0.45, 0.70),
    (0.00, 0.62, 0.45),
    (0.80, 0.47, 0.65),
    (0.90, 0.62, 0.00),
    (0.34, 0.71, 0.91),
    (0.94, 0.89, 0.26),
    (0.35, 0.20, 0.55),
    (0.25, 0.25, 0.25),
    (0.60, 0.35, 0.20),
)


def word_map(
    labels: np.ndarray, names: Sequence[str], shown: dict[str, np.ndarray], title: str
) -> bytes:
    """Draw one label a unit on both inflated hemispheres.

    Parameters
    ----------
    labels
        Number of each unit's name, -1 for none, shape (n_units,).
    names
        Names, at most `len(PALETTE)`.
    shown
        From `vertex_units`.
    title
        What is shown.

    Returns
    -------
    bytes
        PNG.
    """
    plate = load_plate()
    rows = np.concatenate([shown[side] for side in HEMISPHERES])
    on_vertices = np.where(rows >= 0, labels[rows], -1)
    with house_style():
        figure = new_figure(height_in=6.6)
        axes = figure.add_subplot()
        axes.imshow(paint_labels(plate, on_vertices), interpolation="antialiased")
        axes.axis("off")
        for text, x, y in plate.labels:
            axes.text(x, y, text, color=MUTED, fontsize=8.5, ha="center", va="top")
        entries = [f"{name} ({int((labels == i).sum())})" for i, name in enumerate(names)]
        patches = [Patch(color=PALETTE[i], label=entry) for i, entry in enumerate(entries)]
        _legend_that_fits(figure, patches)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        return to_png(figure)


def _legend_that_fits(figure: Figure, patches: Sequence[Patch]) -> None:
    """Put a legend below the map, of as many columns as the figure is wide, four at most."""
    for n_columns in (4, 3, 2, 1):
        legend = figure.legend(
            handles=patches, loc="outside lower center", ncols=n_columns, fontsize=8.5
        )
        if n_columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def paint_labels(plate: Plate, on_vertices: np.ndarray) -> np.ndarray:
    """Colour each pixel by the label of its nearest labelled vertex; nothing is mixed.

    Parameters
    ----------
    plate
        What lies under each pixel.
    on_vertices
        Label of each vertex, -1 for none.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width, 3); white outside of the cortex.
    """
    raster = plate.raster
    corners = on_vertices[raster.vertices]
    nearest = raster.weights.argmax(axis=-1)[..., None]
    label = np.take_along_axis(corners, nearest, axis=-1)[..., 0]
    grey = np.where(plate.sulcal_depth > 0, 0.68, 0.86)[..., None]
    rgb = np.where((label >= 0)[..., None], np.array(PALETTE)[label.clip(0)], grey)
    # few shades, so that every hue survives the palette of the file
    rgb = rgb * (0.62 + 0.38 * np.round(raster.shade * 10) / 10)[..., None]
    rgb = np.where(raster.vertices[..., :1] >= 0, rgb, 1.0)
    return np.clip(np.round(rgb * 255), 0, 255).astype(np.uint8)
