"""The leak check: nothing may stand on both sides of a split."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.splits import folds, groups_of

_SAME = ("stimulus", "concept", "run", "session")


def find_leaks(
    trials: pd.DataFrame, disjoint: Collection[str], window_s: tuple[float, float]
) -> list[str]:
    """List what stands on both sides of a split.

    Parameters
    ----------
    trials
        Trial table with a split.
    disjoint
        What must not be shared between test and training trials: some of `stimulus` (by content
        hash, so that a renamed copy is found), `concept`, `run`, `session`, `window`.
    window_s
        Start and end of the data that a trial uses, relative to its onset, in seconds. Windows
        are compared within a run.

    Returns
    -------
    list of str
        One sentence a leak; empty when there is none.
    """
    unknown = sorted(set(disjoint) - {*_SAME, "window"})
    if unknown:
        raise CalcarineError(
            f"split.disjoint names {unknown}; expected some of {[*_SAME, 'window']}."
        )
    if (trials["split"] == "unused").all():
        return []  # nothing is fitted, and nothing can leak into it
    found: dict[str, None] = {}
    for fold in folds(trials):
        test, rest = trials.iloc[fold.test], trials.iloc[fold.fit]
        for unit in (u for u in _SAME if u in disjoint):
            found.update(dict.fromkeys(_shared(test, rest, unit)))
        if "window" in disjoint:
            found.update(dict.fromkeys(_overlaps(test, rest, window_s)))
        if len(fold.validation) and "stimulus" in disjoint:
            train, chosen = trials.iloc[fold.train], trials.iloc[fold.validation]
            found.update(
                dict.fromkeys(_shared(chosen, train, "stimulus", "validation and training"))
            )
    return list(found)


def _shared(
    test: pd.DataFrame, rest: pd.DataFrame, unit: str, sides: str = "test and training"
) -> list[str]:
    here, there = groups_of(test, unit), groups_of(rest, unit)
    leaks = []
    for value in sorted(set(here) & set(there) - {"n/a"}):
        a, b = test[here == value].iloc[0], rest[there == value].iloc[0]
        label = value if unit != "stimulus" else f"{a['stimulus_id']} = {b['stimulus_id']}"
        leaks.append(
            f"{unit} {label} stands on both sides ({sides}): trial {a['trial_id']} "
            f"and trial {b['trial_id']}."
        )
    return leaks


def _overlaps(test: pd.DataFrame, rest: pd.DataFrame, window_s: tuple[float, float]) -> list[str]:
    leaks = []
    for key, group in test.groupby(["subject", "session", "run"]):
        same = (rest[["subject", "session", "run"]] == list(key)).all(axis=1)
        other = rest[same]
        gap = np.abs(group["onset_s"].to_numpy()[:, None] - other["onset_s"].to_numpy()[None])
        rows = np.argwhere(gap < window_s[1] - window_s[0])
        leaks += [
            f"the windows of test trial {group.iloc[i]['trial_id']} and training trial "
            f"{other.iloc[j]['trial_id']} overlap in run {key[2]}."
            for i, j in rows
        ]
    return leaks


def check_leaks(
    trials: pd.DataFrame, disjoint: Collection[str], window_s: tuple[float, float]
) -> None:
    """Stop when `find_leaks` finds anything.

    Raises
    ------
    CalcarineError
        With the first five leaks and how many there are.
    """
    leaks = find_leaks(trials, disjoint, window_s)
    if leaks:
        more = f"\n… and {len(leaks) - 5} more" if len(leaks) > 5 else ""
        raise CalcarineError(
            "the leak check found the same thing on both sides of the split:\n- "
            + "\n- ".join(leaks[:5])
            + more
            + "\nRemove the copies, split by another unit (`split.by`), or, where sharing is the "
            "design, take the unit out of `split.disjoint`."
        )
