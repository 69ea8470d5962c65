"""ROI-query transformer: each region asks where in the picture to look."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from calcarine.encoders.networks.block_heads import BlockHeads
from calcarine.encoders.networks.tokens import TokenScaler, sine_places


@dataclass(frozen=True)
class RoiQueryShape:
    """Size of the transformer.

    Attributes
    ----------
    n_heads, head_dim
        Heads of the cross-attention, and length of each one's keys and values.
    ff_dim
        Width of the feed-forward layer after it; 0 for none.
    dropout
        Of attended values and of the feed-forward layer.
    """

    n_heads: int = 2
    head_dim: int = 16
    ff_dim: int = 0
    dropout: float = 0.2


class RoiQueryNetwork(nn.Module):
    """Cross-attention from learned queries to the tokens of a picture, one linear head a unit.

    A query belongs to a region, a parcel or a single unit. Its keys see what a token shows and
    where it lies, so that a query can follow an object or watch a place (transformer brain
    encoders: Adeli et al. 2025, doi:10.48550/arXiv.2505.17329).

    Parameters
    ----------
    row_shape
        (n_tokens, n_channels).
    query_of_unit
        Number of each unit's query, shape (n_units,).
    shape
        Size.
    """

    places: Tensor

    def __init__(
        self, row_shape: tuple[int, ...], query_of_unit: np.ndarray, shape: RoiQueryShape
    ) -> None:
        super().__init__()
        n_tokens, n_channels = row_shape
        self.shape = shape
        dim = shape.n_heads * shape.head_dim
        n_queries = int(query_of_unit.max()) + 1
        self.scaler = TokenScaler(n_channels)
        self.register_buffer("places", sine_places(n_tokens, dim))
        self.key, self.value = nn.Linear(n_channels, dim), nn.Linear(n_channels, dim)
        self.place_key, self.place_value = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.query = nn.Parameter(torch.randn(n_queries, shape.n_heads, shape.head_dim))
        self.dropout = nn.Dropout(shape.dropout)
        self.feed_forward = _feed_forward(dim, shape) if shape.ff_dim else None
        self.heads = BlockHeads(query_of_unit, dim)

    def attention(self, tokens: Tensor) -> Tensor:
        """Give where each query looks, (n, n_queries, n_heads, n_tokens); each map sums to 1."""
        return self._logits(self.scaler(tokens)).softmax(dim=-1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, (n, n_tokens, n_channels), to responses, (n, n_units)."""
        return self.heads(self.seen(tokens))

    def seen(self, tokens: Tensor) -> Tensor:
        """Give what each query sees, (n, n_queries, n_heads × head_dim)."""
        tokens = self.scaler(tokens)
        attention = self._logits(tokens).softmax(dim=-1)
        values = self._split(self.value(tokens) + self.place_value(self.places))
        seen = torch.einsum("nqht,nthd->nqhd", attention, values).flatten(2)
        seen = self.dropout(seen)
        if self.feed_forward is not None:
            seen = seen + self.feed_forward(functional.layer_norm(seen, seen.shape[-1:]))
        return seen

    def _logits(self, tokens: Tensor) -> Tensor:
        keys = self._split(self.key(tokens) + self.place_key(self.places))
        return torch.einsum("qhd,nthd->nqht", self.query, keys) / self.shape.head_dim**0.5

    def _split(self, values: Tensor) -> Tensor:
        return values.unflatten(-1, (self.shape.n_heads, self.shape.head_dim))


def _feed_forward(dim: int, shape: RoiQueryShape) -> nn.Module:
    return nn.Sequential(
        nn.Linear(dim, shape.ff_dim),
        nn.GELU(),
        nn.Dropout(shape.dropout),
        nn.Linear(shape.ff_dim, dim),
    )
