"""Words that measured responses bear out: against plain regression, and what must not matter."""

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csr_array

from calcarine.decoders.selectivity.borne_out import borne_out
from calcarine.decoders.selectivity.measured_words import measured_words
from calcarine.encoders.ridge.resampling import block_draws

N_TERMS, MAX_WORDS, LEVEL, MIN_EFFECT = 9, 4, 0.05, 0.5


def _shares(rng, n_stimuli):
    """Draw shares of five captions, with two terms that mostly come together; none is empty."""
    shares = rng.binomial(5, 0.25, (n_stimuli, N_TERMS)) / 5
    shares[:, 1] = np.where(rng.random(n_stimuli) < 0.7, shares[:, 0], shares[:, 1])
    shares[:, 8] = np.maximum(shares[:, 8], 0.2)
    return shares


@pytest.fixture
def planted(rng):
    """Give units of no word, of one, of two and of three, 40 of each."""
    shares = _shares(rng, 300)
    weights = np.zeros((N_TERMS, 160))
    weights[3, 40:] = 1
    weights[5, 80:] = 1
    weights[0, 120:] = 1
    noise = rng.standard_normal((300, 160))
    return shares, (shares @ weights * 3 + noise).astype(np.float32)


def _found(shares, values, stimuli=None, blocks=None, counts=None, candidates=None):
    n = len(values)
    stimuli = np.arange(n).astype(str) if stimuli is None else stimuli
    blocks = np.repeat("a", n) if blocks is None else blocks
    words = measured_words(csr_array(shares), values, stimuli, blocks)
    if candidates is None:
        candidates = np.ones((values.shape[1], shares.shape[1]), dtype=bool)
    return borne_out(words.evidence(counts), candidates, LEVEL, MIN_EFFECT, MAX_WORDS)


def _left(values, design):
    design = np.column_stack([np.ones(len(design)), design])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def _naive(shares, values, candidates):
    """Regress one unit by least squares, word by word, as the rule is written."""
    chosen: list[int] = []
    first = 0.0
    while len(chosen) < MAX_WORDS:
        rest = _left(values, shares[:, chosen])
        partial = {
            t: stats.pearsonr(_left(shares[:, t], shares[:, chosen]), rest).statistic
            for t in candidates
            if t not in chosen
        }
        if not partial:
            break
        best = max(partial, key=lambda t: partial[t])
        freedom = len(values) - 2 - len(chosen)
        t = partial[best] * np.sqrt(freedom / (1 - partial[best] ** 2))
        tests = 1 if chosen else N_TERMS
        semipartial = stats.pearsonr(_left(shares[:, best], shares[:, chosen]), values).statistic
        if stats.t.sf(t, freedom) * tests >= LEVEL or semipartial < MIN_EFFECT * first:
            break
        first = first or semipartial
        chosen.append(best)
    return chosen + [-1] * (MAX_WORDS - len(chosen))


def test_it_is_forward_selection_by_least_squares(planted, rng):
    shares, values = planted
    candidates = rng.random((160, N_TERMS)) < 0.8
    found = _found(shares, values, candidates=candidates)
    for unit in range(160):
        expected = _naive(shares, values[:, unit].astype(float), np.flatnonzero(candidates[unit]))
        assert found[unit].tolist() == expected
    assert len({tuple(own) for own in found.tolist()}) > 10


def test_planted_words_are_accepted_and_no_others(planted):
    found = [set(own.tolist()) - {-1} for own in _found(*planted)]
    said = [{frozenset(own) for own in found[k : k + 40]} for k in (0, 40, 80, 120)]
    share = [
        np.mean([own == expected for own in found[k : k + 40]])
        for k, expected in ((0, set()), (40, {3}), (80, {3, 5}), (120, {0, 3, 5}))
    ]
    assert min(share) > 0.8, said


def test_responses_without_words_are_given_one_at_the_stated_level(rng):
    shares = _shares(rng, 200)
    found = _found(shares, rng.standard_normal((200, 4000)).astype(np.float32))
    given = (found[:, 0] >= 0).mean()
    # Bonferroni over terms of which two go together: at the level or a little below
    assert LEVEL / 2 < given < LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 4000)


def test_candidates_found_in_the_same_trials_do_not_raise_the_level(rng):
    """Each unit's candidates are the three terms that go best with its own noise."""
    shares = _shares(rng, 200)
    values = rng.standard_normal((200, 4000)).astype(np.float32)
    r = np.corrcoef(shares.T, values.T)[:N_TERMS, N_TERMS:].T
    best = r >= np.sort(r, axis=1)[:, [-3]]
    given = (_found(shares, values, candidates=best)[:, 0] >= 0).mean()
    assert LEVEL / 2 < given < LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 4000)


def test_a_word_that_matters_little_is_not_said(rng):
    """Both words are significant beyond doubt; the second is a fifth of the first."""
    shares = _shares(rng, 3000)[:, 2:8]
    signal = shares @ np.array([1, 0.2, 0, 0, 0, 0])
    values = (3 * signal + rng.standard_normal(3000))[:, None].astype(np.float32)
    found = measured_words(
        csr_array(shares), values, np.arange(3000).astype(str), np.repeat("a", 3000)
    )
    every = np.ones((1, 6), dtype=bool)
    said = {e: borne_out(found.evidence(), every, 0.001, e, 3)[0].tolist() for e in (0.1, 0.5)}
    assert said == {0.1: [0, 1, -1], 0.5: [0, -1, -1]}


def test_repeats_of_a_stimulus_count_as_their_mean(planted, rng):
    """Each of three repeats brings what the words do not say of a stimulus again."""
    shares, means = planted
    noise = rng.standard_normal((3, *means.shape)).astype(np.float32) * 2
    noise -= noise.mean(axis=0)
    trials = (means + noise).reshape(-1, means.shape[1])
    stimuli = np.tile(np.arange(300), 3).astype(str)
    np.testing.assert_array_equal(
        _found(np.tile(shares, (3, 1)), trials, stimuli), _found(shares, means)
    )


def test_repeats_that_share_what_no_word_says_do_not_add_evidence(rng):
    shares = _shares(rng, 150)
    means = rng.standard_normal((150, 2000)).astype(np.float32)
    stimuli = np.tile(np.arange(150), 4).astype(str)
    found = _found(np.tile(shares, (4, 1)), np.tile(means, (4, 1)), stimuli)
    assert (found[:, 0] >= 0).mean() < 2 * LEVEL


def test_a_draw_of_blocks_is_the_drawn_trials(planted):
    shares, values = planted
    blocks = np.repeat([f"run-{9 - k}" for k in range(10)], 30)
    shares = np.where((blocks == "run-7")[:, None], 0, shares)  # a run without captions
    words = measured_words(csr_array(shares), values, np.arange(300).astype(str), blocks)
    every = np.ones((160, N_TERMS), dtype=bool)
    for counts in block_draws(10, 4, seed=1):
        rows = np.concatenate([np.arange(30) + 30 * b for b in np.repeat(np.arange(10), counts)])
        rows = rows[blocks[rows] != "run-7"]
        drawn = borne_out(words.evidence(counts), every, LEVEL, MIN_EFFECT, MAX_WORDS)
        np.testing.assert_array_equal(drawn, _found(shares[rows], values[rows]))


def test_order_of_trials_and_company_of_units_do_not_matter(planted, rng, monkeypatch):
    shares, values = planted
    whole = _found(shares, values)
    order = rng.permutation(300)
    np.testing.assert_array_equal(_found(shares[order], values[order]), whole)
    units = rng.permutation(160)
    np.testing.assert_array_equal(_found(shares, values[:, units]), whole[units])
    np.testing.assert_array_equal(_found(shares, values[:, :1]), whole[:1])
    np.testing.assert_array_equal(_found(shares, values * 7 - 3), whole)
    monkeypatch.setattr("calcarine.decoders.selectivity.borne_out._UNITS_AT_A_TIME", 7)
    np.testing.assert_array_equal(_found(shares, values), whole)


def test_terms_beyond_the_limit_are_those_that_vary_least(planted, monkeypatch):
    shares, values = planted
    shares = np.column_stack([np.full(300, 0.4), shares, np.full(300, 0.6)])
    monkeypatch.setattr("calcarine.decoders.selectivity.measured_words.MAX_TERMS", N_TERMS)
    found = _found(shares, values)
    expected = _found(shares[:, 1:-1], values)
    np.testing.assert_array_equal(found, np.where(expected >= 0, expected + 1, -1))


def test_what_does_not_vary_is_never_accepted(planted):
    shares, values = planted
    shares = np.column_stack([shares, np.full(300, 0.4)])
    still = np.column_stack([values, np.full(300, 2.0, dtype=np.float32)])
    found = _found(shares, still)
    assert (found[-1] == -1).all()
    assert not (found == N_TERMS).any()
