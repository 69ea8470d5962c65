"""Read-outs: how a unit takes its response from the tokens of a picture."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from calcarine.encoders.networks.tokens import grid_places, grid_side

ReadOutName = Literal["linear", "factorised", "gaussian", "spatial-transformer"]


def weigh(tokens: Tensor, places: Tensor, channels: Tensor) -> Tensor:
    """Sum tokens by a weight of the place times a weight of the channel.

    Parameters
    ----------
    tokens
        Shape (n, n_tokens, n_channels).
    places, channels
        Shape (n_units, n_tokens) and (n_units, n_channels).

    Returns
    -------
    torch.Tensor
        Σ_tc tokens[n, t, c] · places[u, t] · channels[u, c], shape (n, n_units). Whichever of
        tokens and channels there are fewer of stays in the array between.
    """
    if tokens.shape[1] <= tokens.shape[2]:
        return torch.einsum("ntu,ut->nu", tokens @ channels.T, places)
    seen = torch.einsum("ut,ntc->nuc", places, tokens)
    return torch.einsum("nuc,uc->nu", seen, channels)


class LinearReadOut(nn.Module):
    """Give every unit a weight for each channel at each place."""

    def __init__(self, n_tokens: int, n_channels: int, n_units: int) -> None:
        super().__init__()
        self.weight = nn.Linear(n_tokens * n_channels, n_units)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, (n, n_tokens, n_channels), to responses, (n, n_units)."""
        return self.weight(tokens.flatten(1))


class FactorisedReadOut(nn.Module):
    """Give every unit a map of places and a weight for each channel (Klindt et al. 2017).

    doi:10.48550/arXiv.1711.02653. The map is a softmax, so that it is positive and sums to 1.
    """

    def __init__(self, n_tokens: int, n_channels: int, n_units: int) -> None:
        super().__init__()
        self.place = nn.Parameter(0.01 * torch.randn(n_units, n_tokens))
        self.channel = nn.Parameter(torch.randn(n_units, n_channels) / math.sqrt(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_units))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, (n, n_tokens, n_channels), to responses, (n, n_units)."""
        return weigh(tokens, self.place.softmax(dim=1), self.channel) + self.bias


class GaussianReadOut(nn.Module):
    """Give every unit a Gaussian receptive field and a weight for each channel.

    The feature-weighted receptive field of St-Yves & Naselaris 2018
    (doi:10.1016/j.neuroimage.2017.06.035), its place and size learned by gradient.
    """

    grid: Tensor

    def __init__(self, n_tokens: int, n_channels: int, n_units: int) -> None:
        super().__init__()
        self.register_buffer("grid", grid_places(n_tokens))
        self.raw_centre = nn.Parameter(0.3 * torch.randn(n_units, 2))
        self.log_sd = nn.Parameter(torch.full((n_units,), math.log(0.5)))
        self.channel = nn.Parameter(torch.randn(n_units, n_channels) / math.sqrt(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_units))

    @property
    def centre(self) -> Tensor:
        """Centres of the fields, x and y from −1 to 1, shape (n_units, 2)."""
        return torch.tanh(self.raw_centre)

    @property
    def sd(self) -> Tensor:
        """Sizes of the fields, shape (n_units,), not below a third of a token's width."""
        floor = 2 / (3 * grid_side(len(self.grid)))
        return self.log_sd.exp() + floor

    def fields(self) -> Tensor:
        """Give the fields at the tokens, shape (n_units, n_tokens); each sums to 1."""
        squared = ((self.centre[:, None] - self.grid[None]) ** 2).sum(dim=2)
        return (-squared / (2 * self.sd[:, None] ** 2)).softmax(dim=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, (n, n_tokens, n_channels), to responses, (n, n_units)."""
        return weigh(tokens, self.fields(), self.channel) + self.bias


class SpatialTransformerReadOut(nn.Module):
    """Move every unit's receptive field by what the picture shows.

    A few learned key points (the mean place of a softmax over tokens, each its own mixture of
    channels) say where things are; the field of a unit lies at its own place plus a weighted sum
    of them, and the tokens are sampled there bilinearly. In the manner of the semantic spatial
    transformer of Saha et al. 2024; spatial transformers: doi:10.48550/arXiv.1506.02025.
    """

    grid: Tensor

    def __init__(self, n_tokens: int, n_channels: int, n_units: int, n_points: int = 4) -> None:
        super().__init__()
        self.register_buffer("grid", grid_places(n_tokens))
        self.point = nn.Linear(n_channels, n_points)
        self.home = nn.Parameter(0.3 * torch.randn(n_units, 2))
        self.follow = nn.Parameter(0.5 / n_points + 0.1 * torch.randn(n_units, n_points))
        self.channel = nn.Parameter(torch.randn(n_units, n_channels) / math.sqrt(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_units))

    def centres(self, tokens: Tensor) -> Tensor:
        """Give where each unit looks in each picture, −1 to 1, shape (n, n_units, 2)."""
        points = torch.einsum("ntk,tp->nkp", self.point(tokens).softmax(dim=1), self.grid)
        return (self.home + torch.einsum("uk,nkp->nup", self.follow, points)).clamp(-1, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, (n, n_tokens, n_channels), to responses, (n, n_units)."""
        # channels first, for all tokens: a product, where sampling every channel would be a walk
        values = tokens @ self.channel.T
        return (self.fields(tokens) * values).sum(dim=1) + self.bias

    def fields(self, tokens: Tensor) -> Tensor:
        """Give the bilinear weight of every token for every unit, shape (n, n_tokens, n_units)."""
        side = grid_side(tokens.shape[1])
        # places in units of tokens, the middle of the first one at 0
        place = ((self.centres(tokens) + 1) * side / 2 - 0.5).clamp(0, side - 1)
        steps = torch.arange(side, dtype=tokens.dtype, device=tokens.device)
        near = (1 - (place[:, None] - steps[None, :, None, None]).abs()).clamp(min=0)
        across, down = near.unbind(dim=-1)
        return (down[:, :, None] * across[:, None]).flatten(1, 2)


READ_OUTS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "linear": LinearReadOut,
    "factorised": FactorisedReadOut,
    "gaussian": GaussianReadOut,
    "spatial-transformer": SpatialTransformerReadOut,
}
