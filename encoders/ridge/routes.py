"""Which way to solve, when features are many: exact, principal components or random features."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.arrays import NUMPY, ArrayLibrary
from calcarine.encoders.ridge.axes import PrincipalAxes, principal_axes, random_axes

Route = Literal["auto", "primal", "dual", "pca", "random"]
ROUTES = ("auto", "primal", "dual", "pca", "random")

_EXACT_LIMIT = 1e15  # floating point operations: some three hours of one core
_EIGH = 10.0  # operations of a symmetric decomposition, in n³
_DOUBLE = 2.0  # an operation in float64 costs two in float32


@dataclass(frozen=True)
class RouteChoice:
    """What was chosen and why.

    Attributes
    ----------
    route
        `primal` (exact, from XᵀX), `dual` (exact, from XXᵀ), `pca` or `random`.
    n_axes
        Number of axes that it solves with.
    flops
        Predicted cost of every route, in float32 operations.
    kept_share
        Share of the features' variance along the axes.
    """

    route: str
    n_axes: int
    flops: dict[str, float]
    kept_share: float


def route_costs(
    n_samples: int, n_features: int, n_targets: int, n_folds: int, n_alphas: int, max_axes: int
) -> dict[str, float]:
    """Predict the cost of every route in float32 operations.

    Decomposition: the smaller Gram matrix, its eigenvectors, the turned features and one
    decomposition a fold. Targets: products with the features, one turn a fold, half a square
    product a penalty and fold, and the weights.

    Parameters
    ----------
    n_samples, n_features, n_targets
        Sizes.
    n_folds
        Number of folds, 0 for generalised cross-validation.
    n_alphas
        Penalties that are evaluated for each target.
    max_axes
        Axes of the reduced routes.
    """
    n, p = float(n_samples), float(n_features)

    def from_axes(r: float) -> float:
        decompositions = n_folds * (_EIGH + 4) * _DOUBLE * r**3 + _DOUBLE * n * r**2
        a_target = 2 * n * r + n_folds * (4 + n_alphas) * r**2 + 2 * r * p
        return decompositions + n_targets * a_target

    def reach(r: float) -> float:
        small, large = min(n, p), max(n, p)
        return _DOUBLE * (large * small**2 + _EIGH * small**3 + 2 * n * p * r)

    reduced = float(min(max_axes, n - 1, p))
    sketch = float(min(max_axes, p))
    project = 2 * _DOUBLE * n * p * sketch + _DOUBLE * (_EIGH * sketch**3 + 2 * n * sketch**2)
    exact = min(n - 1, p)
    costs = {"primal" if p <= n else "dual": reach(exact) + from_axes(exact)}
    costs["pca"] = reach(reduced) + from_axes(reduced)
    costs["random"] = project + from_axes(min(sketch, n - 1))
    return costs


def choose_route(costs: dict[str, float], route: Route) -> str:
    """Choose the exact route unless it is out of reach, then components, then random features.

    Parameters
    ----------
    costs
        Of `route_costs`.
    route
        What the user asked for; `auto` leaves it to the costs.

    Raises
    ------
    CalcarineError
        The route does not exist, or is not the exact one for these sizes.
    """
    if route not in ROUTES:
        raise CalcarineError(f"`route` is {route!r}; expected one of {list(ROUTES)}.")
    if route != "auto":
        if route not in costs:
            exact = next(iter(costs))
            raise CalcarineError(
                f"`route` is {route!r}, but for these sizes {exact!r} gives the same weights with "
                f"less work. Use {exact!r} or 'auto'."
            )
        return route
    for name, cost in costs.items():  # exact, pca, random
        if cost <= _EXACT_LIMIT:
            return name
    return min(costs, key=lambda name: costs[name])


def route_axes(
    features: np.ndarray,
    route: str,
    costs: dict[str, float],
    max_axes: int,
    seed: int = 0,
    library: ArrayLibrary = NUMPY,
) -> tuple[PrincipalAxes, RouteChoice]:
    """Turn the features as a route does.

    Parameters
    ----------
    features
        Shape (n_samples, n_features).
    route
        `primal`, `dual`, `pca` or `random`.
    costs
        Of `route_costs`, for the record.
    max_axes
        Axes of the reduced routes.
    seed
        Of random features.
    library
        See `principal_axes`.
    """
    if route == "random":
        axes = random_axes(features, min(max_axes, features.shape[1]), seed)
    else:
        axes = principal_axes(features, max_axes if route == "pca" else None, library)
    return axes, RouteChoice(route, len(axes.variances), costs, axes.kept_share)
