import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import Normalize

from calcarine.data.errors import CalcarineError
from calcarine.pipelines.figures.style import score_colours
from calcarine.pipelines.figures.surface_map import paint, surface_map, vertex_units
from calcarine.pipelines.figures.surface_plate import load_plate
from calcarine.pipelines.figures.surface_raster import load_hemisphere


def test_each_vertex_shows_the_nearest_unit_within_reach(rng):
    left = load_hemisphere("left").middle
    units = pd.DataFrame(left[rng.permutation(len(left))[:57]] + 0.7, columns=["x", "y", "z"])
    shown = vertex_units(units, radius_mm=6.0)
    distance = np.linalg.norm(left[:, None] - units.to_numpy()[None], axis=-1)
    expected = np.where(distance.min(axis=1) <= 6.0, distance.argmin(axis=1), -1)
    np.testing.assert_array_equal(shown["left"], expected)
    assert (shown["right"] == -1).mean() > 0.9


def test_units_that_are_vertices_keep_their_place():
    units = pd.DataFrame({"hemisphere": ["L", "R", "R"], "vertex": [5, 7, 20000]})
    shown = vertex_units(units)
    assert np.flatnonzero(shown["left"] >= 0).tolist() == [5]
    assert np.flatnonzero(shown["right"] >= 0).tolist() == [7]
    assert shown["right"][7] == 1


def test_units_without_a_place_are_refused():
    with pytest.raises(CalcarineError, match="x, y, z or hemisphere, vertex"):
        vertex_units(pd.DataFrame({"channel": ["Oz"]}))


def test_units_without_a_value_stay_grey():
    plate = load_plate()
    n = len(load_hemisphere("left").points)
    values = np.full(2 * n, np.nan)
    bare = paint(plate, values, score_colours(), Normalize(0, 1))
    inside = plate.raster.vertices[..., 0] >= 0
    assert (bare[~inside] == 255).all()
    spread = bare[inside].astype(int)
    assert (spread.max(axis=-1) - spread.min(axis=-1)).max() <= 1
    values[:n] = 0.6
    half = paint(plate, values, score_colours(), Normalize(0, 1))
    is_left = inside & (plate.raster.vertices[..., 0] < n)
    assert (half[inside & ~is_left] == bare[inside & ~is_left]).all()
    colour = half[is_left].astype(int)
    assert (colour[:, 0] > colour[:, 2]).all()  # orange, not grey


def test_a_map_is_the_same_bytes_twice(rng):
    units = pd.DataFrame({"hemisphere": ["L"] * 3, "vertex": [5, 6, 7]})
    shown = vertex_units(units)
    first = surface_map(np.array([0.1, np.nan, 0.4]), shown, "map", "r", 0.5)
    assert first == surface_map(np.array([0.1, np.nan, 0.4]), shown, "map", "r", 0.5)
    assert first.startswith(b"\x89PNG")
