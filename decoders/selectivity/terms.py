"""Words of captions: how they are cut, which ones can be keywords, and who says them."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from scipy.sparse import csr_array

from calcarine.data.errors import CalcarineError

# words that carry no content of a picture; kept short, because whatever is common in a bank is
# held down by its base rate anyway
FUNCTION_WORDS = frozenset(
    (
        *("a", "an", "the", "this", "that", "these", "those", "some", "any"),
        *("it", "its", "his", "her", "their", "there", "here"),
        *("is", "are", "was", "were", "be", "being", "been", "has", "have", "having"),
        *("and", "or", "but", "of", "at", "in", "on", "to", "by", "for", "from", "with"),
        *("without", "against", "as", "into", "onto", "over", "under", "near", "next"),
        *("up", "down", "out", "off"),
    )
)
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def words_of(sentence: str) -> list[str]:
    """Cut a sentence into small letters' words; hyphened words stay whole.

    Examples
    --------
    >>> words_of("A medium-sized house, at night")
    ['a', 'medium-sized', 'house', 'at', 'night']
    """
    return _WORD.findall(sentence.lower())


def singular(word: str, known: frozenset[str]) -> str:
    """Fold a regular English plural onto its singular, where that word is known too.

    Examples
    --------
    >>> [singular(w, frozenset({"body", "face", "glass"})) for w in ("bodies", "faces", "glass")]
    ['body', 'face', 'glass']
    """
    forms = {"ies": "y", "es": "", "s": ""}
    for ending, instead in forms.items():
        stem = word.removesuffix(ending) + instead
        if word.endswith(ending) and stem != word and stem in known:
            return stem
    return word


@dataclass(frozen=True)
class Terms:
    """The words and word pairs of a bank's captions.

    Attributes
    ----------
    names
        Terms, sorted: single words, and pairs of words that stand beside each other.
    shares
        Share of an entry's captions that say a term, sparse, shape (n_entries, n_terms).
    base
        Mean of `shares` over the entries that have captions, shape (n_terms,).
    known
        All words of the bank, by which plurals are folded.
    """

    names: tuple[str, ...]
    shares: csr_array
    base: np.ndarray
    known: frozenset[str]

    def said_in(self, sentence: str) -> list[str]:
        """List the terms of a sentence, in the order in which they come."""
        wanted = set(self.names)
        return [t for t in terms_of(sentence, self.known) if t in wanted]


def terms_of(sentence: str, known: frozenset[str]) -> list[str]:
    """List the content words of a sentence, and the pairs of those that stand beside each other.

    Examples
    --------
    >>> terms_of("two red houses at the upper left", frozenset({"house"}))
    ['two', 'two red', 'red', 'red house', 'house', 'upper', 'upper left', 'left']
    """
    out = []
    words = [singular(word, known) for word in words_of(sentence)]
    for word, after in zip_longest(words, words[1:], fillvalue=""):
        if word in FUNCTION_WORDS:
            continue
        out.append(word)
        if after and after not in FUNCTION_WORDS:
            out.append(f"{word} {after}")
    return out


def collect_terms(captions: Sequence[Sequence[str]], min_entries: int = 5) -> Terms:
    """Collect what can be a keyword.

    Parameters
    ----------
    captions
        Sentences of each entry; an entry without any counts nowhere.
    min_entries
        A term is kept if the captions of at least so many entries say it.

    Raises
    ------
    CalcarineError
        No entry has a caption.
    """
    known = frozenset(w for own in captions for sentence in own for w in words_of(sentence))
    counted = _counted(captions, known)
    n_described = sum(bool(own) for own in captions)
    if not n_described:
        raise CalcarineError(
            "no entry of the bank has a caption, so that there are no words to choose from. Give "
            "captions (`captions` in stimuli.tsv), or let a captioner write them."
        )
    entries_of = Counter(term for own in counted for term in own)
    names = tuple(sorted(t for t, n in entries_of.items() if n >= min_entries))
    shares = _table(counted, names)
    base = np.asarray(shares.sum(axis=0)).ravel() / n_described
    return Terms(names, shares, base, known)


def shares_of(captions: Sequence[Sequence[str]], terms: Terms) -> csr_array:
    """Give the share of each stimulus's captions that say each of a bank's terms.

    Parameters
    ----------
    captions
        Sentences of each stimulus.
    terms
        Of the bank.

    Returns
    -------
    scipy.sparse.csr_array
        Shape (n_stimuli, n_terms).
    """
    return _table(_counted(captions, terms.known), terms.names)


def _counted(captions: Sequence[Sequence[str]], known: frozenset[str]) -> list[dict[str, float]]:
    counted = []
    for own in captions:
        counts = Counter(t for sentence in own for t in set(terms_of(sentence, known)))
        counted.append({term: n / len(own) for term, n in counts.items()})
    return counted


def _table(counted: Sequence[dict[str, float]], names: Sequence[str]) -> csr_array:
    column = {term: i for i, term in enumerate(names)}
    found = [
        (row, column[term], share)
        for row, own in enumerate(counted)
        for term, share in own.items()
        if term in column
    ]
    rows, columns, values = (
        np.array([entry[part] for entry in found], dtype=kind)
        for part, kind in enumerate((np.int64, np.int64, np.float64))
    )
    return csr_array((values, (rows, columns)), shape=(len(counted), len(names)))
