import gzip
import re
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from calcarine.data.bids import find_runs
from calcarine.data.digests import file_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.fmri import open_space, prepare_fmri
from calcarine.data.fmri_trials import FmriReading, read_fmri_trials
from calcarine.data.glm import GlmModel
from calcarine.data.phantom import bids_fmri
from calcarine.data.phantom.bids_fmri import write_shared, write_subject
from calcarine.data.phantom.bold import MOTION
from calcarine.data.phantom.experiment import plan_runs
from calcarine.data.phantom.truth import COLUMNS, read_truth, truth_table
from calcarine.data.splits import hold_out
from calcarine.data.stimuli import read_stimuli, stimulus_shas


def hashes(root: Path) -> dict[str, str]:
    files = [p for p in root.rglob("*") if p.is_file()]
    return {p.relative_to(root).as_posix(): file_sha(p) for p in files}


def reading_of(root: Path) -> FmriReading:
    return FmriReading(
        bids=root,
        subject="01",
        task="scenes",
        stimuli=root / "stimuli" / "stimuli.tsv",
        responses=GlmModel(hrf="glover"),
        rois=Path("{bids}/derivatives/rois/sub-{subject}_rois.nii.gz"),
        confounds=MOTION,
    )


def test_the_same_seed_gives_the_same_bytes(dataset, experiment, tmp_path):
    write_shared(tmp_path, experiment, ["01"])
    write_subject(tmp_path, experiment, "01")
    assert hashes(tmp_path) == hashes(dataset)


def test_compressed_files_hold_neither_time_nor_name(dataset):
    for path in dataset.rglob("*.nii.gz"):
        header = path.read_bytes()[:10]
        assert header[3] == 0, "no name"
        assert header[4:8] == b"\0\0\0\0", "no time"


def test_file_names_are_bids(dataset):
    names = sorted(p.relative_to(dataset).as_posix() for p in (dataset / "sub-01").rglob("*.*"))
    stem = r"sub-01/ses-\d\d/func/sub-01_ses-\d\d_task-scenes_run-\d\d"
    endings = r"(_bold\.nii\.gz|_events\.tsv|_desc-confounds_timeseries\.tsv)"
    mask = r"sub-01/sub-01_desc-brain_mask\.nii\.gz"
    assert all(re.fullmatch(f"{stem}{endings}|{mask}", name) for name in names)
    for name in ("dataset_description.json", "participants.tsv", "task-scenes_bold.json"):
        assert (dataset / name).is_file()


def test_the_official_validator_agrees(dataset):
    validator = pytest.importorskip("bids_validator").BIDSValidator()
    for path in dataset.rglob("*"):
        name = "/" + path.relative_to(dataset).as_posix()
        ours = name.startswith(("/derivatives", "/stimuli", "/.bidsignore")) or "_desc-" in name
        if path.is_file() and not ours:
            assert validator.is_bids(name), name


def test_the_ordinary_reader_reads_it(dataset, experiment, scenes):
    runs, trials = read_fmri_trials(reading_of(dataset))
    planned = plan_runs(experiment, "01", scenes.table)
    assert [(r.files.session, r.files.run) for r in runs] == [(p.session, p.run) for p in planned]
    assert trials["stimulus_id"].tolist() == [i for p in planned for i in p.stimulus_ids]
    np.testing.assert_allclose(trials["onset_s"], np.concatenate([p.onsets_s for p in planned]))
    assert runs[0].timing.tr_s == experiment.tr_s
    assert all(r.confounds is not None for r in find_runs(dataset, "01", "scenes"))


def test_test_and_training_pictures_differ_by_content(dataset):
    table = read_stimuli(dataset / "stimuli" / "stimuli.tsv")
    shas = stimulus_shas(table, dataset / "stimuli").to_numpy()
    test = (table["phase"] == "test").to_numpy()
    assert test.sum() == 12
    assert not set(shas[test]) & set(shas[~test])


def test_units_and_regions_are_those_of_the_truth(dataset):
    reading = reading_of(dataset)
    runs, trials = read_fmri_trials(reading)
    trials = hold_out(trials, "declared", 0, declared="phase")
    responses, quality = prepare_fmri(reading, runs, trials)
    truth = read_truth(dataset, "01")
    place = ["i", "j", "k", "x", "y", "z"]
    np.testing.assert_allclose(responses.units[place], truth[place])
    assert responses.units["roi"].tolist() == truth["roi"].tolist()
    assert quality["n_units_in_mask"] == len(truth)


def test_truth_survives_the_disk(dataset, cortex):
    truth = read_truth(dataset, "01")
    assert list(truth.columns) == list(COLUMNS)
    expected = truth_table(cortex, truth[["ncsnr", "noise_ceiling_1", "noise_ceiling_n"]])
    for name in COLUMNS:
        if truth[name].dtype.kind == "f":
            np.testing.assert_allclose(truth[name], expected[name].astype(float), rtol=1e-5)
        else:
            assert truth[name].tolist() == expected[name].tolist(), name


def test_without_amplitude_a_recording_holds_nothing_but_its_noise(dataset, experiment, tmp_path):
    silent = replace(experiment, amplitude=0.0)
    write_shared(tmp_path, silent, ["01"])
    write_subject(tmp_path, silent, "01")
    truth = read_truth(tmp_path, "01")
    assert (truth["noise_ceiling_n"] == 0).all()
    tuned = (truth["tuned_to"] != "none").to_numpy()
    reading = reading_of(tmp_path)
    space = open_space(reading, read_fmri_trials(reading)[0])
    pairs = zip(*(find_runs(r, "01", "scenes") for r in (dataset, tmp_path)), strict=True)
    for shown, nothing in pairs:
        # the same noise with and without signal: only tuned voxels differ
        same = (space.read(shown) == space.read(nothing)).all(axis=0)
        np.testing.assert_array_equal(same, ~tuned)


def test_a_broken_simulation_leaves_no_half_subject(dataset, experiment, tmp_path, monkeypatch):
    write_shared(tmp_path, experiment, ["01"])
    simulate, seen = bids_fmri.simulate_run, []

    def stops_in_the_third_run(*arguments):
        seen.append(1)
        if len(seen) == 3:
            raise RuntimeError("power cut")
        return simulate(*arguments)

    monkeypatch.setattr(bids_fmri, "simulate_run", stops_in_the_third_run)
    with pytest.raises(RuntimeError, match="power cut"):
        write_subject(tmp_path, experiment, "01")
    assert not list(tmp_path.glob("*sub-01*"))


def test_bold_files_are_whole_and_small(dataset):
    for run in find_runs(dataset, "01", "scenes"):
        image = nibabel.load(run.bold[0])
        raw = gzip.decompress(run.bold[0].read_bytes())
        assert len(raw) == 352 + 2 * np.prod(image.shape)
        assert run.bold[0].stat().st_size < len(raw) / 10


def test_absent_truth_is_named(tmp_path):
    with pytest.raises(CalcarineError, match="only a phantom has a known truth"):
        read_truth(tmp_path, "01")
