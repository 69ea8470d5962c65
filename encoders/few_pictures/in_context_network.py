"""A transformer that reads a voxel's responses to few pictures and writes the voxel's weights."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_N_REGISTERS = 4
_USUAL_LENGTH = 64


@dataclass(frozen=True)
class InContextShape:
    """Size of the transformer.

    Attributes
    ----------
    width
        Length of a token.
    n_blocks, n_heads
        Blocks, and heads of each one's attention.
    dropout
        Of the blocks' outputs.
    """

    width: int = 32
    n_blocks: int = 2
    n_heads: int = 4
    dropout: float = 0.0


class InContextNetwork(nn.Module):
    """Write the weights of voxels from (embedding, response) pairs.

    A token holds a picture's embedding, the voxel's response to it, their product (whose mean over
    pictures is what every regression begins with) and what the starting weights leave unexplained.
    Register tokens gather the answer, one of them told the starting weights; no token has a place,
    so that the order of pictures does not matter. After BraInCoRL (Yu et al. 2025,
    doi:10.48550/arXiv.2505.15813), which starts from nothing.

    Parameters
    ----------
    n_features
        Length of an embedding.
    shape
        Size.
    """

    def __init__(self, n_features: int, shape: InContextShape) -> None:
        super().__init__()
        width = shape.width
        self.read = nn.Linear(2 * n_features + 2, width)
        self.registers = nn.Parameter(0.02 * torch.randn(_N_REGISTERS, width))
        self.start = nn.Linear(n_features, width)
        self.blocks = nn.ModuleList(
            [_Block(width, shape.n_heads, shape.dropout) for _ in range(shape.n_blocks)]
        )
        self.write = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(),
            nn.Linear(2 * width, 2 * n_features),
        )  # fmt: skip
        nn.init.zeros_(self.write[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.write[-1].bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, responses: Tensor, start: Tensor) -> Tensor:
        """Give weights.

        Parameters
        ----------
        features
            Embeddings of the pictures, shape (n_pictures, n_features).
        responses
            Shape (n_units, n_pictures).
        start
            Weights to begin with, shape (n_units, n_features).

        Returns
        -------
        torch.Tensor
            Shape (n_units, n_features): `start`, rescaled feature by feature, and an offset. An
            untrained network returns `start`.
        """
        pairs = features[None].expand(len(responses), -1, -1)
        response = responses[..., None]
        error = response - (start @ features.T)[..., None]
        tokens = self.read(torch.cat([pairs, response * pairs, response, error], dim=-1))
        registers = self.registers.expand(len(tokens), -1, -1).clone()
        registers[:, 0] = registers[:, 0] + self.start(start)
        tokens = torch.cat([registers, tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        offset, gain = self.write(tokens[:, 0]).chunk(2, dim=-1)
        return start * (1 + gain) + offset


class _Block(nn.Module):
    """Attention and a gated layer, each after a normalisation and beside a direct path."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.triple, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate, self.up = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, (n, n_tokens, width), to tokens."""
        tokens = tokens + self.dropout(self._attend(self.before(tokens)))
        normed = self.between(tokens)
        gated = functional.silu(self.gate(normed)) * self.up(normed)
        return tokens + self.dropout(self.down(gated))

    def _attend(self, tokens: Tensor) -> Tensor:
        split = self.triple(tokens).unflatten(-1, (3, self.n_heads, -1)).transpose(1, 3)
        query, key, value = split.unbind(dim=2)
        # attention spreads over longer sequences; log(length) keeps its peaks
        sharpness = math.log(tokens.shape[1]) / math.log(_USUAL_LENGTH)
        found = functional.scaled_dot_product_attention(query * sharpness, key, value)
        return self.out(found.transpose(1, 2).flatten(2))
