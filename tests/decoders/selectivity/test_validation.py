import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from calcarine.data.errors import CalcarineError
from calcarine.decoders.selectivity.permutation import (
    permutation_p_values,
    q_values,
    ranks_within,
    spearman_rows,
)
from calcarine.decoders.selectivity.terms import collect_terms
from calcarine.decoders.selectivity.unit_sets import neighbours, regions_of, unit_sets
from calcarine.decoders.selectivity.validation import (
    Thresholds,
    cooccurring_terms,
    rho_given,
    validate_captions,
)
from calcarine.decoders.text_judges import LexicalJudge, load_text_judge, similarity_to_items


def test_rank_correlations_are_those_of_scipy(rng):
    a, b = rng.integers(0, 4, (6, 15)).astype(float), rng.standard_normal((6, 15))
    expected = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(spearman_rows(a, b), expected)


def test_permutation_p_is_uniform_under_the_null(rng):
    a, b = rng.standard_normal((400, 12)), rng.standard_normal((400, 12))
    _, p_values = permutation_p_values(a, b, 199, seed=0)
    assert abs((p_values <= 0.05).mean() - 0.05) < 0.03
    assert abs(np.median(p_values) - 0.5) < 0.08


def test_permutation_p_has_its_floor_and_constants_are_no_discovery():
    x = np.arange(20.0)[None]
    rho, p_values = permutation_p_values(
        np.vstack([x, x * 0]), np.vstack([x, x]), n_permutations=99, seed=1
    )
    np.testing.assert_allclose(rho, [1, 0], atol=1e-6)
    np.testing.assert_allclose(p_values, [0.01, 1.0])
    with pytest.raises(CalcarineError, match="n_units, n_items"):
        permutation_p_values(x, x[:, 1:], 9, 0)


def test_q_values_by_hand():
    # p·m/rank, made monotone from the largest down: Benjamini & Hochberg
    p = np.array([0.01, 0.02, 0.03, 0.5, np.nan])
    np.testing.assert_allclose(q_values(p), [0.04, 0.04, 0.04, 0.5, np.nan])


@pytest.fixture
def units():
    return pd.DataFrame(
        {
            "i": range(9), "j": 0, "k": 0, "x": [0, 1, 2, 10, 11, 12, 14, 15, 40], "y": 0, "z": 0,
            "roi": ["A"] * 3 + ["B"] * 3 + ["C"] * 2 + ["n/a"],
        }
    )  # fmt: skip


def test_sets_are_means_and_differences(units, rng):
    sets = unit_sets(units, min_units=2)
    assert sets.table["kind"].value_counts().to_dict() == {
        "unit": 9, "region": 3, "contrast": 3, "population": 1,
    }  # fmt: skip
    values = rng.standard_normal((5, 9))
    mixed = values @ sets.mixing.T
    names = sets.table["unit"].tolist()
    at = names.index("B > C")
    difference = values[:, 3:6].mean(axis=1) - values[:, 6:8].mean(axis=1)
    np.testing.assert_allclose(mixed[:, at], difference, rtol=1e-5)
    np.testing.assert_allclose(mixed[:, -1], values.mean(axis=1), rtol=1e-5, atol=1e-6)
    assert neighbours(units, regions_of(units, 2)) == {"A": "B", "B": "C", "C": "B"}


WORDS = ("red house", "green house", "red face", "green face")


@pytest.fixture
def planted(rng):
    """Give six units of one region: three like red, three like faces; and one that is noise."""
    items = [WORDS[i % 4] for i in range(40)]
    red = np.array(["red" in i for i in items], dtype=float)
    face = np.array(["face" in i for i in items], dtype=float)
    signal = np.stack([red] * 3 + [face] * 3 + [red * 0], axis=1)
    measured = signal + 0.3 * rng.standard_normal(signal.shape)
    texts = ["a red thing"] * 3 + ["a face"] * 3 + ["a red thing"]
    table = pd.DataFrame(
        {"kind": "unit", "unit": range(7), "region": "A", "text": texts, "agreement": 0.9,
         "ceiling": [0.9, 0.9, 0.2, 0.9, 0.9, 0.9, 0.9]}
    )  # fmt: skip
    everybody = {"kind": "population", "unit": 7, "region": "n/a", "text": "a house"}
    row = pd.DataFrame([everybody | {"agreement": 0.1, "ceiling": np.nan}])
    table = pd.concat([table, row], ignore_index=True)
    measured = np.column_stack([measured, measured.mean(axis=1)])
    return table, measured, [[f"a {i}"] for i in items]


def test_true_captions_pass_and_false_ones_do_not(planted):
    table, measured, captions = planted
    judge = LexicalJudge([f"a {w}" for w in WORDS])
    found = validate_captions(table, measured, captions, judge, Thresholds(), 499, seed=0)
    assert found["shown"].tolist() == [True] * 6 + [False, False]
    assert found["reason"].tolist()[6:] == ["q above 0.05", "reliability below 0.5"]
    own, shuffled = found["rho"][:6], found["rho_shuffled"][:6]
    assert (own > 0.5).all()
    assert (shuffled < own - 0.2).all()
    assert np.isnan(found["rho_over_ceiling"][2])
    np.testing.assert_allclose(found["rho_over_ceiling"][0], found["rho"][0] / 0.9)
    # the commonest caption of the region is "a red thing", with four units
    np.testing.assert_allclose(found["rho_commonest"][:3], own[:3], rtol=1e-6)
    assert (found["rho_commonest"][3:6] < 0.3).all()


def test_permuted_items_leave_no_finding(planted, rng):
    table, measured, captions = planted
    judge = LexicalJudge([f"a {w}" for w in WORDS])
    scrambled = measured[rng.permutation(len(measured))]
    found = validate_captions(table, scrambled, captions, judge, Thresholds(), 499, seed=0)
    assert not found["shown"].any()


def test_an_empty_caption_is_no_test(planted):
    table, measured, captions = planted
    table.loc[0, "text"] = ""
    judge = LexicalJudge([f"a {w}" for w in WORDS])
    found = validate_captions(table, measured, captions, judge, Thresholds(), 99, seed=0)
    assert np.isnan(found["q_value"][0])
    assert found["reason"][0] == "no word stands out"


def test_cooccurrence_is_taken_out(rng):
    person = rng.random(300) < 0.5
    home = np.where(rng.random(300) < 0.8, person, ~person)
    captions = [
        [f"{'person' if p else 'thing'} {'home' if h else 'street'}"]
        for p, h in zip(person, home, strict=True)
    ]
    terms = collect_terms(captions)
    assert cooccurring_terms(["home"], terms, n_most=1) == ["person"]
    response = person + 0.2 * rng.standard_normal(300)
    plain = spearmanr(home, response).statistic
    partial = rho_given(home.astype(float), response, person[:, None].astype(float))
    assert plain > 0.4
    assert abs(partial) < 0.15


def test_similarity_is_a_mean_of_cosines():
    judge = load_text_judge("lexical", ["a red house", "a green face", "two faces"])
    found = similarity_to_items(judge, ["red", "faces"], [["red house", "green"], ["a face"], []])
    a, b = judge.embed(["red"])[0], judge.embed(["red house", "green"])
    np.testing.assert_allclose(found[0, 0], (b @ a).mean())
    np.testing.assert_allclose(found[1, 1], 1)
    assert np.isnan(found[:, 2]).all()
    with pytest.raises(CalcarineError, match="no text judge 'clip'"):
        load_text_judge("clip", [])


def test_pairs_are_set_against_each_other_both_ways(units):
    made = unit_sets(units, min_units=2, contrasts=False, pairs=[("A", "C")])
    named = made.table[made.table["kind"] == "contrast"]
    assert named["unit"].tolist() == ["A > C", "C > A"]
    forth, back = made.mixing[named.index]
    np.testing.assert_allclose(forth, -back)
    np.testing.assert_allclose(forth[[0, 1, 2, 6, 7]], [1 / 3] * 3 + [-0.5] * 2, rtol=1e-6)
    # each against its nearest comes beside them, and none comes twice
    both = unit_sets(units, min_units=2, pairs=[("B", "C")]).table
    assert both.loc[both["kind"] == "contrast", "unit"].is_unique
    with pytest.raises(CalcarineError, match="Correct `pairs`"):
        unit_sets(units, min_units=2, pairs=[("A", "D")])


def test_permutations_stay_within_their_blocks_and_see_no_difference_between_them(rng):
    """Two folds of other means: without blocks a difference of folds would look like an effect."""
    blocks = np.repeat([0, 1], 20)
    shift = 5.0 * blocks
    a = rng.standard_normal((300, 40)) + shift
    b = rng.standard_normal((300, 40)) + shift
    _, naive = permutation_p_values(a, b, 199, seed=0)
    assert (naive <= 0.05).mean() > 0.9
    ranked = ranks_within(a, blocks), ranks_within(b, blocks)
    _, p_values = permutation_p_values(*ranked, 199, 0, blocks)
    assert abs((p_values <= 0.05).mean() - 0.05) < 0.035
