"""Splits: made once from the configuration, written into the trial table, read as folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.seeds import derive_seed

SplitBy = Literal["stimulus", "concept", "run", "session", "subject", "declared"]
_COLUMN = {
    "stimulus": "stimulus_sha",
    "concept": "concept",
    "run": "run",
    "session": "session",
    "subject": "subject",
}
FOLD_PREFIX = "fold-"


@dataclass(frozen=True)
class Fold:
    """Rows of the trial table for one fit: numbers, not masks.

    Attributes
    ----------
    name
        `holdout`, or the group that is left out.
    train, validation, test
        Row numbers, each of shape (n,). `validation` is part of the training data (disjoint from
        `train` by the split's unit) and serves every choice.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def fit(self) -> np.ndarray:
        """Train and validation rows together, in table order."""
        return np.sort(np.concatenate([self.train, self.validation]))


def groups_of(trials: pd.DataFrame, by: str) -> pd.Series:
    """Name the unit of the split that each trial belongs to.

    A run is named `session/run`, or `run` where the recording has no sessions.

    Raises
    ------
    CalcarineError
        The unit is none of those that exist.
    """
    if by == "declared":
        return trials["stimulus_sha"].astype("str")
    if by not in _COLUMN:
        raise CalcarineError(f"split.by is {by!r}; expected one of {sorted(_COLUMN)}.")
    if by == "run":
        session, run = trials["session"].astype("str"), trials["run"].astype("str")
        return run.where(session == "n/a", session + "/" + run)
    return trials[_COLUMN[by]].astype("str")


def hold_out(
    trials: pd.DataFrame,
    by: SplitBy,
    seed: int,
    test: Sequence[str] | float = (),
    validation: Sequence[str] | float = 0.1,
    declared: str | None = None,
) -> pd.DataFrame:
    """Declare one fixed split into training, validation and test trials.

    Parameters
    ----------
    trials
        The trial table.
    by
        Unit that never straddles. `declared` takes the test trials from a column of the table and
        draws validation by stimulus.
    seed
        Seed of the draws.
    test, validation
        Names of groups (stimuli by their id), or the share of groups to draw. A stimulus is drawn
        by its own content and the seed alone, so that it stands on the same side for all
        subjects, whatever else they saw; the share is then met on average. Of other units
        exactly the share is drawn.
    declared
        Column with the words `train` and `test` (and optionally `validation`, `unused`).

    Returns
    -------
    pandas.DataFrame
        A copy with `split` and `split_group` filled.
    """
    out = trials.copy()
    groups = groups_of(trials, by)
    out["split_group"] = groups
    out["split"] = "train"
    if by == "declared":
        out["split"] = _declared(trials, declared)
    else:
        names = _chosen(trials, groups, by, test, derive_seed(seed, "test"), "test")
        out.loc[groups.isin(names), "split"] = "test"
    if not (out["split"] == "validation").any():
        is_rest = out["split"] == "train"
        chosen_by: SplitBy = "stimulus" if by == "declared" else by
        names = _chosen(
            trials[is_rest],
            groups[is_rest],
            chosen_by,
            validation,
            derive_seed(seed, "validation"),
            "validation",
        )
        out.loc[groups.isin(names) & (out["split"] == "train"), "split"] = "validation"
    return out


def _declared(trials: pd.DataFrame, column: str | None) -> pd.Series:
    if column is None or column not in trials.columns:
        raise CalcarineError(
            f"split.column is {column!r}; the trial table has {list(trials.columns)}. "
            "Name the events.tsv column that says `train` or `test`."
        )
    known = {"train", "test", "validation", "unused"}
    words = trials[column].astype("str")
    unknown = sorted(set(words) - known)
    if unknown:
        raise CalcarineError(
            f"column {column!r} says {unknown[:5]}; expected only {sorted(known)}."
        )
    return words


def _chosen(
    trials: pd.DataFrame,
    groups: pd.Series,
    by: str,
    wanted: Sequence[str] | float,
    seed: int,
    what: str,
) -> set[str]:
    names = sorted(groups.unique())
    if isinstance(wanted, int | float):
        return _drawn(names, wanted, seed, each_by_itself=by == "stimulus")
    labels = trials["stimulus_id"].astype("str") if by == "stimulus" else groups
    unknown = sorted(set(wanted) - set(labels))
    if unknown:
        there = sorted(labels.unique())
        raise CalcarineError(
            f"split.{what} names {unknown}; the data have {there[:20]}{' …' * (len(there) > 20)}."
        )
    return set(groups[labels.isin(list(wanted))])


def _drawn(names: list[str], share: float, seed: int, each_by_itself: bool) -> set[str]:
    if not each_by_itself:
        order = np.random.default_rng(seed).permutation(len(names))
        return {names[i] for i in order[: round(len(names) * share)]}
    lots = {name: derive_seed(seed, name) / 2**32 for name in names}
    drawn = {name for name, lot in lots.items() if lot < share}
    # a handful of stimuli may all miss: a share above 0 means at least one
    return drawn or ({min(lots, key=lots.__getitem__)} if share > 0 and lots else set())


def leave_one_out(trials: pd.DataFrame, by: SplitBy, declared: str | None = None) -> pd.DataFrame:
    """Declare a cross-validation that leaves out one group at a time.

    Parameters
    ----------
    trials
        The trial table.
    by
        Unit that is left out. `declared` takes the groups from a column of the table.
    declared
        That column; trials of the group `n/a` are not used.

    Raises
    ------
    CalcarineError
        There are fewer than three groups: one to test, one to choose, one to train.
    """
    groups = _declared_groups(trials, declared) if by == "declared" else groups_of(trials, by)
    used = groups != "n/a" if by == "declared" else pd.Series(True, index=groups.index)
    if groups[used].nunique() < 3:
        raise CalcarineError(
            f"a cross-validation over {by} needs at least 3 of them; the data have "
            f"{groups[used].nunique()}: {sorted(groups[used].unique())}. Choose another split.by."
        )
    out = trials.copy()
    out["split_group"] = groups
    out["split"] = (FOLD_PREFIX + groups).where(used, "unused")
    return out


def _declared_groups(trials: pd.DataFrame, column: str | None) -> pd.Series:
    if column is None or column not in trials.columns:
        raise CalcarineError(
            f"split.column is {column!r}; the trial table has {list(trials.columns)}. "
            "Name the events.tsv column that holds the group of each trial."
        )
    return trials[column].astype("str")


def folds(trials: pd.DataFrame) -> list[Fold]:
    """Read the split of a trial table as a list of folds.

    A fixed split gives one fold. In a cross-validation the group that follows the tested one (in
    sorted order) is the validation set.

    Returns
    -------
    list of Fold
        In sorted order of the groups.

    Raises
    ------
    CalcarineError
        No test or no training trial.
    """
    split = trials["split"].astype("str").to_numpy()
    names = sorted({s for s in split if s.startswith(FOLD_PREFIX)})
    if not names:
        rows = {w: np.flatnonzero(split == w) for w in ("train", "validation", "test")}
        if not len(rows["train"]) or not len(rows["test"]):
            raise CalcarineError(
                f"the split has {len(rows['train'])} training and {len(rows['test'])} test trials; "
                "both are needed. Change the `split` section of the configuration."
            )
        return [Fold("holdout", rows["train"], rows["validation"], rows["test"])]
    used = np.isin(split, names)
    out = []
    for i, name in enumerate(names):
        validation = names[(i + 1) % len(names)]
        is_train = used & (split != name) & (split != validation)
        out.append(
            Fold(
                name.removeprefix(FOLD_PREFIX),
                np.flatnonzero(is_train),
                np.flatnonzero(split == validation),
                np.flatnonzero(split == name),
            )
        )
    return out
