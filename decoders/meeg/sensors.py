"""Where the sensors are and when the samples were taken: what a network must know of a montage."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError


@dataclass(frozen=True)
class Sensors:
    """Sensors and samples of one subject.

    Attributes
    ----------
    channels
        Names, in the order of the responses.
    positions
        float32, shape (n_channels, 3), metres; NaN for a channel without a position.
    times_s
        Time of each sample after stimulus onset, shape (n_times,).
    """

    channels: tuple[str, ...]
    positions: np.ndarray
    times_s: np.ndarray

    @property
    def step_s(self) -> float:
        """Time between samples in seconds."""
        return float(np.median(np.diff(self.times_s)))


def sensors_of(units: pd.DataFrame, sidecar: dict[str, Any]) -> Sensors | None:
    """Read the sensors of responses; None where they are no time courses of channels.

    Parameters
    ----------
    units
        Units table with the column `channel`, and `x y z` in metres where they are known.
    sidecar
        Sidecar of the responses, with `times_s`.

    Raises
    ------
    CalcarineError
        There are times but no channels, or fewer than two samples.
    """
    if sidecar.get("times_s") is None:
        return None
    if "channel" not in units.columns:
        raise CalcarineError(
            f"the responses have {len(sidecar['times_s'])} samples a trial, but the units table "
            f"has no column `channel`: {list(units.columns)}. Run `prepare` again."
        )
    times_s = np.asarray(sidecar["times_s"], dtype=np.float64)
    if len(times_s) < 2 or (np.diff(times_s) <= 0).any():
        raise CalcarineError(
            f"`times_s` of the responses are {times_s[:5].tolist()} …; expected at least two "
            "rising times in seconds. Run `prepare` again."
        )
    positions = np.full((len(units), 3), np.nan, dtype=np.float32)
    for i, axis in enumerate("xyz"):
        if axis in units.columns:
            positions[:, i] = pd.to_numeric(units[axis], errors="coerce")
    positions[~np.isfinite(positions).all(axis=1)] = np.nan
    return Sensors(tuple(units["channel"].astype(str)), positions, times_s)


def flat_positions(positions: np.ndarray) -> np.ndarray:
    """Lay sensors out in a plane: azimuthal projection that keeps distances from the vertex.

    Parameters
    ----------
    positions
        Metres, x to the right, y to the front, z up, shape (n_channels, 3).

    Returns
    -------
    numpy.ndarray
        float32, shape (n_channels, 2): direction from the vertex times the angle at the centre of
        the head (the point below the vertex at the height of the origin), in radians.
    """
    values = np.asarray(positions, dtype=np.float64)
    across = np.hypot(values[:, 0], values[:, 1])
    angle = np.arctan2(across, values[:, 2])
    scale = np.divide(angle, across, out=np.zeros_like(angle), where=across > 0)
    return (values[:, :2] * scale[:, None]).astype(np.float32)
