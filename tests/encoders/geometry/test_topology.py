import numpy as np
import pytest
from scipy.spatial.distance import squareform

from calcarine.data.errors import CalcarineError
from calcarine.encoders.geometry.topology import geo_topological, geodesic


def test_geo_topological_equals_the_piecewise_formula(rng):
    rdms = rng.random((3, 28))
    found = geo_topological(rdms, 0.2, 0.7)
    for row, moved in zip(rdms, found, strict=True):
        low, high = np.quantile(row, [0.2, 0.7])
        expected = [0 if d < low else 1 if d > high else (d - low) / (high - low) for d in row]
        np.testing.assert_allclose(moved, expected)


def test_the_whole_range_keeps_the_geometry(rng):
    rdm = rng.random(45)
    found = geo_topological(rdm, 0, 1)
    np.testing.assert_allclose(np.corrcoef(rdm, found)[0, 1], 1)


def test_noise_of_small_and_size_of_large_distances_are_forgotten(rng):
    rdm = np.sort(rng.random(45))
    changed = rdm.copy()
    changed[:8] *= rng.random(8)  # all stay below the lower quantile
    changed[-8:] += rng.random(8)
    np.testing.assert_allclose(
        geo_topological(rdm, 0.25, 0.75), geo_topological(changed, 0.25, 0.75)
    )


def test_geodesic_equals_floyd_and_warshall_written_out(rng):
    rdm = rng.random(36)
    edges = squareform(geo_topological(rdm, 0.1, 0.5))
    paths = np.where(edges < 1, edges, np.inf)
    for k in range(9):
        for i in range(9):
            for j in range(9):
                paths[i, j] = min(paths[i, j], paths[i, k] + paths[k, j])
    np.fill_diagonal(paths, 0)
    assert np.isfinite(paths).all()
    np.testing.assert_allclose(geodesic(rdm, 0.1, 0.5), squareform(paths), atol=1e-12)


def test_conditions_without_a_path_are_the_farthest():
    square = np.full((6, 6), 5.0)
    square[:3, :3] = square[3:, 3:] = 1.0
    square[0, 1] = square[1, 0] = 0.9
    np.fill_diagonal(square, 0)
    found = squareform(geodesic(squareform(square), 0.0, 0.4))
    assert (found[:3, 3:] == found.max()).all()
    assert found[0, 1] < found[0, 5]


def test_points_on_a_ring_are_far_along_the_ring_only_by_geodesics():
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rdm = np.linalg.norm(points[:, None] - points[None], axis=2)[np.triu_indices(12, 1)]
    paths = squareform(geodesic(rdm, 0.0, 0.3))
    assert paths[0, 6] > 2.5 * paths[0, 2]


def test_quantiles_out_of_order_are_refused():
    with pytest.raises(CalcarineError, match="0 ≤ lower < upper ≤ 1"):
        geo_topological(np.ones(3), 0.6, 0.5)
