"""What is fitted on the training trials of a fold before any model: scales, and whitening."""

from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.sensor_scaling import Dim, SensorScaler
from calcarine.data.standardize import Standardizer


class Scaler(Protocol):
    """A transformation of responses that was fitted on training trials.

    Attributes
    ----------
    groups
        Names of the sessions (or runs) that were seen; `("all",)` for one set of statistics.
    """

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the sessions that were seen."""

    def transform(self, values: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
        """Transform trials with the stored statistics, each trial by itself."""

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the arrays that a model folder stores."""

    @classmethod
    def from_tensors(cls, groups: list[str], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild from a model folder's arrays."""


@dataclass(frozen=True)
class ScalingPlan:
    """How responses are scaled.

    Attributes
    ----------
    kind
        `zscore`: mean and deviation of each unit (at each time). `robust`: median and
        interquartile range of each channel over trials and times.
    clamp
        Largest magnitude after robust scaling; None: no limit.
    mvnn_dim
        Multivariate noise normalisation after that, see `calcarine.data.meeg.noise`; None: none.
    """

    kind: Literal["zscore", "robust"] = "zscore"
    clamp: float | None = None
    mvnn_dim: Dim | None = None


def fit_scaler(
    plan: ScalingPlan,
    values: np.ndarray,
    groups: np.ndarray | None = None,
    conditions: np.ndarray | None = None,
) -> Scaler:
    """Fit what the plan says on training trials.

    Parameters
    ----------
    plan
        How.
    values
        Training trials only, shape (n_trials, *unit shape).
    groups
        Session of each trial, shape (n_trials,); without it one set of statistics serves.
    conditions
        What each trial showed, shape (n_trials,); needed for noise normalisation.

    Raises
    ------
    CalcarineError
        The plan does not fit the shape of the responses, or a group has too few trials.
    """
    if plan.kind == "zscore":
        return Standardizer.fit(values, groups)
    return SensorScaler.fit(values, groups, conditions, plan.clamp, plan.mvnn_dim)


# the tensor that betrays a scaler's kind
SCALERS: dict[str, type[Standardizer] | type[SensorScaler]] = {
    "standardizer.mean": Standardizer,
    "scaler.centre": SensorScaler,
}


def load_scaler(groups: list[str], tensors: dict[str, np.ndarray]) -> Scaler:
    """Rebuild a scaler from a model folder's arrays.

    Raises
    ------
    CalcarineError
        The arrays belong to no known scaler.
    """
    for name, kind in SCALERS.items():
        if name in tensors:
            return kind.from_tensors(groups, tensors)
    raise CalcarineError(
        f"the model holds the arrays {sorted(tensors)[:6]}; expected one of {list(SCALERS)}. It "
        "was written by another version of calcarine."
    )
