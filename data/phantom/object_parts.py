"""Voxels that look at one part of the object, wherever in the picture the object is."""

import numpy as np
import pandas as pd

from calcarine.data.phantom.scenes import PAIR_GAP

PART_COLUMNS = ("voxel", "part_x", "part_y", "part_sd", "part_red", "part_green", "part_blue")
_CHANNELS = ("part_red", "part_green", "part_blue")
_OBJECT_SD = 0.5
"""Window that sees the whole object, in half widths of its box."""


def no_parts() -> pd.DataFrame:
    """Give the table of parts of a cortex without such voxels."""
    return pd.DataFrame({name: np.zeros(0, dtype=float) for name in PART_COLUMNS}).astype(
        {"voxel": int}
    )


def object_centres(factors: pd.DataFrame) -> list[np.ndarray]:
    """Give the centres of each scene's objects, 0 to 1 from the upper left, (n_objects, 2)."""
    centres = []
    for x, y, size, count in factors[["x", "y", "size", "count"]].itertuples(index=False):
        steps = np.arange(int(count)) - (count - 1) / 2
        centres.append(
            np.column_stack([x + steps * (size + PAIR_GAP), np.full(int(count), y, dtype=float)])
        )
    return centres


def part_drive(pictures: np.ndarray, factors: pd.DataFrame, parts: pd.DataFrame) -> np.ndarray:
    """Measure how a part of the object stands out against the whole object.

    The windows of a voxel move and grow with the object, so that the response depends on what is
    there and not on where that is: no weighted sum over places of the picture can say it. Against
    the whole object, because the part's light alone is nearly the object's colour.

    Parameters
    ----------
    pictures
        uint8, shape (n_scenes, height, width, 3).
    factors
        Table with one row a scene: `x y size count`.
    parts
        `voxel`, the place of the part `part_x part_y` and the size of its window `part_sd` in
        units of half the object's box (−1 to 1, x to the right, y downward), and the weights of
        the colour channels `part_red part_green part_blue`.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_scenes, n_parts): the weighted light (0 to 1 a channel) under a Gaussian
        window on the part, less that under one on the whole object, averaged over the objects of
        a scene.
    """
    height, width = pictures.shape[1:3]
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    place = parts[["part_x", "part_y"]].to_numpy(dtype=float)
    spread = parts["part_sd"].to_numpy(dtype=float)
    colour = parts[list(_CHANNELS)].to_numpy(dtype=float)
    drive = np.zeros((len(pictures), len(parts)))
    if not len(parts):
        return drive
    halves = factors["size"].to_numpy(dtype=float) / 2
    for scene, centres in enumerate(object_centres(factors)):
        light = pictures[scene] / 255
        for centre in centres:
            middle = np.vstack([centre + halves[scene] * place, centre])
            sd = halves[scene] * np.append(spread, _OBJECT_SD)
            down, across = _window(rows, middle[:, 1], sd), _window(columns, middle[:, 0], sd)
            seen = np.einsum("py,yxc,px->pc", down, light, across, optimize=True)
            drive[scene] += ((seen[:-1] - seen[-1]) * colour).sum(axis=1) / len(centres)
    return drive


def _window(grid: np.ndarray, middle: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Give Gaussian windows that sum to 1, shape (n_parts, n_pixels)."""
    window = np.exp(-((grid[None] - middle[:, None]) ** 2) / (2 * sd[:, None] ** 2))
    return window / window.sum(axis=1, keepdims=True)
