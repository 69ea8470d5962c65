"""Stimuli that show the same thing on both sides of a split, in other bytes or other words."""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.digests import pictures_of, read_picture
from calcarine.data.errors import CalcarineError
from calcarine.data.leaks import UNITS
from calcarine.data.look_alikes import look_alikes, reduced
from calcarine.data.splits import folds
from calcarine.data.stimuli import NO_PICTURE

Pair = tuple[str, str]


def find_stimulus_copies(
    trials: pd.DataFrame, stimuli: pd.DataFrame, folder: Path, allowed: Collection[Pair] = ()
) -> list[str]:
    """List pictures that show what a picture on another side of the split shows.

    Parameters
    ----------
    trials
        Trial table with a split.
    stimuli, folder
        Stimulus table, and the folder that its files are relative to.
    allowed
        Pairs of stimuli that look alike and are known to be different.

    Returns
    -------
    list of str
        One sentence a pair. Equal content (a renamed copy) is not among them:
        `calcarine.data.leaks` finds it in the trial table.

    Raises
    ------
    CalcarineError
        A picture cannot be read.
    """
    if (trials["split"] == "unused").all():
        return []
    sides = list(_sides(trials))
    tested = sorted(set().union(*(test for test, _, _ in sides)))
    others = sorted(set().union(*(other for _, other, _ in sides)))
    found = _alike(stimuli, folder, tested, others)
    known = {frozenset(pair) for pair in allowed}
    sha = dict(zip(trials["stimulus_id"], trials["stimulus_sha"], strict=True))
    leaks: dict[str, None] = {}
    for test, other, names in sides:
        for (a, b), distance in found.items():
            is_copy = a in test and b in other and sha[a] != sha[b]
            if is_copy and frozenset((a, b)) not in known:
                leaks.setdefault(
                    f"the pictures of stimulus {a} and stimulus {b} look the same (distance "
                    f"{distance:.4f}) and stand on both sides ({names}). If they are different "
                    f"things, write `allowed_pairs: [[{a}, {b}]]` in the section `split`."
                )
    return list(leaks)


def _sides(trials: pd.DataFrame) -> Iterator[tuple[set[str], set[str], str]]:
    stimulus = trials["stimulus_id"].to_numpy(dtype=str)
    for fold in folds(trials):
        test, chosen, train = (
            set(stimulus[rows].tolist()) for rows in (fold.test, fold.validation, fold.train)
        )
        yield test, train, "test and training"
        yield test, chosen, "test and validation"
        yield chosen, train, "validation and training"


def _alike(
    stimuli: pd.DataFrame, folder: Path, tested: list[str], others: list[str]
) -> dict[Pair, float]:
    file = dict(zip(stimuli["stimulus_id"], stimuli["file"], strict=True))
    pictures = {
        s: np.stack([reduced(read_picture(p)) for p in pictures_of(folder / file[s])])
        for s in sorted({*tested, *others})
        if file.get(s, NO_PICTURE) != NO_PICTURE
    }
    names = [[s for s in side for _ in pictures.get(s, ())] for side in (tested, others)]
    if not all(names):
        return {}
    here, there = (
        np.concatenate([pictures[s] for s in side if s in pictures]) for side in (tested, others)
    )
    found: dict[Pair, float] = {}
    for pair in look_alikes(here, there):
        key = names[0][pair.tested], names[1][pair.other]
        if key[0] != key[1]:
            found[key] = min(pair.distance, found.get(key, 1.0))
    return found


def check_allowed_pairs(
    allowed: Collection[Pair], trials: pd.DataFrame, disjoint: Collection[str]
) -> None:
    """Refuse an allow list that names what is not there.

    Raises
    ------
    CalcarineError
        A name is neither a stimulus nor a concept of the trials.
    """
    there = set(trials["stimulus_id"]) | set(trials["concept"])
    unknown = sorted({name for pair in allowed for name in pair} - there)
    if unknown:
        raise CalcarineError(
            f"split.allowed_pairs names {unknown}, which are neither stimuli nor concepts of the "
            f"trials (stimuli such as {sorted(set(trials['stimulus_id']))[:3]}). Correct or remove "
            f"the pair; the leak check looks at {sorted(set(disjoint) & set(UNITS))}."
        )
