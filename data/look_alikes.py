"""Pictures that show the same thing in other bytes: resized, re-encoded, mirrored, cropped."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image
from tqdm import tqdm

SIDE = 128
"""Height and width to which pictures are reduced, in grey values, before they are compared."""

WHOLE_THRESHOLD = 0.012
"""Largest distance of look-alikes, one of them perhaps mirrored, that both are shown whole."""

PART_THRESHOLD = 0.003
"""Largest distance where one is a part of the other: a part is chosen, so that chance helps."""

_CELLS = 16
# coarse distance below which a pair is looked at closely
_CANDIDATE = 0.06
_SCALES = (0.95, 0.9, 0.85, 0.8)
_WHOLE = (0.0, 0.0, float(SIDE), float(SIDE))
_MIN_SIDE = 0.75 * SIDE
_STEPS = (4.0, 2.0, 1.0, 0.5, 0.25)
# left, upper, right, lower: single edges, both axes moved, zoomed
_DIRECTIONS = (
    *((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
    *((1, 0, 1, 0), (0, 1, 0, 1), (1, 1, 1, 1), (1, -1, 1, -1)),
    *((1, 0, -1, 0), (0, 1, 0, -1), (1, 1, -1, -1)),
)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class LookAlike:
    """Two pictures that show the same.

    Attributes
    ----------
    tested, other
        Their row numbers.
    distance
        One minus the correlation of their grey values in cells of 16 by 16, best alignment.
    """

    tested: int
    other: int
    distance: float


def reduced(picture: Image.Image) -> np.ndarray:
    """Reduce a picture to what is compared.

    Parameters
    ----------
    picture
        Any size and mode; its proportions are dropped.

    Returns
    -------
    numpy.ndarray
        uint8, shape (128, 128).
    """
    grey = picture.convert("L")
    enlarges = min(grey.size) < SIDE
    how = Image.Resampling.BILINEAR if enlarges else Image.Resampling.BOX
    return np.asarray(grey.resize((SIDE, SIDE), how))


def look_alikes(tested: np.ndarray, others: np.ndarray) -> list[LookAlike]:
    """Find pairs of pictures, one of each side, that show the same.

    A picture is compared with the whole of the other one, its mirror image, and its parts from
    80 % of height and width upwards. A picture without contrast is like nothing.

    Parameters
    ----------
    tested, others
        Reduced pictures, uint8, shapes (n_tested, 128, 128) and (n_others, 128, 128).

    Returns
    -------
    list of LookAlike
        Sorted by `tested` and `other`.

    Examples
    --------
    >>> shown = np.random.default_rng(0).integers(0, 255, (3, 128, 128), dtype=np.uint8)
    >>> [(p.tested, p.other) for p in look_alikes(shown[:1, :, ::-1], shown)]
    [(0, 0)]
    """
    found: dict[tuple[int, int], float] = {}
    for i, j, distance in _alike(tested, others):
        found[i, j] = distance
    for j, i, distance in _alike(others, tested):
        found[i, j] = min(distance, found.get((i, j), 1.0))
    return [LookAlike(i, j, distance) for (i, j), distance in sorted(found.items())]


def _alike(cut: np.ndarray, whole: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Compare parts of the pictures `cut` with the whole of others."""
    cells = np.stack([_cells(Image.fromarray(p), _WHOLE) for p in whole]).reshape(len(whole), -1)
    boxes = _boxes()
    for row, pixels in enumerate(tqdm(cut, desc="look-alikes", disable=len(cut) < 2000 or None)):
        picture = Image.fromarray(pixels)
        parts = np.stack([_cells(picture, box) for box in boxes])
        views = np.concatenate([parts, parts[:, :, ::-1]]).reshape(2 * len(boxes), -1)
        distances = np.maximum(1 - views @ cells.T, 0)
        best = distances.argmin(axis=0)
        for other in np.flatnonzero(distances.min(axis=0) < _CANDIDATE):
            as_whole = float(min(distances[0, other], distances[len(boxes), other]))
            if as_whole <= WHOLE_THRESHOLD:
                yield row, int(other), as_whole
                continue
            side, number = divmod(int(best[other]), len(boxes))
            target = cells[other].reshape(_CELLS, _CELLS)
            as_part = _aligned_distance(picture, target[:, ::-1] if side else target, boxes[number])
            if as_part <= PART_THRESHOLD:
                yield row, int(other), as_part


def _boxes() -> list[Box]:
    boxes = [_WHOLE]
    for scale in _SCALES:
        free = SIDE * (1 - scale)
        corners = [(free * x, free * y) for x in (0, 0.5, 1) for y in (0, 0.5, 1)]
        boxes += [(x, y, x + SIDE * scale, y + SIDE * scale) for x, y in corners]
    return boxes


def _cells(picture: Image.Image, box: Box) -> np.ndarray:
    """Give grey values in cells of a part of a picture, mean 0, length 1, shape (16, 16)."""
    part = picture.resize((_CELLS, _CELLS), Image.Resampling.BOX, box=box)
    values = np.asarray(part, dtype=np.float32)
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    return values / length if length > 0 else values


def _aligned_distance(picture: Image.Image, target: np.ndarray, start: Box) -> float:
    """Move the edges of a part of a picture until it fits best: coordinate descent."""
    best, box = 1 - float((_cells(picture, start) * target).sum()), start
    for step in _STEPS:
        improves = True
        while improves and best > PART_THRESHOLD:
            improves = False
            for moved in _moves(box, step):
                distance = 1 - float((_cells(picture, moved) * target).sum())
                if distance < best - 1e-6:
                    best, box, improves = distance, moved, True
    return best


def _moves(box: Box, step: float) -> Iterator[Box]:
    for direction in _DIRECTIONS:
        for sign in (-step, step):
            left, upper, right, lower = (e + sign * d for e, d in zip(box, direction, strict=True))
            is_inside = min(left, upper) >= 0 and max(right, lower) <= SIDE
            if is_inside and min(right - left, lower - upper) >= _MIN_SIDE:
                yield left, upper, right, lower
