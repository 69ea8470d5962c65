"""Which families of factors a voxel is planted for most, and whether its caption names them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.phantom.scene_captions import word_families
from calcarine.data.phantom.scenes import BACKGROUNDS, CATEGORIES, COLOURS
from calcarine.data.phantom.truth import read_weights
from calcarine.data.phantom.tuning import factor_code_names, factor_codes
from calcarine.data.scores import Score, share_interval
from calcarine.data.seeds import derive_seed
from calcarine.data.stimuli import read_stimuli
from calcarine.pipelines.config import Config
from calcarine.pipelines.phantom_captions import named_values

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
    numbers = {name: stimuli[name].astype(float) for name in ("x", "y", "size", "count")}
    weights = read_weights(config.bids, subject).iloc[rows]
    return family_strengths(weights, factor_codes(stimuli.assign(**numbers)))


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


def mixed_caption_scores(
    texts: pd.Series,
    own: np.ndarray,
    strengths: np.ndarray,
    template: Score,
    seed: int,
    n_draws: int,
) -> list[Score]:
    """Ask whether captions of voxels with several planted families name the strongest of them.

    Parameters
    ----------
    texts
        Captions, one a voxel.
    own
        Which voxels are asked about, bool, shape (n_voxels,).
    strengths
        From `family_strengths`.
    template
        Row to fill; its target is kept.
    seed, n_draws
        Of the intervals.

    Returns
    -------
    list of Score
        `strongest_family_named`, `second_family_named` and `two_strongest_families_named`: shares
        of voxels whose caption has a word of that family.
    """
    families = word_families()
    said = [named_values(text, families) for text in texts]
    named = np.array([[bool(values[family]) for family in FAMILIES] for values in said])
    order = np.argsort(-strengths, axis=1, kind="stable")
    every = np.arange(len(order))
    first, second = named[every, order[:, 0]], named[every, order[:, 1]]
    asked = {
        "strongest_family_named": first,
        "second_family_named": second,
        "two_strongest_families_named": first & second,
    }
    rows = []
    for metric, hits in asked.items():
        row = replace(template, metric=metric, protocol="phantom", n_items=int(own.sum()))
        values = hits[own].astype(np.float64)
        if not len(values):
            rows.append(replace(row, note="not computed: there is no such unit"))
            continue
        low, high = share_interval(values, derive_seed(seed, row.target, metric), n_draws)
        rows.append(replace(row, value=float(values.mean()), ci_low=low, ci_high=high))
    return rows
