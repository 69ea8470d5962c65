"""Tokens of a picture: where they lie, and their scale over the training pictures."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from calcarine.data.errors import CalcarineError


class TokenScaler(nn.Module):
    """Standardise every channel by its mean and deviation over training pictures and places.

    Parameters
    ----------
    n_channels
        Length of a token.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_channels))
        self.register_buffer("scale", torch.ones(n_channels))

    def fit(self, tokens: Tensor) -> None:
        """Take the statistics of training tokens, shape (n, n_tokens, n_channels)."""
        flat = tokens.reshape(-1, tokens.shape[-1]).double()
        self.mean.copy_(flat.mean(dim=0))
        self.scale.copy_(1 / flat.std(dim=0).clamp(min=1e-6))

    def forward(self, tokens: Tensor) -> Tensor:
        """Standardise, same shape."""
        return (tokens - self.mean) * self.scale


def grid_side(n_tokens: int) -> int:
    """Give the side of the square grid on which tokens lie.

    Raises
    ------
    CalcarineError
        They lie on none.
    """
    side = math.isqrt(n_tokens)
    if side * side != n_tokens:
        raise CalcarineError(
            f"{n_tokens} tokens lie on no square grid; take a layer whose feature map is square "
            "(`pooling: tokens`), without class tokens."
        )
    return side


def grid_places(n_tokens: int) -> Tensor:
    """Give the places of tokens, x to the right and y downward, −1 to 1: (n_tokens, 2)."""
    side = grid_side(n_tokens)
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    down, across = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([across.flatten(), down.flatten()], dim=1)


def sine_places(n_tokens: int, dim: int) -> Tensor:
    """Code places by sines and cosines of both axes (Vaswani 2017): (n_tokens, dim).

    Tokens on no square grid (a class token among them) are coded by their number alone.
    """
    square = math.isqrt(n_tokens) ** 2 == n_tokens
    number = torch.linspace(-1, 1, n_tokens)[:, None]
    places = grid_places(n_tokens) if square else number
    n_waves = max(1, math.ceil(dim / (2 * places.shape[1])))
    waves = math.pi * 2.0 ** torch.linspace(-1, 2, n_waves)
    angles = (places[:, :, None] * waves).flatten(1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :dim]


def token_shape(embedding: dict[str, Any], features: np.ndarray | None = None) -> tuple[int, ...]:
    """Give the shape of one row of an embedding; a pooled one, a single vector, is one token.

    Parameters
    ----------
    embedding
        Sidecar, with `row_shape`.
    features
        Rows that tell their shape where the sidecar does not, shape (n, …).
    """
    told = () if features is None else features.shape[1:]
    shape = tuple(int(n) for n in embedding.get("row_shape", told))
    return (1, *shape) if len(shape) == 1 else shape


def as_rows(features: np.ndarray, embedding: dict[str, Any]) -> np.ndarray:
    """Give features the shape of one row of their embedding.

    Parameters
    ----------
    features
        Shape (n, …), flat or not.
    embedding
        Sidecar with `row_shape`.

    Returns
    -------
    numpy.ndarray
        float32, shape (n, *row_shape).

    Raises
    ------
    CalcarineError
        There are more or fewer features than the row has.
    """
    row_shape = token_shape(embedding, features)
    if int(np.prod(features.shape[1:])) != int(np.prod(row_shape)):
        raise CalcarineError(
            f"the features have shape {features.shape}; {embedding.get('model')} gives rows of "
            f"shape {row_shape}. Give the embedding that this encoder was fitted on."
        )
    return np.asarray(features, dtype=np.float32).reshape(len(features), *row_shape)
