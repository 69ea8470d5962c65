"""Network of the contrastive decoder: a trunk of any kind and two heads."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from calcarine.data.errors import CalcarineError
from calcarine.decoders.meeg.brain_module import BrainModule, BrainModuleShape
from calcarine.decoders.meeg.channel_transformer import (
    ChannelTransformer,
    ChannelTransformerShape,
)
from calcarine.decoders.meeg.compact_networks import (
    EegProject,
    EegProjectShape,
    TsConv,
    TsConvShape,
)
from calcarine.decoders.meeg.shared_filters import SharedFilters, SharedFiltersShape
from calcarine.decoders.network_inputs import NetworkInput
from calcarine.decoders.residual_mlp import ResidualMlp, ResidualMlpShape
from calcarine.decoders.trunk import Trunk

_SMALLEST_TEMPERATURE = 0.01


class NetworkShape(Protocol):
    """Size of a trunk: a frozen dataclass with the name of the network.

    Attributes
    ----------
    kind
        Key in `NETWORKS`.
    """

    @property
    def kind(self) -> str:
        """Key in `NETWORKS`."""


@dataclass(frozen=True)
class NetworkKind:
    """A trunk that can be chosen.

    Attributes
    ----------
    shape
        Dataclass of its size.
    build
        Makes the trunk from the inputs by subject and a shape.
    """

    shape: Callable[..., Any]
    build: Callable[[Mapping[str, NetworkInput], Any], Trunk]


NETWORKS: dict[str, NetworkKind] = {
    "residual-mlp": NetworkKind(ResidualMlpShape, ResidualMlp),
    "brain-module": NetworkKind(BrainModuleShape, BrainModule),
    "eeg-project": NetworkKind(EegProjectShape, EegProject),
    "ts-conv": NetworkKind(TsConvShape, TsConv),
    "channel-transformer": NetworkKind(ChannelTransformerShape, ChannelTransformer),
    "shared-filters": NetworkKind(SharedFiltersShape, SharedFilters),
}


def shape_of(kind: str, values: dict[str, Any]) -> NetworkShape:
    """Make the shape of a network from its values.

    Raises
    ------
    CalcarineError
        There is no such network.
    """
    if kind not in NETWORKS:
        raise CalcarineError(
            f"there is no network {kind!r}; the networks are {list(NETWORKS)}. A model that names "
            "another was written by another version of calcarine."
        )
    shape: NetworkShape = NETWORKS[kind].shape(**values)
    return shape


class ContrastiveNetwork(nn.Module):
    """A trunk, a head for the contrastive space and one for the standardised target.

    Parameters
    ----------
    inputs
        What each subject's responses look like.
    embed_dim
        Dimension of the target.
    shape
        Which trunk, and its size.
    """

    def __init__(
        self, inputs: Mapping[str, NetworkInput], embed_dim: int, shape: NetworkShape
    ) -> None:
        super().__init__()
        self.trunk = NETWORKS[shape.kind].build(inputs, shape)
        hidden_dim = self.trunk.hidden_dim
        self.projection = nn.Linear(hidden_dim, embed_dim)
        self.regression = nn.Linear(hidden_dim, embed_dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    @property
    def temperature(self) -> Tensor:
        """Learned temperature of the logits, kept above 0.01 as CLIP's is."""
        return torch.exp(-self.log_scale.clamp(max=-math.log(_SMALLEST_TEMPERATURE)))

    def forward(self, responses: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Map responses to the contrastive space and to the standardised target.

        Parameters
        ----------
        responses
            For each subject, shape (n_trials of the subject, n_units) or (n_trials, n_channels,
            n_times).

        Returns
        -------
        tuple of torch.Tensor
            Projection and regression, each of shape (n_trials of all, embed_dim), subjects in the
            order of `responses`.
        """
        return self._heads(self.trunk(responses))

    def learned(self, fixed: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Do the same from what `trunk.fixed` gave for each subject."""
        return self._heads(self.trunk.learned(fixed))

    def _heads(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return self.projection(hidden), self.regression(hidden)

    def unseen(self, values: Tensor, positions: np.ndarray) -> tuple[Tensor, Tensor]:
        """Map responses of somebody who was not in the training data.

        Parameters
        ----------
        values
            Shape (n_trials, n_channels, n_times).
        positions
            Metres, shape (n_channels, 3).
        """
        return self._heads(self.trunk.unseen(values, positions))
