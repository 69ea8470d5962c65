"""Scores of captions against reference sentences, as the caption literature defines them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import sacrebleu

from calcarine.data.errors import CalcarineError
from calcarine.decoders.selectivity.terms import words_of

ROUGE_BETA = 1.2
CIDER_SIGMA = 6.0
_MAX_N = 4

Sentences = Sequence[str]
References = Sequence[Sequence[str]]


def _check(hypotheses: Sentences, references: References) -> None:
    if not hypotheses or len(hypotheses) != len(references):
        raise CalcarineError(
            f"{len(hypotheses)} captions came with references for {len(references)} items; each "
            "caption needs its own."
        )
    empty = [i for i, own in enumerate(references) if not own]
    if empty:
        raise CalcarineError(f"item {empty[0]} has no reference caption; leave it out.")


def bleu(hypotheses: Sentences, references: References, max_n: int = _MAX_N) -> float:
    """Give corpus BLEU by sacreBLEU, 0 to 1, unsmoothed.

    Words are cut as everywhere in this package, so that sacreBLEU's own tokenizer is off (Post
    2018, doi:10.18653/v1/W18-6319). Items with fewer references than others are filled up with
    their first one, which changes nothing.

    Parameters
    ----------
    hypotheses
        One caption an item.
    references
        One or more captions of each item.
    max_n
        Longest n-gram.

    Raises
    ------
    CalcarineError
        Captions and references do not belong together, or an item has no reference.

    Examples
    --------
    >>> bleu(["a red house at night"], [["a red house at night", "a house"]])
    1.0
    """
    _check(hypotheses, references)
    most = max(len(own) for own in references)
    cut = [[" ".join(words_of(s)) for s in own] for own in references]
    streams = [[own[i] if i < len(own) else own[0] for own in cut] for i in range(most)]
    metric = sacrebleu.BLEU(tokenize="none", smooth_method="none", max_ngram_order=max_n)
    spoken = [" ".join(words_of(s)) for s in hypotheses]
    return round(metric.corpus_score(spoken, streams).score / 100, 10)


def rouge_l(hypotheses: Sentences, references: References) -> np.ndarray:
    """Give ROUGE-L of each caption: longest common subsequence, F with β = 1.2.

    The best precision and the best recall over the references are combined, as COCO's evaluation
    does (Lin 2004, https://aclanthology.org/W04-1013; Chen et al. 2015, arXiv:1504.00325).

    Returns
    -------
    numpy.ndarray
        0 to 1, shape (n_items,).

    Raises
    ------
    CalcarineError
        Captions and references do not belong together, or an item has no reference.

    Examples
    --------
    >>> rouge_l(["a red house"], [["a house"]]).round(3).tolist()
    [0.83]
    """
    _check(hypotheses, references)
    out = []
    for sentence, own in zip(hypotheses, references, strict=True):
        said = words_of(sentence)
        common = [(_common(said, words_of(r)), len(words_of(r))) for r in own]
        precision = max((n / len(said) for n, _ in common), default=0.0) if said else 0.0
        recall = max((n / size if size else 0.0) for n, size in common)
        total = recall + ROUGE_BETA**2 * precision
        out.append((1 + ROUGE_BETA**2) * precision * recall / total if total else 0.0)
    return np.array(out)


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """Count the words of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        above = 0
        for j, other in enumerate(b, start=1):
            diagonal, above = above, row[j]
            row[j] = diagonal + 1 if word == other else max(row[j], row[j - 1])
    return row[-1]


def cider(hypotheses: Sentences, references: References) -> np.ndarray:
    """Give CIDEr-D of each caption, 0 to 10: TF-IDF cosines of n-grams, n from 1 to 4.

    Document frequencies are counted over the items' references, so that the score of an item
    depends on which items are scored together; counts are clipped and lengths that differ are
    punished (σ = 6) (Vedantam et al. 2015, doi:10.1109/CVPR.2015.7299087).

    Returns
    -------
    numpy.ndarray
        Shape (n_items,).

    Raises
    ------
    CalcarineError
        Captions and references do not belong together, or an item has no reference.
    """
    _check(hypotheses, references)
    counted = [[_ngrams(r) for r in own] for own in references]
    frequency = Counter(gram for own in counted for gram in {g for c in own for g in c})
    n_items = len(references)
    out = []
    for sentence, own in zip(hypotheses, counted, strict=True):
        said = _ngrams(sentence)
        scores = [_cider_pair(said, r, frequency, n_items) for r in own]
        out.append(10 * float(np.mean(scores)))
    return np.array(out)


def _ngrams(sentence: str) -> Counter[tuple[str, ...]]:
    words = words_of(sentence)
    return Counter(
        tuple(words[i : i + n]) for n in range(1, _MAX_N + 1) for i in range(len(words) - n + 1)
    )


def _cider_pair(
    said: Counter[tuple[str, ...]],
    reference: Counter[tuple[str, ...]],
    frequency: Counter[tuple[str, ...]],
    n_items: int,
) -> float:
    def weight(gram: tuple[str, ...]) -> float:
        return float(np.log(n_items) - np.log(max(1, frequency[gram])))

    n_said, n_reference = (sum(v for g, v in c.items() if len(g) == 1) for c in (said, reference))
    values = []
    for n in range(1, _MAX_N + 1):
        a = {g: v * weight(g) for g, v in said.items() if len(g) == n}
        b = {g: v * weight(g) for g, v in reference.items() if len(g) == n}
        size = np.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
        shared = sum(min(a[g], b[g]) * b[g] for g in a.keys() & b.keys())
        values.append(shared / size if size else 0.0)
    penalty = np.exp(-((n_said - n_reference) ** 2) / (2 * CIDER_SIGMA**2))
    return float(np.mean(values) * penalty)


def names_concept(
    sentences: Sentences, concepts: Sequence[str], words: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """Tell whether a sentence names its item's concept and no other.

    Parameters
    ----------
    sentences, concepts
        One of each an item.
    words
        Words or phrases that name each concept.

    Returns
    -------
    numpy.ndarray
        1 or 0, shape (n_items,); 0 where several concepts are named.

    Examples
    --------
    >>> words = {"face": ["face", "faces"], "house": ["house"]}
    >>> names_concept(["two faces", "a face in a house"], ["face", "face"], words).tolist()
    [1.0, 0.0]
    """
    hits = []
    for sentence, concept in zip(sentences, concepts, strict=True):
        named = {c for c, own in words.items() if says_any(sentence, own)}
        hits.append(float(named == {concept}))
    return np.array(hits)


def says_any(sentence: str, phrases: Sequence[str]) -> bool:
    """Tell whether a sentence says one of some words or phrases."""
    words = words_of(sentence)
    pairs = {" ".join(pair) for pair in pairwise(words)}
    return any(" ".join(words_of(p)) in pairs | set(words) for p in phrases)
