"""Strengths of planted families, and captions that name the strongest."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.phantom.scenes import factor_table, sample_scenes
from calcarine.data.phantom.tuning import factor_code_names, factor_codes
from calcarine.data.scores import Score
from calcarine.pipelines.phantom_captions import planted_caption_scores
from calcarine.pipelines.planted_families import FAMILIES, family_strengths

TEMPLATE = Score("01", "caption", "clip", "mixed", "", "calcarine", "test", 0, 1, np.nan)


def planted(**weights):
    names = factor_code_names()
    return pd.DataFrame([{**dict.fromkeys(names, 0.0), **weights}])[names]


@pytest.fixture(scope="module")
def codes():
    return factor_codes(factor_table(sample_scenes(2000, 3)))


def test_strength_is_the_deviation_that_a_family_makes(codes):
    found = family_strengths(planted(red=1.2, x=-0.4, face=0.6, house=0.6), codes)[0]
    spread = dict(zip(factor_code_names(), codes.std(axis=0), strict=True))
    by_name = dict(zip(FAMILIES, found, strict=True))
    assert by_name["colour"] == pytest.approx(1.0 * spread["red"])  # 1.2 above the mean 0.2
    assert by_name["category"] == pytest.approx(0.4 * max(spread["face"], spread["house"]))
    assert by_name["place"] == pytest.approx(0.4 * spread["x"])
    assert by_name["background"] == by_name["size"] == by_name["count"] == 0


def test_a_constant_on_all_words_of_a_family_is_nothing(codes):
    found = family_strengths(planted(grey=2, sandy=2, dark=2, sky=2), codes)
    np.testing.assert_allclose(found, 0)


def test_captions_of_mixed_units_are_asked_for_the_strongest_families(codes):
    weights = pd.concat([planted(red=2, face=1), planted(red=2, face=1), planted(face=2, red=1)])
    table = pd.DataFrame({"text": ["a red face", "a red thing", "a red thing"]})
    table = table.assign(shown=[True, True, False], reason="")
    truth = pd.DataFrame({"tuned_to": "mixed", "preferred": "n/a"}, index=range(3))
    strengths = family_strengths(weights, codes)
    rows = planted_caption_scores(table, truth, strengths, TEMPLATE, 0, 200)
    found = {(row.target, row.metric): row for row in rows}
    reliable, shown = "reliable-planted-mixed", "shown-planted-mixed"
    assert found[reliable, "strongest_family_named"].value == pytest.approx(2 / 3)
    assert found[reliable, "second_family_named"].value == pytest.approx(2 / 3)
    assert found[reliable, "two_strongest_families_named"].value == pytest.approx(1 / 3)
    assert found[shown, "strongest_family_named"].value == 1.0
    assert found[shown, "second_family_named"].value == 0.5
