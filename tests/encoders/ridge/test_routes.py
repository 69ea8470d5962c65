import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.axes import principal_axes, random_axes
from calcarine.encoders.ridge.routes import choose_route, route_costs
from calcarine.encoders.ridge.solver import RidgeSettings, solve_ridge


def test_exact_unless_out_of_reach():
    small = route_costs(9000, 768, 100_000, 5, 20, 2048)
    assert choose_route(small, "auto") == "primal"
    assert choose_route(route_costs(500, 20_000, 1000, 5, 20, 2048), "auto") == "dual"
    huge = route_costs(20_000, 200_000, 100_000, 5, 20, 2048)
    assert choose_route(huge, "auto") == "pca"
    vast = route_costs(200_000, 500_000, 1000, 0, 20, 512)
    assert choose_route(vast, "auto") == "random"
    assert min(vast, key=vast.get) == "random"


def test_routes_that_do_not_exist_are_named():
    costs = route_costs(100, 20, 10, 5, 20, 2048)
    with pytest.raises(CalcarineError, match="'svd'; expected one of"):
        choose_route(costs, "svd")
    with pytest.raises(CalcarineError, match="'dual', but for these sizes 'primal'"):
        choose_route(costs, "dual")


def test_the_choice_is_recorded(rng):
    x, y = rng.standard_normal((40, 200)), rng.standard_normal((40, 3))
    found = solve_ridge(x, y)
    assert found.route.route == "dual"
    assert found.route.n_axes == 39
    assert set(found.route.flops) == {"dual", "pca", "random"}
    assert found.route.kept_share == 1.0


def test_components_that_keep_all_change_nothing(rng):
    x = rng.standard_normal((60, 5)) @ rng.standard_normal((5, 300))
    y = x @ rng.standard_normal((300, 4)) + rng.standard_normal((60, 4))
    exact = solve_ridge(x, y, alphas=[3.0])
    few = solve_ridge(x, y, alphas=[3.0], settings=RidgeSettings(route="pca", max_axes=5))
    assert few.route.kept_share == pytest.approx(1.0)
    np.testing.assert_allclose(few.coef, exact.coef, atol=1e-5 * np.abs(exact.coef).max())


def test_components_are_those_of_largest_variance(rng):
    x = rng.standard_normal((80, 30)) * np.linspace(10, 0.1, 30)
    found, whole = principal_axes(x, 4), principal_axes(x)
    np.testing.assert_allclose(found.variances, whole.variances[:4])
    assert found.kept_share == pytest.approx(whole.variances[:4].sum() / whole.variances.sum())


def test_random_features_are_ridge_in_their_subspace(rng):
    x = rng.standard_normal((50, 120))
    y = x @ rng.standard_normal((120, 3)) + rng.standard_normal((50, 3))
    found = solve_ridge(x, y, alphas=[2.0], settings=RidgeSettings(route="random", max_axes=20))
    directions = np.random.default_rng(0).standard_normal((120, 20)) / np.sqrt(20)
    z = (x - x.mean(0)) @ directions.astype(np.float32)
    inside = np.linalg.solve(z.T @ z + 2 * np.eye(20), z.T @ (y - y.mean(0)))
    np.testing.assert_allclose(found.coef, directions @ inside, atol=1e-4)


def test_random_features_keep_distances(rng):
    x = rng.standard_normal((30, 4000))
    scores = random_axes(x, 1500).scores
    ours, theirs = (
        ((a[:, None] - a[None]) ** 2).sum(-1)[~np.eye(30, dtype=bool)] for a in (scores, x)
    )
    assert np.abs(ours / theirs - 1).max() < 0.2
