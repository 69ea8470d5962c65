"""One look for all figures, and the same bytes for the same numbers."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

INK, MUTED, FAINT, RULE = "#1c2126", "#5a6470", "#aab2bb", "#d9dee3"
MAIN, SECOND, CONTROL = "#1f5f99", "#c2571a", "#8a939d"
SERIES = (MAIN, SECOND, "#3a7d44", "#8c4a97", "#94701c", "#2a8a8c")
WIDTH_IN = 4.8
_DPI = 190
_N_COLOURS = 160  # a page with a dozen maps of the cortex stays below 5 MB
_HOUSE = {
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    # names of models and pictures come from the user; a `$` in them is no formula
    "text.parse_math": False,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the house's settings alone, whatever the user's matplotlibrc says."""
    with matplotlib.style.context(["default", _HOUSE]):
        yield


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """Make an empty figure without touching pyplot's list of figures."""
    return Figure(figsize=(width_in, height_in), dpi=_DPI, facecolor="white")


def to_png(figure: Figure) -> bytes:
    """Render a figure as PNG with few colours and without date or program name."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return png_of(np.asarray(canvas.buffer_rgba())[..., :3], _N_COLOURS)


def png_of(pixels: np.ndarray, n_colours: int | None = None) -> bytes:
    """Encode pixels as PNG.

    Parameters
    ----------
    pixels
        uint8, shape (height, width, 3).
    n_colours
        Reduce to a palette of that many colours, which makes drawings much smaller.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if n_colours is not None:
        picture = picture.quantize(n_colours, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def score_colours() -> Colormap:
    """Give the colours of scores from 0 to high: dark violet over orange to pale yellow.

    It is matplotlib's inferno without its black and palest ends, which would drown in the shading
    or in the page.
    """
    inferno = matplotlib.colormaps["inferno"](np.linspace(0.18, 0.95, 256))
    return LinearSegmentedColormap.from_list("scores", inferno)


def round_up(value: float, step: float = 0.1) -> float:
    """Round up to a step, so that colour scales end at plain numbers.

    Examples
    --------
    >>> round_up(0.61)
    0.7
    >>> round_up(-0.2)
    0.1
    """
    if not np.isfinite(value) or value <= 0:
        return step
    return round(float(np.ceil(value / step - 1e-9) * step), 6)


def grid_lines(axes: Axes, axis: Literal["x", "y", "both"]) -> None:
    """Draw pale grid lines across one axis and remove its ticks."""
    axes.grid(True, axis=axis)
    axes.tick_params(axis=axis, length=0)


def short(name: str, n_characters: int = 26) -> str:
    """Shorten a name for a figure.

    Examples
    --------
    >>> short("contrastive-clip", 8)
    'contras…'
    """
    return name if len(name) <= n_characters else name[: n_characters - 1] + "…"
