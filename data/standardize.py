"""Z-scores whose means and deviations come from training trials alone."""

from dataclasses import dataclass
from typing import Self, cast

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.stored_rows import StoredRows

_FLOOR = 1e-6


@dataclass(frozen=True)
class Standardizer:
    """Mean and standard deviation of each unit, for each session or for all data.

    Attributes
    ----------
    groups
        Names of the sessions (or runs) that were seen; `("all",)` for one set of statistics.
    mean, std
        float32, shape (n_groups, *unit shape).
    """

    groups: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Fit on training trials.

        Parameters
        ----------
        values
            Shape (n_trials, *unit shape): training trials only. Rows on disk are read twice, some
            at a time.
        groups
            Session name of each trial, shape (n_trials,); without it one set of statistics serves.

        Raises
        ------
        CalcarineError
            A group has fewer than two trials.
        """
        if groups is None:
            groups = np.full(len(values), "all")
        of_trials = np.asarray(groups).astype(str)
        names = tuple(sorted(set(of_trials.tolist())))
        means, stds = [], []
        for name in names:
            rows = np.flatnonzero(of_trials == name)
            if len(rows) < 2:
                raise CalcarineError(
                    f"group {name!r} has {len(rows)} training trial; a standard deviation needs 2. "
                    "Standardise over all trials (`standardize: all`) or change the split."
                )
            mean, std = _moments(values, rows)
            means.append(mean)
            stds.append(np.where(std > _FLOOR, std, 1.0))
        return cls(names, np.stack(means).astype(np.float32), np.stack(stds).astype(np.float32))

    def transform(self, values: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
        """Standardise trials with the stored statistics.

        Parameters
        ----------
        values
            Shape (n_trials, *unit shape).
        groups
            Session name of each trial. A session without training trials gets the average of the
            known ones.

        Returns
        -------
        numpy.ndarray
            float32, the shape of `values`; `StoredRows` stay on disk, standardised when read.
        """
        if isinstance(values, StoredRows):
            return cast(np.ndarray, values.scaled(self, groups))
        out = np.array(values, dtype=np.float32)
        return self.transform_columns(out, groups, slice(None))

    def transform_columns(
        self, values: np.ndarray, groups: np.ndarray | None, columns: slice
    ) -> np.ndarray:
        """Standardise some units of trials in place.

        Parameters
        ----------
        values
            float32, shape (n_trials, n_columns, …); overwritten.
        groups
            As in `transform`.
        columns
            Which units these are.
        """
        index = self._rows_of(len(values), groups)
        mean = np.concatenate([self.mean, self.mean.mean(axis=0, keepdims=True)])
        std = np.concatenate([self.std, self.std.mean(axis=0, keepdims=True)])
        for number in np.unique(index):
            rows = np.flatnonzero(index == number)
            own = values if len(rows) == len(values) else values[rows]
            np.subtract(own, mean[number, columns], out=own)
            np.divide(own, std[number, columns], out=own)
            if own is not values:
                values[rows] = own
        return values

    def _rows_of(self, n_trials: int, groups: np.ndarray | None) -> np.ndarray:
        """Find the statistics of each trial; -1 where its session was not seen."""
        if len(self.groups) == 1:
            return np.zeros(n_trials, dtype=np.int64)
        row = {name: i for i, name in enumerate(self.groups)}
        groups = np.full(n_trials, "all") if groups is None else groups
        return np.array([row.get(str(g), -1) for g in groups], dtype=np.int64)

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the arrays that a model folder stores."""
        return {"standardizer.mean": self.mean, "standardizer.std": self.std}

    @classmethod
    def from_tensors(cls, groups: list[str], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild from a model folder's arrays."""
        return cls(tuple(groups), tensors["standardizer.mean"], tensors["standardizer.std"])


def _moments(values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of some rows, float64."""
    if not isinstance(values, StoredRows):
        chosen = np.asarray(values[rows], dtype=np.float64)
        return chosen.mean(axis=0), chosen.std(axis=0)
    own = values.take(rows)
    total, squares = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for _, block in own.blocks():
        total += block.sum(axis=0, dtype=np.float64)
    mean = total / len(rows)
    for _, block in own.blocks():
        squares += np.square(block - mean).sum(axis=0)
    return mean, np.sqrt(squares / len(rows))
