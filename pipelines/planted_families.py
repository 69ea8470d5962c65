"""Which families of factors a voxel is planted for most."""

import numpy as np
import pandas as pd

from calcarine.data.phantom.scenes import BACKGROUNDS, CATEGORIES, COLOURS
from calcarine.data.phantom.truth import read_weights
from calcarine.data.phantom.tuning import factor_code_names, factor_codes
from calcarine.data.stimuli import read_stimuli
from calcarine.pipelines.config import Config

_WORDS = {"category": CATEGORIES, "colour": COLOURS, "background": BACKGROUNDS}
_NUMBERS = {"place": ("x", "y"), "size": ("size",), "count": ("count",)}
FAMILIES = (*_WORDS, *_NUMBERS)


def planted_strengths(config: Config, subject: str, rows: np.ndarray) -> np.ndarray:
    """Read the strengths of each family of a subject's voxels, see `family_strengths`.

    Parameters
    ----------
    config, subject
        Whose phantom.
    rows
        Row of each voxel in the planted truth, shape (n_voxels,).
    """
    stimuli = read_stimuli(config.stimuli)
    weights = read_weights(config.bids, subject).iloc[rows]
    return family_strengths(weights, factor_codes(stimuli))


def family_strengths(weights: pd.DataFrame, codes: np.ndarray) -> np.ndarray:
    """Say how far each family of factors moves a voxel, in deviations of its codes over scenes.

    Parameters
    ----------
    weights
        Planted weights of factor codes, one row a voxel.
    codes
        Factor codes of scenes, shape (n_scenes, n_codes).

    Returns
    -------
    numpy.ndarray
        Shape (n_voxels, n_families), families as `FAMILIES` names them: of words the best one's
        weight above their mean, of numbers the largest weight, times the code's deviation.
    """
    spread = pd.Series(codes.std(axis=0), index=factor_code_names())
    columns = []
    for names in _WORDS.values():
        own = weights[list(names)]
        columns.append((own.sub(own.mean(axis=1), axis=0) * spread[list(names)]).max(axis=1))
    for numbers in _NUMBERS.values():
        columns.append((weights[list(numbers)].abs() * spread[list(numbers)]).max(axis=1))
    return np.stack([column.to_numpy(dtype=np.float64) for column in columns], axis=1)
