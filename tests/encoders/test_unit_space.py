import numpy as np
import pandas as pd
import pytest
from nilearn.datasets import load_fsaverage

from calcarine.data.errors import CalcarineError
from calcarine.encoders.unit_space import unit_surface, unit_volume

AFFINE = [[4.0, 0, 0, -90], [0, 4.0, 0, -126], [0, 0, 4.0, -72], [0, 0, 0, 1]]
SPACE = {"space": "func", "affine": AFFINE, "volume_shape": [45, 54, 45], "template": True}


@pytest.fixture
def voxels(rng):
    index = np.unique(rng.integers(0, 45, (300, 3)), axis=0)
    xyz = index @ np.array(AFFINE)[:3, :3].T + np.array(AFFINE)[:3, 3]
    return pd.DataFrame({**dict(zip("ijk", index.T)), **dict(zip("xyz", xyz.T))})  # noqa: B905


def test_a_volume_has_each_value_at_its_place(voxels, rng):
    values = rng.normal(size=len(voxels)).astype(np.float32)
    image = unit_volume(values, voxels, SPACE)
    data = image.get_fdata()
    assert data.shape == (45, 54, 45)
    np.testing.assert_array_equal(data[tuple(voxels[["i", "j", "k"]].to_numpy().T)], values)
    assert np.isfinite(data).sum() == len(voxels)
    np.testing.assert_array_equal(image.affine, AFFINE)
    several = unit_volume(np.stack([values, -values]), voxels, SPACE)
    np.testing.assert_array_equal(several.get_fdata()[..., 1], -data)


def test_a_surface_shows_the_nearest_voxel(voxels):
    values = np.arange(len(voxels), dtype=float)
    image = unit_surface(values, voxels, SPACE)
    mesh = load_fsaverage("fsaverage5")
    xyz = voxels[["x", "y", "z"]].to_numpy()
    for side in ("left", "right"):
        middle = (
            mesh["pial"].parts[side].coordinates + mesh["white_matter"].parts[side].coordinates
        ) / 2
        data = image.data.parts[side]
        assert data.shape == (10242,)
        for vertex in range(0, 10242, 997):
            distance = np.linalg.norm(xyz - middle[vertex], axis=1)
            if distance.min() < 5:
                assert data[vertex] == values[distance.argmin()]
            else:
                assert np.isnan(data[vertex])


def test_vertices_keep_their_values(rng):
    units = pd.DataFrame({"hemisphere": ["L", "L", "R"], "vertex": [3, 10241, 0]})
    space = {"space": "fsaverage5", "n_vertices": {"L": 10242, "R": 10242}}
    image = unit_surface(np.array([[1.0, 2.0, 3.0]]), units, space)
    assert image.data.parts["left"][[3, 10241], 0].tolist() == [1, 2]
    assert image.data.parts["right"][0, 0] == 3
    assert np.isfinite(image.data.parts["left"]).sum() == 2


def test_what_has_no_place_is_refused(voxels):
    values = np.zeros(len(voxels))
    with pytest.raises(CalcarineError, match="does not know the grid"):
        unit_volume(values, voxels, {})
    with pytest.raises(CalcarineError, match="not on a template"):
        unit_surface(values, voxels, {**SPACE, "template": False})
    with pytest.raises(CalcarineError, match=rf"expected one a unit, \({len(voxels)},\)"):
        unit_volume(values[1:], voxels, SPACE)
    vertices = pd.DataFrame({"hemisphere": ["L"], "vertex": [3]})
    with pytest.raises(CalcarineError, match="known meshes"):
        unit_surface(np.zeros(1), vertices, {"n_vertices": {"L": 5}})
    with pytest.raises(CalcarineError, match="use to_surface"):
        unit_volume(np.zeros(1), vertices, SPACE)
