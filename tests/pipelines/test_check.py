"""`calcarine check`: every problem by file and row, exit code 2, no traceback, nothing run."""

import re
import shutil
import subprocess
import sys

import pytest
from fixtures.look_study import BREAKS, look_study

from calcarine.pipelines.check import check_config
from calcarine.pipelines.config import dump_config


@pytest.fixture
def study(tmp_path):
    config = look_study(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_text(dump_config(config))
    return config, path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_good_data_have_a_plan_and_no_problem(study):
    config, path = study
    problems, plan = check_config(path)
    assert problems == []
    assert "15 trials, 24 units" in plan.makes[0]
    assert not config.layout.out.exists()


@pytest.mark.parametrize("name", BREAKS)
def test_damaged_data_are_named(study, name):
    config, path = study
    damage, message = BREAKS[name]
    damage(config)
    problems, _ = check_config(path)
    assert len(problems) == 1
    assert re.search(message, problems[0])


def break_key(config, path):
    edit(path, "task: look", "task: look\n  smooth_mm: 6")


def break_output(config, path):
    config.layout.out.write_text("a file where the tree should be")


def break_split(config, path):
    stimuli = config.bids / "stimuli"
    edit(path, "by: stimulus", "by: declared")
    edit(path, "column: null", "column: phase")
    shutil.copy(stimuli / "s1.png", stimuli / "renamed.png")
    table = stimuli / "stimuli.tsv"
    table.write_text(table.read_text() + "s9\trenamed.png\tc1\n")
    for run in ("01", "02", "03"):
        events = config.bids / "sub-01" / "func" / f"sub-01_task-look_run-{run}_events.tsv"
        head, *rows = events.read_text().splitlines()
        phase = "test" if run == "03" else "train"
        shown = [r.replace("s1.png", "renamed.png") if run == "03" else r for r in rows]
        shown = [r for r in shown if run != "03" or "renamed" in r]
        lines = [f"{head}\tphase", *(f"{r}\t{phase}" for r in shown)]
        events.write_text("\n".join(lines) + "\n")


def break_model(config, path):
    edit(path, "model: concept-codes", "model: calcarine:no-such-model")
    edit(path, "input: concepts", "input: pictures")


def break_data_set(config, path):
    shutil.rmtree(config.bids)


STUDY_BREAKS = {
    "key": (break_key, r"recording\.\S*smooth_mm: there is no such key"),
    "output": (break_output, r"out: .*/out is a file; expected a folder"),
    "split": (break_split, r"stimulus s9 = s1 stands on both sides|stimulus s1 = s9 stands on"),
    "model": (break_model, r"embeddings\.category: .*no embedding model 'no-such-model'"),
    "data set": (break_data_set, r"source\.path: the data set .* is not there"),
}


@pytest.mark.parametrize("name", STUDY_BREAKS)
def test_a_broken_study_ends_in_one_message_and_exit_code_2(study, name):
    config, path = study
    damage, message = STUDY_BREAKS[name]
    damage(config, path)
    done = subprocess.run(
        [sys.executable, "-m", "calcarine.pipelines", "check", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
