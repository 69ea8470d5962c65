"""Which words describe the pictures that a unit prefers, better than pictures in general."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from calcarine.decoders.selectivity.borne_out import Evidence, borne_out
from calcarine.decoders.selectivity.candidates import affinities, excess_p_values, top_shares
from calcarine.decoders.selectivity.terms import Terms


@dataclass(frozen=True)
class Mining:
    """How keywords are chosen.

    Attributes
    ----------
    penalty
        λ of log p(d | unit) − λ log p(d): 0 prefers what is common, 1 what is rare.
    max_keywords
        Keywords of a caption at most.
    alpha
        A term must be commoner among the unit's pictures than in the bank at this level
        (one-sided, Bonferroni over terms).
    level, min_effect
        When measured responses bear out a word, where they are given: see `borne_out`.
    suggested
        Where measured responses decide: level at which a term must be commoner than in the bank to
        be a candidate, not corrected.
    min_affinity
        A term must have at least this share of the softmax over terms of its cosine with the
        unit's own weights, in multiples of the uniform share.
    affinity_temperature
        Temperature of that softmax.
    """

    penalty: float = 0.5
    max_keywords: int = 6
    alpha: float = 0.01
    level: float = 0.05
    min_effect: float = 0.5
    suggested: float = 0.01
    min_affinity: float = 1.0
    affinity_temperature: float = 0.1


@dataclass(frozen=True)
class Keyword:
    """One word of a unit's caption and what speaks for it.

    Attributes
    ----------
    term
        The word, or pair of words.
    share, base
        Share of the unit's pictures and of all pictures whose captions say it.
    pmi
        log(share / base), natural logarithm.
    p_value
        That so large a share comes from pictures drawn from the bank at random.
    affinity
        Its share of the softmax over terms, in multiples of the uniform share; NaN where the bank
        has no caption embeddings.
    """

    term: str
    share: float
    base: float
    pmi: float
    p_value: float
    affinity: float


def mine_keywords(
    weights: np.ndarray,
    top_entries: np.ndarray,
    terms: Terms,
    directions: np.ndarray | None,
    mining: Mining,
    proposed: Sequence[frozenset[str]] | None = None,
    evidence: Evidence | None = None,
) -> list[list[Keyword]]:
    """Choose the keywords of each unit's caption.

    Candidates are commoner among the unit's pictures than in the bank and close to its own
    weights (LaVCa, Matsuyama et al. 2025, arXiv:2502.13606). With measured responses those are
    taken that the responses bear out. Without, they are taken one by one while log p(d | unit) −
    λ log p(d) grows, where p is the share of pictures that all chosen words describe (MILAN:
    Hernandez et al. 2022, arXiv:2201.11114).

    Parameters
    ----------
    weights
        Shape (n_units, embed_dim).
    top_entries
        Preferred bank entries, shape (n_units, n_top).
    terms
        Of the bank.
    directions
        From `term_directions`; without them no keyword is refused for the unit's weights.
    mining
        How.
    proposed
        Terms that a unit's keywords may be taken from, one set a unit; without it all.
    evidence
        What measured responses say of each unit and term.

    Returns
    -------
    list of list of Keyword
        Best first; empty where no term stands out.
    """
    shares = top_shares(top_entries, terms)
    p_values = excess_p_values(shares, top_entries.shape[1], terms)
    allowed = p_values <= mining.suggested
    if evidence is None:
        allowed = p_values * len(terms.names) <= mining.alpha
    closeness = np.full(shares.shape, np.nan)
    if directions is not None:
        closeness = affinities(weights, directions, mining.affinity_temperature)
        allowed &= closeness >= mining.min_affinity
    allowed[(top_entries < 0).any(axis=1)] = False
    if proposed is not None:
        allowed &= np.array([[term in own for term in terms.names] for own in proposed])
    if evidence is None:
        columns = _Columns(terms.shares)
        chosen = [
            _grow(np.flatnonzero(own), entries, columns, mining)
            for own, entries in zip(allowed, top_entries, strict=True)
        ]
    else:
        how = mining.level, mining.min_effect, mining.max_keywords
        found = borne_out(evidence, allowed, *how)
        chosen = [[int(term) for term in own if term >= 0] for own in found]
    return [
        [
            Keyword(
                terms.names[t],
                float(shares[unit, t]),
                float(terms.base[t]),
                float(np.log(shares[unit, t] / terms.base[t])),
                float(p_values[unit, t]),
                float(closeness[unit, t]),
            )
            for t in own
        ]
        for unit, own in enumerate(chosen)
    ]


class _Columns:
    """Columns of a sparse table, each made dense once."""

    def __init__(self, shares: csr_array) -> None:
        self._table = shares.tocsc()
        self._dense: dict[int, np.ndarray] = {}

    def of(self, columns: np.ndarray) -> np.ndarray:
        """Give some columns, shape (n_rows, len(columns))."""
        for column in columns:
            if column not in self._dense:
                own = self._table[:, [column]].toarray()[:, 0]
                self._dense[column] = own.astype(np.float32)
        return np.stack([self._dense[column] for column in columns], axis=1)


def _grow(
    candidates: np.ndarray, entries: np.ndarray, columns: _Columns, mining: Mining
) -> list[int]:
    """Add terms while the penalised log probability of the whole caption grows."""
    if not len(candidates):
        return []
    of_bank = columns.of(candidates)
    of_unit = of_bank[entries]
    n_bank, n_unit = len(of_bank), len(of_unit)
    said_bank, said_unit = np.ones((n_bank, 1)), np.ones((n_unit, 1))
    chosen: list[int] = []
    score = 0.0
    while len(chosen) < min(mining.max_keywords, len(candidates)):
        joint_unit = (said_unit * of_unit).mean(axis=0)
        joint_bank = (said_bank * of_bank).mean(axis=0)
        # half an entry is added, so that what no picture shows has a finite logarithm
        scores = np.log((joint_unit * n_unit + 0.5) / (n_unit + 1)) - mining.penalty * np.log(
            (joint_bank * n_bank + 0.5) / (n_bank + 1)
        )
        scores[[int(np.flatnonzero(candidates == c)[0]) for c in chosen]] = -np.inf
        best = int(scores.argmax())
        if scores[best] <= score + 1e-9:
            break
        score = float(scores[best])
        chosen.append(int(candidates[best]))
        said_unit, said_bank = said_unit * of_unit[:, [best]], said_bank * of_bank[:, [best]]
    return chosen


def caption_score(
    chosen: Sequence[str], entries: np.ndarray, terms: Terms, penalty: float
) -> float:
    """Give log p(d | unit) − λ log p(d) of a caption that says certain terms.

    Parameters
    ----------
    chosen
        Terms of the caption.
    entries
        The unit's bank entries, shape (n_top,).
    terms
        Of the bank.
    penalty
        λ.
    """
    columns = [terms.names.index(t) for t in chosen]
    said = terms.shares[:, columns].toarray().prod(axis=1)
    n_bank, n_unit = len(said), len(entries)
    given = (said[entries].sum() + 0.5) / (n_unit + 1)
    return float(np.log(given) - penalty * np.log((said.sum() + 0.5) / (n_bank + 1)))
