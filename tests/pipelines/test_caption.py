"""The step `caption` and its scores on a small tree whose tuning is planted."""

import json

import numpy as np
import pandas as pd
import pytest
from fixtures.caption_tree import N_TRAIN, build

from calcarine.data.captions import read_captions
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions, read_predictions, write_predictions
from calcarine.data.responses import Responses, read_responses, write_responses
from calcarine.decoders.selectivity.caption_chain import prepare_bank
from calcarine.pipelines import caption
from calcarine.pipelines.caption_banks import bank_of
from calcarine.pipelines.caption_training import TrainingTrials, evidence_of
from calcarine.pipelines.evaluate_captions import caption_results, write_selectivity


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = build(tmp_path_factory.mktemp("caption"), np.random.default_rng(3))
    caption.run(config, "01", "own")
    return config


@pytest.fixture(scope="module")
def results(config):
    return caption_results(config, "01", "own", "test")


def _value(rows, model, metric, target=None):
    found = [
        r.value for r in rows
        if r.model == model and r.metric == metric and target in (None, r.target)
    ]  # fmt: skip
    assert len(found) == 1, found
    return found[0]


def test_planted_tuning_comes_out_in_words(results):
    rows, table = results
    units = table[table["kind"] == "unit"]
    for kind in ("face", "house", "red"):
        own = units[units["region"] == kind]
        assert own["shown"].mean() >= 0.75
        assert own.loc[own["shown"], "text"].str.contains(kind).all()
    assert units.loc[units["region"] == "noise", "shown"].mean() <= 0.125
    regions = table[table["kind"] == "region"].set_index("unit")
    assert regions.loc["face", "shown"]
    assert not regions.loc["noise", "shown"]
    assert regions.loc["noise", "reason"]
    assert _value(rows, "own/scrambled-encoder", "share_shown") <= 0.05


def test_captions_stand_beside_their_controls(results):
    rows, _ = results
    metric = "spearman_over_ceiling_median"
    own = _value(rows, "own", metric)
    assert own > 0.5
    assert own > _value(rows, "own/population-caption", metric) + 0.2
    # regions are uniform here, so that another unit's caption of the region is as good
    assert _value(rows, "own/commonest-caption", metric) == pytest.approx(own, abs=0.1)


def test_every_point_of_the_protocol_is_a_row(results):
    rows, table = results
    units = table[(table["kind"] == "unit") & (table["text"] != "")]
    stable = units[units["agreement"] >= 0.5]
    agreement = _value(rows, "own", "caption_agreement_median")
    assert agreement == pytest.approx(units["agreement"].median())
    assert _value(rows, "own/scrambled-encoder", "caption_agreement_median") < agreement
    assert _value(rows, "own", "share_reliable") == pytest.approx(len(stable) / len(units))
    given = _value(rows, "own", "spearman_given_cooccurring_median")
    assert given == pytest.approx(stable["rho_given_cooccurring"].median())
    assert given > 0.2
    for target, kind in (("regions", "region"), ("contrasts", "contrast")):
        shown = table.loc[table["kind"] == kind, "shown"].mean()
        assert _value(rows, "own", "share_shown", target) == pytest.approx(shown)


def test_trial_captions_are_scored_against_named_references(results):
    rows, _ = results
    route, target = "own/nearest-caption", "captions-of-test-stimuli"
    assert _value(rows, route, "concept_named", target) > 0.9
    assert _value(rows, f"{route}/shuffled-brain", "concept_named", target) < 0.7
    assert _value(rows, route, "rouge_l") > _value(rows, f"{route}/noise-brain", "rouge_l") + 0.1
    chance = {r.chance for r in rows if r.metric == "concept_named"}
    assert chance == {1 / 3}


def test_the_bank_holds_training_stimuli_alone(config):
    made = read_captions(config.layout.captions("01", "own"))
    evidence = {e for own in made.units["evidence"] for e in own}
    assert evidence
    assert all(e.startswith("train") for e in evidence)
    assert made.sidecar["n_bank"] == N_TRAIN


def test_the_sidecar_says_what_chose_the_words(config, tmp_path):
    made = read_captions(config.layout.captions("01", "own"))
    assert made.sidecar["words"] == "borne out by responses of training trials at level 0.05"
    own = config.caption["own"].model_copy(update={"borne_out": None})
    bare = config.model_copy(update={"caption": {"bare": own}})
    caption.run(bare, "01", "bare")
    other = read_captions(config.layout.captions("01", "bare"))
    assert other.sidecar["words"] == "weighed against how common they are (λ 0.5)"
    # units of noise prefer some pictures, too, but their responses bear out next to no word
    noise = (made.units["kind"] == "unit") & (made.units["region"] == "noise")
    assert (made.units.loc[noise, "text"] == "").sum() > (
        other.units.loc[noise, "text"] == ""
    ).sum()


def test_stimuli_without_captions_bear_nothing_out(config):
    bank = bank_of(config, "01", config.caption["own"])
    terms = prepare_bank(bank).terms
    names = np.array(["a", "b", "a", "c"])
    values = np.ones((4, 2), dtype=np.float32)
    own = TrainingTrials(values, values, names, names, {"a": [], "b": ["a zebra"]})
    assert own.words(terms) is None
    assert evidence_of(own.words(terms)) is None


def test_captions_do_not_see_the_test(config, tmp_path):
    """Turn all test responses around: captions, evidence and reliability stay as they are."""
    before = read_captions(config.layout.captions("01", "own"))
    old = read_responses(config.layout, "01")
    values = np.array(old.values)
    values[(old.trials["split"] == "test").to_numpy()] *= -5
    try:
        write_responses(config.layout, "01", Responses(values, old.trials, old.units, old.sidecar))
        caption.run(config, "01", "own")
        after = read_captions(config.layout.captions("01", "own"))
    finally:
        whole = Responses(np.array(values), old.trials, old.units, old.sidecar)
        whole.values[(old.trials["split"] == "test").to_numpy()] /= -5
        write_responses(config.layout, "01", whole)
    pd.testing.assert_frame_equal(before.units, after.units)


def test_two_runs_give_the_same_bytes(config):
    folder = config.layout.captions("01", "own")
    before = {f.name: f.read_bytes() for f in folder.iterdir()}
    caption.run(config, "01", "own")
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == before


def test_records_for_machines(config, results):
    _, table = results
    write_selectivity(config, "01", [table])
    records = json.loads(config.layout.selectivity("01").with_suffix(".json").read_text())
    flat = pd.read_csv(config.layout.selectivity("01"), sep="\t", keep_default_na=False)
    assert len(records) == len(flat) == len(table)
    shown = [r for r in records if r["shown"]]
    assert shown
    for record in shown:
        assert record["q_value"] <= 0.05
        assert record["reliability"] >= 0.5
        assert record["evidence"]
        assert record["embedding_model"] == "local-dir:nowhere"
        assert record["judge"] == "lexical"
    withheld = [r for r in records if not r["shown"]]
    assert withheld
    assert all(r["reason"] for r in withheld)


def test_without_signal_nothing_is_found(config, tmp_path):
    old = read_predictions(config.layout.prediction("01", "encoder-clip"))
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(old.values.shape).astype(np.float32)
    kept = Predictions(np.array(old.values), old.items, old.sidecar, np.array(old.measured))
    try:
        write_predictions(
            config.layout.prediction("01", "encoder-clip"),
            Predictions(kept.values, old.items, old.sidecar, noise),
        )
        _, table = caption_results(config, "01", "own", "test")
    finally:
        write_predictions(config.layout.prediction("01", "encoder-clip"), kept)
    assert table.loc[table["kind"] == "unit", "shown"].mean() <= 0.05


def test_without_tested_trials_it_is_refused(config):
    split = config.split.model_copy(update={"scheme": "none"})
    with pytest.raises(CalcarineError, match="holdout"):
        caption.run(config.model_copy(update={"split": split}), "01", "own")


def test_the_report_shows_findings_and_folds_the_rest_away(config, results):
    from calcarine.data.scores import SCORE_COLUMNS
    from calcarine.pipelines.page import Fold, Table
    from calcarine.pipelines.sections.selectivity import selectivity
    from calcarine.pipelines.subject_record import SubjectRecord

    rows, table = results
    write_selectivity(config, "01", [table])
    flat = pd.read_csv(
        config.layout.selectivity("01"), sep="\t", na_values=["n/a"], keep_default_na=False
    )
    scores = pd.DataFrame([vars(r) for r in rows], columns=list(SCORE_COLUMNS))
    record = SubjectRecord(
        config=config, subject="01", responses=read_responses(config.layout, "01"), scores=scores,
        item_scores=pd.DataFrame(), unit_scores=pd.DataFrame(), quality={}, reconstructions={},
        **_other_fields(SubjectRecord), captions={"own": read_captions(
            config.layout.captions("01", "own"))}, selectivity=flat, missing=(),
    )  # fmt: skip
    section = selectivity(record)
    tables = [b for b in section.blocks if isinstance(b, Table)]
    found = {row[0]: row[1] for row in tables[0].rows}
    assert "face" in found["face"]
    assert "noise" not in found
    (fold,) = [b for b in section.blocks if isinstance(b, Fold)]
    withheld = {row[0]: row[-1] for row in fold.blocks[0].rows}
    assert withheld["noise"]
    assert any("scrambled-encoder" in row[0] for t in tables for row in t.rows)


def _other_fields(kind):
    """Give empty values for what other sections of the report read."""
    known = {"config", "subject", "responses", "scores", "item_scores", "unit_scores", "quality",
             "reconstructions", "captions", "selectivity", "missing"}  # fmt: skip
    return {n: {} for n in kind.__dataclass_fields__ if n not in known}
