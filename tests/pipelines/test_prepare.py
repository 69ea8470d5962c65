import hashlib
import json
import re

import pandas as pd
import pytest
from fixtures.look_study import BREAKS, func, look_study

from calcarine.data.errors import CalcarineError
from calcarine.data.fmri_check import find_problems
from calcarine.data.responses import read_responses
from calcarine.pipelines import prepare
from calcarine.pipelines.config import parse_config
from calcarine.pipelines.fmri_reading import fmri_reading


@pytest.fixture
def config(tmp_path):
    return look_study(tmp_path)


def changed(config, **sections):
    raw = config.model_dump(mode="json")
    for name, values in sections.items():
        raw[name] = raw[name] | values
    return parse_config(raw, "test")


def test_what_is_written_is_read_again(config):
    prepare.run(config, "01")
    responses = read_responses(config.layout, "01")
    assert responses.values.shape == (15, 24)
    assert set(responses.trials["split"]) == {"train", "validation", "test"}
    by_stimulus = responses.trials.groupby("stimulus_sha")["split"].nunique()
    assert (by_stimulus == 1).all()
    assert responses.units["roi"].tolist() == ["n/a"] * 24
    quality = json.loads(config.layout.quality("01").read_text())
    assert quality["n_runs"] == 3
    assert quality["fd_mean_mm"] is None


def test_two_runs_give_the_same_bytes(config):
    prepare.run(config, "01")
    folder = config.layout.trials("01").parent
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    prepare.run(config, "01")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == first
    assert len(first) == 6


def test_subjects_draw_the_same_split(config):
    prepare.run(config, "01")
    trials = read_responses(config.layout, "01").trials
    again = prepare.declare_split(trials, config.split, config.seed)
    pd.testing.assert_series_equal(again["split"], trials["split"])
    other = trials.assign(subject="02")
    pd.testing.assert_series_equal(
        prepare.declare_split(other, config.split, config.seed)["split"], trials["split"]
    )


def test_a_renamed_copy_across_the_split_stops_the_step(config):
    """By run, a picture and its copy under another name stand on both sides."""
    stimuli = config.bids / "stimuli"
    (stimuli / "copy.png").write_bytes((stimuli / "s2.png").read_bytes())
    table = stimuli / "stimuli.tsv"
    table.write_text(table.read_text() + "copy\tcopy.png\tc0\n")
    for run, name in (("01", "s2"), ("02", "copy"), ("03", "s0")):
        path = func(config, f"run-{run}_events.tsv")
        path.write_text(f"onset\tduration\tstim_file\n4\t2\t{name}.png\n")
    leaky = changed(config, split={"by": "run", "test": ["02"], "validation": ["03"]})
    with pytest.raises(CalcarineError, match=r"stimulus copy = s2 stands on both sides"):
        prepare.run(leaky, "01")
    assert not config.layout.trials("01").exists()
    by_content = changed(config, split={"by": "stimulus", "test": 0.5, "validation": 0.0})
    prepare.run(by_content, "01")
    trials = read_responses(config.layout, "01").trials
    copies = trials[trials["stimulus_id"].isin(["s2", "copy"])]
    assert copies["split"].nunique() == 1


def test_what_was_made_survives_a_failing_run(config):
    prepare.run(config, "01")
    before = config.layout.responses("01").read_bytes()
    path = func(config, "run-02_bold.nii.gz")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CalcarineError, match="truncated or damaged"):
        prepare.run(config, "01")
    assert config.layout.responses("01").read_bytes() == before


@pytest.mark.parametrize("name", BREAKS)
def test_check_and_step_name_the_same_problem(config, name):
    damage, message = BREAKS[name]
    damage(config)
    problems, trials = find_problems(fmri_reading(config, "01"))
    assert trials is None
    assert len(problems) == 1
    assert re.search(message, problems[0])
    with pytest.raises(CalcarineError, match=message):
        prepare.run(config, "01")


def test_check_lists_all_problems_at_once(config):
    for name in ("truncated", "voxel", "picture", "events"):
        BREAKS[name][0](config)
    problems, _ = find_problems(fmri_reading(config, "01"))
    assert len(problems) == 4


def test_check_finds_nothing_wrong_with_good_data(config):
    problems, trials = find_problems(fmri_reading(config, "01"))
    assert problems == []
    assert len(trials) == 15


def test_the_hashes_of_what_was_read_are_written_down(config):
    prepare.run(config, "01")
    inputs = json.loads(config.layout.inputs("01").read_text())
    named = read_responses(config.layout, "01").sidecar["provenance"]
    assert named["bold"]
    assert {*named["bold"], *named["events"]} <= set(inputs)
    for name, sha in inputs.items():
        assert hashlib.sha256((config.bids / name).read_bytes()).hexdigest() == sha
    events = config.bids / named["events"][0]
    events.write_text(events.read_text() + "\n")
    prepare.run(config, "01")
    again = json.loads(config.layout.inputs("01").read_text())
    assert {n for n in again if again[n] != inputs[n]} == {named["events"][0]}
