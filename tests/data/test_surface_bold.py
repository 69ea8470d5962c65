import nibabel
import numpy as np
import pytest

from calcarine.data.bids import RunFiles
from calcarine.data.errors import CalcarineError
from calcarine.data.rois import unit_rois
from calcarine.data.surface_bold import surface_space, surface_timing


def write_gifti(path, arrays):
    darrays = [nibabel.gifti.GiftiDataArray(np.asarray(a, dtype=np.float32)) for a in arrays]
    nibabel.GiftiImage(darrays=darrays).to_filename(path)
    return path


@pytest.fixture
def run(tmp_path, rng):
    paths = []
    for hemi, n_vertices in (("L", 11), ("R", 13)):
        series = rng.normal(100, 1, size=(6, n_vertices))
        series[:, 2] = np.nan
        paths.append(write_gifti(tmp_path / f"sub-01_hemi-{hemi}_bold.func.gii", series))
    return RunFiles(
        "01", "n/a", "1", tuple(paths), tmp_path / "e.tsv", None, None, {"RepetitionTime": 2.0}
    )


def test_hemispheres_stand_side_by_side_without_the_medial_wall(run):
    space = surface_space([run], "fsnative")
    series = space.read(run)
    assert series.shape == (6, 10 + 12)
    left = np.stack([a.data for a in nibabel.load(run.bold[0]).darrays])
    np.testing.assert_array_equal(series[:, :10], np.delete(left, 2, axis=1))
    units = space.units()
    assert units["hemisphere"].tolist() == ["L"] * 10 + ["R"] * 12
    assert units["vertex"].tolist()[:4] == [0, 1, 3, 4]
    assert units["x"].isna().all()
    assert space.describe(10) == "vertex 0 of hemisphere R"
    assert space.sidecar() == {"space": "fsnative", "n_vertices": {"L": 11, "R": 13}}


def test_vertices_can_be_left_out(run):
    space = surface_space([run], "fsnative")
    kept = np.ones(22, dtype=bool)
    kept[[0, 15]] = False
    np.testing.assert_array_equal(space.keep(kept).read(run), space.read(run)[:, kept])


def test_one_array_with_all_volumes_is_read(run, tmp_path, rng):
    series = rng.normal(size=(6, 11)).astype(np.float32)
    write_gifti(run.bold[0], [series.T])
    np.testing.assert_allclose(surface_space([run], "fsnative").read(run)[:, :11], series)


def test_fsaverage5_has_coordinates(tmp_path, rng):
    paths = [
        write_gifti(tmp_path / f"hemi-{h}_bold.func.gii", rng.normal(size=(2, 10242))) for h in "LR"
    ]
    files = RunFiles("01", "n/a", "1", tuple(paths), tmp_path, None, None, {"RepetitionTime": 1})
    units = surface_space([files], "fsaverage5").units()
    assert (units.loc[units["hemisphere"] == "L", "x"] < 10).all()
    assert units.loc[units["hemisphere"] == "R", "x"].mean() > 20


def test_timing_needs_the_sidecar(run, tmp_path):
    assert surface_timing(run).n_volumes == 6
    bare = RunFiles("01", "n/a", "1", run.bold, run.events, None, None, {})
    with pytest.raises(CalcarineError, match="repetition time is None"):
        surface_timing(bare)


def test_hemispheres_of_different_length_are_refused(run, rng):
    space = surface_space([run], "fsnative")
    write_gifti(run.bold[1], rng.normal(size=(5, 13)))
    with pytest.raises(CalcarineError, match=r"has 6 volumes, .* has 5"):
        space.read(run)


def test_another_surface_is_refused(run, rng):
    space = surface_space([run], "fsnative")
    write_gifti(run.bold[1], rng.normal(size=(6, 12)))
    with pytest.raises(CalcarineError, match="has 12 vertices; the first run has 13"):
        space.read(run)


def test_a_damaged_file_is_refused(run):
    run.bold[0].write_bytes(run.bold[0].read_bytes()[:400])
    with pytest.raises(CalcarineError, match="no GIFTI file or is truncated"):
        surface_space([run], "fsnative")


def test_labels_name_the_regions(run, tmp_path):
    for hemi, n_vertices in (("L", 11), ("R", 13)):
        labels = np.zeros(n_vertices, dtype=np.int32)
        labels[5:8] = 4
        table = nibabel.gifti.GiftiLabelTable()
        for key, name in ((0, "???"), (4, "V1")):
            label = nibabel.gifti.GiftiLabel(key)
            label.label = name
            table.labels.append(label)
        image = nibabel.GiftiImage(labeltable=table)
        image.add_gifti_data_array(
            nibabel.gifti.GiftiDataArray(labels, intent="NIFTI_INTENT_LABEL")
        )
        image.to_filename(tmp_path / f"sub-01_hemi-{hemi}.label.gii")
    space = surface_space([run], "fsnative")
    names = unit_rois(space, tmp_path / "sub-{subject}_hemi-{hemi}.label.gii", "01", tmp_path)
    assert np.flatnonzero(np.array(names) == "V1").tolist() == [4, 5, 6, 14, 15, 16]
    assert set(names) == {"V1", "n/a"}
