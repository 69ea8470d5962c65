"""Pictures of one patch against its neighbour, told apart by a judge's embedding."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.captions import Captions
from calcarine.data.embeddings import Embeddings, write_embeddings
from calcarine.data.phantom.neighbours import PAIRED_PATCHES
from calcarine.data.phantom.scenes import factor_table, sample_scenes
from calcarine.data.phantom.tuning import factor_codes
from calcarine.data.scores import Score
from calcarine.data.stimuli import write_stimuli
from calcarine.data.trials import write_trials
from calcarine.pipelines.config import Config
from calcarine.pipelines.evaluate_contrasts import contrast_scores, planted_pairs

TARGETS = [f"{p.name} > {p.partner}" for p in PAIRED_PATCHES]
N_TRAIN, N_TEST = 240, 40


@pytest.fixture
def config(tmp_path):
    """A judge whose embedding holds the scenes' factors and some noise."""
    made = Config.model_validate(
        {
            "name": "small", "out": tmp_path, "subjects": ["01"],
            "source": {"kind": "phantom"},
            "recording": {"task": "scenes"},
            "embeddings": {"clip": {"model": "calcarine:phantom-clip"},
                           "judge": {"model": "calcarine:phantom-judge"}},
            "encode": {"clip": {"kind": "ridge", "embedding": "clip"}},
            "caption": {"own": {"encoder": "clip", "picture_judge": "judge"}},
            "evaluate": {"n_bootstrap": 100},
        }
    )  # fmt: skip
    factors = factor_table(sample_scenes(N_TRAIN + N_TEST, 5))
    names = [f"s{i:03d}" for i in range(len(factors))]
    table = factors.assign(stimulus_id=names, file="n/a", concept=factors["category"],
                           captions=[["a thing"]] * len(names))  # fmt: skip
    made.stimuli.parent.mkdir(parents=True)
    write_stimuli(made.stimuli, table)
    values = factor_codes(factors).astype(np.float32)
    values += 0.1 * np.random.default_rng(0).standard_normal(values.shape).astype(np.float32)
    shown = table[["stimulus_id", "concept"]].assign(stimulus_sha="x")
    sidecar = {"model": "j", "revision": "r", "layer": None, "pooling": "pooled",
               "input": "pictures", "transform_sha": "t"}  # fmt: skip
    write_embeddings(made.layout.embedding("judge"), Embeddings(values, shown, sidecar))
    n = len(names)
    trials = pd.DataFrame(
        {"trial_id": names, "subject": "01", "session": "01", "run": "01",
         "onset_s": np.arange(n) * 4.0, "duration_s": 2.0, "stimulus_id": names,
         "stimulus_sha": names, "concept": "n/a", "repeat": 1,
         "split": ["train"] * N_TRAIN + ["test"] * N_TEST, "split_group": names}
    )  # fmt: skip
    made.layout.trials("01").parent.mkdir(parents=True)
    write_trials(made.layout.trials("01"), trials)
    return made


def _shown(rng, reverse=False):
    """Draw for each target scenes that show what the target's patch prefers."""
    many = factor_table(sample_scenes(600, 9))
    out = {}
    for patch, target in zip(PAIRED_PATCHES, TARGETS, strict=True):
        fits = (
            (many["x"] - 0.5) * patch.weight > 0.05
            if patch.code == "x"
            else many["colour"] == patch.code
        )
        out[target] = factor_codes(many[fits].iloc[:6]).astype(float)
    if reverse:
        swap = dict(zip(TARGETS, [TARGETS[i] for i in (1, 0, 3, 2)], strict=True))
        out = {t: out[swap[t]] for t in TARGETS}
    return out


@pytest.mark.parametrize(("reverse", "expected"), [(False, 1.0), (True, 0.0)])
def test_right_pictures_are_told_apart_and_swapped_ones_are_not(config, rng, reverse, expected):
    captions = Captions(pd.DataFrame(), pd.DataFrame(), {"synthesised": {"targets": TARGETS}}, {})
    template = Score("01", "caption", "own", "", "", "", "test", 0, 1, np.nan)
    shown = {"synthesised": _shown(rng, reverse)}
    rows = contrast_scores(config, "01", captions, shown, template)
    found = {r.target: r for r in rows}
    assert set(found) == {"paired-patches", "VO1-VO2", "LO1-LO2"}
    assert found["paired-patches"].value == expected
    assert found["paired-patches"].n_items == 12
    assert found["paired-patches"].chance == 0.5
    assert "test scenes" in found["paired-patches"].note


def test_equal_pictures_are_chance(config, rng):
    captions = Captions(pd.DataFrame(), pd.DataFrame(), {"synthesised": {"targets": TARGETS}}, {})
    template = Score("01", "caption", "own", "", "", "", "test", 0, 1, np.nan)
    same = dict.fromkeys(TARGETS, rng.standard_normal((6, 20)))
    rows = contrast_scores(config, "01", captions, {"synthesised": same}, template)
    assert {r.value for r in rows} == {0.5}


def test_only_whole_pairs_are_asked():
    assert len(planted_pairs(TARGETS)) == 2
    assert planted_pairs(TARGETS[:1]) == []
    assert planted_pairs(["FFA > OFA"]) == []
