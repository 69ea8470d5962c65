"""The leak check on the trial table: nothing may stand on both sides of a split."""

import re
import unicodedata
from collections.abc import Collection, Iterator

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.splits import Fold, folds, groups_of

_SAME = ("stimulus", "concept", "run", "session")
UNITS = (*_SAME, "block", "window")


def find_leaks(
    trials: pd.DataFrame,
    disjoint: Collection[str],
    window_s: tuple[float, float],
    allowed: Collection[tuple[str, str]] = (),
) -> list[str]:
    """List what stands on both sides of a split.

    Parameters
    ----------
    trials
        Trial table with a split.
    disjoint
        What must not be shared between test and training trials: some of `stimulus` (by content
        hash, so that a renamed copy is found), `concept` (however it is spelled), `run`,
        `session`, `block` (neighbours in a run that show one concept), `window`. A split group is
        looked at always.
    window_s
        Start and end of the data that a trial uses, relative to its onset, in seconds. Windows
        are compared within a run.
    allowed
        Pairs of concepts that are spelled alike and are known to be different things.

    Returns
    -------
    list of str
        One sentence a leak; empty when there is none.
    """
    unknown = sorted(set(disjoint) - set(UNITS))
    if unknown:
        raise CalcarineError(f"split.disjoint names {unknown}; expected some of {list(UNITS)}.")
    if (trials["split"] == "unused").all():
        return []  # nothing is fitted, and nothing can leak into it
    found: dict[str, None] = {}
    for fold in folds(trials):
        for leak in _leaks_of_fold(trials, fold, set(disjoint), window_s, allowed):
            found.setdefault(leak)
    return list(found)


def _leaks_of_fold(
    trials: pd.DataFrame,
    fold: Fold,
    disjoint: set[str],
    window_s: tuple[float, float],
    allowed: Collection[tuple[str, str]],
) -> Iterator[str]:
    test, train = trials.iloc[fold.test], trials.iloc[fold.train]
    chosen = trials.iloc[fold.validation]
    for other, sides in ((train, "test and training"), (chosen, "test and validation")):
        for unit in (u for u in _SAME if u in disjoint):
            yield from _shared(test, other, unit, sides)
        if "concept" in disjoint:
            yield from _spelled_alike(test, other, sides, allowed)
        yield from _straddling(test, other, sides)
        if "window" in disjoint:
            yield from _overlaps(test, other, window_s)
    if "block" in disjoint:
        yield from _cut_blocks(trials, fold)
    if "stimulus" in disjoint:
        yield from _shared(chosen, train, "stimulus", "validation and training")


def _shared(test: pd.DataFrame, rest: pd.DataFrame, unit: str, sides: str) -> Iterator[str]:
    here, there = groups_of(test, unit), groups_of(rest, unit)
    for value in sorted(set(here) & set(there) - {"n/a"}):
        a, b = test[here == value].iloc[0], rest[there == value].iloc[0]
        label = value if unit != "stimulus" else f"{a['stimulus_id']} = {b['stimulus_id']}"
        yield _both_sides(f"{unit} {label}", sides, a, b)


def _both_sides(what: str, sides: str, a: pd.Series, b: pd.Series) -> str:
    return (
        f"{what} stands on both sides ({sides}): trial {a['trial_id']} and trial {b['trial_id']}."
    )


def concept_key(concept: str) -> str:
    """Give what is left of a concept's name whatever way it is spelled.

    Capitals, accents, anything but letters and digits, and the `s` of a plural are dropped.

    Examples
    --------
    >>> concept_key("Coffee_mugs") == concept_key("coffee mug")
    True
    """
    plain = unicodedata.normalize("NFKD", concept.casefold())
    plain = re.sub(r"[^\w]|_", "", "".join(c for c in plain if not unicodedata.combining(c)))
    is_plural = len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss")
    return plain[:-1] if is_plural else plain


def _spelled_alike(
    test: pd.DataFrame, rest: pd.DataFrame, sides: str, allowed: Collection[tuple[str, str]]
) -> Iterator[str]:
    there: dict[str, str] = {concept_key(c): c for c in sorted(set(rest["concept"].astype(str)))}
    known = {frozenset(pair) for pair in allowed}
    for name in sorted(set(test["concept"].astype(str)) - {"n/a"}):
        other = there.get(concept_key(name), name)
        if other != name and frozenset((name, other)) not in known:
            a = test[test["concept"] == name].iloc[0]
            b = rest[rest["concept"] == other].iloc[0]
            yield _both_sides(f"concept {name}, spelled {other!r} there,", sides, a, b)


def _straddling(test: pd.DataFrame, rest: pd.DataFrame, sides: str) -> Iterator[str]:
    """Look at the groups that the split was declared by; groups of stimuli belong to `stimulus`."""
    a, b = (t[t["split_group"] != t["stimulus_sha"]] for t in (test, rest))
    for group in sorted(set(a["split_group"]) & set(b["split_group"]) - {"n/a"}):
        first, second = (t[t["split_group"] == group].iloc[0] for t in (a, b))
        yield _both_sides(f"split group {group}", sides, first, second)


def _cut_blocks(trials: pd.DataFrame, fold: Fold) -> Iterator[str]:
    side = np.full(len(trials), "", dtype=object)
    side[fold.fit], side[fold.test] = "fit", "test"
    ordered = trials.assign(side=side).sort_values(["subject", "session", "run", "onset_s"])
    place = ordered[["subject", "session", "run", "concept"]].astype(str)
    block = (place != place.shift()).any(axis=1).cumsum()
    for _, own in ordered.groupby(block):
        a, b = own[own["side"] == "test"], own[own["side"] == "fit"]
        if len(a) and len(b):
            what = f"a block of {len(own)} trials of concept {own['concept'].iloc[0]}"
            yield _both_sides(what, "test and training", a.iloc[0], b.iloc[0])


def _overlaps(
    test: pd.DataFrame, rest: pd.DataFrame, window_s: tuple[float, float]
) -> Iterator[str]:
    for key, group in test.groupby(["subject", "session", "run"]):
        same = (rest[["subject", "session", "run"]] == list(key)).all(axis=1)
        other = rest[same]
        gap = np.abs(group["onset_s"].to_numpy()[:, None] - other["onset_s"].to_numpy()[None])
        for i, j in np.argwhere(gap < window_s[1] - window_s[0]):
            yield (
                f"the windows of test trial {group.iloc[i]['trial_id']} and training trial "
                f"{other.iloc[j]['trial_id']} overlap in run {key[2]}."
            )


def refuse_leaks(leaks: Collection[str]) -> None:
    """Stop when there is any leak.

    Raises
    ------
    CalcarineError
        With the first five leaks and how many there are.
    """
    if leaks:
        more = f"\n… and {len(leaks) - 5} more" if len(leaks) > 5 else ""
        raise CalcarineError(
            "the leak check found the same thing on both sides of the split:\n- "
            + "\n- ".join(list(leaks)[:5])
            + more
            + "\nRemove the copies, split by another unit (`split.by`), name a pair that is known "
            "to differ in `split.allowed_pairs`, or, where sharing is the design, take the unit "
            "out of `split.disjoint`."
        )
