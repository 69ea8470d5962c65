"""What could be a keyword: words that a unit's pictures share and its weights come close to."""

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr

from calcarine.decoders.selectivity.terms import Terms


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
