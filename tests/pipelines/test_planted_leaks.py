"""Planted leaks, one case each: the study without it is clean, with it the workflow stops.

`LEAKS` names them all; docs/honest-numbers.md lists the same names with what catches each.
"""

import re
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from fixtures.leak_study import (
    DISGUISES,
    PHASE,
    add_stimulus,
    bold,
    configured,
    leak_study,
    plant_copy,
    show,
    write_run,
)
from fixtures.step_leaks import STEP_LEAKS
from fixtures.tree_leaks import TREE_LEAKS
from PIL import Image

from calcarine.data.copied_recordings import same_responses
from calcarine.data.errors import CalcarineError
from calcarine.data.leaks import find_leaks
from calcarine.pipelines import prepare
from calcarine.pipelines.check import check_config
from calcarine.pipelines.config import dump_config
from calcarine.pipelines.leak_check import check_responses

ROOT = Path(__file__).resolve().parents[2]


def concept_again(config, root):
    add_stimulus(config, "new", noise_picture(), concept="cat")
    show(config, "03", "new")
    return configured(root, ("concept",))


def concept_otherwise(config, root):
    add_stimulus(config, "new", noise_picture(), concept="Cats ")
    show(config, "03", "new")
    return configured(root, ("concept",))


def noise_picture():
    pixels = np.random.default_rng(3).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def windows(config, root):
    add_stimulus(config, "new", noise_picture())
    show(config, "01", "new", "test", onset=40.0)
    return configured(root, ("stimulus", "window"))


def one_run(config, root):
    add_stimulus(config, "new", noise_picture())
    show(config, "01", "new", "test", onset=94.0)
    return configured(root, ("stimulus", "run"))


def one_session(config, root):
    folder = bold(config, "01").parent
    for run, session, new in (("01", "01", "01"), ("02", "02", "01"), ("03", "01", "02")):
        own = folder.parent / f"ses-{session}" / "func"
        own.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(f"*run-{run}_*"):
            path.rename(
                own / f"sub-01_ses-{session}_task-look_run-{new}_{path.name.split('_', 3)[3]}"
            )
    folder.rmdir()
    return configured(root, ("stimulus", "session"))


def one_block(config, root):
    add_stimulus(config, "new", noise_picture(), concept="cup")
    show(config, "01", "new", "test", onset=94.0)
    return configured(root, ("stimulus", "block"))


def validation_from_test(config, root):
    show(config, "02", "s6")


def validation_from_training(config, root):
    show(config, "02", "s1")


def repeats_apart(config, root):
    show(config, "01", "s6")


def copied_run(config, root):
    bold(config, "03").write_bytes(bold(config, "01").read_bytes())


def converted_run(config, root):
    image = nibabel.load(bold(config, "01"))
    data = np.asarray(image.dataobj)
    bold(config, "03").unlink()
    again = bold(config, "03").with_name(bold(config, "03").name.removesuffix(".gz"))
    nibabel.Nifti1Image(data, image.affine).to_filename(again)


STUDY_LEAKS = {
    **{
        name: (
            lambda config, root, name=name: plant_copy(config, name),
            r"stimulus other = s1 stands on both sides \(test and training\)"
            if name == "renamed-copy"
            else r"pictures of stimulus other and stimulus s1 look the same .*test and training",
        )
        for name in DISGUISES
    },
    "concept-on-both-sides": (concept_again, r"concept cat stands on both sides"),
    "concept-under-another-spelling": (concept_otherwise, r"concept Cats.*spelled 'cat' there"),
    "overlapping-windows": (windows, r"windows of test trial .* and training trial .* overlap"),
    "run-on-both-sides": (one_run, r"run 01 stands on both sides"),
    "session-on-both-sides": (one_session, r"session 01 stands on both sides"),
    "block-cut-in-two": (one_block, r"a block of 2 trials of concept cup stands on both"),
    "validation-drawn-from-test": (
        validation_from_test,
        r"stimulus s6 = s6 stands on both sides \(test and validation\)",
    ),
    "validation-drawn-from-training": (
        validation_from_training,
        r"stimulus s1 = s1 stands on both sides \(validation and training\)",
    ),
    "repeats-on-both-sides": (repeats_apart, r"stimulus s6 = s6 .*\(test and training\)"),
    "run-filed-twice": (copied_run, r"run sub-01_run-03 is a copy of run sub-01_run-01"),
    "run-converted-again": (
        converted_run,
        r"responses equal those of another trial to the last bit: sub-01_run-01_trial-0001 and "
        r"sub-01_run-03_trial-0001",
    ),
}


def straddling_group():
    trials = pd.DataFrame({"trial_id": ["a", "b"], "split": ["train", "test"]})
    names = ("subject", "session", "run", "concept")
    trials = trials.assign(**dict.fromkeys(names, "1"), onset_s=[0.0, 9.0])
    trials = trials.assign(stimulus_id=["x", "y"], stimulus_sha=["X", "Y"], split_group="day-1")
    return find_leaks(trials, ("stimulus",), (0.0, 1.0))


def trial_listed_twice():
    values = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    trials = pd.DataFrame({"trial_id": [f"t{i}" for i in range(6)]})
    check_responses(values, trials)
    values[4] = values[1]
    try:
        check_responses(values, trials)
    except CalcarineError as error:
        return [str(error)]
    return []


TABLE_LEAKS = {
    "split-group-that-straddles": (straddling_group, r"split group day-1 stands on both sides"),
    "trial-listed-twice": (trial_listed_twice, r"1 trials whose responses equal .*t1 and t4"),
}

# leaks that a step's own test catches
TESTED_ELSEWHERE = {
    "response-shape-chosen-on-test": (
        "tests/data/test_fmri.py::test_shapes_are_chosen_without_the_test_runs"
    ),
    "stimulus-tested-here-trained-there": (
        "tests/pipelines/test_decode.py::"
        "test_a_stimulus_tested_in_one_subject_and_trained_on_in_another"
    ),
    "metric-read-upstream": (
        "tests/pipelines/test_workflow.py::test_nothing_upstream_depends_on_a_test_metric"
    ),
    "film-cut-through-its-runs": (
        "tests/pipelines/test_film.py::test_stretches_with_neighbours_on_both_sides_are_refused"
    ),
    "picture-chosen-by-its-target": (
        "tests/pipelines/test_reconstruct.py::test_only_ceilings_know_the_truth"
    ),
    "nearest-picture-from-test": (
        "tests/pipelines/test_reconstruct.py::"
        "test_nearest_training_picture_is_one_of_the_training_pictures"
    ),
}
LEAKS = {**STUDY_LEAKS, **TABLE_LEAKS, **TREE_LEAKS, **STEP_LEAKS, **TESTED_ELSEWHERE}


@pytest.fixture
def study(tmp_path):
    return leak_study(tmp_path)


def test_the_study_without_leaks_is_prepared(study, tmp_path):
    prepare.run(study, "01")
    for unit in ("concept", "block"):
        prepare.run(configured(tmp_path, ("stimulus", unit)), "01")


@pytest.mark.parametrize("name", STUDY_LEAKS)
def test_a_leak_in_the_data_stops_the_workflow(name, study, tmp_path):
    plant, message = STUDY_LEAKS[name]
    config = plant(study, tmp_path) or study
    with pytest.raises(CalcarineError, match=message) as caught:
        prepare.run(config, "01")
    assert "the leak check found" in str(caught.value)
    assert not config.layout.responses("01").exists()
    path = tmp_path / "study.yaml"
    path.write_text(dump_config(config))
    problems, _ = check_config(path)
    # what a run was converted from is seen in the responses alone, which `check` does not estimate
    seen = name == "run-converted-again" or any(re.search(message, p) for p in problems)
    assert seen, problems


@pytest.mark.parametrize("name", TABLE_LEAKS)
def test_a_leak_in_a_table_is_named(name):
    plant, message = TABLE_LEAKS[name]
    assert re.search(message, "\n".join(plant()))


@pytest.mark.parametrize("name", TREE_LEAKS)
def test_a_leak_between_people_or_from_a_bank_stops_the_step(name, tmp_path):
    plant, message = TREE_LEAKS[name]
    clean, leaky = plant(tmp_path)
    clean()
    with pytest.raises(CalcarineError, match=message):
        leaky()


@pytest.mark.parametrize("name", STEP_LEAKS)
def test_a_leak_in_a_step_shows_in_what_it_writes(name, tmp_path, monkeypatch):
    """The step is honest; with the leak planted in its code, the same probe sees the test data."""
    run, probe, plant = STEP_LEAKS[name](tmp_path)
    first = run()
    probe()
    assert run() == first
    plant(monkeypatch)
    leaky = run()
    probe()
    assert run() != leaky


@pytest.mark.parametrize("name", TESTED_ELSEWHERE)
def test_a_leak_is_caught_by_a_test_of_the_step(name):
    path, test = TESTED_ELSEWHERE[name].split("::")
    assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_there_are_more_than_twenty():
    assert len(LEAKS) >= 20


def test_a_known_pair_passes_and_the_report_says_so(study, tmp_path):
    plant_copy(study, "resized-copy")
    allowed = configured(tmp_path, ("stimulus", "run", "window"), allowed_pairs=[["s1", "other"]])
    prepare.run(allowed, "01")
    assert '"The leak check let s1 and other stand' in allowed.layout.quality("01").read_text()
    unknown = configured(tmp_path, ("stimulus",), allowed_pairs=[["s1", "nobody"]])
    with pytest.raises(CalcarineError, match=r"allowed_pairs names \['nobody'\]"):
        prepare.run(unknown, "01")


def test_a_renamed_copy_cannot_be_allowed(study, tmp_path):
    plant_copy(study, "renamed-copy")
    allowed = configured(tmp_path, ("stimulus",), allowed_pairs=[["s1", "other"]])
    with pytest.raises(CalcarineError, match="stimulus other = s1"):
        prepare.run(allowed, "01")


def test_runs_of_different_people_are_compared_too(study, tmp_path):
    rng = np.random.default_rng(5)
    for run, names in (("01", ("s0", "s1")), ("02", ("s3",)), ("03", ("s6",))):
        write_run(study.bids, "02", run, names, PHASE[run], rng)
    own = bold(study, "02")
    (study.bids / "sub-02" / "func" / own.name.replace("sub-01", "sub-02")).write_bytes(
        own.read_bytes()
    )
    path = tmp_path / "study.yaml"
    path.write_text(dump_config(study.model_copy(update={"subjects": ("01", "02")})))
    problems, _ = check_config(path)
    assert len(problems) == 1
    assert "run sub-02_run-02 is a copy of run sub-01_run-02" in problems[0]


def test_equal_responses_are_found_whatever_the_subject(rng):
    values = {s: rng.normal(size=(4, 3)).astype(np.float32) for s in ("01", "02")}
    names = {s: np.array([f"{s}-{i}" for i in range(4)]) for s in values}
    assert same_responses(values, names) == []
    values["02"][2] = values["01"][3]
    assert same_responses(values, names) == [("01-3", "02-2")]
    values["01"][:] = 0
    assert same_responses(values, names) == []


def test_the_page_on_honest_numbers_lists_every_leak_and_no_other():
    page = (ROOT / "docs" / "honest-numbers.md").read_text(encoding="utf-8")
    table = page.split("## Planted leaks")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == set(LEAKS)
    for name, test in TESTED_ELSEWHERE.items():
        assert f"| `{name}` | `{test}` |" in table
