"""Neighbouring patches that share a category and differ in colour or place."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from calcarine.data.phantom.scenes import BACKGROUNDS, CATEGORIES, COLOURS
from calcarine.data.phantom.tuning import Tuning, factor_code_names

PAIRED = "paired"
_SHARE = 0.4


@dataclass(frozen=True)
class PairedPatch:
    """One of two halves of a piece of another patch.

    Parameters
    ----------
    name, partner
        As they stand in the label image.
    host
        Patch whose front both are taken from.
    category
        Preferred category, which the partner shares.
    code, weight
        Factor in which the two differ, and what this one prefers of it.
    outer
        Whether it is the half that is farther from the midline.
    """

    name: str
    partner: str
    host: str
    category: str
    code: str
    weight: float
    outer: bool


PAIRED_PATCHES = (
    PairedPatch("VO1", "VO2", "V4", "body", "red", 1.0, True),
    PairedPatch("VO2", "VO1", "V4", "body", "blue", 1.0, False),
    PairedPatch("LO1", "LO2", "LOC", "word", "x", -1.0, True),
    PairedPatch("LO2", "LO1", "LOC", "word", "x", 1.0, False),
)


def split_into_pairs(
    voxels: pd.DataFrame, tuning: Tuning, rng: np.random.Generator
) -> tuple[pd.DataFrame, Tuning]:
    """Give the front of some patches to pairs of patches; all other voxels stay as they are.

    Parameters
    ----------
    voxels
        With `roi hemisphere x y tuned_to preferred linear`.
    tuning
        Of these voxels.
    rng
        Of the pairs.

    Returns
    -------
    tuple
        Voxels in the same order, with `roi`, `tuned_to` (`paired`), `preferred` (the category) and
        `linear` of the pairs; and their tuning. A patch of fewer than five voxels in a hemisphere
        is not cut there.
    """
    voxels, linear = voxels.copy(), tuning.linear.copy()
    interactions = tuning.interactions.copy()
    roi = voxels["roi"].to_numpy(dtype=object, copy=True)
    for patch in PAIRED_PATCHES:
        for hemisphere in ("L", "R"):
            host = (voxels["roi"] == patch.host) & (voxels["hemisphere"] == hemisphere)
            rows = _half(voxels[host], patch.outer)
            linear[rows] = _weights(patch, len(rows), rng)
            interactions[rows] = 0.0
            roi[rows] = patch.name
            voxels.loc[rows, ["tuned_to", "preferred", "linear"]] = PAIRED, patch.category, True
    return voxels.assign(roi=roi), replace(tuning, linear=linear, interactions=interactions)


def _half(host: pd.DataFrame, outer: bool) -> np.ndarray:
    """Take the inner or outer half of the front of a patch, row numbers."""
    n_half = int(_SHARE * len(host)) // 2
    front = host.sort_values("y", ascending=False, kind="stable").iloc[: 2 * n_half]
    # sorted one way for both halves: voxels of one grid have ties
    across = front["x"].abs().sort_values(kind="stable").index.to_numpy()
    return across[n_half:] if outer else across[:n_half]


def _weights(patch: PairedPatch, n_voxels: int, rng: np.random.Generator) -> np.ndarray:
    names = factor_code_names()
    spread = {name: 0.12 for name in (*CATEGORIES, *COLOURS)} | {n: 0.08 for n in BACKGROUNDS}
    sizes = np.array([spread.get(name, 0.06) for name in names])
    weights = rng.normal(0, sizes, (n_voxels, len(names)))
    weights[:, names.index(patch.category)] += 1.0
    weights[:, names.index(patch.code)] += patch.weight * (0.45 if patch.code == "x" else 1.0)
    return weights
