"""The forms in which people hold pictures, brought to one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from calcarine.data.digests import read_picture
from calcarine.data.errors import CalcarineError


def holds_pictures(stimuli: Any) -> bool:
    """Tell pictures from embeddings.

    Numbers are embeddings, unless they are uint8 or have four axes; a tensor with three channels in
    second place is a batch of pictures. Anything else (paths, PIL images, lists) is pictures.
    """
    if isinstance(stimuli, np.ndarray):
        return stimuli.dtype == np.uint8 or stimuli.ndim == 4
    return True


def as_pictures(pictures: Any) -> list[Image.Image]:
    """Turn pictures into PIL images.

    Parameters
    ----------
    pictures
        One picture or several: PIL images, paths (`pathlib.Path` or text), arrays (height, width,
        3) or (n, height, width, 3), uint8 or float from 0 to 1, or a torch tensor (3, height,
        width) or (n, 3, height, width), likewise.

    Returns
    -------
    list of PIL.Image.Image
        RGB.

    Raises
    ------
    CalcarineError
        A shape or a range is no picture's, or a file cannot be read.

    Examples
    --------
    >>> as_pictures(np.zeros((2, 8, 6, 3), dtype=np.uint8))[1].size
    (6, 8)
    """
    if isinstance(pictures, Image.Image | Path | str):
        return [_one(pictures)]
    if isinstance(pictures, np.ndarray):
        return [_from_array(p) for p in (pictures if pictures.ndim == 4 else pictures[None])]
    if hasattr(pictures, "detach"):  # a torch tensor, without importing torch to ask
        values = pictures.detach().cpu().numpy()
        batch = values if values.ndim == 4 else values[None]
        if batch.ndim != 4 or batch.shape[1] != 3:
            raise CalcarineError(
                f"a tensor of shape {tuple(values.shape)} holds no pictures; expected "
                "(n, 3, height, width)."
            )
        return [_from_array(p) for p in np.moveaxis(batch, 1, -1)]
    if isinstance(pictures, Sequence):
        return [picture for one in pictures for picture in as_pictures(one)]
    raise CalcarineError(
        f"{type(pictures).__name__} holds no pictures; give PIL images, paths, arrays or a tensor."
    )


def _one(picture: Image.Image | Path | str) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture.convert("RGB")
    return read_picture(Path(picture))


def _from_array(values: np.ndarray) -> Image.Image:
    if values.ndim != 3 or values.shape[2] != 3:
        raise CalcarineError(
            f"an array of shape {values.shape} is no picture; expected (height, width, 3)."
        )
    if values.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(values))
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        raise CalcarineError(
            f"a picture of type {values.dtype} has values from {low:g} to {high:g}; expected 0 to "
            "1 (or uint8 from 0 to 255), before any normalisation: the encoder does that itself."
        )
    return Image.fromarray(np.round(np.ascontiguousarray(values) * 255).astype(np.uint8))
