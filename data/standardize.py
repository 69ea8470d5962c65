"""Z-scores whose means and deviations come from training trials alone."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from calcarine.data.errors import CalcarineError

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
            Shape (n_trials, *unit shape): training trials only.
        groups
            Session name of each trial, shape (n_trials,); without it one set of statistics serves.

        Raises
        ------
        CalcarineError
            A group has fewer than two trials.
        """
        if groups is None:
            groups = np.full(len(values), "all")
        names = tuple(sorted({str(g) for g in groups}))
        means, stds = [], []
        for name in names:
            rows = np.asarray(values[np.asarray(groups).astype(str) == name], dtype=np.float64)
            if len(rows) < 2:
                raise CalcarineError(
                    f"group {name!r} has {len(rows)} training trial; a standard deviation needs 2. "
                    "Standardise over all trials (`standardize: all`) or change the split."
                )
            means.append(rows.mean(axis=0))
            std = rows.std(axis=0)
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
            float32, the shape of `values`.
        """
        if groups is None:
            groups = np.full(len(values), "all")
        row = {name: i for i, name in enumerate(self.groups)}
        if len(self.groups) == 1:
            index = np.zeros(len(values), dtype=int)
        else:
            index = np.array([row.get(str(g), -1) for g in groups])
        mean = np.concatenate([self.mean, self.mean.mean(axis=0, keepdims=True)])
        std = np.concatenate([self.std, self.std.mean(axis=0, keepdims=True)])
        return ((np.asarray(values, dtype=np.float32) - mean[index]) / std[index]).astype(
            np.float32
        )

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the arrays that a model folder stores."""
        return {"standardizer.mean": self.mean, "standardizer.std": self.std}

    @classmethod
    def from_tensors(cls, groups: list[str], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild from a model folder's arrays."""
        return cls(tuple(groups), tensors["standardizer.mean"], tensors["standardizer.std"])
