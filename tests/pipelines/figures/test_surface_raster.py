import numpy as np
import pytest

from calcarine.pipelines.figures.surface_plate import load_plate
from calcarine.pipelines.figures.surface_raster import load_hemisphere, rasterise

FORWARD, UP = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])


def sphere(n_rings: int = 24, n_around: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Make a unit sphere with outward faces."""
    theta = np.linspace(0, np.pi, n_rings)[:, None]
    phi = np.linspace(0, 2 * np.pi, n_around, endpoint=False)[None]
    xyz = [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi]
    points = np.stack([np.broadcast_to(c, (n_rings, n_around)) for c in xyz], -1).reshape(-1, 3)
    faces = []
    for ring in range(n_rings - 1):
        for step in range(n_around):
            a, b = ring * n_around + step, ring * n_around + (step + 1) % n_around
            faces += [(a, a + n_around, b), (b, a + n_around, b + n_around)]
    return points, np.array(faces)


@pytest.fixture(scope="module")
def ball():
    points, faces = sphere()
    return points, rasterise(points * 40, faces, FORWARD, UP, pixels_per_mm=1.0)


def test_a_sphere_covers_a_disc(ball):
    _, raster = ball
    inside = raster.vertices[..., 0] >= 0
    assert inside.shape == pytest.approx((81, 81), abs=2)
    assert inside.sum() == pytest.approx(np.pi * 40**2, rel=0.02)


def test_only_the_near_side_is_seen(ball):
    points, raster = ball
    seen = np.unique(raster.vertices[raster.vertices[..., 0] >= 0])
    # the camera looks along +y: the near side has negative y, up to the faces on the rim
    assert points[seen, 1].max() < 0.25


def test_weights_put_each_pixel_where_it_is(ball):
    points, raster = ball
    rows, columns = np.nonzero(raster.vertices[..., 0] >= 0)
    at = (points[raster.vertices[rows, columns]] * raster.weights[rows, columns, :, None]).sum(1)
    np.testing.assert_allclose(at[:, 0] * 40, columns - columns.max() / 2, atol=1.0)
    np.testing.assert_allclose(at[:, 2] * 40, rows.max() / 2 - rows, atol=1.0)
    np.testing.assert_allclose(raster.weights[rows, columns].sum(-1), 1, atol=1e-5)


def test_the_wheel_holds_both_hemispheres():
    left, right = load_hemisphere("left"), load_hemisphere("right")
    assert left.points.shape == right.middle.shape == (10242, 3)
    assert left.middle[:, 0].mean() < 0 < right.middle[:, 0].mean()


def test_eight_labelled_views_stand_on_the_plate():
    plate = load_plate()
    height, width, _ = plate.raster.vertices.shape
    assert len({text for text, _, _ in plate.labels}) == 8
    assert all(0 < x < width and 0 <= y < height for _, x, y in plate.labels)
    assert plate.raster.vertices.max() >= 10242  # the right hemisphere too
    middle = plate.raster.vertices[:, width // 2 - 3 : width // 2 + 3]
    top = middle[: height // 3]
    assert (top == -1).all()  # lateral views do not touch
