"""Rendered scenes with known generative factors: what the phantom's subjects look at."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from PIL import Image

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.drawing import DRAWINGS, TILTS, Palette, Pen, one_ink, shades

CATEGORIES = ("face", "house", "body", "word", "food", "tool")
COLOURS = ("red", "yellow", "green", "blue", "purple", "white")
BACKGROUNDS = ("grey", "sandy", "dark", "sky")
IMAGE_SIZE = 64
HELD_OUT = (("face", "blue"), ("house", "purple"), ("food", "white"), ("tool", "green"))
"""Combinations of category and colour that no training, of whatever model, ever sees."""

OBJECT_RGB = {
    "red": (214, 40, 40),
    "yellow": (242, 206, 40),
    "green": (40, 160, 62),
    "blue": (40, 84, 216),
    "purple": (152, 52, 178),
    "white": (244, 244, 240),
}
BACKGROUND_RGB = {
    "grey": (128, 128, 128),
    "sandy": (208, 182, 140),
    "dark": (34, 36, 48),
    "sky": (158, 204, 236),
}
PAIR_GAP = 0.06
SHOT_PATH = 0.25
"""How far an object moves in a shot of film, as a share of the picture."""
_MARGIN = 0.02
_SUPERSAMPLING = 4

Combinations = Literal["seen", "held-out", "all"]


@dataclass(frozen=True)
class Scene:
    """The factors that a picture is made of.

    Parameters
    ----------
    category, colour, background
        One of `CATEGORIES`, `COLOURS`, `BACKGROUNDS`.
    x, y
        Centre of the object (of the pair, where there are two), 0 to 1 from the upper left.
    size
        Side of the object's box as a fraction of the picture, 0.28 to 0.5.
    count
        One object, or two side by side.
    style
        Seed of the small details: tilt, expression, letters, kind of food or tool, texture.
    """

    category: str
    colour: str
    background: str
    x: float
    y: float
    size: float
    count: int
    style: int


def shot(scene: Scene, n_frames: int) -> list[Scene]:
    """Give the frames of a shot of film: the object crosses towards the other side.

    Examples
    --------
    >>> scene = Scene("face", "red", "grey", 0.3, 0.5, 0.3, 1, 0)
    >>> [round(s.x, 3) for s in shot(scene, 3)]
    [0.3, 0.425, 0.55]
    """
    along = np.linspace(0, SHOT_PATH if scene.x < 0.5 else -SHOT_PATH, n_frames)
    return [replace(scene, x=float(scene.x + step)) for step in along]


def _allowed(combinations: Combinations) -> dict[str, list[str]]:
    if combinations not in ("seen", "held-out", "all"):
        raise CalcarineError(
            f"combinations is {combinations!r}; expected 'seen', 'held-out' or 'all'."
        )
    keep = {
        "seen": lambda pair: pair not in HELD_OUT,
        "held-out": lambda pair: pair in HELD_OUT,
        "all": lambda pair: True,
    }[combinations]
    allowed = {name: [c for c in COLOURS if keep((name, c))] for name in CATEGORIES}
    return {name: colours for name, colours in allowed.items() if colours}


def _balanced(n_items: int, names: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Draw names so that each occurs equally often, up to one, in random order."""
    n_rounds = -(-n_items // len(names))
    return [str(n) for n in np.concatenate([rng.permutation(names) for _ in range(n_rounds)])][
        :n_items
    ]


def sample_scenes(n_scenes: int, seed: int, combinations: Combinations = "seen") -> list[Scene]:
    """Draw scenes, balanced over categories and, within each, over colours.

    Parameters
    ----------
    n_scenes
        How many, at least one.
    seed
        Scenes of different seeds differ (positions and sizes are continuous).
    combinations
        `"seen"` leaves out `HELD_OUT`, `"held-out"` draws those alone, `"all"` both.

    Returns
    -------
    list of Scene
        In random order.

    Raises
    ------
    CalcarineError
        `n_scenes` is below one, or `combinations` is unknown.

    Examples
    --------
    >>> scenes = sample_scenes(12, seed=0)
    >>> len(scenes), sorted({scene.category for scene in scenes}) == sorted(CATEGORIES)
    (12, True)
    """
    if n_scenes < 1:
        raise CalcarineError(f"n_scenes is {n_scenes}; ask for at least one scene.")
    allowed = _allowed(combinations)
    rng = np.random.default_rng(seed)
    categories = _balanced(n_scenes, list(allowed), rng)
    queues = {
        name: _balanced(categories.count(name), colours, rng)
        for name, colours in allowed.items()
        if name in categories
    }
    return [_sample_scene(name, queues[name].pop(), rng) for name in categories]


def _sample_scene(category: str, colour: str, rng: np.random.Generator) -> Scene:
    count = 2 if rng.random() < 0.25 else 1
    size = rng.uniform(0.28, 0.5 if count == 1 else 0.42)
    half_height = size / 2 + _MARGIN
    half_width = (count * size + (count - 1) * PAIR_GAP) / 2 + _MARGIN
    return Scene(
        category=category,
        colour=colour,
        background=str(rng.choice(BACKGROUNDS)),
        x=float(rng.uniform(half_width, 1 - half_width)),
        y=float(rng.uniform(half_height, 1 - half_height)),
        size=float(size),
        count=count,
        style=int(rng.integers(2**31)),
    )


def _paint_objects(picture: Image.Image, scene: Scene, ink: Palette) -> None:
    side = IMAGE_SIZE * _SUPERSAMPLING
    step = scene.size + PAIR_GAP
    for place in range(scene.count):
        rng = np.random.default_rng(scene.style)
        x = scene.x + (place - (scene.count - 1) / 2) * step
        angle = rng.uniform(-1, 1) * TILTS[scene.category]
        pen = Pen(
            picture,
            (x * side, scene.y * side),
            scene.size * side / 2,
            angle=angle,
            mirror=scene.category == "tool" and bool(rng.integers(2)),
        )
        DRAWINGS[scene.category](pen, ink, rng)


def _texture(style: int) -> np.ndarray:
    """Draw a smooth light field, float32 ``(IMAGE_SIZE, IMAGE_SIZE, 1)``, of a few grey values."""
    rng = np.random.default_rng([style, 1])
    coarse = rng.normal(0, 4, size=(6, 6)).astype(np.float32)
    smooth = Image.fromarray(coarse).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(smooth)[:, :, None]


def render_scene(scene: Scene) -> np.ndarray:
    """Paint a scene.

    Returns
    -------
    np.ndarray
        uint8 ``(64, 64, 3)``, RGB; the same scene gives the same bytes.

    Examples
    --------
    >>> render_scene(sample_scenes(1, seed=0)[0]).shape
    (64, 64, 3)
    """
    side = IMAGE_SIZE * _SUPERSAMPLING
    picture = Image.new("RGB", (side, side), BACKGROUND_RGB[scene.background])
    _paint_objects(picture, scene, shades(OBJECT_RGB[scene.colour]))
    small = np.asarray(picture.reduce(_SUPERSAMPLING), dtype=np.float32)
    return np.clip(np.rint(small + _texture(scene.style)), 0, 255).astype(np.uint8)


def foreground_mask(scene: Scene) -> np.ndarray:
    """Mark the pixels of which the object covers a quarter or more.

    Returns
    -------
    np.ndarray
        bool ``(64, 64)``.
    """
    side = IMAGE_SIZE * _SUPERSAMPLING
    picture = Image.new("RGB", (side, side))
    _paint_objects(picture, scene, one_ink(255))
    coverage = np.asarray(picture.reduce(_SUPERSAMPLING))[:, :, 0]
    return coverage >= 64


def factor_table(scenes: Sequence[Scene]) -> pd.DataFrame:
    """Put the factors of scenes into a table, one row a scene, columns as in `Scene`."""
    return pd.DataFrame([asdict(scene) for scene in scenes], columns=list(Scene.__annotations__))
