"""Pictures small enough for a page."""

import numpy as np
from PIL import Image

from calcarine.pipelines.figures.style import png_of

SIDE_PX = 96


def thumbnail(pixels: np.ndarray) -> bytes:
    """Encode a picture as PNG; one larger than 96 px is made smaller and given a palette.

    Parameters
    ----------
    pixels
        uint8, shape (height, width, 3).

    Returns
    -------
    bytes
        PNG; exact where the picture is small.
    """
    height, width = pixels.shape[:2]
    if max(height, width) <= SIDE_PX:
        return png_of(pixels)
    scale = SIDE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    return png_of(np.asarray(smaller), 256)


def plain_thumbnail(pixels: np.ndarray, n_colours: int = 48) -> bytes:
    """Encode a picture as PNG with few colours: for many pictures that nobody compares by pixel.

    Parameters
    ----------
    pixels
        uint8, shape (height, width, 3).
    n_colours
        Colours of the palette.

    Returns
    -------
    bytes
        PNG, at most 96 px a side.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    return png_of(np.asarray(smaller), n_colours)


def is_blank(pixels: np.ndarray) -> bool:
    """Tell whether a picture is one flat colour, as one that was never made is."""
    return bool((pixels == pixels[:1, :1]).all())
