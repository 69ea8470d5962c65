"""Units that can be captioned: voxels, regions, differences of neighbouring regions, all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError

NO_REGION = "n/a"
KINDS = ("unit", "region", "contrast", "population")


@dataclass(frozen=True)
class UnitSets:
    """Weighted sums of units, each captioned and tested like a unit of its own.

    Attributes
    ----------
    table
        One row a set: `kind` (`unit`, `region`, `contrast`, `population`), `unit` (its name),
        `region`, `against` (the neighbour of a contrast, else `n/a`), `n_units`.
    mixing
        Weight of each unit in each set, shape (n_sets, n_units).
    """

    table: pd.DataFrame
    mixing: np.ndarray


def regions_of(units: pd.DataFrame, min_units: int) -> dict[str, np.ndarray]:
    """List the rows of each region that has at least so many units, by name."""
    if "roi" not in units:
        return {}
    labels = units["roi"].astype(str)
    found = {name: np.flatnonzero(labels == name) for name in sorted(set(labels) - {NO_REGION})}
    return {name: rows for name, rows in found.items() if len(rows) >= min_units}


def neighbours(units: pd.DataFrame, regions: dict[str, np.ndarray]) -> dict[str, str]:
    """Name the nearest other region of each region, by the median distance of its units.

    A unit's distance to a region is that to its nearest unit, so that regions of two hemispheres
    are neighbours where they touch in either. Empty where units have no coordinates.
    """
    if not {"x", "y", "z"} <= set(units) or len(regions) < 2:
        return {}
    place = units[["x", "y", "z"]].to_numpy(dtype=np.float64)
    found = {}
    for name, rows in regions.items():
        distances = {}
        for other, others in regions.items():
            if other != name:
                gaps = np.linalg.norm(place[rows][:, None] - place[others][None], axis=2)
                distances[other] = float(np.median(gaps.min(axis=1)))
        found[name] = min(distances, key=lambda n: (distances[n], n))
    return found


def unit_sets(
    units: pd.DataFrame,
    min_units: int = 5,
    contrasts: bool = True,
    pairs: Sequence[tuple[str, str]] = (),
) -> UnitSets:
    """Make the sets of a units table.

    Two regions' contrast is a difference of means: for two clusters the discriminative objective
    r_c/τ − log mean exp(r/τ) ranks pictures as the difference r_c − r_k does
    (Burg et al. 2024, arXiv:2401.05342).

    Parameters
    ----------
    units
        With `roi`, where regions are known, and `x y z`.
    min_units
        Units of a region at least.
    contrasts
        Whether each region is set against its nearest neighbour.
    pairs
        Regions that are set against each other in both directions, whatever lies between them.

    Raises
    ------
    CalcarineError
        A pair names a region that is not there or has too few units.
    """
    n_units = len(units)
    names = unit_names(units)
    labels = units["roi"].astype(str).tolist() if "roi" in units else [NO_REGION] * n_units
    rows = [("unit", n, r, NO_REGION, 1) for n, r in zip(names, labels, strict=True)]
    mixing = [np.eye(n_units, dtype=np.float32)]
    regions = regions_of(units, min_units)
    for name, own in regions.items():
        rows.append(("region", name, name, NO_REGION, len(own)))
        mixing.append(_mean_of(own, n_units)[None])
    asked = [*pairs, *((b, a) for a, b in pairs)]
    for name, other in asked:
        if not {name, other} <= set(regions):
            raise CalcarineError(
                f"the contrast of {name} with {other} needs both regions with {min_units} units or "
                f"more; there are {list(regions)}. Correct `pairs`, or lower `min_units`."
            )
    near = list((neighbours(units, regions) if contrasts else {}).items())
    for name, other in dict.fromkeys([*asked, *near]):
        rows.append(("contrast", f"{name} > {other}", name, other, len(regions[name])))
        both = _mean_of(regions[name], n_units) - _mean_of(regions[other], n_units)
        mixing.append(both[None])
    rows.append(("population", "all units", NO_REGION, NO_REGION, n_units))
    mixing.append(_mean_of(np.arange(n_units), n_units)[None])
    columns = ["kind", "unit", "region", "against", "n_units"]
    return UnitSets(pd.DataFrame(rows, columns=columns), np.concatenate(mixing))


def unit_names(units: pd.DataFrame) -> list[str]:
    """Name units by voxel index, vertex or channel; by row number where there is nothing else.

    Examples
    --------
    >>> unit_names(pd.DataFrame({"i": [1], "j": [2], "k": [3]}))
    ['1-2-3']
    """
    for columns in (["i", "j", "k"], ["hemisphere", "vertex"], ["channel"]):
        if set(columns) <= set(units):
            return ["-".join(str(v) for v in row) for row in units[columns].to_numpy()]
    return [str(row) for row in range(len(units))]


def _mean_of(rows: np.ndarray, n_units: int) -> np.ndarray:
    mean = np.zeros(n_units, dtype=np.float32)
    mean[rows] = 1 / len(rows)
    return mean
