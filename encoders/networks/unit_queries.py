"""Which query of a transformer a unit belongs to: its region's, its parcel's, or one of its own."""

from typing import Literal

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from calcarine.data.errors import CalcarineError

QueryUnit = Literal["roi", "parcel", "unit"]
QUERY_UNITS = ("roi", "parcel", "unit")


def unit_queries(
    query_unit: QueryUnit, units: pd.DataFrame, responses: np.ndarray, n_parcels: int, seed: int
) -> np.ndarray:
    """Give every unit the number of its query.

    Parameters
    ----------
    query_unit
        `roi`: one query a region and hemisphere, where they are known; units of no region share
        one. `parcel`: k-means of the training responses. `unit`: one each.
    units
        Units table; `roi` needs its column `roi`, and tells hemispheres by the sign of `x`.
    responses
        Standardised training responses, shape (n_trials, n_units).
    n_parcels, seed
        Number of parcels, and seed of k-means.

    Returns
    -------
    numpy.ndarray
        int64, shape (n_units,), from 0 without gaps.

    Raises
    ------
    CalcarineError
        Regions are asked for where none are known.
    """
    n_units = responses.shape[1]
    if query_unit == "unit":
        return np.arange(n_units)
    if query_unit == "parcel":
        found = KMeans(min(n_parcels, n_units), n_init=3, random_state=seed % 2**32).fit(
            np.ascontiguousarray(responses.T)
        )
        return np.unique(found.labels_, return_inverse=True)[1].astype(np.int64)
    if query_unit != "roi":
        raise CalcarineError(f"`queries` is {query_unit!r}; expected one of {list(QUERY_UNITS)}.")
    if "roi" not in units:
        raise CalcarineError(
            "the units have no column `roi`, which `queries: roi` needs. Name region labels in "
            "`recording.rois`, or take `queries: parcel`."
        )
    names = units["roi"].fillna("n/a").astype(str)
    if "x" in units:
        names = names + np.where(units["x"].to_numpy(dtype=float) < 0, " left", " right")
    return np.unique(names.to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64)
