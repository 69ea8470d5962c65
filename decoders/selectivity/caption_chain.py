"""Weights of units to sentences: the pictures a unit prefers, their common words, a sentence."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from calcarine.data.banks import Bank
from calcarine.decoders.selectivity.borne_out import Evidence
from calcarine.decoders.selectivity.candidates import term_directions
from calcarine.decoders.selectivity.composing import compose
from calcarine.decoders.selectivity.keywords import (
    Keyword,
    Mining,
    caption_score,
    mine_keywords,
)
from calcarine.decoders.selectivity.projection import TEMPERATURE, Projection, RankBy, project
from calcarine.decoders.selectivity.terms import Terms, collect_terms
from calcarine.decoders.text_judges import TextJudge

Composer = Callable[[Sequence[str], Sequence[str], frozenset[str]], str]
Proposer = Callable[[Sequence[str]], Sequence[str]]


@dataclass(frozen=True)
class Chain:
    """The parts of the chain; each can be exchanged.

    Attributes
    ----------
    n_top
        Pictures that speak for a unit.
    temperature, rank_by
        See `project`.
    mining
        How keywords are chosen.
    composer
        Keywords, captions of the unit's pictures, and known words to a sentence.
    proposer
        Captions of the unit's pictures to the words that may become keywords (a language model);
        without it every term may.
    device
        Where the projection runs; by default a GPU where there is one.
    """

    n_top: int = 32
    temperature: float = TEMPERATURE
    rank_by: RankBy = "response"
    mining: Mining = field(default_factory=Mining)
    composer: Composer = compose
    proposer: Proposer | None = None
    device: str | None = None


@dataclass(frozen=True)
class CaptionedBank:
    """A bank with what the chain needs of its captions.

    Attributes
    ----------
    bank
        Embeddings and entries.
    terms
        Words of its captions.
    directions
        Of the terms in caption space, shape (n_terms, embed_dim); None where the bank has no
        caption embeddings.
    """

    bank: Bank
    terms: Terms
    directions: np.ndarray | None


@dataclass(frozen=True)
class UnitCaption:
    """What a unit responds to, in words.

    Attributes
    ----------
    text
        The sentence; empty where nothing stands out.
    keywords
        What it says, best first, with the evidence of each.
    score
        log p(d | unit) − λ log p(d); NaN without a sentence.
    entries, entry_scores
        The bank entries that speak for it, best first.
    """

    text: str
    keywords: tuple[Keyword, ...]
    score: float
    entries: np.ndarray
    entry_scores: np.ndarray

    @property
    def terms(self) -> list[str]:
        """The keywords as plain text."""
        return [keyword.term for keyword in self.keywords]


def prepare_bank(bank: Bank, min_entries: int = 5) -> CaptionedBank:
    """Collect the words of a bank's captions and their directions.

    Parameters
    ----------
    bank
        With captions.
    min_entries
        A term is kept if the captions of so many entries say it.
    """
    terms = collect_terms(bank.entries["captions"].tolist(), min_entries)
    directions = None if bank.texts is None else term_directions(terms, bank.texts)
    return CaptionedBank(bank, terms, directions)


def caption_units(
    weights: np.ndarray,
    captioned: CaptionedBank,
    chain: Chain | None = None,
    evidence: Evidence | None = None,
) -> list[UnitCaption]:
    """Caption each unit by its weights, and by measured responses where they are given.

    Parameters
    ----------
    weights
        Weights of an encoder on the bank's embedding, one row a unit (an encoder's `coef_.T`, or
        `group_weights` of it), shape (n_units, embed_dim).
    captioned
        From `prepare_bank`.
    chain
        The parts of the chain.
    evidence
        What responses of training trials say of the bank's terms, see `measured_words`; without it
        the weights alone decide.

    Returns
    -------
    list of UnitCaption
        One a unit. What they are worth, only measured responses can say: see `validation`.

    Examples
    --------
    >>> from calcarine.data.banks import Bank, entry_table
    >>> names = [f"{i}" for i in range(40)]
    >>> captions = [["a red house"]] * 10 + [["a face in the sky"]] * 30
    >>> table = entry_table(names, names, names, captions)
    >>> values = np.repeat(np.eye(2, dtype=np.float32), [10, 30], axis=0)
    >>> bank = prepare_bank(Bank((values,), table, {}))
    >>> caption_units(np.array([[1.0, 0.0]]), bank, Chain(n_top=8))[0].text
    'a house'
    """
    chain = chain or Chain()
    shards, n_top = captioned.bank.shards, chain.n_top
    found = project(weights, shards, chain.temperature, n_top, chain.rank_by, chain.device)
    captions = captioned.bank.entries["captions"].tolist()
    keywords = _keywords(weights, found, captioned, chain, evidence)
    out = []
    for own, rows, scores in zip(keywords, found.top_entries, found.top_scores, strict=True):
        said = [keyword.term for keyword in own]
        of_unit = [sentence for row in rows if row >= 0 for sentence in captions[row]]
        text = chain.composer(said, of_unit, captioned.terms.known) if said else ""
        penalty = chain.mining.penalty
        score = caption_score(said, rows, captioned.terms, penalty) if said else np.nan
        out.append(UnitCaption(text, tuple(own), score, rows, scores))
    return out


def _keywords(
    weights: np.ndarray,
    found: Projection,
    captioned: CaptionedBank,
    chain: Chain,
    evidence: Evidence | None,
) -> list[list[Keyword]]:
    allowed = None
    if chain.proposer is not None:
        captions = captioned.bank.entries["captions"].tolist()
        allowed = [_proposed(chain.proposer, rows, captions) for rows in found.top_entries]
    terms, directions = captioned.terms, captioned.directions
    return mine_keywords(
        weights, found.top_entries, terms, directions, chain.mining, allowed, evidence
    )


def _proposed(proposer: Proposer, rows: np.ndarray, captions: list[list[str]]) -> frozenset[str]:
    return frozenset(proposer([s for row in rows if row >= 0 for s in captions[row]]))


@dataclass(frozen=True)
class Reliability:
    """How much captions and weights change when the training trials are resampled.

    Attributes
    ----------
    agreement
        Mean similarity, by a judge of sentences, of a unit's caption with its captions under
        resampling, shape (n_units,); 0 for an empty caption.
    weight_cosine
        Mean cosine of its weights with the resampled ones, shape (n_units,).
    n_draws
        How often trials were resampled.
    """

    agreement: np.ndarray
    weight_cosine: np.ndarray
    n_draws: int


def caption_reliability(
    weights: np.ndarray,
    captions: Sequence[UnitCaption],
    resampled: Iterable[tuple[np.ndarray, Evidence | None]],
    captioned: CaptionedBank,
    chain: Chain,
    judge: TextJudge,
) -> Reliability:
    """Caption resampled weights and compare.

    Parameters
    ----------
    weights
        Shape (n_units, embed_dim).
    captions
        Captions of these weights.
    resampled
        Weights under resampling, each shape (n_units, embed_dim), see `drawn_weights`, and what
        the resampled responses say of terms, where captions were made with it.
    captioned, chain
        As the captions were made.
    judge
        Compares sentences by their keywords.
    """
    shards, n_top = captioned.bank.shards, chain.n_top
    own = judge.embed([" ".join(c.terms) for c in captions])
    size = np.linalg.norm(weights, axis=1)
    agreement, cosine = np.zeros(len(weights)), np.zeros(len(weights))
    n_draws = 0
    for drawn, evidence in resampled:
        # keywords are compared; sentences need not be written
        found = project(drawn, shards, chain.temperature, n_top, chain.rank_by, chain.device)
        mined = _keywords(drawn, found, captioned, chain, evidence)
        again = [" ".join(keyword.term for keyword in keywords) for keywords in mined]
        agreement += (own * judge.embed(again)).sum(axis=1)
        sizes = np.maximum(size * np.linalg.norm(drawn, axis=1), 1e-12)
        cosine += (weights * drawn).sum(axis=1) / sizes
        n_draws += 1
    return Reliability(agreement / max(n_draws, 1), cosine / max(n_draws, 1), n_draws)
