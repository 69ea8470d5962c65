"""Channel-token transformer: every sensor is a token, then a temporal-spatial convolution.

Written after ATM (Li et al. 2024, doi:10.48550/arXiv.2403.07721). Tokens carry the sensor's
position and the subject, and the convolution works on virtual channels, so that montages mix.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from calcarine.decoders.meeg.compact_networks import ResidualHead, TemporalSpatial, TsConvShape
from calcarine.decoders.meeg.montages import Montages, check_positions
from calcarine.decoders.meeg.spatial_attention import SpatialAttention, fourier_features
from calcarine.decoders.network_inputs import NetworkInput, check_time_courses
from calcarine.decoders.trunk import Trunk


@dataclass(frozen=True)
class ChannelTransformerShape:
    """Size of the channel-token transformer.

    Attributes
    ----------
    n_layers, n_heads, feedforward_dim
        Of the transformer over sensors; a token is as long as the time course.
    n_virtual, n_dims, n_harmonics, spatial_dropout
        Virtual channels and how sensors make them, see `SpatialAttention`.
    subject_dropout
        Share of training trials with the token for people never seen.
    n_filters, hidden_dim, kernel_s, pool_s, stride_s, dropout
        See `TsConvShape`.
    """

    kind: ClassVar[str] = "channel-transformer"
    n_layers: int = 1
    n_heads: int = 4
    feedforward_dim: int = 256
    n_virtual: int = 32
    n_dims: Literal[2, 3] = 3
    n_harmonics: int = 6
    spatial_dropout: float = 0.2
    subject_dropout: float = 0.2
    n_filters: int = 40
    hidden_dim: int = 128
    kernel_s: float = 0.1
    pool_s: float = 0.2
    stride_s: float = 0.02
    dropout: float = 0.25


class ChannelTransformer(Trunk):
    """Trunk that lets sensors look at each other.

    Parameters
    ----------
    inputs
        By subject.
    shape
        Size.
    """

    def __init__(self, inputs: Mapping[str, NetworkInput], shape: ChannelTransformerShape) -> None:
        super().__init__()
        check_time_courses(dict(inputs), shape.kind)
        own = next(iter(inputs.values()))
        self.hidden_dim, self.n_harmonics = shape.hidden_dim, shape.n_harmonics
        self.subject_dropout = shape.subject_dropout
        self.number = {name: i for i, name in enumerate(inputs)}
        width = -(-own.n_times // shape.n_heads) * shape.n_heads
        self.montages = Montages(inputs, shape.n_dims)
        self.embed = nn.Linear(own.n_times, width)
        self.place = nn.Linear(2 * shape.n_harmonics**shape.n_dims, width, bias=False)
        self.people = nn.Parameter(0.02 * torch.randn(len(inputs) + 1, 1, width))
        layer = nn.TransformerEncoderLayer(
            width, shape.n_heads, shape.feedforward_dim, shape.dropout, "gelu", batch_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, shape.n_layers, enable_nested_tensor=False)
        self.attention = SpatialAttention(
            shape.n_virtual, shape.n_dims, shape.n_harmonics, shape.spatial_dropout
        )
        sizes = (shape.n_filters, shape.hidden_dim, shape.kernel_s, shape.pool_s, shape.stride_s)
        filters = TemporalSpatial(
            shape.n_virtual, width, own.step_s, TsConvShape(*sizes, shape.dropout)
        )
        self.body = nn.Sequential(
            filters,
            nn.Linear(filters.n_features, shape.hidden_dim),
            ResidualHead(shape.hidden_dim, shape.dropout),
        )

    def check(self, inputs: Mapping[str, NetworkInput]) -> None:
        """Refuse training data that the trunk would not see; see `check_positions`."""
        check_positions(inputs, ChannelTransformerShape.kind)

    def _person(self, n_trials: int, subject: str | None) -> Tensor:
        """Give the token of the subject, or of people never seen: (n_trials or 1, 1, width)."""
        shared = self.people[-1]
        if subject not in self.number:
            return shared[None]
        own = self.people[self.number[subject]]
        if not self.training or self.subject_dropout == 0:
            return own[None]
        is_shared = torch.rand(n_trials, 1, 1, device=own.device) < self.subject_dropout
        return torch.where(is_shared, shared, own)

    def virtual(self, values: Tensor, places: Tensor, subject: str | None) -> Tensor:
        """Bring one subject's sensors to the common channels, (n_trials, n_virtual, width)."""
        is_there = torch.isfinite(places).all(dim=-1)
        known = torch.where(is_there[..., None], places, 0.0)
        where = self.place(fourier_features(known, self.n_harmonics))
        tokens = self.embed(values) + where + self._person(len(values), subject)
        hidden = (~is_there).expand(len(values), -1)
        tokens = self.transformer(tokens, src_key_padding_mask=hidden)
        # nothing reads a token without a position, but 0 × NaN would
        tokens = torch.where(is_there[..., None], tokens, 0.0)
        return self.attention(tokens, places)

    def forward(self, responses: Mapping[str, Tensor]) -> Tensor:
        """Map time courses of all subjects to features, see `BrainModule.forward`."""
        parts = [
            self.virtual(values, self.montages.of_subject(name), name)
            for name, values in responses.items()
        ]
        return self.body(torch.cat(parts))

    def unseen(self, values: Tensor, positions: np.ndarray) -> Tensor:
        """Map time courses of somebody who was not in the training data."""
        return self.body(self.virtual(values, self.montages.of_positions(positions), None))
