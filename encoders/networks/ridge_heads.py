"""The last step of a routed encoder: its linear heads, refitted exactly."""

import numpy as np
import torch

from calcarine.encoders.networks.fitting import in_batches
from calcarine.encoders.networks.roi_query import RoiQueryNetwork
from calcarine.encoders.ridge.solver import solve_ridge


def refit_heads(
    network: RoiQueryNetwork,
    tokens: np.ndarray,
    targets: np.ndarray,
    queries: np.ndarray,
    groups: np.ndarray,
    n_folds: int | None = 5,
) -> None:
    """Replace the heads by ridge regression on what their query sees, one penalty a unit.

    Where to look is a shared question of many units and is learned by gradient; how much of what is
    seen each unit takes is its own, and its penalty depends on its noise. The regression of a query
    knows that query's units alone, so the product stays block-sparse.

    Parameters
    ----------
    network
        Trained; changed in place.
    tokens
        Of all trials, shape (n_trials, n_tokens, n_channels).
    targets
        Standardised responses, shape (n_trials, n_units).
    queries
        Number of each unit's query, shape (n_units,).
    groups
        What must not straddle the folds of the search for penalties, shape (n_trials,).
    n_folds
        Folds of that search.
    """
    seen = in_batches(network, tokens, lambda own, rows: own.seen(rows))
    n_groups = len(np.unique(groups))
    folds = None if n_folds is None else min(n_folds, n_groups)
    weights = np.empty((len(queries), seen.shape[2]), dtype=np.float32)
    bias = np.empty(len(queries), dtype=np.float32)
    for query in np.unique(queries):
        own = np.flatnonzero(queries == query)
        found = solve_ridge(
            np.ascontiguousarray(seen[:, query]), targets[:, own], groups, n_folds=folds
        )
        weights[own], bias[own] = found.coef.T, found.intercept
    network.heads.replace(torch.from_numpy(weights), torch.from_numpy(bias))
