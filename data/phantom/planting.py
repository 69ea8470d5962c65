"""Drawing what each voxel is tuned to."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.phantom.object_parts import PART_COLUMNS
from calcarine.data.phantom.scenes import BACKGROUNDS, CATEGORIES, COLOURS
from calcarine.data.phantom.tuning import (
    FIELD_NAMES,
    Tuning,
    factor_code_names,
    interaction_code_names,
)
from calcarine.data.phantom.wording import FINE, PARTNERS, WORDINGS, wording_code_names

Weights = dict[str, float]
"""Weights of one voxel by the name of their code; those that are absent are 0."""

_LINEAR_SHARE = 0.6
_MAX_ECCENTRICITY = 0.42
_MAX_PART_ECCENTRICITY = 0.7
_PART_SD = 0.25
_MAIN_EFFECT = 0.3


def _some(names: Sequence[str], sd: float, rng: np.random.Generator) -> Weights:
    return dict(zip(names, rng.normal(0, sd, len(names)).tolist(), strict=True))


def _contralateral(side: int, mean: float, sd: float, rng: np.random.Generator) -> Weights:
    """Prefer the half of the picture opposite to the voxel's hemisphere (`side` 1 is right)."""
    return {"x": -side * mean + rng.normal(0, sd)}


def _category(preferred: str, side: int, linear: bool, rng: np.random.Generator) -> Weights:
    weights = _some(CATEGORIES, 0.18, rng) | _some(COLOURS, 0.15, rng)
    weights |= _some(BACKGROUNDS, 0.3 if preferred == "house" else 0.08, rng)
    weights |= _contralateral(side, 0.08, 0.06, rng) | _some(("y", "size"), 0.08, rng)
    weights[preferred] = 1.0 + rng.normal(0, 0.1)
    if not linear:
        weights |= _some([f"{preferred}*{c}" for c in COLOURS], 0.6, rng)
        weights |= _some([f"{preferred}*x"], 0.5, rng)
    return weights


def _colour(preferred: str, side: int, linear: bool, rng: np.random.Generator) -> Weights:
    weights = _some(COLOURS, 0.25, rng) | _some(CATEGORIES, 0.1, rng)
    weights |= _some(BACKGROUNDS, 0.25, rng)
    weights |= _contralateral(side, 0.1, 0.06, rng) | _some(("size",), 0.1, rng)
    weights[preferred] = 1.0 + rng.normal(0, 0.1)
    if not linear:
        weights |= _some([f"{c}*{preferred}" for c in CATEGORIES], 0.6, rng)
        weights |= _some([f"{preferred}*size"], 0.5, rng)
    return weights


def _position(preferred: str, side: int, linear: bool, rng: np.random.Generator) -> Weights:
    weights = _some(("y", "size", "count"), 0.8, rng) | _contralateral(side, 0.6, 0.4, rng)
    weights |= _some(CATEGORIES, 0.25, rng)
    if not linear:
        weights |= _some(FIELD_NAMES, 1.5, rng)
    return weights


def _mixed(preferred: str, side: int, linear: bool, rng: np.random.Generator) -> Weights:
    weights = _some((*CATEGORIES, *COLOURS, *BACKGROUNDS), 0.5, rng)
    weights |= _some(("x", "y", "size", "count"), 0.25, rng)
    if not linear:
        weights |= _some(interaction_code_names(), 0.5, rng)
    return weights


_PLANTERS: dict[str, Callable[[str, int, bool, np.random.Generator], Weights]] = {
    "category": _category,
    "colour": _colour,
    "position": _position,
    "mixed": _mixed,
}


def _receptive_fields(voxels: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Lay the visual field out over each early area.

    Within a patch, eccentricity grows from its back to its front and the polar angle turns from
    the upper to the lower field from its bottom to its top; each half of the field is seen by the
    opposite hemisphere.
    """
    rows = []
    for (roi, hemisphere), patch in voxels.groupby(["roi", "hemisphere"], sort=True):
        n_voxels = len(patch)
        forward, upward = (
            ((patch[axis].rank(method="first") - 0.5) / n_voxels).to_numpy() for axis in ("y", "z")
        )
        eccentricity = _MAX_ECCENTRICITY * np.clip(forward + rng.normal(0, 0.1, n_voxels), 0.08, 1)
        # 0 is straight up, pi straight down
        angle = np.pi * np.clip(upward + rng.normal(0, 0.08, n_voxels), 0, 1)
        field = 1 if hemisphere == "L" else -1
        rf_sd = (0.04 + 0.18 * eccentricity) * (1.0 if roi == "V1" else 1.4)
        rows.append(
            pd.DataFrame(
                {
                    "voxel": patch.index,
                    "rf_x": 0.5 + field * eccentricity * np.sin(angle),
                    "rf_y": 0.5 - eccentricity * np.cos(angle),
                    "rf_sd": rf_sd,
                    "orientation": rng.uniform(0, np.pi, n_voxels),
                    # cycles under one standard deviation of the window
                    "frequency": rng.uniform(0.25, 0.5, n_voxels) / rf_sd,
                }
            )
        )
    columns = ["voxel", "rf_x", "rf_y", "rf_sd", "orientation", "frequency"]
    if not rows:
        return pd.DataFrame(columns=columns)
    return pd.concat(rows).sort_values("voxel", ignore_index=True)


def plant_tuning(voxels: pd.DataFrame, rng: np.random.Generator) -> Tuning:
    """Draw the tuning of all voxels, and write `preferred` and `linear` into their table.

    Parameters
    ----------
    voxels
        With `roi`, `hemisphere`, `tuned_to`, `preferred` and `x y z`; changed in place.
    rng
        Of the subject.

    Returns
    -------
    Tuning
        Rows in the order of the voxels.
    """
    by_voxel: list[Weights] = []
    linear = np.zeros(len(voxels), dtype=bool)
    preferred = voxels["preferred"].tolist()
    for row, (tuned_to, hemisphere) in enumerate(
        zip(voxels["tuned_to"], voxels["hemisphere"], strict=True)
    ):
        if tuned_to not in _PLANTERS:
            by_voxel.append({})
            continue
        linear[row] = rng.random() < _LINEAR_SHARE
        if tuned_to == "colour":
            preferred[row] = str(rng.choice(COLOURS))
        side = 1 if hemisphere == "R" else -1
        by_voxel.append(_PLANTERS[tuned_to](preferred[row], side, bool(linear[row]), rng))
    voxels["preferred"] = preferred
    voxels["linear"] = linear
    return Tuning(
        _table(by_voxel, factor_code_names()),
        _table(by_voxel, interaction_code_names()),
        _receptive_fields(voxels[voxels["tuned_to"] == "pixels"], rng),
    )


def _table(by_voxel: list[Weights], names: list[str]) -> np.ndarray:
    return np.array([[weights.get(name, 0.0) for name in names] for weights in by_voxel])


def _words(rng: np.random.Generator) -> tuple[str, Weights]:
    return "n/a", _some(tuple(WORDINGS), 1.0, rng)


def _detail(rng: np.random.Generator) -> tuple[str, Weights]:
    return "n/a", _some(FINE, 1.0, rng)


def _multimodal(rng: np.random.Generator) -> tuple[str, Weights]:
    """Multiply a factor of the picture by a wording, and add a little of each wording."""
    product = f"{rng.choice(PARTNERS)}*{rng.choice(tuple(WORDINGS))}"
    return product, _some(tuple(WORDINGS), _MAIN_EFFECT, rng) | {product: 1.0}


_LATE_PLANTERS: dict[str, Callable[[np.random.Generator], tuple[str, Weights]]] = {
    "words": _words,
    "detail": _detail,
    "multimodal": _multimodal,
}


def _parts(voxels: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Draw what part of the object each voxel looks at, and for which colour."""
    n_parts = len(voxels)
    eccentricity = _MAX_PART_ECCENTRICITY * np.sqrt(rng.uniform(0, 1, n_parts))
    angle = rng.uniform(0, 2 * np.pi, n_parts)
    colour = rng.normal(size=(n_parts, 3))
    colour /= np.linalg.norm(colour, axis=1, keepdims=True)
    columns = [
        voxels,
        eccentricity * np.cos(angle),
        eccentricity * np.sin(angle),
        np.full(n_parts, _PART_SD),
        *colour.T,
    ]
    return pd.DataFrame(dict(zip(PART_COLUMNS, columns, strict=True)))


def plant_late_tuning(voxels: pd.DataFrame, tuning: Tuning, rng: np.random.Generator) -> Tuning:
    """Add the tuning of the late patches, and write `preferred` into the voxels' table.

    Parameters
    ----------
    voxels
        With `tuned_to` and `preferred`, changed in place.
    tuning
        Of the same voxels, without the late patches.
    rng
        Of the late patches.

    Returns
    -------
    Tuning
        Rows in the order of the voxels.
    """
    by_voxel: list[Weights] = []
    preferred = voxels["preferred"].tolist()
    for row, tuned_to in enumerate(voxels["tuned_to"]):
        weights: Weights = {}
        if tuned_to in _LATE_PLANTERS:
            preferred[row], weights = _LATE_PLANTERS[tuned_to](rng)
        by_voxel.append(weights)
    voxels["preferred"] = preferred
    parts = _parts(np.flatnonzero(voxels["tuned_to"] == "part"), rng)
    wording = _table(by_voxel, wording_code_names())
    return replace(tuning, wording=wording, parts=parts)
