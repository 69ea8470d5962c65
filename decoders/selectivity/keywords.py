"""Which words describe the pictures that a unit prefers, better than pictures in general."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr

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
    min_affinity
        A term must have at least this share of the softmax over terms of its cosine with the
        unit's own weights, in multiples of the uniform share.
    affinity_temperature
        Temperature of that softmax.
    """

    penalty: float = 0.5
    max_keywords: int = 4
    alpha: float = 0.01
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


def top_shares(top_entries: np.ndarray, terms: Terms) -> np.ndarray:
    """Give the mean share of each term among each unit's entries.

    Parameters
    ----------
    top_entries
        Shape (n_units, n_top); rows of -1 belong to units without weights.
    terms
        Of the bank.

    Returns
    -------
    numpy.ndarray
        Shape (n_units, n_terms).
    """
    n_units, n_top = top_entries.shape
    known = top_entries >= 0
    pick = csr_array(
        (
            known.ravel() / n_top,
            (np.repeat(np.arange(n_units), n_top), top_entries.clip(0).ravel()),
        ),
        shape=(n_units, terms.shares.shape[0]),
    )
    return (pick @ terms.shares).toarray()


def excess_p_values(shares: np.ndarray, n_top: int, terms: Terms) -> np.ndarray:
    """Test whether terms are commoner among a unit's pictures than chance has it.

    The mean of `n_top` entries drawn without replacement is taken as normal, with the bank's
    variance; the test is one-sided.

    Parameters
    ----------
    shares
        From `top_shares`.
    n_top
        Entries of each unit.
    terms
        Of the bank.

    Returns
    -------
    numpy.ndarray
        Shape (n_units, n_terms).
    """
    n_entries = terms.shares.shape[0]
    squares = np.asarray(terms.shares.multiply(terms.shares).sum(axis=0)).ravel() / n_entries
    mean = np.asarray(terms.shares.sum(axis=0)).ravel() / n_entries
    rest = 1 - (n_top - 1) / max(n_entries - 1, 1)
    spread = np.sqrt(np.maximum((squares - mean**2) * rest / n_top, 1e-18))
    return ndtr(-(shares - mean) / spread)


def term_directions(terms: Terms, texts: np.ndarray) -> np.ndarray:
    """Give the direction of each term in the space of captions.

    It is the mean embedding of the captions that say the term minus the mean of all captions:
    what sets captions apart from pictures (the modality gap) cancels.

    Parameters
    ----------
    terms
        Of the bank.
    texts
        Caption embeddings, shape (n_entries, embed_dim); NaN rows without captions.

    Returns
    -------
    numpy.ndarray
        Unit vectors, shape (n_terms, embed_dim).
    """
    there = np.isfinite(texts).all(axis=1)
    rows = np.asarray(texts[there], dtype=np.float64)
    shares = terms.shares[np.flatnonzero(there)]
    total = np.maximum(np.asarray(shares.sum(axis=0)).ravel(), 1e-12)
    directions = (shares.T @ rows) / total[:, None] - rows.mean(axis=0)
    return directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)


def affinities(weights: np.ndarray, directions: np.ndarray, temperature: float) -> np.ndarray:
    """Let each unit's own weights say which terms are theirs.

    Parameters
    ----------
    weights
        Shape (n_units, embed_dim).
    directions
        From `term_directions`.
    temperature
        Of the softmax over terms.

    Returns
    -------
    numpy.ndarray
        Softmax of cosines times the number of terms: 1 is no preference, shape (n_units, n_terms).
    """
    unit = weights / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
    logits = unit @ directions.T / temperature
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    return len(directions) * share / share.sum(axis=1, keepdims=True)


def mine_keywords(
    weights: np.ndarray,
    top_entries: np.ndarray,
    terms: Terms,
    directions: np.ndarray | None,
    mining: Mining,
    proposed: Sequence[frozenset[str]] | None = None,
) -> list[list[Keyword]]:
    """Choose the keywords of each unit's caption.

    Candidates are commoner among the unit's pictures than in the bank and close to its own
    weights. They are taken one by one while log p(d | unit) − λ log p(d) grows, where p is the
    share of pictures that all chosen words describe (MILAN: Hernandez et al. 2022,
    arXiv:2201.11114; keywords filtered by the unit's weights: LaVCa, Matsuyama et al. 2025,
    arXiv:2502.13606).

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

    Returns
    -------
    list of list of Keyword
        Best first; empty where no term stands out.
    """
    shares = top_shares(top_entries, terms)
    p_values = excess_p_values(shares, top_entries.shape[1], terms)
    allowed = p_values * len(terms.names) <= mining.alpha
    closeness = np.full(shares.shape, np.nan)
    if directions is not None:
        closeness = affinities(weights, directions, mining.affinity_temperature)
        allowed &= closeness >= mining.min_affinity
    allowed[(top_entries < 0).any(axis=1)] = False
    if proposed is not None:
        allowed &= np.array([[term in own for term in terms.names] for own in proposed])
    columns = _Columns(terms.shares)
    out = []
    for unit, entries in enumerate(top_entries):
        candidates = np.flatnonzero(allowed[unit])
        chosen = _grow(candidates, entries, columns, mining) if len(candidates) else []
        out.append(
            [
                Keyword(
                    terms.names[t],
                    float(shares[unit, t]),
                    float(terms.base[t]),
                    float(np.log(shares[unit, t] / terms.base[t])),
                    float(p_values[unit, t]),
                    float(closeness[unit, t]),
                )
                for t in chosen
            ]
        )
    return out


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
