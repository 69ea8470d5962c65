"""What a network is told of the responses that it gets, for each subject."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.decoders.meeg.sensors import Sensors


@dataclass(frozen=True)
class NetworkInput:
    """Size of one subject's responses, and where its sensors are.

    Attributes
    ----------
    n_units
        Number of voxels or channels.
    n_times
        Number of samples of a time course; 1 where there is none.
    step_s
        Time between samples in seconds; NaN where there is none.
    positions
        Of channels, float32, shape (n_units, 3), metres; all NaN where there are none.
    """

    n_units: int
    n_times: int = 1
    step_s: float = np.nan
    positions: np.ndarray = field(default_factory=lambda: np.empty((0, 3), dtype=np.float32))

    def to_json(self) -> dict[str, Any]:
        """Give what `config.json` stores; positions stand among the tensors of the network."""
        step_s = float(self.step_s) if np.isfinite(self.step_s) else None
        return {"n_units": self.n_units, "n_times": self.n_times, "step_s": step_s}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "NetworkInput":
        """Rebuild from `config.json`; positions are filled in with the network's tensors."""
        step_s = np.nan if values["step_s"] is None else values["step_s"]
        nowhere = np.full((values["n_units"], 3), np.nan, dtype=np.float32)
        return cls(values["n_units"], values["n_times"], step_s, nowhere)


def network_input(responses: np.ndarray, sensors: Sensors | None) -> NetworkInput:
    """Describe responses.

    Parameters
    ----------
    responses
        Shape (n_trials, n_units) or (n_trials, n_channels, n_times).
    sensors
        Montage and times, where there are any.
    """
    n_units = responses.shape[1]
    n_times = responses.shape[2] if responses.ndim == 3 else 1
    if sensors is None:
        nowhere = np.full((n_units, 3), np.nan, dtype=np.float32)
        return NetworkInput(n_units, n_times, np.nan, nowhere)
    return NetworkInput(n_units, n_times, sensors.step_s, sensors.positions)


def check_time_courses(inputs: dict[str, NetworkInput], kind: str) -> None:
    """Refuse what a network over time cannot be built on.

    Raises
    ------
    CalcarineError
        Responses have no time, or subjects differ in number or distance of samples.
    """
    timings = {s: (i.n_times, i.step_s) for s, i in inputs.items()}
    if any(n_times < 2 or not np.isfinite(step_s) for n_times, step_s in timings.values()):
        raise CalcarineError(
            f"the network {kind!r} reads time courses of channels; the responses have "
            f"(n_times, step_s) = {timings}. Use `kind: contrastive` for responses without time."
        )
    n_times = {n for n, _ in timings.values()}
    steps = [step for _, step in timings.values()]
    if len(n_times) > 1 or max(steps) - min(steps) > 1e-6:
        raise CalcarineError(
            f"subjects differ in their samples: (n_times, step_s) = {timings}. Give all the same "
            "epoch and sampling rate in `recording`."
        )
