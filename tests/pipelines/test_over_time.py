import numpy as np
import pytest
from fixtures.sensor_tree import N_TEST, build_sensor_tree, configuration

from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import read_predictions
from calcarine.pipelines import over_time
from calcarine.pipelines.evaluate_over_time import over_time_results
from calcarine.pipelines.steps import STEPS, settings_digest


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    config = configuration(tmp_path_factory.mktemp("waves"))
    build_sensor_tree(config)
    for name in config.over_time:
        over_time.run(config, "01", name)
    return config


def named(scores, metric, model=None):
    return next(s for s in scores if s.metric == metric and model in (None, s.model))


def test_the_peak_stands_where_it_was_planted(tree):
    late, _ = over_time_results(tree, "01", "late", "test")
    peak = named(late, "peak_latency_s")
    assert abs(peak.value - 0.3) <= 0.03
    assert peak.ci_low <= 0.3 + 0.03
    assert peak.ci_high >= 0.3 - 0.03
    category, _ = over_time_results(tree, "01", "category", "test")
    peak = named(category, "peak_latency_s")  # twelve items: a coarse curve
    assert peak.ci_low <= 0.1 <= peak.ci_high
    assert peak.ci_high < 0.2


def test_before_onset_there_is_nothing(tree):
    scores, rows = over_time_results(tree, "01", "clip", "test")
    share = named(scores, "share_above_chance_before_onset")
    before = [
        r
        for r in rows
        if r.window == "sliding" and r.stop_s <= 0 and r.model == "clip" and "dprime" in r.metric
    ]
    assert share.n_items == len(before) == 4
    assert share.value == np.mean([r.ci_low > 0 for r in before])
    assert share.value <= 0.25
    corrected = named(scores, "share_above_chance_before_onset_corrected")
    assert (corrected.value, corrected.n_items, corrected.chance) == (0, 4, 0.05)
    assert "correction for 4 windows (largest statistic" in corrected.note
    assert named(scores, "onset_latency_s").value > 0


def test_windows_stand_side_by_side(tree):
    scores, rows = over_time_results(tree, "01", "clip", "test")
    by_protocol = {s.protocol: s for s in scores if s.metric == "brain_to_image_dprime_centred"}
    assert set(by_protocol) == {"calcarine-onset-locked", "calcarine-full-window"}
    assert "window 0 to 0.68 s" in by_protocol["calcarine-onset-locked"].note
    assert "window -0.08 to 0.68 s" in by_protocol["calcarine-full-window"].note
    # controls stand beside them
    names = {s.model for s in scores if s.protocol == "calcarine-full-window"}
    assert names == {"clip", "clip/shuffled-brain"}
    growing = [r.stop_s for r in rows if r.window == "growing" and r.model == "clip"]
    assert len(set(growing)) == 8
    assert max(growing) == pytest.approx(0.68)


def test_early_and_late_codes_do_not_generalise(tree):
    _, rows = over_time_results(tree, "01", "clip", "test")
    crossed = {
        (round(r.train_start_s, 3), round(r.start_s, 3)): r.value
        for r in rows
        if r.window == "crosswise" and "dprime" in r.metric
    }
    n = int(np.sqrt(len(crossed)))
    assert n * n == len(crossed)
    same = crossed[0.08, 0.08]
    assert same > 1
    assert crossed[0.08, 0.28] < same / 2


def test_what_is_stored(tree):
    found = read_predictions(tree.layout.prediction("01", "over-time-clip"))
    sliding = found.items[found.items["window"] == "sliding"]
    n_windows = sliding[["start_s", "stop_s"]].drop_duplicates().shape[0]
    assert len(sliding) == n_windows * N_TEST * 2
    assert found.sidecar["target"] == "clip"


def test_wrong_calls_are_refused(tree, tmp_path):
    with pytest.raises(CalcarineError, match=r"no entry 'clap'; it has \['clip'"):
        over_time.run(tree, "01", "clap")
    with pytest.raises(CalcarineError, match=r"over_time\.clip\.target names 'nothing'"):
        configuration(tmp_path, over_time={"clip": {"target": "nothing"}})


def test_the_step_knows_what_it_depends_on(tree):
    assert STEPS["over-time"].arguments == ("subject", "name")
    other = configuration(tree.layout.out, over_time={"clip": {"target": "clip", "step_s": 0.1}})
    assert settings_digest("over-time", tree, "clip") != settings_digest("over-time", other, "clip")
