"""Drawings of the six categories, in a box from -1 to 1 (x to the right, y downward)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

_CIRCLE = np.linspace(0, 2 * np.pi, 28, endpoint=False)
_CIRCLE_POINTS = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=1)


@dataclass(frozen=True)
class Palette:
    """What an object is painted with: its colour, two shades of it, and two neutral inks."""

    main: Colour
    dark: Colour
    light: Colour
    white: Colour
    black: Colour


def shades(colour: Colour) -> Palette:
    """Derive the palette of an object from its colour."""
    dark = (int(colour[0] * 0.5), int(colour[1] * 0.5), int(colour[2] * 0.5))
    mixed = [int(value + (255 - value) * 0.4) for value in colour]
    light = (mixed[0], mixed[1], mixed[2])
    return Palette(main=colour, dark=dark, light=light, white=(250, 250, 245), black=(20, 18, 22))


def one_ink(value: int) -> Palette:
    """Give a palette that paints everything with one grey value (for masks)."""
    ink = (value, value, value)
    return Palette(main=ink, dark=ink, light=ink, white=ink, black=ink)


class Pen:
    """Paint shapes given in box coordinates onto a picture.

    Parameters
    ----------
    picture
        What is painted on, mode RGB.
    centre
        Of the box, in pixels.
    half_width
        Half the side of the box, in pixels.
    angle
        Rotation in radians, clockwise on the picture.
    mirror
        Whether left and right are exchanged.
    """

    def __init__(
        self,
        picture: Image.Image,
        centre: tuple[float, float],
        half_width: float,
        angle: float = 0.0,
        mirror: bool = False,
    ) -> None:
        self._draw = ImageDraw.Draw(picture)
        sign = -1.0 if mirror else 1.0
        cosine, sine = np.cos(angle), np.sin(angle)
        self._matrix = half_width * np.array([[sign * cosine, sign * sine], [-sine, cosine]])
        self._centre = np.asarray(centre)
        self._half_width = half_width

    def polygon(self, points: Points | np.ndarray, ink: Colour) -> None:
        """Fill a polygon."""
        placed = np.asarray(points, dtype=float) @ self._matrix + self._centre
        self._draw.polygon(list(map(tuple, placed)), fill=ink)

    def ellipse(self, x: float, y: float, rx: float, ry: float, ink: Colour) -> None:
        """Fill an ellipse around (x, y) with half axes rx and ry."""
        self.polygon(_CIRCLE_POINTS * (rx, ry) + (x, y), ink)

    def box(self, left: float, top: float, right: float, bottom: float, ink: Colour) -> None:
        """Fill a rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], ink)

    def stroke(self, points: Points, width: float, ink: Colour) -> None:
        """Draw a line with round ends and joints; the width is in box units."""
        placed = np.asarray(points, dtype=float) @ self._matrix + self._centre
        pixels = max(1, round(width * self._half_width))
        self._draw.line(list(map(tuple, placed)), fill=ink, width=pixels, joint="curve")
        radius = pixels / 2
        for x, y in placed[[0, -1]]:
            self._draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=ink)


def draw_face(pen: Pen, ink: Palette, rng: np.random.Generator) -> None:
    """Draw a head with hair, eyes, nose and mouth."""
    smile = rng.uniform(0.08, 0.22)
    pen.ellipse(0, 0, 0.84, 1.0, ink.dark)
    pen.ellipse(0, 0.14, 0.74, 0.84, ink.main)
    for side in (-1, 1):
        pen.ellipse(0.32 * side, -0.08, 0.2, 0.17, ink.white)
        pen.ellipse(0.32 * side, -0.06, 0.1, 0.13, ink.black)
    pen.polygon([(0, 0.05), (0.11, 0.36), (-0.11, 0.36)], ink.dark)
    pen.stroke([(-0.34, 0.55), (0, 0.55 + smile), (0.34, 0.55)], 0.15, ink.black)


def draw_house(pen: Pen, ink: Palette, rng: np.random.Generator) -> None:
    """Draw walls, a roof with a chimney, a door and two windows."""
    door = rng.uniform(-0.12, 0.12)
    pen.box(0.38, -0.95, 0.62, -0.3, ink.dark)
    pen.box(-0.78, -0.2, 0.78, 0.98, ink.main)
    pen.polygon([(-1, -0.12), (0, -1), (1, -0.12)], ink.dark)
    pen.box(door - 0.18, 0.38, door + 0.18, 0.98, ink.black)
    for side in (-1, 1):
        pen.box(0.5 * side - 0.23, 0.0, 0.5 * side + 0.23, 0.42, ink.dark)
        pen.box(0.5 * side - 0.17, 0.05, 0.5 * side + 0.17, 0.37, ink.white)
        pen.stroke([(0.5 * side, 0.05), (0.5 * side, 0.37)], 0.07, ink.dark)


def draw_body(pen: Pen, ink: Palette, rng: np.random.Generator) -> None:
    """Draw a standing figure with head, trunk, arms and legs."""
    lift = rng.uniform(-0.45, 0.35)
    stance = rng.uniform(0.3, 0.5)
    for side in (-1, 1):
        pen.stroke([(0.14 * side, 0.3), (stance * side, 0.9)], 0.25, ink.dark)
        pen.stroke([(0.22 * side, -0.3), (0.82 * side, lift)], 0.2, ink.main)
    pen.polygon([(-0.36, -0.45), (0.36, -0.45), (0.27, 0.42), (-0.27, 0.42)], ink.main)
    pen.ellipse(0, -0.7, 0.28, 0.29, ink.light)


_LETTERS: dict[str, list[Points]] = {
    "A": [[(-1, 1), (0, -1), (1, 1)], [(-0.5, 0.3), (0.5, 0.3)]],
    "E": [[(1, -1), (-1, -1), (-1, 1), (1, 1)], [(-1, 0), (0.7, 0)]],
    "H": [[(-1, -1), (-1, 1)], [(1, -1), (1, 1)], [(-1, 0), (1, 0)]],
    "L": [[(-1, -1), (-1, 1), (1, 1)]],
    "N": [[(-1, 1), (-1, -1), (1, 1), (1, -1)]],
    "O": [[(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]],
    "T": [[(-1, -1), (1, -1)], [(0, -1), (0, 1)]],
    "U": [[(-1, -1), (-1, 1), (1, 1), (1, -1)]],
}


def draw_word(pen: Pen, ink: Palette, rng: np.random.Generator) -> None:
    """Draw three letters as thick strokes."""
    letters = rng.choice(sorted(_LETTERS), size=3, replace=False)
    for place, letter in zip((-0.7, 0.0, 0.7), letters, strict=True):
        for points in _LETTERS[letter]:
            pen.stroke([(place + 0.19 * x, 0.45 * y) for x, y in points], 0.2, ink.main)


def _pear(pen: Pen, ink: Palette) -> None:
    pen.ellipse(0, 0.38, 0.68, 0.6, ink.main)
    pen.ellipse(0, -0.2, 0.4, 0.5, ink.main)
    pen.ellipse(-0.26, 0.3, 0.14, 0.22, ink.light)
    pen.stroke([(0, -0.6), (0.08, -0.94)], 0.13, ink.black)
    pen.ellipse(0.34, -0.78, 0.26, 0.12, ink.dark)


def _ice_cone(pen: Pen, ink: Palette) -> None:
    pen.polygon([(-0.5, -0.1), (0.5, -0.1), (0, 1)], ink.dark)
    for side in (-1, 1):
        pen.stroke([(-0.32 * side, 0.0), (0.12 * side, 0.62)], 0.06, ink.light)
    for x, y in ((-0.32, -0.22), (0.32, -0.22), (0, -0.6)):
        pen.ellipse(x, y, 0.37, 0.35, ink.main)
    pen.ellipse(-0.1, -0.7, 0.12, 0.1, ink.light)


def _burger(pen: Pen, ink: Palette) -> None:
    pen.ellipse(0, -0.2, 0.95, 0.55, ink.main)
    pen.box(-1, -0.12, 1, 0.1, ink.light)
    pen.box(-0.95, 0.1, 0.95, 0.36, ink.black)
    pen.polygon([(-0.95, 0.36), (0.95, 0.36), (0.75, 0.75), (-0.75, 0.75)], ink.main)
    for x in (-0.4, 0.0, 0.4):
        pen.ellipse(x, -0.45, 0.09, 0.06, ink.white)


def draw_food(pen: Pen, ink: Palette, rng: np.random.Generator) -> None:
    """Draw a pear, an ice-cream cone or a burger."""
    (_pear, _ice_cone, _burger)[int(rng.integers(3))](pen, ink)


def _hammer(pen: Pen, ink: Palette) -> None:
    pen.stroke([(0, -0.4), (0, 0.86)], 0.26, ink.light)
    pen.box(-0.62, -0.92, 0.55, -0.42, ink.main)
    pen.polygon([(0.5, -0.88), (0.85, -0.6), (0.5, -0.46)], ink.dark)
    pen.box(-0.74, -0.98, -0.5, -0.36, ink.dark)


def _spanner(pen: Pen, ink: Palette) -> None:
    pen.box(-0.17, -0.5, 0.17, 0.6, ink.main)
    pen.ellipse(0, 0.62, 0.36, 0.36, ink.main)
    pen.ellipse(0, 0.62, 0.15, 0.15, ink.black)
    jaw = [(-0.5, -0.98), (-0.2, -0.98), (-0.2, -0.6), (0.2, -0.6), (0.2, -0.98), (0.5, -0.98)]
    pen.polygon([*jaw, (0.5, -0.48), (0.18, -0.2), (-0.18, -0.2), (-0.5, -0.48)], ink.main)
    pen.stroke([(0, -0.15), (0, 0.3)], 0.09, ink.dark)


def draw_tool(pen: Pen, ink: Palette, rng: np.random.Generator) -> None:
    """Draw a hammer or a spanner."""
    (_hammer, _spanner)[int(rng.integers(2))](pen, ink)


DRAWINGS: dict[str, Callable[[Pen, Palette, np.random.Generator], None]] = {
    "face": draw_face,
    "house": draw_house,
    "body": draw_body,
    "word": draw_word,
    "food": draw_food,
    "tool": draw_tool,
}
TILTS = {"face": 0.12, "house": 0.0, "body": 0.1, "word": 0.08, "food": 0.1, "tool": 0.5}
