"""Folds of a cross-validation whose groups never straddle."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from calcarine.data.errors import CalcarineError


def grouped_folds(
    n_samples: int, groups: np.ndarray | None = None, n_folds: int | None = 5
) -> np.ndarray:
    """Deal samples into folds, deterministically.

    Parameters
    ----------
    n_samples
        Number of samples.
    groups
        Group of each sample (stimulus, run, …), shape (n_samples,). The largest group goes first,
        each to the fold that holds the fewest samples. Without groups, folds are runs of
        consecutive samples, so that neighbours in time stay together.
    n_folds
        Number of folds; None leaves out one group at a time.

    Returns
    -------
    numpy.ndarray
        Fold of each sample, int64, shape (n_samples,).

    Raises
    ------
    CalcarineError
        There are fewer groups than folds, or fewer than two folds.

    Examples
    --------
    >>> grouped_folds(6, np.array(["a", "a", "b", "c", "c", "d"]), 2)
    array([0, 0, 0, 1, 1, 1])
    """
    if groups is None:
        members = np.arange(n_samples)
        n_groups = n_samples
    else:
        if np.shape(groups) != (n_samples,):
            raise CalcarineError(
                f"`groups` has shape {np.shape(groups)}; expected ({n_samples},), one a sample."
            )
        names, members = np.unique(groups, return_inverse=True)
        n_groups = len(names)
    n_folds = n_groups if n_folds is None else n_folds
    if not 2 <= n_folds <= n_groups:
        raise CalcarineError(
            f"{n_folds} folds were asked of {n_groups} "
            f"{'samples' if groups is None else 'groups'} (n_samples={n_samples}); expected at "
            f"least 2 and at most {n_groups}. Lower `n_folds` or give more data."
        )
    if groups is None:
        return members * n_folds // n_samples
    sizes = np.bincount(members)
    fold_of_group = np.empty(n_groups, dtype=np.int64)
    n_in_fold = np.zeros(n_folds, dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold = int(np.argmin(n_in_fold))
        fold_of_group[group] = fold
        n_in_fold[fold] += sizes[group]
    return fold_of_group[members]


@dataclass(frozen=True)
class Folds:
    """A cross-validation as sums over blocks see it.

    Samples that play the same part in every fold form a block, so that any scheme (held-out runs,
    purged neighbours, repeated or overlapping folds) becomes sums over whole blocks.

    Attributes
    ----------
    blocks
        Block of each sample, int64, shape (n_samples,).
    train, test
        Which blocks each fold trains on and which it tests, bool, shape (n_folds, n_blocks). A
        block of neither is purged.
    """

    blocks: np.ndarray
    train: np.ndarray
    test: np.ndarray

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return len(self.train)

    @classmethod
    def held_out(cls, fold_of_sample: np.ndarray) -> Self:
        """Hold out each fold once and train on all others.

        Parameters
        ----------
        fold_of_sample
            0 … n_folds − 1, shape (n_samples,).
        """
        test = np.eye(int(fold_of_sample.max()) + 1, dtype=bool)
        return cls(np.asarray(fold_of_sample, dtype=np.int64), ~test, test)

    @classmethod
    def of_roles(cls, train: np.ndarray, test: np.ndarray) -> Self:
        """Find the blocks of any cross-validation.

        Parameters
        ----------
        train, test
            Whether a fold trains on a sample or tests it, bool, shape (n_folds, n_samples).

        Raises
        ------
        CalcarineError
            A sample is on both sides of a fold, or a side is empty.
        """
        both, nobody = (train & test).any(axis=1), ~(train.any(axis=1) & test.any(axis=1))
        for bad, what in ((both, "share a sample"), (nobody, "are not both filled")):
            if bad.any():
                raise CalcarineError(
                    f"training and test samples of fold {int(np.argmax(bad))} {what}; expected two "
                    "sets that are disjoint and not empty."
                )
        roles = np.concatenate([train, test]).T
        parts, blocks = np.unique(roles, axis=0, return_inverse=True)
        n_folds = len(train)
        return cls(
            blocks.reshape(-1).astype(np.int64),
            np.ascontiguousarray(parts[:, :n_folds].T),
            np.ascontiguousarray(parts[:, n_folds:].T),
        )

    def refuse_single_samples(self) -> None:
        """Raise where a fold tests a single sample, which has no variance to explain."""
        sizes = self.test @ np.bincount(self.blocks, minlength=self.test.shape[1])
        if sizes.min() < 2:
            raise CalcarineError(
                f"fold {int(np.argmin(sizes))} of {self.n_folds} would be tested on {sizes.min()} "
                "sample; expected at least 2. Lower `n_folds`, give larger groups, or use method "
                "'gcv', which needs no folds."
            )


def purged_folds(
    n_samples: int,
    n_folds: int = 5,
    gap: float = 0.0,
    times: np.ndarray | None = None,
    segments: np.ndarray | None = None,
) -> Folds:
    """Cut a recording into consecutive folds and leave out what stands close to the test samples.

    Parameters
    ----------
    n_samples
        Number of samples, in the order of time.
    n_folds
        Number of folds of consecutive samples.
    gap
        Samples nearer than this to a test sample are neither trained on nor tested: in samples, or
        in seconds where `times` are given. It should span the response and its autocorrelation.
    times
        Onset of each sample in seconds, shape (n_samples,).
    segments
        What a gap does not reach across (the run of each sample), shape (n_samples,).

    Raises
    ------
    CalcarineError
        Shapes disagree, or a fold is left without training samples.
    """
    at = np.arange(n_samples, dtype=np.float64) if times is None else np.asarray(times, np.float64)
    runs = np.zeros(n_samples) if segments is None else np.asarray(segments)
    if at.shape != (n_samples,) or runs.shape != (n_samples,) or gap < 0:
        raise CalcarineError(
            f"times have shape {at.shape}, segments {runs.shape}, the gap is {gap}; expected "
            f"({n_samples},) each and a gap of at least 0."
        )
    fold_of_sample = grouped_folds(n_samples, None, n_folds)
    test = fold_of_sample[None] == np.arange(n_folds)[:, None]
    train = ~test
    for fold in range(n_folds):
        for run in np.unique(runs):
            here = np.flatnonzero(runs == run)
            tested = np.sort(at[here[test[fold, here]]])
            if tested.size:
                train[fold, here] &= _distance(at[here], tested) > gap
    return Folds.of_roles(train, test)


def _distance(at: np.ndarray, tested: np.ndarray) -> np.ndarray:
    after = np.clip(np.searchsorted(tested, at), 0, len(tested) - 1)
    before = np.clip(after - 1, 0, None)
    return np.minimum(np.abs(at - tested[after]), np.abs(at - tested[before]))
