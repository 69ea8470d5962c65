"""Readers of Generic Object Decoding and BOLD5000 against files written from their layouts."""

import h5py
import nibabel
import numpy as np
import pytest
from fixtures.object_releases import (
    write_bold5000,
    write_object_pictures,
    write_object_subject,
)

from calcarine.data.betas.bold5000 import Bold5000Reading, convert_bold5000, open_bold5000
from calcarine.data.betas.generic_object_decoding import (
    convert_generic_object_decoding,
    open_generic_object_decoding,
)
from calcarine.data.betas.ready_betas import betas_trials
from calcarine.data.errors import CalcarineError
from calcarine.data.splits import hold_out
from calcarine.data.stimuli import read_stimuli


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    root = tmp_path_factory.mktemp("god")
    train, test = write_object_pictures(root / "pictures")
    voxels = write_object_subject(root / "Subject2.h5", train, test)
    return root, voxels


def test_object_decoding_samples(objects):
    root, voxels = objects
    betas = open_generic_object_decoding(root, root / "pictures", "02", "VC")
    assert len(betas.events) == 1200 + 150 + 50
    assert betas.events["phase"].value_counts().to_dict() == {
        "train": 1200,
        "test": 150,
        "unused": 50,
    }
    assert betas.session_sizes == [1200, 150, 50]
    values = np.concatenate([read() for read in betas.sessions])
    np.testing.assert_allclose(values, voxels[:, [1, 2, 4, 5]], rtol=1e-6)
    assert betas.units["roi"].tolist() == ["V1+V2", "V2", "n/a", "n/a"]
    assert betas.units["x"].tolist() == [3.0, 6.0, 12.0, 15.0]
    assert betas.events["stimulus_id"][0] == "n01440001_10"
    assert betas.events["stimulus_id"][1200] == "n01440500_10"


def test_object_decoding_trials_can_be_split(objects, tmp_path):
    root, _ = objects
    convert_generic_object_decoding(root / "pictures", ("02",), tmp_path / "data")
    stimuli = tmp_path / "data" / "stimuli" / "stimuli.tsv"
    assert len(read_stimuli(stimuli)) == 1250
    betas = open_generic_object_decoding(root, root / "pictures", "02", "V1")
    trials = hold_out(betas_trials(betas, "02", stimuli), "declared", 0, declared="phase")
    concepts = {s: set(trials.loc[trials["split"] == s, "concept"]) for s in ("train", "test")}
    assert not concepts["train"] & concepts["test"]
    assert trials.groupby("split")["repeat"].max()["test"] == 3
    assert (trials["session"] == "imagery").sum() == (trials["split"] == "unused").sum() == 50


def test_object_decoding_errors(objects, tmp_path):
    root, _ = objects
    pictures = root / "pictures"
    with pytest.raises(CalcarineError, match=r"\['VC', 'V1', 'V2'\]"):
        open_generic_object_decoding(root, pictures, "02", "FFA2")
    with pytest.raises(CalcarineError, match="Subject1.h5 cannot be read"):
        open_generic_object_decoding(root, pictures, "01", "VC")
    with pytest.raises(CalcarineError, match="has the subjects"):
        open_generic_object_decoding(root, pictures, "06", "VC")
    with pytest.raises(CalcarineError, match="source.pictures"):
        open_generic_object_decoding(root, tmp_path, "02", "VC")
    with h5py.File(tmp_path / "Subject2.h5", "w") as file:
        file["other"] = [1]
    with pytest.raises(CalcarineError, match="expected `dataset` and `metadata`"):
        open_generic_object_decoding(tmp_path, pictures, "02", "VC")


@pytest.fixture(scope="module")
def bold(tmp_path_factory):
    root = tmp_path_factory.mktemp("bold5000")
    return root, *write_bold5000(root)


def bold_reading(root, **keys) -> Bold5000Reading:
    return Bold5000Reading(root, root / "stimuli", **{"subject": "CSI4", **keys})


def test_bold5000_values_and_places(bold):
    root, _, stored = bold
    betas = open_bold5000(bold_reading(root, rois=root / "rois"))
    mask_image = nibabel.load(root / "CSI4_brainmask.nii.gz")
    mask = mask_image.get_fdata() > 0
    values = np.concatenate([read() for read in betas.sessions])
    np.testing.assert_allclose(values, stored[mask].T, rtol=1e-6)
    place = np.argwhere(mask)
    np.testing.assert_allclose(betas.units[["x", "y", "z"]], 2.0 * place - 10)
    assert ((betas.units["roi"] == "LHEarlyVis") == (place[:, 0] < 2)).all()


def test_bold5000_events_and_stimuli(bold, tmp_path):
    root, names, _ = bold
    reading = bold_reading(root)
    betas = open_bold5000(reading)
    assert betas.events["session"].nunique() == 9
    assert betas.events["onset"].max() == 360
    repeated = betas.events.query("phase == 'test'")
    assert repeated["stimulus_id"].unique().tolist() == [names[-1].removeprefix("rep_")[:-4]]
    assert len(repeated) == 5
    convert_bold5000([reading], tmp_path / "data")
    stimuli = tmp_path / "data" / "stimuli" / "stimuli.tsv"
    table = read_stimuli(stimuli).set_index("stimulus_id")
    assert table.loc["n01440764_3", "concept"] == "n01440764"
    assert table.loc["COCO_train2014_000000000003", "concept"] == "n/a"
    trials = betas_trials(betas, "CSI4", stimuli)
    assert trials["trial_id"].is_unique
    assert trials["stimulus_sha"].nunique() == trials["stimulus_id"].nunique()


def test_bold5000_errors(bold, tmp_path):
    root, names, _ = bold
    with pytest.raises(CalcarineError, match="lacks 15 of 15 sessions"):
        open_bold5000(bold_reading(root, subject="CSI1"))
    with pytest.raises(CalcarineError, match="has the subjects"):
        open_bold5000(bold_reading(root, subject="01"))
    with pytest.raises(CalcarineError, match="has no mask of CSI4"):
        open_bold5000(bold_reading(root, rois=root / "stimuli"))
    with pytest.raises(CalcarineError, match="lacks 329 of 329 pictures"):
        convert_bold5000([Bold5000Reading(root, tmp_path, "CSI4")], tmp_path / "data")
    file = root / "CSI4_imgnames.txt"
    try:
        file.write_text("\n".join(names[:-1]))
        with pytest.raises(CalcarineError, match=r"333 trials, its list of pictures 332"):
            open_bold5000(bold_reading(root))
    finally:
        file.write_text("\n".join(names))
