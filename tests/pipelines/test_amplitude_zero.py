"""The whole road without a signal: at amplitude 0 every score is at chance."""

import pandas as pd
import pytest
import yaml
from scipy.stats import binom

from calcarine.data.scores import read_scores
from calcarine.pipelines import decode, embed, encode, evaluate, prepare, source
from calcarine.pipelines.config import parse_config
from calcarine.pipelines.workflow import WORKFLOW


def scores(folder, amplitude, seed):
    """Walk from source to evaluate with a small phantom; give the rows of the models."""
    raw = yaml.safe_load((WORKFLOW / "config" / "phantom.yaml").read_text(encoding="utf-8"))
    for section in ("reconstruct", "caption", "geometry"):
        del raw[section]
    raw |= {"out": str(folder), "seed": seed, "subjects": ["01"]}
    raw["evaluate"] = {"repeat_curve": False}
    raw["source"] |= {"amplitude": amplitude, "n_train": 120, "n_test": 40, "n_held_out": 8}
    raw["source"] |= {"n_test_repeats": 2, "trials_per_run": 40, "n_voxels": 200}
    raw["embeddings"] = {name: raw["embeddings"][name] for name in ("clip", "category")}
    raw["encode"] = {"clip": {"kind": "ridge", "embedding": "clip"}}
    raw["decode"] = {name: raw["decode"][name] for name in ("ridge-clip", "lda-category")}
    config = parse_config(raw, "test")
    source.run(config)
    source.run(config, "01")
    prepare.run(config, "01")
    for name in config.embeddings:
        embed.run(config, name)
    encode.run(config, "01", "clip")
    for name in config.decode:
        decode.run(config, "01", name)
    evaluate.run(config, "01")
    table = read_scores(config.layout.metrics("01"))
    is_model = ~table["model"].str.contains("/") & (table["split"] == "test")
    return table[is_model & table["ci_low"].notna() & table["chance"].notna()]


def is_leading(table):
    """Mark one row a model: rows of one model share their items and miss together."""
    of_all_voxels = (table["metric"] == "r_median") & (table["target"] == "responses")
    of_decoders = table["metric"].isin(["brain_to_image_top1_centred", "accuracy"])
    return (of_all_voxels | of_decoders) & (table["protocol"] == "calcarine")


def covers_chance(table):
    return (table["ci_low"] <= table["chance"]) & (table["chance"] <= table["ci_high"])


@pytest.mark.slow
def test_without_a_signal_intervals_cover_chance_and_with_it_they_do_not(tmp_path):
    silent = pd.concat([scores(tmp_path / str(seed), 0, seed) for seed in range(3)])
    covered = covers_chance(silent[is_leading(silent)])
    assert len(covered) == 9
    # as many misses as intervals of their nominal rate have in 99 of 100 such experiments
    assert (~covered).sum() <= binom.ppf(0.99, len(covered), 0.05)
    loud = scores(tmp_path / "loud", 1, 0)
    retrieval = loud[loud["metric"] == "brain_to_image_median_rank_centred"]
    assert len(retrieval)
    assert not covers_chance(retrieval).any()
    accuracy = loud[(loud["model"] == "lda-category") & (loud["metric"] == "accuracy")]
    assert not covers_chance(accuracy).any()
