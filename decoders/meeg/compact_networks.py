"""Compact networks for one montage: EEGProject and TSConv types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from calcarine.data.errors import CalcarineError
from calcarine.decoders.bit_dropout import BitDropout
from calcarine.decoders.network_inputs import NetworkInput, check_time_courses
from calcarine.decoders.trunk import Trunk


class ResidualHead(nn.Module):
    """Add a branch of GELU, linear, dropout, then LayerNorm: (n, hidden_dim) stays."""

    def __init__(self, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.GELU(), nn.Linear(hidden_dim, hidden_dim), nn.Dropout(dropout)
        )
        self.norm = nn.LayerNorm(hidden_dim)

    def forward(self, hidden: Tensor) -> Tensor:
        """Apply the head."""
        return self.norm(hidden + self.branch(hidden))


class OneMontage(Trunk):
    """Trunk that treats everybody alike; all must have the same channels.

    Parameters
    ----------
    inputs
        By subject.
    body
        Network from (n_trials, n_channels, n_times) to (n_trials, hidden_dim).
    hidden_dim
        Width of the features.
    kind
        Name of the network, for messages.
    """

    def __init__(
        self, inputs: Mapping[str, NetworkInput], body: nn.Module, hidden_dim: int, kind: str
    ) -> None:
        super().__init__()
        self.n_channels = channels_of_all(inputs, kind)
        self.body, self.hidden_dim, self.kind = body, hidden_dim, kind

    def forward(self, responses: Mapping[str, Tensor]) -> Tensor:
        """Map time courses of all subjects to features, see `BrainModule.forward`."""
        return self.body(torch.cat(list(responses.values())))

    def unseen(self, values: Tensor, positions: np.ndarray) -> Tensor:
        """Map time courses of somebody else with the same montage.

        Raises
        ------
        CalcarineError
            The montage has another number of channels.
        """
        if values.shape[1] != self.n_channels:
            raise CalcarineError(
                f"the network {self.kind!r} was trained on {self.n_channels} channels; the new "
                f"montage has {values.shape[1]}. Use the network `brain-module` or "
                "`channel-transformer`, which take any montage."
            )
        return self.body(values)


def channels_of_all(inputs: Mapping[str, NetworkInput], kind: str) -> int:
    """Give the number of channels that all subjects have.

    Raises
    ------
    CalcarineError
        They differ.
    """
    check_time_courses(dict(inputs), kind)
    counts = {name: own.n_units for name, own in inputs.items()}
    if len(set(counts.values())) > 1:
        raise CalcarineError(
            f"the network {kind!r} needs the same channels for everybody; subjects have {counts}. "
            "Use the network `brain-module` or `channel-transformer`, or `subjects: each`."
        )
    return next(iter(counts.values()))


@dataclass(frozen=True)
class EegProjectShape:
    """Size of the projection network.

    Attributes
    ----------
    hidden_dim
        Width of the features.
    dropout
        Dropout of the residual branch.
    input_dropout
        Samples of channels that are left out of a step: with few trials it regularises most.
    """

    kind: ClassVar[str] = "eeg-project"
    hidden_dim: int = 128
    dropout: float = 0.5
    input_dropout: float = 0.8


class EegProject(OneMontage):
    """Linear map of all samples of all channels, then a residual layer (Wu et al. 2025).

    The type of network that UBP uses, doi:10.48550/arXiv.2503.04207.
    """

    def __init__(self, inputs: Mapping[str, NetworkInput], shape: EegProjectShape) -> None:
        own = next(iter(inputs.values()))
        body = nn.Sequential(
            nn.Flatten(),
            BitDropout(shape.input_dropout),
            nn.Linear(own.n_units * own.n_times, shape.hidden_dim),
            ResidualHead(shape.hidden_dim, shape.dropout),
        )
        super().__init__(inputs, body, shape.hidden_dim, shape.kind)


@dataclass(frozen=True)
class TsConvShape:
    """Size of the temporal-spatial convolution.

    Attributes
    ----------
    n_filters
        Filters over time, and over channels.
    hidden_dim
        Width of the features.
    kernel_s, pool_s, stride_s
        Length of the filters over time, of the averaging, and its step, in seconds. NICE has
        0.1, 0.2 and 0.02.
    dropout
        Dropout of the filters' output and of the residual branch.
    """

    kind: ClassVar[str] = "ts-conv"
    n_filters: int = 40
    hidden_dim: int = 128
    kernel_s: float = 0.1
    pool_s: float = 0.2
    stride_s: float = 0.02
    dropout: float = 0.5


class TemporalSpatial(nn.Module):
    """Filter over time, average, filter over channels (Song et al. 2024).

    The convolution of NICE, doi:10.48550/arXiv.2308.13234: convolution over time, average
    pooling, BatchNorm, ELU, convolution over channels, BatchNorm, ELU, dropout, 1 × 1 convolution.

    Parameters
    ----------
    n_channels, n_times, step_s
        Size of the input, and time between samples.
    shape
        Size of the filters.
    """

    def __init__(self, n_channels: int, n_times: int, step_s: float, shape: TsConvShape) -> None:
        super().__init__()
        kernel, pool, stride = (
            max(1, round(length / step_s))
            for length in (shape.kernel_s, shape.pool_s, shape.stride_s)
        )
        n_left = (n_times - kernel + 1 - pool) // stride + 1
        if n_left < 1:
            raise CalcarineError(
                f"an epoch of {n_times} samples ({n_times * step_s:.3f} s) is shorter than filter "
                f"and averaging together ({kernel} and {pool} samples). Lower `kernel_s` or "
                "`pool_s`, or take a longer epoch."
            )
        n = shape.n_filters
        # averaging and filtering over time are linear: in this order the mean of all filters'
        # outputs is taken once, and filters work only where their output is kept
        self.layers = nn.Sequential(
            nn.AvgPool2d((1, pool), 1),
            nn.Conv2d(1, n, (1, kernel), (1, stride)),
            nn.BatchNorm2d(n),
            nn.ELU(),
            nn.Conv2d(n, n, (n_channels, 1)),
            nn.BatchNorm2d(n),
            nn.ELU(),
            nn.Dropout(shape.dropout),
            nn.Conv2d(n, n, 1),
            nn.Flatten(),
        )
        self.n_features = n * n_left

    def forward(self, values: Tensor) -> Tensor:
        """Map (n_trials, n_channels, n_times) to (n_trials, n_features)."""
        return self.layers(values[:, None])


class TsConv(OneMontage):
    """Temporal-spatial convolution and a residual layer, the network of NICE."""

    def __init__(self, inputs: Mapping[str, NetworkInput], shape: TsConvShape) -> None:
        check_time_courses(dict(inputs), shape.kind)
        own = next(iter(inputs.values()))
        filters = TemporalSpatial(own.n_units, own.n_times, own.step_s, shape)
        body = nn.Sequential(
            filters,
            nn.Linear(filters.n_features, shape.hidden_dim),
            ResidualHead(shape.hidden_dim, shape.dropout),
        )
        super().__init__(inputs, body, shape.hidden_dim, shape.kind)
