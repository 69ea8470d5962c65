"""What drives the phantom's voxels: factors of a scene, its pixels and its words."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from calcarine.data.phantom.object_parts import no_parts, part_drive
from calcarine.data.phantom.scenes import BACKGROUNDS, CATEGORIES, COLOURS
from calcarine.data.phantom.wording import wording_codes

_LUMINANCE = (0.299, 0.587, 0.114)
_FIELD_CENTRES = (0.3, 0.5, 0.7)
_FIELD_SD = 0.12
FIELD_NAMES = tuple(f"near({x},{y})" for y in _FIELD_CENTRES for x in _FIELD_CENTRES)


@dataclass(frozen=True)
class Tuning:
    """What each voxel responds to.

    Attributes
    ----------
    linear
        Weights of `factor_codes`, shape (n_voxels, n_codes).
    interactions
        Weights of `interaction_codes`, shape (n_voxels, n_interactions).
    gabors
        One row for each voxel that sees pixels: `voxel` (its number), `rf_x`, `rf_y`, `rf_sd`
        (fractions of the picture, from the upper left), `orientation` (radians) and `frequency`
        (cycles per picture).
    wording
        Weights of `wording_codes`, shape (n_voxels, n_wording_codes); None where no voxel has any.
    parts
        One row for each voxel that looks at a part of the object, wherever the object is: see
        `calcarine.data.phantom.object_parts`.
    """

    linear: np.ndarray
    interactions: np.ndarray
    gabors: pd.DataFrame
    wording: np.ndarray | None = None
    parts: pd.DataFrame = field(default_factory=no_parts)

    def at(self, origin: np.ndarray) -> "Tuning":
        """Give the tuning of voxels in another order.

        Parameters
        ----------
        origin
            Row that each voxel has had so far, shape (n_voxels,).
        """
        place = np.argsort(origin)

        def moved(table: pd.DataFrame) -> pd.DataFrame:
            rows = table.assign(voxel=place[table["voxel"].to_numpy(dtype=int)])
            return rows.sort_values("voxel", ignore_index=True)

        return Tuning(
            self.linear[origin],
            self.interactions[origin],
            moved(self.gabors),
            None if self.wording is None else self.wording[origin],
            moved(self.parts),
        )


def _one_hot(words: pd.Series, names: tuple[str, ...]) -> np.ndarray:
    return (words.to_numpy()[:, None] == np.array(names)[None, :]).astype(np.float64)


def factor_code_names() -> list[str]:
    """Name the columns of `factor_codes`."""
    return [*CATEGORIES, *COLOURS, *BACKGROUNDS, "x", "y", "size", "count"]


def factor_codes(factors: pd.DataFrame) -> np.ndarray:
    """Code the factors of scenes, each by itself.

    Parameters
    ----------
    factors
        As `calcarine.data.phantom.scenes.factor_table` gives them, or as text in a stimulus table.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_scenes, n_codes): one-hot category, colour and background; x, y and size
        with mean near 0 and variance near 1; 1 for pairs.
    """
    numbers = np.stack(
        [
            (factors["x"].astype(float) - 0.5) / 0.15,
            (factors["y"].astype(float) - 0.5) / 0.17,
            (factors["size"].astype(float) - 0.38) / 0.06,
            factors["count"].astype(float) - 1.0,
        ],
        axis=1,
    )
    words = [
        _one_hot(factors[name], names)
        for name, names in (
            ("category", CATEGORIES),
            ("colour", COLOURS),
            ("background", BACKGROUNDS),
        )
    ]
    return np.concatenate([*words, numbers], axis=1)


def interaction_code_names() -> list[str]:
    """Name the columns of `interaction_codes`."""
    return [
        *(f"{category}*{colour}" for category in CATEGORIES for colour in COLOURS),
        *(f"{category}*x" for category in CATEGORIES),
        *(f"{colour}*size" for colour in COLOURS),
        *FIELD_NAMES,
    ]


def interaction_codes(factors: pd.DataFrame) -> np.ndarray:
    """Code what no sum over single factors can say.

    Parameters
    ----------
    factors
        As `calcarine.data.phantom.scenes.factor_table` gives them.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_scenes, n_interactions): category and colour together, category by
        horizontal position, colour by size, and nine Gaussian fields of position.
    """
    categories = _one_hot(factors["category"], CATEGORIES)
    colours = _one_hot(factors["colour"], COLOURS)
    codes = factor_codes(factors)
    x, size = codes[:, -4, None], codes[:, -2, None]
    pairs = (categories[:, :, None] * colours[:, None, :]).reshape(len(factors), -1)
    across, down = (
        factors[axis].to_numpy()[:, None] - np.array(_FIELD_CENTRES)[None] for axis in ("x", "y")
    )
    squared = down[:, :, None] ** 2 + across[:, None, :] ** 2
    fields = np.exp(-squared / (2 * _FIELD_SD**2)).reshape(len(factors), -1)
    return np.concatenate([pairs, categories * x, colours * size, fields], axis=1)


def luminance(pictures: np.ndarray) -> np.ndarray:
    """Turn RGB pictures, uint8 (n, height, width, 3), into luminance from 0 to 1."""
    return pictures @ (np.array(_LUMINANCE) / 255)


def gabor_filters(gabors: pd.DataFrame, height: int, width: int) -> np.ndarray:
    """Draw quadrature pairs of Gabor filters.

    Parameters
    ----------
    gabors
        As in `Tuning`.
    height, width
        Of the pictures, in pixels.

    Returns
    -------
    numpy.ndarray
        complex128, shape (n_gabors, height, width), each with mean 0 and unit norm.
    """
    y, x = np.meshgrid(
        (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij"
    )
    column = {
        name: gabors[name].to_numpy(dtype=float)[:, None, None]
        for name in gabors.columns
        if name != "voxel"
    }
    across, down = x - column["rf_x"], y - column["rf_y"]
    window = np.exp(-(across**2 + down**2) / (2 * column["rf_sd"] ** 2))
    along = across * np.cos(column["orientation"]) + down * np.sin(column["orientation"])
    wave = window * np.exp(2j * np.pi * column["frequency"] * along)
    # without its mean a filter does not see how bright the whole window is
    share = wave.sum(axis=(1, 2)) / window.sum(axis=(1, 2))
    wave -= share[:, None, None] * window
    norm = np.sqrt((np.abs(wave) ** 2).sum(axis=(1, 2)))
    return wave / norm[:, None, None]


def gabor_energy(pictures: np.ndarray, gabors: pd.DataFrame) -> np.ndarray:
    """Measure the contrast energy of pictures in each voxel's receptive field.

    Parameters
    ----------
    pictures
        uint8, shape (n_pictures, height, width, 3).
    gabors
        As in `Tuning`.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_pictures, n_gabors): the modulus of a quadrature pair, so that energy is
        compressed by a square root as it is in visual cortex (Kay et al. 2008,
        doi:10.1038/nature06713).
    """
    light = luminance(pictures)
    filters = gabor_filters(gabors, *light.shape[1:]).reshape(len(gabors), -1)
    flat = light.reshape(len(light), -1)
    return np.hypot(flat @ filters.real.T, flat @ filters.imag.T)


def raw_drive(pictures: np.ndarray, factors: pd.DataFrame, tuning: Tuning) -> np.ndarray:
    """Add up all that drives each voxel, in arbitrary units.

    Parameters
    ----------
    pictures
        uint8, shape (n_scenes, height, width, 3).
    factors
        Table with one row a scene, as `calcarine.data.phantom.scenes.factor_table` gives it; with
        `captions` where a voxel is tuned to words.
    tuning
        Of the voxels.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_scenes, n_voxels).
    """
    drive = factor_codes(factors) @ tuning.linear.T
    drive += interaction_codes(factors) @ tuning.interactions.T
    drive[:, tuning.gabors["voxel"].to_numpy()] += gabor_energy(pictures, tuning.gabors)
    if tuning.wording is not None:
        drive += wording_codes(factors) @ tuning.wording.T
    drive[:, tuning.parts["voxel"].to_numpy()] += part_drive(pictures, factors, tuning.parts)
    return drive
