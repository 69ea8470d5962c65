"""Paired comparisons of encoders on stored predictions: values, intervals, what they say."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fixtures.encoder_predictions import write_encoder

from calcarine.data.errors import CalcarineError
from calcarine.encoders.encoding_scores import correlation
from calcarine.pipelines import evaluate_comparisons
from calcarine.pipelines.config import parse_config
from calcarine.pipelines.sections.comparisons import comparisons

N_ITEMS, N_UNITS = 120, 40
KINDS = np.array(["part"] * 10 + ["category"] * 20 + ["none"] * 10)


@pytest.fixture
def study(tmp_path, rng, monkeypatch):
    """Two encoders; `late` knows less of what parts respond to, and as much of all else."""
    raw = {
        "name": "two",
        "out": str(tmp_path / "out"),
        "subjects": ["01"],
        "source": {"kind": "phantom"},
        "recording": {"task": "scenes"},
        "split": {"by": "declared", "column": "phase"},
        "embeddings": {"p": {"model": "calcarine:phantom-clip"}},
        "encode": {
            "late": {"kind": "ridge", "embedding": "p"},
            "network": {"kind": "roi-query", "embeddings": ["p"]},
        },
        "comparisons": {"routing": {"model": "network", "baselines": ["late"], "margin": 0.05}},
        "evaluate": {"n_bootstrap": 300},
    }
    config = parse_config(raw, "test")
    signal = rng.normal(size=(N_ITEMS, N_UNITS))
    measured = (signal + rng.normal(size=signal.shape)).astype(np.float32)
    network = (signal + 0.3 * rng.normal(size=signal.shape)).astype(np.float32)
    late = network.copy()
    late[:, :10] += 2 * rng.normal(size=(N_ITEMS, 10))
    write_encoder(config, "network", network, measured)
    write_encoder(config, "late", late, measured)
    roi = ["aFus"] * 10 + ["FFA"] * 20 + ["n/a"] * 10
    units = pd.DataFrame({"i": range(N_UNITS), "j": 0, "k": 0, "roi": roi})
    truth = units.drop(columns="roi").assign(tuned_to=KINDS)
    monkeypatch.setattr(evaluate_comparisons, "read_truth", lambda bids, subject: truth)
    return config, units, (measured, network, late)


def results(config, units):
    rows = evaluate_comparisons.comparison_results(config, "01", "routing", "test", units)
    return {row.target: row for row in rows}


def test_gain_is_the_mean_difference_of_r(study):
    config, units, (measured, network, late) = study
    rows = results(config, units)
    gain = correlation(measured, network) - correlation(measured, late)
    assert rows["responses"].value == pytest.approx(gain.mean())
    assert rows["aFus"].value == pytest.approx(gain[:10].mean())
    assert rows["tuned-to-part"].value == rows["aFus"].value
    assert rows["not-tuned-to-part"].value == pytest.approx(gain[10:30].mean())
    assert {row.metric for row in rows.values()} == {"r_mean_gain_over_late"}
    assert not {"n/a", "tuned-to-none"} & set(rows)


def test_notes_say_what_intervals_show(study, rng):
    config, units, (measured, network, late) = study
    rows = results(config, units)
    assert rows["aFus"].ci_low > 0
    assert rows["aFus"].note == "better"
    assert rows["FFA"].value == rows["FFA"].ci_low == 0
    assert rows["FFA"].note == "not worse by the stated margin of 0.05"
    write_encoder(config, "network", late, measured)
    write_encoder(config, "late", network, measured)
    assert results(config, units)["aFus"].note.startswith("not shown to be within")


def test_the_page_lists_the_rows(study):
    config, units, _ = study
    rows = evaluate_comparisons.comparison_results(config, "01", "routing", "test", units)
    scores = pd.DataFrame([vars(row) for row in rows])
    section = comparisons(SimpleNamespace(config=config, scores=scores))
    text, table = section.blocks
    assert "−0.05" in text.text
    assert [row[0] for row in table.rows][:2] == ["responses", "FFA"]


def test_other_items_are_refused(study):
    config, units, (measured, network, _) = study
    write_encoder(config, "late", network, measured, first="other")
    with pytest.raises(CalcarineError, match="network and late predicted other stimuli"):
        results(config, units)


def test_names_of_encoders_must_exist(study):
    raw = study[0].model_dump(mode="json")
    raw["comparisons"]["routing"]["baselines"] = ["nobody"]
    with pytest.raises(CalcarineError, match="nobody"):
        parse_config(raw, "test")
