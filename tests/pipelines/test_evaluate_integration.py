"""The integration test on stored predictions: rows, units' table, truth, report section."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fixtures.encoder_predictions import write_encoder

from calcarine.data.errors import CalcarineError
from calcarine.pipelines import evaluate_integration
from calcarine.pipelines.config import parse_config
from calcarine.pipelines.sections.integration import integration

N_ITEMS, N_UNITS, N_PLANTED = 150, 60, 15


@pytest.fixture
def study(tmp_path, rng):
    """Four encoders' predictions; the joint one alone knows what planted units respond to."""
    raw = {
        "name": "both",
        "out": str(tmp_path / "out"),
        "subjects": ["01"],
        "source": {"kind": "phantom"},
        "recording": {"task": "scenes"},
        "split": {"by": "declared", "column": "phase"},
        "embeddings": {
            "p": {"model": "calcarine:phantom-clip"},
            "c": {"model": "word-counts", "input": "captions"},
        },
        "encode": {
            "picture": {"kind": "ridge", "embedding": "p"},
            "caption": {"kind": "ridge", "embedding": "c"},
            "both": {"kind": "banded", "embeddings": ["p", "c"]},
            "joint": {"kind": "joint", "picture": "p", "caption": "c"},
        },
        "integration": {"pc": {"joint": "joint", "rivals": ["picture", "caption", "both"]}},
        "evaluate": {"n_bootstrap": 200},
    }
    config = parse_config(raw, "test")
    shared, product = rng.normal(size=(2, N_ITEMS, N_UNITS))
    product[:, N_PLANTED:] = 0
    measured = shared + 1.5 * product + rng.normal(size=shared.shape)
    for name in raw["encode"]:
        values = shared + 0.3 * rng.normal(size=shared.shape)
        added = 1.5 * product + 0.1 * rng.normal(size=shared.shape)
        if name == "joint":
            write_encoder(config, name, values + added, measured, parts=np.stack([values, added]))
        else:
            write_encoder(config, name, values, measured)
    units = pd.DataFrame({"i": range(N_UNITS), "j": 0, "k": 0, "roi": ["STS"] * 30 + ["V1"] * 30})
    return config, units


def test_planted_units_are_found_and_scored_against_the_truth(study, monkeypatch):
    config, units = study
    truth = units.assign(
        tuned_to=["multimodal"] * N_PLANTED + ["category"] * (N_UNITS - N_PLANTED),
        noise_ceiling_n=0.8,
    )
    monkeypatch.setattr(evaluate_integration, "read_truth", lambda bids, subject: truth)
    rows, table = evaluate_integration.integration_results(config, "01", "pc", "test", units)
    value = {(r.metric, r.target, r.model.partition("/")[2]): r for r in rows}
    assert value["integration_power", "planted units", ""].value >= 0.8
    assert value["integration_power", "planted units", ""].n_items == N_PLANTED
    assert value["integration_false_discovery", "units that integrate", ""].value <= 0.1
    assert value["share_integrating", "responses", "shuffled-stimuli"].value == 0
    assert value["share_integrating", "STS", ""].value > value["share_integrating", "V1", ""].value
    assert list(table) == ["integrates_pc", "gain_pc", "q_pc"]

    scores = pd.DataFrame([vars(row) for row in rows])
    record = SimpleNamespace(
        config=config, scores=scores, unit_scores=table, units=units, unit_noun="voxel"
    )
    section = integration(record)
    assert "15 voxels of 60" in section.blocks[0].text
    assert section.blocks[1].pale


def test_other_items_are_refused(study, rng):
    config, units = study
    values = rng.normal(size=(2, N_ITEMS, N_UNITS))
    write_encoder(config, "caption", *values, first="other")
    with pytest.raises(CalcarineError, match="joint and caption predicted other stimuli"):
        evaluate_integration.integration_results(config, "01", "pc", "test", units)


def test_names_of_encoders_must_exist(study):
    config, _ = study
    raw = config.model_dump(mode="json")
    raw["integration"]["pc"]["rivals"] = ["nobody"]
    with pytest.raises(CalcarineError, match="nobody"):
        parse_config(raw, "test")
