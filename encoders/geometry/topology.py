"""The topological variant: dissimilarities without what is noise and without what is far away.

Lin & Kriegeskorte (2024), doi:10.1073/pnas.2317881121.
"""

import numpy as np
from scipy.sparse.csgraph import csgraph_from_dense, shortest_path
from scipy.spatial.distance import squareform

from calcarine.data.errors import CalcarineError


def geo_topological(rdms: np.ndarray, lower: float, upper: float) -> np.ndarray:
    """Set small dissimilarities to 0, large ones to 1, and scale what lies between.

    Parameters
    ----------
    rdms
        Shape (n_rdms, n_pairs) or (n_pairs,).
    lower, upper
        Quantiles of each RDM, 0 ≤ lower < upper ≤ 1. (0, 1) keeps the geometry, two near numbers
        leave a graph of neighbours: who is near whom.

    Returns
    -------
    numpy.ndarray
        float64 of the same shape: 0 below the lower quantile ℓ, (d − ℓ) / (u − ℓ) up to the upper
        one u, 1 above. Where ties make ℓ and u equal: 0 below, 1 from there on.

    Raises
    ------
    CalcarineError
        The quantiles are not in order.

    Examples
    --------
    >>> geo_topological(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), 0.25, 0.75).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    if not 0 <= lower < upper <= 1:
        raise CalcarineError(
            f"the quantiles are {lower} and {upper}; expected 0 ≤ lower < upper ≤ 1."
        )
    values = np.asarray(rdms, dtype=np.float64)
    low, high = np.nanquantile(values, [lower, upper], axis=-1, keepdims=True)
    width = high - low
    scaled = np.divide(values - low, width, out=np.zeros_like(values), where=width > 0)
    stepped = np.where(width > 0, np.clip(scaled, 0.0, 1.0), values >= high)
    return np.where(np.isfinite(values), stepped, np.nan)


def geodesic(rdms: np.ndarray, lower: float, upper: float) -> np.ndarray:
    """Replace dissimilarities by shortest paths along those that are not large.

    Parameters
    ----------
    rdms, lower, upper
        See `geo_topological`; pairs at 1 after it are no edges of the graph.

    Returns
    -------
    numpy.ndarray
        Length of the shortest path between every two conditions, of the same shape. Conditions
        that no path joins get the longest path of the RDM (or 1, where that is more).
    """
    edges = np.atleast_2d(geo_topological(rdms, lower, upper))
    out = np.stack([_paths(row) for row in edges])
    return out.reshape(np.shape(rdms))


def _paths(row: np.ndarray) -> np.ndarray:
    dense = squareform(np.where(row < 1, row, np.inf), checks=False)
    np.fill_diagonal(dense, np.inf)
    graph = csgraph_from_dense(dense, null_value=np.inf)
    paths = squareform(shortest_path(graph, directed=False), checks=False)
    joined = np.isfinite(paths)
    longest = max(float(paths[joined].max(initial=0.0)), 1.0)
    return np.where(joined, paths, longest)
