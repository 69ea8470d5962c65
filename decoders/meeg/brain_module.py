"""Convolutional brain module: any montage, a layer a subject, dilated convolutions, one vector.

Written from Défossez et al. 2023 (doi:10.1038/s42256-023-00714-5) and Benchetrit et al. 2024
(doi:10.48550/arXiv.2310.19812).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from calcarine.decoders.meeg.montages import Montages, check_positions
from calcarine.decoders.meeg.spatial_attention import SpatialAttention
from calcarine.decoders.meeg.subject_layers import SubjectLayers
from calcarine.decoders.meeg.time_aggregation import AGGREGATIONS, Aggregation
from calcarine.decoders.network_inputs import NetworkInput, check_time_courses
from calcarine.decoders.trunk import Trunk

_DILATIONS = 5


@dataclass(frozen=True)
class BrainModuleShape:
    """Size of the brain module.

    Attributes
    ----------
    n_virtual
        Virtual channels of the spatial attention, and size of the subjects' matrices.
    hidden_dim, n_blocks, kernel_size
        Width and number of the blocks (two dilated convolutions and a gated one each), and samples
        of a kernel.
    n_dims, n_harmonics, spatial_dropout
        Positions in 2 or 3 dimensions, frequencies along each, and radius of the dropout.
    subject_dropout
        Share of training trials that go through the matrix for people never seen.
    dropout
        Dropout of the features before the heads.
    aggregation
        How time is summed up: `mean`, `linear` or `attention`.
    """

    kind: ClassVar[str] = "brain-module"
    n_virtual: int = 32
    hidden_dim: int = 64
    n_blocks: int = 2
    kernel_size: int = 3
    n_dims: Literal[2, 3] = 3
    n_harmonics: int = 6
    spatial_dropout: float = 0.2
    subject_dropout: float = 0.2
    dropout: float = 0.3
    aggregation: Aggregation = "linear"


class DilatedConvolution(nn.Module):
    """Convolution over time that keeps the length, BatchNorm, GELU; added to what came, if it fits.

    Parameters
    ----------
    n_in, n_out
        Channels.
    kernel_size, dilation
        Samples of the kernel, and between them.
    """

    def __init__(self, n_in: int, n_out: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.is_residual = n_in == n_out
        self.convolution = nn.Conv1d(n_in, n_out, kernel_size, dilation=dilation, padding="same")
        self.norm = nn.BatchNorm1d(n_out)

    def forward(self, values: Tensor) -> Tensor:
        """Map (n_trials, n_in, n_times) to (n_trials, n_out, n_times)."""
        out = functional.gelu(self.norm(self.convolution(values)))
        return values + out if self.is_residual else out


class GatedConvolution(nn.Module):
    """Convolution to twice the channels, one half gating the other (GLU)."""

    def __init__(self, n_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(n_channels, 2 * n_channels, kernel_size, padding="same")

    def forward(self, values: Tensor) -> Tensor:
        """Keep the shape (n_trials, n_channels, n_times)."""
        return functional.glu(self.convolution(values), dim=1)


def dilated_blocks(n_in: int, hidden_dim: int, n_blocks: int, kernel_size: int) -> nn.Sequential:
    """Stack blocks; convolution k has the dilation 2 ** (k mod 5)."""
    layers: list[nn.Module] = []
    for number in range(2 * n_blocks):
        wide = n_in if number == 0 else hidden_dim
        dilation = 2 ** (number % _DILATIONS)
        layers.append(DilatedConvolution(wide, hidden_dim, kernel_size, dilation))
        if number % 2:
            layers.append(GatedConvolution(hidden_dim, kernel_size))
    return nn.Sequential(*layers)


def unit_power(values: Tensor) -> Tensor:
    """Bring every trial to a mean square of 1 over channels and samples.

    Averages of repeats are quieter than single trials, and a network that was trained on these
    would be used where it is another function.
    """
    return values / values.square().mean(dim=(1, 2), keepdim=True).clamp(min=1e-12).sqrt()


class BrainModule(Trunk):
    """Trunk for time courses of sensors of any montage, known subjects and others.

    Parameters
    ----------
    inputs
        By subject.
    shape
        Size.

    Raises
    ------
    CalcarineError
        No time, different samples, or a subject without positions.
    """

    def __init__(self, inputs: Mapping[str, NetworkInput], shape: BrainModuleShape) -> None:
        super().__init__()
        check_time_courses(dict(inputs), shape.kind)
        self.hidden_dim = shape.hidden_dim
        self.montages = Montages(inputs, shape.n_dims)
        self.attention = SpatialAttention(
            shape.n_virtual, shape.n_dims, shape.n_harmonics, shape.spatial_dropout
        )
        self.mixing = nn.Conv1d(shape.n_virtual, shape.n_virtual, 1)
        self.subjects = SubjectLayers(list(inputs), shape.n_virtual, shape.subject_dropout)
        self.blocks = dilated_blocks(
            shape.n_virtual, shape.hidden_dim, shape.n_blocks, shape.kernel_size
        )
        n_times = next(iter(inputs.values())).n_times
        self.aggregation = AGGREGATIONS[shape.aggregation](shape.hidden_dim, n_times)
        self.out = nn.Sequential(nn.LayerNorm(shape.hidden_dim), nn.Dropout(shape.dropout))

    def check(self, inputs: Mapping[str, NetworkInput]) -> None:
        """Refuse training data that the trunk would not see; see `check_positions`."""
        check_positions(inputs, BrainModuleShape.kind)

    def virtual(self, values: Tensor, places: Tensor, subject: str | None) -> Tensor:
        """Bring one subject's sensors to the common channels, (n_trials, n_virtual, n_times)."""
        return self.subjects(self.mixing(self.attention(values, places)), subject)

    def shared(self, virtual: Tensor) -> Tensor:
        """Map common channels to features, shape (n_trials, hidden_dim)."""
        return self.out(self.aggregation(self.blocks(unit_power(virtual))))

    def forward(self, responses: Mapping[str, Tensor]) -> Tensor:
        """Map time courses to features.

        Parameters
        ----------
        responses
            For each subject, shape (n_trials of the subject, n_channels of the subject, n_times).

        Returns
        -------
        torch.Tensor
            Shape (n_trials of all, hidden_dim), subjects in the order of `responses`.
        """
        parts = [
            self.virtual(values, self.montages.of_subject(name), name)
            for name, values in responses.items()
        ]
        return self.shared(torch.cat(parts))

    def unseen(self, values: Tensor, positions: np.ndarray) -> Tensor:
        """Map time courses of somebody who was not in the training data.

        Parameters
        ----------
        values
            Shape (n_trials, n_channels, n_times).
        positions
            Metres, shape (n_channels, 3).
        """
        return self.shared(self.virtual(values, self.montages.of_positions(positions), None))
