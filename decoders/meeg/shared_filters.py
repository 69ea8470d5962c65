"""Filters over time that people share, fitted in closed form, then a small network.

What a trial tells of a stimulus lies in few courses over time, and its noise in others. Both can be
had from the training trials at once, without gradients, and for several people together: their
responses follow one sequence whatever their sensors are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from calcarine.data.errors import CalcarineError
from calcarine.data.stored_rows import row_blocks, take_rows
from calcarine.decoders.bit_dropout import BitDropout
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.meeg.compact_networks import ResidualHead
from calcarine.decoders.network_inputs import NetworkInput, check_time_courses
from calcarine.decoders.trunk import Trunk


@dataclass(frozen=True)
class SharedFiltersShape:
    """Size of the network.

    Attributes
    ----------
    n_filters
        Filters over time.
    noise_floor
        White noise that is added to the noise over time before it is inverted, as a share of its
        mean variance.
    n_target_axes
        Principal axes of the targets that the filters are fitted to.
    hidden_dim
        Width of the features.
    input_dropout, dropout
        Filtered values that are left out of a step, and dropout of the residual branch.
    """

    kind: ClassVar[str] = "shared-filters"
    n_filters: int = 4
    noise_floor: float = 0.1
    n_target_axes: int = 32
    hidden_dim: int = 128
    input_dropout: float = 0.5
    dropout: float = 0.5


@dataclass(frozen=True)
class Courses:
    """What filters are made of, of one subject.

    Attributes
    ----------
    mean
        Mean training trial, shape (n_channels, n_times).
    whitener
        Inverse root of the covariance over time, shape (n_times, n_times).
    evoked
        Covariance over time, whitened, of what targets explain, shape (n_times, n_times).
    """

    mean: np.ndarray
    whitener: np.ndarray
    evoked: np.ndarray


def target_axes(targets: np.ndarray, n_axes: int) -> np.ndarray:
    """Give the targets along their principal axes at equal variance, shape (n_trials, n_axes)."""
    centred = np.asarray(targets, dtype=np.float64) - targets.mean(axis=0, dtype=np.float64)
    squares, axes = np.linalg.eigh(centred.T @ centred)
    kept = np.arange(len(squares)) >= len(squares) - n_axes
    kept &= squares > 1e-9 * max(float(squares[-1]), 1e-300)
    scores: np.ndarray = centred @ axes[:, kept] / np.sqrt(squares[kept])
    return scores


def courses_of(responses: np.ndarray, axes: np.ndarray, noise_floor: float) -> Courses:
    """Measure noise and evoked courses over time.

    Parameters
    ----------
    responses
        Training trials, shape (n_trials, n_channels, n_times).
    axes
        From `target_axes`.
    noise_floor
        See `SharedFiltersShape`.
    """
    n_trials, n_channels, n_times = responses.shape
    total = np.zeros((n_channels, n_times))
    squares = np.zeros((n_times, n_times))
    explained = np.zeros((axes.shape[1], n_channels * n_times))
    for rows, block in row_blocks(responses):
        values = np.asarray(block, dtype=np.float64)
        total += values.sum(axis=0)
        flat = values.reshape(-1, n_times)
        squares += flat.T @ flat
        explained += axes[rows].T @ values.reshape(len(values), -1)
    mean = total / n_trials
    covariance = squares / (n_trials * n_channels) - mean.T @ mean / n_channels
    floor = noise_floor * np.trace(covariance) / n_times
    power, vectors = np.linalg.eigh(covariance + floor * np.eye(n_times))
    whitener = (vectors * np.maximum(power, 1e-12) ** -0.5) @ vectors.T
    # axes have mean zero: the mean trial drops out of the products
    evoked = explained.reshape(-1, n_times) @ whitener
    return Courses(mean, whitener, evoked.T @ evoked)


class SharedFilters(Trunk):
    """Whitened filters over time for all, a linear layer a subject, a residual layer for all.

    Each subject's noise is whitened over time; the filters are the leading axes, summed over
    subjects, of the whitened courses that the targets explain. They stay as they are, and the rest
    is learned. The features of a trial are brought to one length, so that averages of repeats are
    treated as single trials are.

    Parameters
    ----------
    inputs
        By subject; montages may differ.
    shape
        Size.
    """

    def __init__(self, inputs: Mapping[str, NetworkInput], shape: SharedFiltersShape) -> None:
        super().__init__()
        check_time_courses(dict(inputs), shape.kind)
        self.shape, self.hidden_dim = shape, shape.hidden_dim
        n_filters = min(shape.n_filters, next(iter(inputs.values())).n_times)
        for name, own in inputs.items():
            self.register_buffer(f"filters_{name}", torch.eye(own.n_times, n_filters))
            self.register_buffer(f"mean_{name}", torch.zeros(own.n_units, n_filters))
        self.dropout = BitDropout(shape.input_dropout)
        self.subjects = nn.ModuleDict(
            {
                f"sub-{name}": nn.Linear(own.n_units * n_filters, shape.hidden_dim)
                for name, own in inputs.items()
            }
        )
        self.head = nn.Sequential(
            nn.LayerNorm(shape.hidden_dim), ResidualHead(shape.hidden_dim, shape.dropout)
        )

    def begin(self, trials: Mapping[str, DecodingTrials]) -> None:
        """Fit the filters on the training trials of all subjects; validation trials are left out.

        Parameters
        ----------
        trials
            By subject.
        """
        found = {}
        for name, data in trials.items():
            rows = np.flatnonzero(~data.is_validation)
            axes = target_axes(data.targets[rows], self.shape.n_target_axes)
            responses = take_rows(data.responses, rows)
            found[name] = courses_of(responses, axes, self.shape.noise_floor)
        evoked = sum((own.evoked for own in found.values()), np.zeros(()))
        for name, own in found.items():
            filters, mean = self.get_buffer(f"filters_{name}"), self.get_buffer(f"mean_{name}")
            chosen = np.linalg.eigh(evoked)[1][:, ::-1][:, : filters.shape[1]]
            weights = own.whitener @ chosen
            filters.copy_(torch.from_numpy(weights))
            mean.copy_(torch.from_numpy(own.mean @ weights))

    def fixed(self, values: Tensor, subject: str) -> Tensor:
        """Filter over time: (n_trials, n_channels, n_times) becomes (…, n_filters)."""
        filters, mean = (self.get_buffer(f"{what}_{subject}") for what in ("filters", "mean"))
        return values @ filters - mean

    def learned(self, fixed: Mapping[str, Tensor]) -> Tensor:
        """Map filtered trials of all subjects to features, shape (n_trials of all, hidden_dim)."""
        layers = [
            self.subjects[f"sub-{name}"](self.dropout(values.flatten(1)))
            for name, values in fixed.items()
        ]
        return self.head(torch.cat(layers))

    def forward(self, responses: Mapping[str, Tensor]) -> Tensor:
        """Map time courses of all subjects to features, see `BrainModule.forward`."""
        return self.learned({name: self.fixed(values, name) for name, values in responses.items()})

    def unseen(self, values: Tensor, positions: np.ndarray) -> Tensor:
        """Refuse: every subject has a layer of its own."""
        raise CalcarineError(
            "the network 'shared-filters' has a layer for each subject and cannot decode somebody "
            "it was not trained on. Use the network `brain-module`."
        )
