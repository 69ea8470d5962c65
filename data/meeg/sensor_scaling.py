"""Scales of sensors that are fitted on training trials: robust, clamped, whitened."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.noise import Dim, inverse_root, noise_covariance

_FLOOR = 1e-9


@dataclass(frozen=True)
class SensorScaler:
    """Median and interquartile range of each channel, a limit, and a whitening matrix.

    Attributes
    ----------
    groups
        Names of the sessions (or runs) that were seen; `("all",)` for one set of statistics.
    centre, scale
        Median and interquartile range over trials and times, float32, shape
        (n_groups, n_channels).
    clamp
        Largest magnitude after scaling; infinite where there is no limit.
    whitener
        Symmetric inverse root of the noise covariance of each group, and last that of their mean,
        float32, shape (n_groups + 1, n_channels, n_channels); None: no noise normalisation.
    """

    groups: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray
    clamp: float = float("inf")
    whitener: np.ndarray | None = None

    @classmethod
    def fit(
        cls,
        values: np.ndarray,
        groups: np.ndarray | None = None,
        conditions: np.ndarray | None = None,
        clamp: float | None = None,
        mvnn_dim: Dim | None = None,
    ) -> Self:
        """Fit on training trials.

        Parameters
        ----------
        values
            Training trials only, shape (n_trials, n_channels, n_times).
        groups
            Session of each trial, shape (n_trials,); without it one set of statistics serves.
        conditions
            What each trial showed, shape (n_trials,); needed with `mvnn_dim`.
        clamp
            Largest magnitude after scaling.
        mvnn_dim
            Noise normalisation, see `noise_covariance`.

        Raises
        ------
        CalcarineError
            Responses have no times, or `conditions` are missing.
        """
        if values.ndim != 3:
            raise CalcarineError(
                f"robust scaling is for sensors: expected responses (n_trials, n_channels, "
                f"n_times), got the shape {values.shape}. Write `scaling: {{kind: zscore}}`."
            )
        if mvnn_dim is not None and conditions is None:
            raise CalcarineError("noise normalisation needs to know what each trial showed.")
        labels = np.full(len(values), "all") if groups is None else np.asarray(groups).astype(str)
        names = tuple(sorted(set(labels.tolist())))
        quartiles = [_quartiles(values[labels == name]) for name in names]
        centre = np.stack([q[1] for q in quartiles]).astype(np.float32)
        spread = np.stack([q[2] - q[0] for q in quartiles])
        scale = np.where(spread > _FLOOR, spread, 1.0).astype(np.float32)
        plain = cls(names, centre, scale, float("inf") if clamp is None else clamp)
        if mvnn_dim is None or conditions is None:
            return plain
        shown = np.asarray(conditions)
        covariances = [
            noise_covariance(
                plain.transform(values[labels == name], labels[labels == name]),
                shown[labels == name],
                mvnn_dim,
            )
            for name in names
        ]
        roots = [inverse_root(c) for c in [*covariances, np.mean(covariances, axis=0)]]
        return cls(names, centre, scale, plain.clamp, np.stack(roots).astype(np.float32))

    def transform(self, values: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
        """Scale trials with the stored statistics.

        Parameters
        ----------
        values
            Shape (n_trials, n_channels, n_times).
        groups
            Session of each trial. A session without training trials gets the average of the known
            ones.

        Returns
        -------
        numpy.ndarray
            float32, the shape of `values`.
        """
        row = {name: i for i, name in enumerate(self.groups)}
        if len(self.groups) == 1 or groups is None:
            index = np.full(len(values), 0 if len(self.groups) == 1 else -1)
        else:
            index = np.array([row.get(str(g), -1) for g in groups], dtype=int)
        centre = np.concatenate([self.centre, self.centre.mean(axis=0, keepdims=True)])
        scale = np.concatenate([self.scale, self.scale.mean(axis=0, keepdims=True)])
        out = np.asarray(values, dtype=np.float32) - centre[index][:, :, None]
        out /= scale[index][:, :, None]
        if np.isfinite(self.clamp):
            np.clip(out, -self.clamp, self.clamp, out=out)
        if self.whitener is not None:
            out = np.matmul(self.whitener[index], out)
        return out.astype(np.float32, copy=False)

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the arrays that a model folder stores."""
        out = {
            "scaler.centre": self.centre,
            "scaler.scale": self.scale,
            "scaler.clamp": np.array([self.clamp], dtype=np.float32),
        }
        return out if self.whitener is None else out | {"scaler.whitener": self.whitener}

    @classmethod
    def from_tensors(cls, groups: list[str], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild from a model folder's arrays."""
        return cls(
            tuple(groups),
            tensors["scaler.centre"],
            tensors["scaler.scale"],
            float(tensors["scaler.clamp"][0]),
            tensors.get("scaler.whitener"),
        )


def _quartiles(values: np.ndarray) -> np.ndarray:
    """Give the quartiles of each channel, shape (3, n_channels), one at a time."""
    channels = range(values.shape[1])
    return np.stack(
        [np.percentile(np.asarray(values[:, c], dtype=np.float64), [25, 50, 75]) for c in channels],
        axis=1,
    )
