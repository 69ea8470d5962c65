import dataclasses
import gzip

import nibabel
import numpy as np
import pytest

from calcarine.data.bids import find_runs
from calcarine.data.bold import Timing, VolumeSpace, open_bold, volume_space, volume_timing
from calcarine.data.errors import CalcarineError


@pytest.fixture
def run(small_bids):
    return find_runs(small_bids.root, "01", "scenes")[0]


def space_of(run, mask=None, smoothing=None):
    return volume_space([run], "func", mask, smoothing)


def test_series_are_the_masked_volumes(small_bids, run):
    space = space_of(run)
    np.testing.assert_array_equal(space.mask, small_bids.mask)
    series = space.read(run)
    expected = nibabel.load(run.bold[0]).get_fdata()[small_bids.mask].T
    np.testing.assert_allclose(series, expected, rtol=1e-6)
    assert series.dtype == np.float32
    assert series.shape == (80, small_bids.mask.sum())


def test_scaled_integers_are_read_to_the_same_values(small_bids, run):
    path = run.bold[0]
    image = nibabel.load(path)
    data = image.get_fdata()
    scaled = nibabel.Nifti1Image(data, image.affine)
    scaled.header.set_data_dtype(np.int16)
    scaled.to_filename(path)
    stored = nibabel.load(path)
    assert stored.dataobj.slope != 1
    expected = stored.get_fdata()[small_bids.mask].T
    np.testing.assert_allclose(space_of(run).read(run), expected, rtol=1e-5)


def test_units_say_where_the_voxels_are(small_bids, run):
    space = space_of(run)
    units = space.units()
    affine = nibabel.load(run.bold[0]).affine
    row = units.iloc[17]
    xyz = affine @ [row["i"], row["j"], row["k"], 1]
    np.testing.assert_allclose(row[["x", "y", "z"]].astype(float), xyz[:3])
    data = nibabel.load(run.bold[0]).get_fdata()
    i, j, k = (int(row[n]) for n in "ijk")
    np.testing.assert_allclose(space.read(run)[:, 17], data[i, j, k], rtol=1e-6)
    assert space.describe(17) == f"voxel ({i}, {j}, {k})"


def test_kept_voxels_stay_in_order(run):
    space = space_of(run)
    kept = np.arange(space.n_units) % 3 != 1
    fewer = space.keep(kept)
    assert fewer.n_units == kept.sum()
    np.testing.assert_array_equal(fewer.read(run), space.read(run)[:, kept])


def test_without_a_mask_nilearn_finds_the_brain(small_bids, run):
    shape = (24, 22, 20)
    grid = np.stack(np.indices(shape), axis=-1) - np.array([12, 11, 10])
    inside = np.linalg.norm(grid, axis=-1) < 8
    data = np.where(inside, 900.0, 5.0)[..., None].repeat(6, axis=3).astype(np.float32)
    data += np.random.default_rng(0).normal(size=data.shape)
    nibabel.Nifti1Image(data, np.diag([3, 3, 3, 1])).to_filename(run.bold[0])
    space = space_of(dataclasses.replace(run, mask=None))
    assert space.mask[~inside].sum() == 0
    assert space.mask[inside].mean() > 0.8


def test_smoothing_keeps_the_mean_and_lowers_the_noise(small_bids, run):
    rng = np.random.default_rng(0)
    small_bids.edit_volumes(lambda d: d.__setitem__(..., 100 + rng.normal(size=d.shape)))
    plain, smooth = space_of(run).read(run), space_of(run, smoothing=8.0).read(run)
    assert smooth.std(axis=0).mean() < 0.7 * plain.std(axis=0).mean()


def test_a_mask_of_another_shape_is_refused(tmp_path, run):
    mask = tmp_path / "mask.nii.gz"
    nibabel.Nifti1Image(np.ones((5, 4, 4), dtype=np.uint8), np.eye(4)).to_filename(mask)
    with pytest.raises(
        CalcarineError, match=r"mask\.nii\.gz has the shape \(5, 4, 4\).*\(5, 4, 3\)"
    ):
        space_of(run, mask)


def test_a_mask_of_another_affine_is_refused(tmp_path, run):
    mask = tmp_path / "mask.nii.gz"
    nibabel.Nifti1Image(np.ones((5, 4, 3), dtype=np.uint8), np.eye(4)).to_filename(mask)
    with pytest.raises(CalcarineError, match=r"has the affine \[\[1\.0.*has \[\[3\.0"):
        space_of(run, mask)


def test_an_empty_mask_is_refused(tmp_path, run):
    mask = tmp_path / "mask.nii.gz"
    image = nibabel.load(run.mask)
    nibabel.Nifti1Image(np.zeros((5, 4, 3), dtype=np.uint8), image.affine).to_filename(mask)
    with pytest.raises(CalcarineError, match="the mask holds no voxel"):
        space_of(run, mask)


def test_a_truncated_file_is_refused(run):
    space = space_of(run)
    path = run.bold[0]
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CalcarineError, match=r"bold\.nii\.gz is truncated or damaged"):
        space.read(run)


def test_a_truncated_uncompressed_file_is_refused(run):
    space = space_of(run)
    whole = gzip.decompress(run.bold[0].read_bytes())
    path = run.bold[0].with_suffix("")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CalcarineError, match=r"bold\.nii is truncated or damaged"):
        space.read(dataclasses.replace(run, bold=(path,)))


def test_a_run_on_another_grid_is_refused(run):
    space = space_of(run)
    image = nibabel.load(run.bold[0])
    nibabel.Nifti1Image(image.get_fdata()[:, :3], image.affine).to_filename(run.bold[0])
    with pytest.raises(
        CalcarineError, match=r"has the shape \(5, 3, 3\), the mask has \(5, 4, 3\)"
    ):
        space.read(run)


def test_what_is_no_time_series_is_refused(tmp_path, run):
    with pytest.raises(CalcarineError, match=r"mask\.nii\.gz has the shape .*four dimensions"):
        open_bold(run.mask)
    with pytest.raises(CalcarineError, match="is not there"):
        open_bold(tmp_path / "no.nii.gz")
    path = tmp_path / "text.nii.gz"
    path.write_text("hello")
    with pytest.raises(CalcarineError, match="is no NIfTI image"):
        open_bold(path)


def test_timing_comes_from_the_sidecar_then_from_the_header(run):
    assert volume_timing(run) == Timing(80, 1.5)
    image = nibabel.load(run.bold[0])
    image.header.set_zooms((3, 3.5, 4, 1700))
    image.header.set_xyzt_units("mm", "msec")
    nibabel.Nifti1Image(image.get_fdata(), None, image.header).to_filename(run.bold[0])
    bare = dataclasses.replace(run, metadata={})
    assert volume_timing(bare).tr_s == pytest.approx(1.7)
    late = dataclasses.replace(run, metadata={"RepetitionTime": 2.0, "StartTime": 1.0})
    np.testing.assert_allclose(volume_timing(late).frame_times_s[:3], [1, 3, 5])
    assert volume_timing(late).scan_s == 160


@pytest.mark.parametrize("wrong", [0, -1, "2", 2000, None])
def test_a_repetition_time_that_is_none_is_refused(run, wrong):
    bad = dataclasses.replace(run, metadata={"RepetitionTime": wrong})
    with pytest.raises(CalcarineError, match="expected seconds between 0 and 60"):
        volume_timing(bad)


def test_the_sidecar_names_the_grid(run):
    sidecar = space_of(run).sidecar()
    assert sidecar["volume_shape"] == [5, 4, 3]
    assert sidecar["affine"][0][3] == -20
    assert isinstance(space_of(run), VolumeSpace)
