import json

import numpy as np
import pandas as pd
import pytest
from fixtures.report_tree import build_tree, phantom_config

from calcarine.data.errors import CalcarineError
from calcarine.data.scores import read_scores
from calcarine.pipelines import report_index
from calcarine.pipelines.report_index import index_html, mean_row


@pytest.fixture
def config(tmp_path):
    config = phantom_config(
        tmp_path / "out",
        encode={},
        decode={"lda-category": {"kind": "lda", "target": "category"}},
        reconstruct={},
    )
    for subject in config.subjects:
        build_tree(config, subject)
    return config


def test_the_index_lists_all_subjects_and_their_mean(config):
    report_index.run(config)
    html = config.layout.index.read_text(encoding="utf-8")
    assert '<a href="sub-01.html">sub-01</a>' in html
    assert '<a href="sub-02.html">sub-02</a>' in html
    assert "<td>mean<td" in html
    assert html == index_html(config)


def test_the_tree_is_described_as_a_derivative(config):
    report_index.run(config)
    described = json.loads(config.layout.description.read_text(encoding="utf-8"))
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "calcarine"


def test_the_mean_has_an_interval_over_subjects(config):
    rows = read_scores(config.layout.metrics("01")).iloc[:1]
    rows = pd.concat([rows.assign(value=v, chance=0.2) for v in (0.2, 0.5, 0.8)])
    mean = mean_row(config, rows).iloc[0]
    assert mean["value"] == pytest.approx(0.5)
    assert mean["ci_low"] == pytest.approx(0.2)  # three equal draws are likely enough
    assert mean["ci_high"] == pytest.approx(0.8)
    alone = mean_row(config, rows.iloc[:1]).iloc[0]
    assert np.isnan(alone["ci_low"])


def test_a_subject_without_scores_is_named(config):
    missing = config.layout.metrics("02")
    missing.unlink()
    with pytest.raises(CalcarineError, match="evaluate` step for sub-02"):
        report_index.run(config)
    assert not config.layout.index.exists()
