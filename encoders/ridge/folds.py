"""Folds of a cross-validation whose groups never straddle."""

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
