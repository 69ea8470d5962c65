"""The shipped THINGS configurations, walked from end to end on releases of few pictures."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from fixtures import things_releases

from calcarine.data.meeg import things_eeg2
from calcarine.data.scores import read_scores
from calcarine.data.trials import read_trials
from calcarine.pipelines.config import load_config, parse_config
from calcarine.pipelines.steps import run_step
from calcarine.pipelines.workflow import WORKFLOW, run_workflow

EEG_FACTS = things_eeg2.Facts(
    things_releases.EEG_TRAINING,
    things_releases.EEG_TEST,
    (2, 4),
    (4, 8),
    len(things_releases.EEG_CHANNELS),
    200.0,
)
SHIPPED = ("things_eeg2", "things_meg", "things_meg_epochs")


def small(name: str, release: Path, out: Path, subject: str, epochs=None) -> dict:
    """Point a shipped configuration to a small release; only sizes of training change."""
    raw = yaml.safe_load((WORKFLOW / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    raw |= {"out": str(out), "subjects": [subject]}
    raw["source"]["path"] = str(release)
    raw["embeddings"]["clip"] = {
        "model": f"given:{release / 'clip.npy'}",
        "rows": str(release / "clip.tsv"),
    }
    if epochs is not None:
        raw["recording"]["epochs"] |= epochs
    for decoder in raw["decode"].values():
        if decoder["kind"] == "sensor-contrastive":
            decoder |= {"n_epochs": 2, "batch_size": 16}
    raw["evaluate"] = {"n_bootstrap": 200}
    return raw


def walk(raw: dict):
    """Run every step of a configuration in this process."""
    config = parse_config(raw, raw["name"])
    run_step("source", config)
    run_step("embed", config, name="clip")
    for subject in config.subjects:
        run_step("source", config, subject=subject)
        run_step("prepare", config, subject=subject)
        for name in config.encode:
            run_step("encode", config, subject=subject, name=name)
        for name, section in config.decode.items():
            if section.subjects == "each":
                run_step("decode", config, subject=subject, name=name)
        for name in config.over_time:
            run_step("over-time", config, subject=subject, name=name)
    for name, section in config.decode.items():
        if section.subjects == "all":
            run_step("decode-group", config, name=name)
    for subject in config.subjects:
        run_step("evaluate", config, subject=subject)
        run_step("report", config, subject=subject)
    run_step("index", config)
    return config


def score(config, subject, metric="brain_to_image_top1_centred"):
    table = read_scores(config.layout.metrics(subject))
    chosen = (table["stage"] == "decode") & (table["metric"] == metric)
    own = table[chosen & (table["protocol"] == "calcarine") & (table["split"] == "test")]
    return own.sort_values("n_repeats").groupby("model").last()  # all repeats averaged


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configurations_are_valid(name):
    assert load_config(WORKFLOW / "config" / f"{name}.yaml").source.kind.startswith("things-")


def test_no_shipped_configuration_weighs_the_samples_of_sensors(monkeypatch):
    monkeypatch.setenv("CALCARINE_SHARED", "anywhere")
    sensors = 0
    for path in sorted((WORKFLOW / "config").glob("*.yaml")):
        config = load_config(path)
        if config.recording.modality in ("eeg", "meg", "epochs"):
            sensors += 1
            weighed = [n for n, d in config.decode.items() if getattr(d, "weigh_units", False)]
            assert not weighed, path.name
    assert sensors >= 6


def test_eeg2_is_walked_from_the_raw_release_to_the_page(tmp_path, monkeypatch):
    release = tmp_path / "release"
    names = things_releases.write_eeg2(release)
    convert = partial(things_eeg2.convert_raw, facts=EEG_FACTS)
    monkeypatch.setattr(things_eeg2, "convert_raw", convert)
    short = {"decim": 1, "tmin": -0.1, "tmax": 0.6, "baseline": [-0.1, 0.0]}
    raw = small("things_eeg2", release, tmp_path / "out", "01", short)
    raw["decode"]["contrastive-clip"]["network"] |= {"pool_s": 0.1, "n_filters": 4}
    config = walk(raw)
    trials = read_trials(config.layout.trials("01"))
    counts = trials["split"].isin(("train", "validation")).sum(), (trials["split"] == "test").sum()
    assert counts == (4 * things_releases.EEG_TRAINING, 8 * things_releases.EEG_TEST)
    assert set(trials["stimulus_id"]) == set(names)
    found = score(config, "01").loc["ridge-clip"]
    assert (found["n_items"], found["n_repeats"]) == (things_releases.EEG_TEST, 8)
    assert found["value"] >= 0.5  # 1/6 by chance
    page = config.layout.page("01").read_text(encoding="utf-8")
    assert "THINGS" in page
    assert "contrastive-clip" in page


@pytest.mark.parametrize("name", SHIPPED[1:])
def test_meg_is_walked_from_either_release_to_the_page(tmp_path, name):
    release = tmp_path / "release"
    write = {
        "things_meg": things_releases.write_meg,
        "things_meg_epochs": things_releases.write_meg_epochs,
    }
    release.mkdir()
    write[name](release)
    raw = small(name, release, tmp_path / "out", "BIGMEG1")
    raw["source"]["complete"] = False
    config = walk(raw)
    trials = read_trials(config.layout.trials("BIGMEG1"))
    assert (trials["split"] == "test").sum() == things_releases.MEG_TEST * 3
    assert (trials["split"] == "unused").sum() == 3  # pictures of a test concept
    found = score(config, "BIGMEG1").loc["ridge-clip"]
    assert (found["n_items"], found["n_repeats"]) == (things_releases.MEG_TEST, 3)
    assert np.isfinite(found["value"])
    assert config.layout.page("BIGMEG1").is_file()


def test_the_workflow_plans_every_job_of_the_meg_release(tmp_path, capfd):
    release = tmp_path / "release"
    things_releases.write_meg(release)
    raw = small("things_meg", release, tmp_path / "out", "BIGMEG1")
    raw["source"]["complete"] = False
    path = tmp_path / "things_meg.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    assert run_workflow(path, ["-n", "-j", "1"]) == 0
    told = capfd.readouterr()
    text = told.out + told.err
    for rule in ("source_stimuli", "prepare", "embed", "decode_group", "over_time", "report"):
        assert rule in text
