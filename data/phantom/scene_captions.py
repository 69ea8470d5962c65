"""Captions that name the factors of a scene in varied words."""

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.scenes import CATEGORIES, COLOURS, Scene

ARTICLES = {"house": "a", "word": "a", "face": "a", "body": "a", "food": "some", "tool": "a"}
PLURALS = {
    "face": "faces",
    "house": "houses",
    "body": "bodies",
    "word": "words",
    "food": "pieces of food",
    "tool": "tools",
}
BACKGROUND_WORDS = {
    "grey": ("on a grey background", "against a grey wall", "on grey"),
    "sandy": ("on a sandy background", "on sand", "on the sandy ground"),
    "dark": ("on a dark background", "in the dark", "at night"),
    "sky": ("on a sky background", "against the sky", "in the open sky"),
}
SIZE_WORDS = {
    "small": ("small", "little"),
    "medium": ("medium-sized", "middle-sized"),
    "large": ("large", "big"),
}


def position_words(scene: Scene) -> str:
    """Name the third of the picture in which the centre lies, as "upper left" or "centre"."""
    vertical = "upper" if scene.y < 0.42 else "lower" if scene.y > 0.58 else ""
    horizontal = "left" if scene.x < 0.42 else "right" if scene.x > 0.58 else ""
    return f"{vertical} {horizontal}".strip() or "centre"


def size_word(scene: Scene) -> str:
    """Name the size: small, medium or large."""
    return "small" if scene.size < 0.35 else "large" if scene.size > 0.43 else "medium"


def _place(scene: Scene, rng: np.random.Generator) -> str:
    words = position_words(scene)
    if words == "upper":
        words = ("upper middle", "top")[rng.integers(2)]
    elif words == "lower":
        words = ("lower middle", "bottom")[rng.integers(2)]
    elif words == "centre":
        words = ("centre", "middle")[rng.integers(2)]
    return f"{('at', 'in')[rng.integers(2)]} the {words}"


def _thing(scene: Scene, size: str) -> str:
    if scene.count == 2:
        return f"two {size} {scene.colour} {PLURALS[scene.category]}".replace("  ", " ")
    words = f"{ARTICLES[scene.category]} {size} {scene.colour} {scene.category}"
    return words.replace("  ", " ")


def _caption(scene: Scene, rng: np.random.Generator) -> str:
    size = SIZE_WORDS[size_word(scene)][rng.integers(2)]
    thing = _thing(scene, size)
    place = _place(scene, rng)
    ground = BACKGROUND_WORDS[scene.background][rng.integers(3)]
    templates = (
        f"{thing} {place} {ground}",
        f"{thing} {ground}, {place}",
        f"a picture of {thing} {place} {ground}",
        f"{place}, {thing} {ground}",
        f"{ground} there {'are' if scene.count == 2 else 'is'} {thing} {place}",
    )
    return templates[rng.integers(len(templates))]


def scene_captions(scene: Scene, n_captions: int, seed: int) -> list[str]:
    """Describe a scene.

    Parameters
    ----------
    scene
        What is described.
    n_captions
        How many captions, at least one.
    seed
        Of the choice of words.

    Returns
    -------
    list of str
        Each names count, size, colour, category, position and background.

    Raises
    ------
    CalcarineError
        `n_captions` is below one.

    Examples
    --------
    >>> scene = Scene("house", "red", "sandy", 0.3, 0.3, 0.28, 1, style=7)
    >>> all("red house" in caption for caption in scene_captions(scene, 3, seed=0))
    True
    """
    if n_captions < 1:
        raise CalcarineError(f"n_captions is {n_captions}; ask for at least one caption.")
    rng = np.random.default_rng([seed, scene.style])
    return [_caption(scene, rng) for _ in range(n_captions)]


def word_families() -> dict[str, dict[str, list[str]]]:
    """List the words that captions use, by factor and value.

    Returns
    -------
    dict
        Family (`category`, `colour`, `place`, `size`, `background`, `count`) to value to words.
    """
    places = {
        "left": ["left"],
        "right": ["right"],
        "upper": ["upper", "top"],
        "lower": ["lower", "bottom"],
        "centre": ["centre", "middle"],
    }
    grounds = {"grey": ["grey"], "sandy": ["sandy", "sand"], "dark": ["dark", "night"]}
    return {
        "category": {name: [name, PLURALS[name]] for name in CATEGORIES},
        "colour": {name: [name] for name in COLOURS},
        "place": places,
        "size": {name: list(words) for name, words in SIZE_WORDS.items()},
        "background": {**grounds, "sky": ["sky"]},
        "count": {"two": ["two"]},
    }
