"""What only the words of a scene say, what only its picture shows, and products of both."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from calcarine.data.phantom.scenes import CATEGORIES

WORDINGS = {
    "sentence": (re.compile(r"\bthere (is|are)\b"), 0.2),
    "mention": (re.compile(r"\ba picture of\b"), 0.2),
    "synonym": (re.compile(r"\b(little|middle-sized|big)\b"), 0.5),
}
"""Ways of saying that do not depend on the picture: pattern, and probability in one caption.

A whole sentence (there is …), an explicit mention of the picture, the second of two words of size.
"""

PARTNERS = (*CATEGORIES, "x", "y")
"""Factors of the picture that wording is multiplied with."""

FINE = ("fine x", "fine y", "fine size")
"""What a picture shows of place and size beyond the words that captions have for them."""

# captions tell thirds of the picture and three sizes apart
_FINE_EDGES = {"x": (0.42, 0.58), "y": (0.42, 0.58), "size": (0.35, 0.43)}


def wording_code_names() -> list[str]:
    """Name the columns of `wording_codes`."""
    products = [f"{partner}*{wording}" for wording in WORDINGS for partner in PARTNERS]
    return [*WORDINGS, *FINE, *products]


def wordings(captions: Sequence[Sequence[str]]) -> np.ndarray:
    """Measure how a scene's captions are worded.

    Parameters
    ----------
    captions
        Captions of each scene.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_scenes, 3): share of the scene's captions with each of `WORDINGS`, with
        mean near 0 and variance near 1 over scenes. A picture does not tell any of them.
    """
    columns = []
    for pattern, chance in WORDINGS.values():
        share = np.array([np.mean([bool(pattern.search(c)) for c in own]) for own in captions])
        n_captions = np.array([len(own) for own in captions])
        columns.append((share - chance) / np.sqrt(chance * (1 - chance) / n_captions))
    return np.stack(columns, axis=1)


def fine_codes(factors: pd.DataFrame) -> np.ndarray:
    """Measure what captions leave out: place and size within the range that one word covers.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_scenes, 3), columns as in `FINE`: deviation from the mean of the scenes'
        range for that word, in units of its width, about −1 to 1.
    """
    limits = {"x": (0.15, 0.85), "y": (0.15, 0.85), "size": (0.28, 0.5)}
    columns = []
    for name, (low, high) in _FINE_EDGES.items():
        values = factors[name].to_numpy(dtype=float)
        edges = np.array([limits[name][0], low, high, limits[name][1]])
        word = np.digitize(values, [low, high])
        middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
        columns.append((values - middle[word]) / half[word])
    return np.stack(columns, axis=1)


def wording_codes(factors: pd.DataFrame) -> np.ndarray:
    """Code what voxels at the border of seeing and language respond to.

    Parameters
    ----------
    factors
        As `calcarine.data.phantom.scenes.factor_table` gives them, with `captions` (a list of
        sentences a scene).

    Returns
    -------
    numpy.ndarray
        float64, shape (n_scenes, n_codes), columns as `wording_code_names` has them: wording
        (captions alone tell it), fine place and size (the picture alone tells them), and products
        of wording with factors of the picture (neither tells them, nor any sum over both).
    """
    words = wordings(factors["captions"].tolist())
    category = factors["category"].to_numpy()[:, None] == np.array(CATEGORIES)[None]
    place = np.stack([(factors["x"] - 0.5) / 0.15, (factors["y"] - 0.5) / 0.17], axis=1)
    # a category against the rest has mean 0 and variance 1
    chance = 1 / len(CATEGORIES)
    partners = np.hstack([(category - chance) / np.sqrt(chance * (1 - chance)), place])
    products = (words[:, :, None] * partners[:, None, :]).reshape(len(factors), -1)
    return np.hstack([words, fine_codes(factors), products])
