import nibabel
import numpy as np
import pytest

from calcarine.data.bold import VolumeSpace
from calcarine.data.errors import CalcarineError
from calcarine.data.rois import unit_rois

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
MASK = np.ones((4, 3, 2), dtype=bool)
MASK[0] = False
SPACE = VolumeSpace(MASK, AFFINE, "func")


def write(path, values, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(np.asarray(values, dtype=np.int16), affine).to_filename(path)
    return path


@pytest.fixture
def labels(tmp_path):
    values = np.zeros((4, 3, 2))
    values[1, 1], values[2, 0, 1] = 3, 7
    write(tmp_path / "rois" / "sub-02_rois.nii.gz", values)
    (tmp_path / "rois" / "rois.tsv").write_text("index\tname\n3\tV1\n7\tFFA\n")
    return tmp_path / "rois"


def named(names):
    image = np.full(MASK.shape, "", dtype=object)
    image[MASK] = names
    return image


@pytest.mark.parametrize("pattern", ["rois/sub-{subject}_rois.nii.gz", "rois"])
def test_a_label_image_names_voxels(tmp_path, labels, pattern):
    image = named(unit_rois(SPACE, tmp_path / pattern, "02", tmp_path))
    assert (image[1, 1] == "V1").all()
    assert image[2, 0, 1] == "FFA"
    assert (image[MASK] == "n/a").sum() == MASK.sum() - 3


def test_the_data_set_can_stand_in_the_path(tmp_path, labels):
    names = unit_rois(SPACE, "{bids}/rois/sub-{subject}_rois.nii.gz", "02", tmp_path)
    assert names.count("V1") == 2


def test_a_folder_of_masks_names_voxels(tmp_path):
    values = np.zeros((4, 3, 2))
    values[1:3, 0] = 1
    write(tmp_path / "masks" / "PPA.nii.gz", values)
    write(tmp_path / "masks" / "OPA.nii", values * (np.arange(2) == 0))
    image = named(unit_rois(SPACE, tmp_path / "masks", "02", tmp_path))
    assert image[1, 0, 0] == "OPA+PPA"
    assert image[1, 0, 1] == "PPA"
    assert image[3, 0, 0] == "n/a"


def test_without_regions_there_are_none(tmp_path):
    assert unit_rois(SPACE, None, "02", tmp_path) == ["n/a"] * 18


def test_problems_are_named(tmp_path, labels):
    (labels / "rois.tsv").write_text("index\tname\n3\tV1\n")
    with pytest.raises(CalcarineError, match=r"rois\.tsv has no name for the labels \[7\]"):
        unit_rois(SPACE, labels, "02", tmp_path)
    (labels / "rois.tsv").write_text("label\tname\n3\tV1\n")
    with pytest.raises(CalcarineError, match=r"lacks the columns \['index'\]"):
        unit_rois(SPACE, labels, "02", tmp_path)
    (labels / "rois.tsv").unlink()
    with pytest.raises(CalcarineError, match="no table of names beside it"):
        unit_rois(SPACE, labels / "sub-{subject}_rois.nii.gz", "02", tmp_path)
    with pytest.raises(CalcarineError, match="is not there"):
        unit_rois(SPACE, labels / "sub-{subject}_rois.nii.gz", "03", tmp_path)
    write(labels / "sub-02_rois.nii.gz", np.zeros((4, 3, 3)))
    (labels / "rois.tsv").write_text("index\tname\n3\tV1\n")
    with pytest.raises(CalcarineError, match=r"has the shape \(4, 3, 3\)"):
        unit_rois(SPACE, labels, "02", tmp_path)
