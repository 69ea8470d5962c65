"""Captions in a cross-validation: nothing that is tested was seen by the caption that is tested."""

import numpy as np
import pytest
from fixtures.caption_tree import build

from calcarine.data.captions import read_captions
from calcarine.data.responses import Responses, read_responses, write_responses
from calcarine.data.splits import folds
from calcarine.pipelines import caption, encode
from calcarine.pipelines.caption_banks import bank_of
from calcarine.pipelines.caption_folds import fold_banks
from calcarine.pipelines.evaluate_captions import caption_results

N_FOLDS = 4


def _folded(config):
    """Cut the stimuli into four folds."""
    old = read_responses(config.layout, "01")
    number = old.trials["stimulus_id"].astype("category").cat.codes % N_FOLDS
    trials = old.trials.assign(split=[f"fold-{k}" for k in number])
    whole = Responses(np.array(old.values), trials, old.units, old.sidecar)
    write_responses(config.layout, "01", whole)
    split = config.split.model_copy(update={"scheme": "leave-one-out"})
    return config.model_copy(update={"split": split})


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    made = build(tmp_path_factory.mktemp("folds"), np.random.default_rng(5), nearest=None)
    config = _folded(made)
    encode.run(config, "01", "clip")
    caption.run(config, "01", "own")
    return config


def test_each_fold_has_a_caption_and_they_agree_where_something_is_planted(config):
    made = read_captions(config.layout.captions("01", "own"))
    units = made.units[made.units["kind"] == "unit"]
    assert made.sidecar["folds"] == ["0", "1", "2", "3"]
    assert (units["fold_texts"].str.len() == N_FOLDS).all()
    planted = units[units["region"] != "noise"]
    assert planted["fold_agreement"].median() > 0.9
    # folds share half of their training trials, so that noise agrees with itself a little
    noise = units.loc[units["region"] == "noise", "fold_agreement"].median()
    assert noise < planted["fold_agreement"].median() - 0.2


def test_findings_are_the_planted_ones(config):
    rows, table = caption_results(config, "01", "own", "test")
    units = table[table["kind"] == "unit"]
    for kind in ("face", "house", "red"):
        own = units[units["region"] == kind]
        assert own["shown"].mean() >= 0.75
        assert own.loc[own["shown"], "text"].str.contains(kind).all()
    assert units.loc[units["region"] == "noise", "shown"].mean() <= 0.125
    scrambled = [r.value for r in rows if r.model == "own/scrambled-encoder"]
    assert scrambled[0] <= 0.05


def test_no_fold_has_its_test_stimuli_in_its_bank(config):
    trials = read_responses(config.layout, "01").trials
    section = config.caption["own"]
    banks = fold_banks(config, "01", section, bank_of(config, "01", section))
    for fold in folds(trials):
        tested = set(trials["stimulus_id"].iloc[fold.test])
        assert not tested & set(banks[fold.name].entries["entry"])


def test_a_fold_caption_does_not_see_its_test_trials(config):
    """Turn the responses of one fold's test trials around: its captions stay, others change."""
    before = read_captions(config.layout.captions("01", "own"))
    old = read_responses(config.layout, "01")
    (first, *_) = folds(old.trials)
    values = np.array(old.values)
    values[first.test] *= -5
    try:
        write_responses(config.layout, "01", Responses(values, old.trials, old.units, old.sidecar))
        caption.run(config, "01", "own")
        after = read_captions(config.layout.captions("01", "own"))
    finally:
        values[first.test] /= -5
        write_responses(config.layout, "01", Responses(values, old.trials, old.units, old.sidecar))
    for k in range(N_FOLDS):
        same = [
            a[k] == b[k]
            for a, b in zip(before.units["fold_texts"], after.units["fold_texts"], strict=True)
        ]
        assert all(same) == (k == 0)
