import json
import shutil

import pytest

from calcarine.data.bids import find_runs
from calcarine.data.bids_names import entities_of, same_label
from calcarine.data.errors import CalcarineError


def touch(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def raw(tmp_path):
    root = tmp_path / "raw"
    for run in ("1", "2", "10"):
        stem = root / "sub-03" / "func" / f"sub-03_task-look_run-{run}"
        touch(stem.with_name(stem.name + "_bold.nii.gz"))
        touch(stem.with_name(stem.name + "_events.tsv"))
    touch(root / "sub-03" / "sub-03_scans.tsv", "filename\tacq_time\n")
    touch(root / "task-look_bold.json", json.dumps({"RepetitionTime": 2.0, "TaskName": "look"}))
    return root


@pytest.fixture
def fmriprep(tmp_path, raw):
    root = tmp_path / "fmriprep"
    for run in ("1", "2", "10"):
        stem = f"sub-03_task-look_run-{run}"
        func = root / "sub-03" / "func"
        for space in ("T1w", "MNI152NLin6Asym_res-2"):
            touch(func / f"{stem}_space-{space}_desc-preproc_bold.nii.gz")
            touch(func / f"{stem}_space-{space}_desc-brain_mask.nii.gz")
            touch(func / f"{stem}_space-{space}_boldref.nii.gz")
        for hemi in "LR":
            touch(func / f"{stem}_hemi-{hemi}_space-fsaverage5_bold.func.gii")
        touch(
            func / f"{stem}_hemi-L_space-fsaverage5_bold.json", json.dumps({"RepetitionTime": 1.9})
        )
        touch(func / f"{stem}_desc-confounds_timeseries.tsv")
    return root


def test_raw_runs_are_found_in_order(raw):
    runs = find_runs(raw, "03", "look")
    assert [r.run for r in runs] == ["1", "2", "10"]
    assert {r.session for r in runs} == {"n/a"}
    assert runs[0].name == "sub-03_run-1"
    assert runs[0].metadata == {"RepetitionTime": 2.0, "TaskName": "look"}
    assert runs[2].events.name == "sub-03_task-look_run-10_events.tsv"
    assert runs[0].confounds is None
    assert runs[0].mask is None


def test_the_nearest_sidecar_wins(raw):
    touch(
        raw / "sub-03" / "func" / "sub-03_task-look_run-2_bold.json",
        json.dumps({"RepetitionTime": 3.0}),
    )
    assert [r.metadata["RepetitionTime"] for r in find_runs(raw, "03", "look")] == [2.0, 3.0, 2.0]


def test_events_are_inherited(raw):
    for path in (raw / "sub-03" / "func").glob("*_events.tsv"):
        path.unlink()
    touch(raw / "task-look_events.tsv")
    assert {r.events for r in find_runs(raw, "03", "look")} == {raw / "task-look_events.tsv"}


def test_apple_double_files_are_not_seen(raw):
    touch(raw / "sub-03" / "func" / "._sub-03_task-look_run-1_bold.nii.gz")
    assert len(find_runs(raw, "03", "look")) == 3


def test_derivatives_give_volumes_masks_and_confounds(raw, fmriprep):
    runs = find_runs(raw, "03", "look", fmriprep, "MNI152NLin6Asym:res-2")
    assert (
        runs[0].bold[0].name.endswith("run-1_space-MNI152NLin6Asym_res-2_desc-preproc_bold.nii.gz")
    )
    assert runs[0].mask.name.endswith("run-1_space-MNI152NLin6Asym_res-2_desc-brain_mask.nii.gz")
    assert runs[1].confounds.name == "sub-03_task-look_run-2_desc-confounds_timeseries.tsv"
    assert runs[1].events == raw / "sub-03" / "func" / "sub-03_task-look_run-2_events.tsv"
    assert runs[0].metadata["RepetitionTime"] == 2.0


def test_derivatives_give_surfaces(raw, fmriprep):
    runs = find_runs(raw, "03", "look", fmriprep, "fsaverage5")
    assert all(r.is_surface for r in runs)
    assert [p.name.split("_")[3] for p in runs[0].bold] == ["hemi-L", "hemi-R"]
    assert runs[0].metadata["RepetitionTime"] == 1.9


def test_old_confound_names_are_found(raw, fmriprep):
    func = fmriprep / "sub-03" / "func"
    for path in func.glob("*timeseries.tsv"):
        path.rename(func / path.name.replace("desc-confounds_timeseries", "bold_confounds"))
    runs = find_runs(raw, "03", "look", fmriprep, "T1w")
    assert runs[0].confounds.name == "sub-03_task-look_run-1_bold_confounds.tsv"


def test_the_space_must_be_said_where_there_are_several(raw, fmriprep):
    spaces = r"\['MNI152NLin6Asym:res-2', 'T1w', 'fsaverage5'\]"
    with pytest.raises(CalcarineError, match=spaces):
        find_runs(raw, "03", "look", fmriprep)
    with pytest.raises(CalcarineError, match=r"`recording\.space` is 'MNI305'"):
        find_runs(raw, "03", "look", fmriprep, "MNI305")


def test_a_missing_hemisphere_is_named(raw, fmriprep):
    (fmriprep / "sub-03/func/sub-03_task-look_run-2_hemi-R_space-fsaverage5_bold.func.gii").unlink()
    with pytest.raises(CalcarineError, match=r"run 2: expected one NIfTI file or the hemispheres"):
        find_runs(raw, "03", "look", fmriprep, "fsaverage5")


def test_two_files_for_one_run_are_refused(raw):
    touch(raw / "sub-03" / "func" / "sub-03_task-look_run-1_echo-2_bold.nii.gz")
    with pytest.raises(CalcarineError, match="run 1: expected one NIfTI"):
        find_runs(raw, "03", "look")


def test_a_run_with_events_and_no_bold_is_missing(raw):
    (raw / "sub-03" / "func" / "sub-03_task-look_run-2_bold.nii.gz").unlink()
    with pytest.raises(CalcarineError, match=r"BOLD file of run 2 is missing.* \['1', '10'\]"):
        find_runs(raw, "03", "look")


def test_a_gap_in_the_numbers_is_a_missing_run(raw):
    (raw / "sub-03" / "sub-03_scans.tsv").unlink()
    with pytest.raises(CalcarineError, match="BOLD file of run 03, 04, 05, 06, 07, 08, 09 is"):
        find_runs(raw, "03", "look")


def test_a_run_of_the_scans_table_that_is_not_there_is_missing(raw):
    touch(
        raw / "sub-03" / "sub-03_scans.tsv",
        "filename\nfunc/sub-03_task-look_run-1_bold.nii.gz\nfunc/sub-03_task-look_run-3_bold.nii.gz\n",
    )
    with pytest.raises(CalcarineError, match="BOLD file of run 3 is missing"):
        find_runs(raw, "03", "look")


def test_wanted_runs_are_taken_and_missed(raw):
    assert [r.run for r in find_runs(raw, "03", "look", runs=["01", "10"])] == ["1", "10"]
    with pytest.raises(CalcarineError, match="BOLD file of run 04 is missing"):
        find_runs(raw, "03", "look", runs=["01", "04"])


def test_a_run_without_events_is_named(raw):
    (raw / "sub-03" / "func" / "sub-03_task-look_run-2_events.tsv").unlink()
    with pytest.raises(CalcarineError, match=r"sub-03_task-look_run-2_bold\.nii\.gz has no events"):
        find_runs(raw, "03", "look")


def test_what_is_not_there_is_named(raw, tmp_path):
    with pytest.raises(CalcarineError, match=r"sub-04; it has \['sub-03'\]"):
        find_runs(raw, "04", "look")
    with pytest.raises(CalcarineError, match=r"task 'listen'; its tasks are \['look'\]"):
        find_runs(raw, "03", "listen")
    with pytest.raises(CalcarineError, match="is not there"):
        find_runs(tmp_path / "nowhere", "03", "look")
    with pytest.raises(CalcarineError, match=r"no session '01'.*it has \['n/a'\]"):
        find_runs(raw, "03", "look", sessions=["01"])


def test_sessions_are_chosen(raw):
    for session in ("a", "b"):
        folder = raw / "sub-03" / f"ses-{session}" / "func"
        for ending in ("bold.nii.gz", "events.tsv"):
            touch(folder / f"sub-03_ses-{session}_task-look_run-1_{ending}")
    shutil.rmtree(raw / "sub-03" / "func")
    assert [r.session for r in find_runs(raw, "03", "look")] == ["a", "b"]
    chosen = find_runs(raw, "03", "look", sessions=["b"])
    assert [r.name for r in chosen] == ["sub-03_ses-b_run-1"]


def test_a_broken_sidecar_is_named(raw):
    touch(raw / "task-look_bold.json", "{")
    with pytest.raises(CalcarineError, match=r"task-look_bold\.json is not JSON"):
        find_runs(raw, "03", "look")


def test_names_are_taken_apart():
    found = entities_of("sub-1_hemi-L_space-fsnative_bold.func.gii")
    assert found == {
        "sub": "1",
        "hemi": "L",
        "space": "fsnative",
        "suffix": "bold",
        "ending": ".func.gii",
    }


@pytest.mark.parametrize(
    ("a", "b", "same"), [("1", "01", True), ("a", "a", True), ("1", "10", False), ("1", "a", False)]
)
def test_labels(a, b, same):
    assert same_label(a, b) is same
