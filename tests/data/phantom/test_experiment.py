from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from calcarine.data.digests import array_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.experiment import Experiment, draw_onsets, draw_scenes, plan_runs
from calcarine.data.phantom.scenes import HELD_OUT


def test_no_picture_is_shown_in_both_phases(scenes):
    hashes = [array_sha(picture) for picture in scenes.pictures]
    assert len(set(hashes)) == len(hashes) == 72
    assert scenes.table["phase"].tolist() == ["train"] * 60 + ["test"] * 12


def test_held_out_combinations_are_test_scenes_only(scenes):
    table = scenes.table
    held_out = [pair in HELD_OUT for pair in zip(table["category"], table["colour"], strict=True)]
    assert ((table["combination"] == "held-out") == held_out).all()
    assert table.loc[held_out, "phase"].tolist() == ["test"] * 5


def test_every_scene_is_shown_as_often_as_planned(experiment, scenes):
    runs = plan_runs(experiment, "01", scenes.table)
    shown = Counter(i for run in runs for i in run.stimulus_ids)
    phase = dict(zip(scenes.table["stimulus_id"], scenes.table["phase"], strict=True))
    assert set(shown) == set(phase)
    assert all(n == (1 if phase[i] == "train" else 2) for i, n in shown.items())
    for run in runs:
        assert {phase[i] for i in run.stimulus_ids} == {run.phase}
        assert run.n_trials <= experiment.trials_per_run


def test_runs_are_spread_over_sessions_and_numbered_within(experiment, scenes):
    runs = plan_runs(experiment, "01", scenes.table)
    for session in ("01", "02"):
        own = [run for run in runs if run.session == session]
        assert [run.run for run in own] == [f"{n:02d}" for n in range(1, len(own) + 1)]
        assert {run.phase for run in own} == {"train", "test"}


def test_a_default_test_run_shows_every_test_scene_once():
    experiment = Experiment(n_train=60, n_sessions=1)
    runs = plan_runs(experiment, "01", draw_scenes(experiment).table)
    test = [run for run in runs if run.phase == "test"]
    assert len(test) == 6
    assert all(len(set(run.stimulus_ids)) == 60 for run in test)


def test_subjects_see_the_same_scenes_in_another_order(experiment, scenes):
    one, other = (plan_runs(experiment, s, scenes.table) for s in ("01", "02"))
    orders = [[i for run in runs for i in run.stimulus_ids] for runs in (one, other)]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_no_scene_comes_twice_in_a_row():
    experiment = Experiment(n_train=60, n_test=12, n_held_out=0, n_test_repeats=40, n_sessions=1)
    runs = plan_runs(experiment, "01", draw_scenes(experiment).table)
    for run in runs:
        assert all(a != b for a, b in zip(run.stimulus_ids, run.stimulus_ids[1:], strict=False))


@pytest.mark.parametrize("n_trials", [1, 2, 10, 59, 60])
def test_onsets_keep_their_mean_interval(n_trials, rng):
    onsets = draw_onsets(n_trials, 4.0, rng)
    assert len(onsets) == n_trials
    if n_trials > 1:
        assert np.diff(onsets).mean() == pytest.approx(4.0, abs=1e-3)
        assert np.diff(onsets).min() > 2.5
    assert draw_onsets(n_trials, 4.0, rng)[-1] == pytest.approx(onsets[-1], abs=2e-3)


def test_the_last_response_is_measured(experiment, scenes):
    for run in plan_runs(experiment, "01", scenes.table):
        assert run.n_volumes * experiment.tr_s >= run.onsets_s[-1] + 16


def test_impossible_experiments_are_refused(experiment, scenes):
    with pytest.raises(CalcarineError, match="n_held_out is 13, but there are only 12 test"):
        draw_scenes(replace(experiment, n_held_out=13))
    with pytest.raises(CalcarineError, match="n_sessions is 9, but 60 training trials fill 3 runs"):
        plan_runs(replace(experiment, n_sessions=9), "01", scenes.table)
