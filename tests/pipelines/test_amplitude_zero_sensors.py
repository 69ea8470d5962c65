"""EEG without a signal, from source to evaluate: chance everywhere; and with one it is not."""

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import binom

from calcarine.data.scores import read_scores
from calcarine.data.time_scores import read_time_scores
from calcarine.pipelines import decode, decode_group, embed, evaluate, over_time, prepare, source
from calcarine.pipelines.config import parse_config
from calcarine.pipelines.workflow import WORKFLOW

SMALL = {
    "n_train": 80,
    "n_train_again": 30,
    "n_test": 40,
    "n_held_out": 8,
    "n_test_repeats": 3,
    "trials_per_run": 120,
    "n_sessions": 1,
    "n_voxels": 200,
    "soa_s": 0.75,
    "sampling_rate_hz": 125.0,
    "montage": "biosemi16",
    "montages": {"02": "biosemi32"},
}


def walk(folder, amplitude, seed):
    """Walk the phantom's road with two people, the second one held out, with another montage."""
    raw = yaml.safe_load((WORKFLOW / "config" / "phantom_eeg.yaml").read_text(encoding="utf-8"))
    del raw["encode"]
    raw |= {"out": str(folder), "seed": seed, "subjects": ["01", "02"]}
    raw["evaluate"] = {"repeat_curve": False, "n_bootstrap": 500}
    raw["source"] = {"kind": "phantom-meeg", "amplitude": amplitude, **SMALL}
    raw["recording"]["epochs"] |= {"tmax": 0.4, "decim": 1}
    raw["embeddings"] = {name: raw["embeddings"][name] for name in ("clip", "category")}
    unseen = {"subjects": "all", "hold_out": ["02"], "n_epochs": 4, "batch_size": 40}
    unseen["network"] = {"kind": "brain-module", "n_virtual": 8, "hidden_dim": 16, "n_blocks": 1}
    raw["decode"] = {
        "ridge-clip": raw["decode"]["ridge-clip"],
        "unseen": {"kind": "sensor-contrastive", "target": "clip", **unseen},
    }
    raw["over_time"] = {"category": {**raw["over_time"]["category"], "step_s": 0.04}}
    config = parse_config(raw, "test")
    source.run(config)
    for subject in config.subjects:
        source.run(config, subject)
        prepare.run(config, subject)
    for name in config.embeddings:
        embed.run(config, name)
    decode_group.run(config, "unseen")
    for subject in config.subjects:
        decode.run(config, subject, "ridge-clip")
        over_time.run(config, subject, "category")
        evaluate.run(config, subject)
    return config


def tables(config):
    return pd.concat([read_scores(config.layout.metrics(s)) for s in config.subjects])


def is_leading(table):
    """Mark one row a model: rows of one model share their items and miss together."""
    retrieval = (table["metric"] == "brain_to_image_top1_centred") & (table["stage"] == "decode")
    windows = (table["metric"] == "accuracy") & (table["protocol"] == "calcarine-full-window")
    is_model = ~table["model"].str.contains("/")
    is_model &= table["split"].isin(["test", "test-unseen-subject"])
    return ((retrieval & (table["protocol"] == "calcarine")) | windows) & is_model


def covers_chance(table):
    return (table["ci_low"] <= table["chance"]) & (table["chance"] <= table["ci_high"])


@pytest.mark.slow
def test_without_a_signal_intervals_cover_chance(tmp_path):
    silent = [walk(tmp_path / str(seed), 0, seed) for seed in range(2)]
    rows = pd.concat([tables(config) for config in silent])
    leading = rows[is_leading(rows)]
    # ridge, the group's decoder and the windows, of two people, of two seeds
    assert len(leading) == 12
    missed = int((~covers_chance(leading)).sum())
    assert missed <= binom.ppf(0.99, len(leading), 0.05)
    windows = pd.concat(
        [read_time_scores(c.layout.over_time(s)) for c in silent for s in c.subjects]
    )
    windows = windows[(windows["window"] == "sliding") & (windows["metric"] == "accuracy")]
    above = (windows["ci_low"] > windows["chance"]).mean()
    assert above <= 0.15  # 0.025 by chance; windows of one person depend on each other


@pytest.mark.slow
def test_with_a_signal_it_is_found_when_it_was_planted_and_in_a_stranger(tmp_path):
    config = walk(tmp_path / "loud", 12, 0)
    rows = tables(config)
    ranks = rows[
        (rows["metric"] == "brain_to_image_median_rank_centred")
        & (rows["stage"] == "decode")
        & (rows["protocol"] == "calcarine")
        & rows["split"].isin(["test", "test-unseen-subject"])
        & ~rows["model"].str.contains("/")
    ]
    assert set(ranks["split"]) == {"test", "test-unseen-subject"}
    assert (ranks.loc[ranks["model"] == "ridge-clip", "ci_high"] < 0.5).all()
    stranger = rows[(rows["split"] == "test-unseen-subject") & (rows["subject"] == "02")]
    assert len(stranger)
    assert np.isfinite(stranger["value"]).any()
    errors = rows[rows["target"] == "planted-categories"]
    assert (errors["value"].abs() <= 0.03).all()
    whitening = rows[rows["metric"] == "whitened_variance_over_theory"]
    assert len(whitening) == 2
    assert (whitening["value"] - 1).abs().max() < 0.15
