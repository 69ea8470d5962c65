"""Planted selectivity in a made-up bank must come out in words; noise must not."""

import numpy as np
import pytest

from calcarine.data.banks import Bank, entry_table
from calcarine.data.errors import CalcarineError
from calcarine.decoders.selectivity.candidates import excess_p_values
from calcarine.decoders.selectivity.caption_chain import (
    Chain,
    caption_reliability,
    caption_units,
    prepare_bank,
)
from calcarine.decoders.selectivity.composing import compose
from calcarine.decoders.selectivity.keywords import Mining, caption_score
from calcarine.decoders.selectivity.measured_words import measured_words
from calcarine.decoders.selectivity.terms import collect_terms, shares_of
from calcarine.decoders.text_judges import LexicalJudge

THINGS, COLOURS, PLACES = ("face", "house", "tool"), ("red", "green"), ("left", "right")


@pytest.fixture(scope="module")
def bank():
    """Give pictures whose embedding is a noisy code of their caption's words."""
    rng = np.random.default_rng(5)
    n = 600
    thing, colour, place = (rng.integers(0, k, n) for k in (3, 2, 2))
    code = np.zeros((n, 7), dtype=np.float32)
    for column, values in ((0, thing), (3, colour), (5, place)):
        code[np.arange(n), column + values] = 1
    values = np.hstack([code, np.ones((n, 1))]) + 0.05 * rng.standard_normal((n, 8))
    captions = [
        [
            f"a {COLOURS[c]} {THINGS[t]} at the {PLACES[p]}",
            f"at the {PLACES[p]}, a {COLOURS[c]} {THINGS[t]}",
        ]
        for t, c, p in zip(thing, colour, place, strict=True)
    ]
    names = [str(i) for i in range(n)]
    texts = code + 3 * np.eye(7, dtype=np.float32)[6]  # a modality gap
    texts = np.hstack([texts, np.zeros((n, 1), np.float32)])
    return Bank((values[:200].astype(np.float32), values[200:].astype(np.float32)),
                entry_table(names, names, names, captions), {}, texts)  # fmt: skip


@pytest.fixture(scope="module")
def captioned(bank):
    return prepare_bank(bank)


def planted(*columns):
    weights = np.zeros((1, 8), dtype=np.float32)
    weights[0, list(columns)] = 1
    return weights


@pytest.mark.parametrize(
    ("columns", "words"),
    [((1,), {"house"}), ((3,), {"red"}), ((6,), {"right"}), ((0, 4), {"green", "face"})],
)
def test_planted_words_are_found(captioned, columns, words):
    (caption,) = caption_units(planted(*columns), captioned)
    assert {w for term in caption.terms for w in term.split()} == words
    assert all(word in caption.text for word in words)
    assert caption.score > 0
    assert all(k.p_value < 1e-4 and k.affinity > 1 for k in caption.keywords)


def test_a_caption_needs_pictures_that_say_more_than_the_bank(captioned):
    """A unit that only likes the entries' common offset has no word of its own."""
    (caption,) = caption_units(planted(7), captioned)
    assert caption.text == ""
    assert np.isnan(caption.score)


def test_keywords_that_the_weights_refuse_are_left_out(captioned):
    strict = Chain(mining=Mining(min_affinity=1e9))
    assert caption_units(planted(1), captioned, strict)[0].text == ""


def test_parts_can_be_exchanged(captioned):
    chain = Chain(
        composer=lambda words, captions, known: "+".join(sorted(words)),
        proposer=lambda captions: ["house"],
    )
    (caption,) = caption_units(planted(1, 3), captioned, chain)
    assert caption.text == "house"


def test_measured_responses_choose_among_what_the_weights_suggest(captioned, rng):
    """Weights of a thing and a colour; measured trials go with both, one, or none of them."""
    terms = captioned.terms
    weights = np.concatenate([planted(0, 4)] * 3)
    face, green = (terms.shares[:, [terms.names.index(t)]].toarray() for t in ("face", "green"))
    left = terms.shares[:, [terms.names.index("left")]].toarray()
    noise = rng.standard_normal((600, 3))
    values = noise + 2 * np.hstack([face + green, green, left])
    stimuli = captioned.bank.entries["entry"].to_numpy(dtype=str)
    words = measured_words(terms.shares, values.astype(np.float32), stimuli, np.repeat("a", 600))
    said = [c.terms for c in caption_units(weights, captioned, evidence=words.evidence())]
    assert sorted({w for term in said[0] for w in term.split()}) == ["face", "green"]
    assert said[1] in (["green"], ["green face"])
    assert said[2] == []


def test_captions_do_not_depend_on_other_units(captioned):
    both = np.concatenate([planted(1), planted(3)])
    assert caption_units(both, captioned)[1].text == caption_units(both[1:], captioned)[0].text


def test_score_is_the_penalised_log_probability():
    captions = [["a red house"]] * 6 + [["a green house"]] * 14
    terms = collect_terms(captions)
    rows = np.array([0, 1, 2, 6])
    expected = np.log(3.5 / 5) - 0.25 * np.log(6.5 / 21)
    assert caption_score(["red"], rows, terms, 0.25) == pytest.approx(expected)


def test_shares_of_other_stimuli_are_counted_in_the_words_of_the_bank():
    captions = [["two red houses", "a house"]] * 5 + [["a green house"]] * 6
    terms = collect_terms(captions)
    np.testing.assert_array_equal(shares_of(captions, terms).toarray(), terms.shares.toarray())
    other = shares_of([["red houses and cats"], [], ["a cat", "a house"]], terms).toarray()
    names = ("red", "red house", "house")
    found = other[:, [terms.names.index(n) for n in names]]
    np.testing.assert_array_equal(found, [[1, 1, 1], [0, 0, 0], [0, 0, 0.5]])
    assert other.sum() == found.sum()


def test_null_of_the_excess_is_calibrated():
    rng = np.random.default_rng(2)
    captions = [["red"] if rng.random() < 0.3 else ["green"] for _ in range(800)]
    terms = collect_terms(captions)
    rows = np.stack([rng.choice(800, 40, replace=False) for _ in range(4000)])
    shares = terms.shares[:, [terms.names.index("red")]].toarray()[rows, 0].mean(axis=1)
    both = np.stack([1 - shares, shares], axis=1)
    p_values = excess_p_values(both, 40, terms)[:, 1]
    assert 0.02 < (p_values < 0.05).mean() < 0.08


def test_reliability_is_one_without_change_and_low_for_noise(captioned, rng):
    weights = np.concatenate([planted(0), planted(4), planted(5)])
    captions = caption_units(weights, captioned)
    judge = LexicalJudge([s for own in captioned.bank.entries["captions"] for s in own])
    same = caption_reliability(weights, captions, [(weights, None)] * 3, captioned, Chain(), judge)
    np.testing.assert_allclose(same.agreement, 1, rtol=1e-6)
    np.testing.assert_allclose(same.weight_cosine, 1, rtol=1e-5)
    noise = [(rng.standard_normal(weights.shape).astype(np.float32), None) for _ in range(8)]
    other = caption_reliability(weights, captions, noise, captioned, Chain(), judge)
    assert other.agreement.mean() < 0.6
    assert other.n_draws == 8


@pytest.mark.parametrize(
    ("keywords", "caption", "text"),
    [
        (["face"], "at the left, a small red face", "a face"),
        (["two", "left"], "two big houses at the upper left", "two things at the left"),
        (["upper"], "some food in the upper left", "in the upper part"),
        (["red"], "some red food on sand", "a red thing"),
        (["dog", "red"], "a red cat", "a red thing, dog"),
        ([], "a red cat", ""),
    ],
)
def test_sentences_say_the_keywords_and_nothing_else(keywords, caption, text):
    assert compose(keywords, [caption], frozenset({"house"})) == text


def test_a_bank_without_captions_is_refused():
    with pytest.raises(CalcarineError, match="no entry of the bank has a caption"):
        collect_terms([[], []])
