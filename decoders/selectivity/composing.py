"""From keywords to a sentence: a real caption of the unit's pictures, cut down to its keywords."""

import re
from collections.abc import Sequence
from functools import lru_cache

from calcarine.decoders.selectivity.terms import FUNCTION_WORDS, singular, words_of

_ARTICLES = frozenset(("a", "an", "the", "some"))


def compose(
    keywords: Sequence[str], captions: Sequence[str], known: frozenset[str] = frozenset()
) -> str:
    """Write a sentence that says the keywords and no other content.

    Of the captions of the unit's pictures, the shortest of those that say the most keywords is
    taken; content words that are no keyword are struck out, and with them phrases that have no
    content left. A phrase whose last word, its head, is struck out gets a placeholder. Keywords
    that the caption lacks are appended.

    Parameters
    ----------
    keywords
        Words or pairs of words, best first.
    captions
        Captions of the unit's pictures, best picture first.
    known
        Words of the bank, by which plurals are folded.

    Returns
    -------
    str
        Empty where there is no keyword.

    Examples
    --------
    >>> compose(["face", "left"], ["a picture of a small red face at the upper left on sand"])
    'a face at the left'
    >>> compose(["red"], ["on sand there is a red house"])
    'a red thing'
    """
    if not keywords:
        return ""
    wanted = {word for term in keywords for word in term.split()}
    ranked = sorted(captions, key=lambda c: (-_n_said(c, wanted, known), len(words_of(c))))
    source = ranked[0] if ranked else ""
    kept = [cut for phrase in _phrases(source) if (cut := _cut(phrase, wanted, known))]
    sentence = " ".join(_lead(kept))
    said = {singular(w, known) for w in words_of(sentence)}
    missing = [w for term in keywords for w in term.split() if w not in said]
    return ", ".join(part for part in (sentence, *dict.fromkeys(missing)) if part)


def _n_said(caption: str, wanted: set[str], known: frozenset[str]) -> int:
    return len(wanted & _said(caption, known))


@lru_cache(maxsize=50_000)
def _said(caption: str, known: frozenset[str]) -> frozenset[str]:
    # the same captions of a bank speak for many units
    return frozenset(singular(w, known) for w in words_of(caption))


def _phrases(sentence: str) -> list[list[str]]:
    """Cut a sentence where function words begin after content words."""
    phrases: list[list[str]] = []
    for clause in re.split(r"[,;:.!?]", sentence):
        begins = True
        for word in words_of(clause):
            is_function = word in FUNCTION_WORDS
            if begins or (is_function and phrases[-1][-1] not in FUNCTION_WORDS):
                phrases.append([])
            begins = False
            phrases[-1].append(word)
    return phrases


def _cut(phrase: list[str], wanted: set[str], known: frozenset[str]) -> list[str]:
    content = [w for w in phrase if w not in FUNCTION_WORDS]
    kept = [w for w in content if singular(w, known) in wanted]
    if not kept:
        return []
    function = [w for w in phrase if w in FUNCTION_WORDS]
    if kept[-1] != content[-1]:
        names_place = bool(function) and function[0] not in (*_ARTICLES, "of", "there")
        is_plural = singular(content[-1], known) != content[-1]
        kept.append("part" if names_place else "things" if is_plural else "thing")
        function = ["a" if word == "some" else word for word in function]
    return [*function, *kept]


def _lead(phrases: list[list[str]]) -> list[str]:
    """Put what is there before where it is, and drop the words that linked it to what was cut."""
    things = [p for p in phrases if _is_thing(p)]
    ordered = things + [p for p in phrases if not _is_thing(p)]
    words = [word for phrase in ordered for word in phrase]
    while words and words[0] in FUNCTION_WORDS and words[0] not in _ARTICLES:
        if not things and words[0] not in ("of", "there", "is", "are", "and", "or"):
            break
        words = words[1:]
    return words


def _is_thing(phrase: list[str]) -> bool:
    return phrase[0] in _ARTICLES or phrase[0] not in FUNCTION_WORDS or phrase[0] in (
        "of", "there", "is", "are",
    )  # fmt: skip
