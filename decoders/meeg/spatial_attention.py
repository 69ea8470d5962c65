"""Spatial attention: any montage becomes the same virtual channels.

Written from the formulas of Défossez et al. 2023 (doi:10.1038/s42256-023-00714-5): Fourier
features of the sensors' positions give attention weights of every virtual channel over sensors.
"""

import math

import torch
from torch import Tensor, nn


def fourier_features(places: Tensor, n_harmonics: int, margin: float = 0.2) -> Tensor:
    """Expand positions in the unit box into cosines and sines.

    With p' = p + margin and the period 1 + 2 margin, the features are the cosine and the sine of
    2π (k · p') / period for every k in {0 … n_harmonics − 1}^n_dims.

    Parameters
    ----------
    places
        Shape (…, n_dims), between 0 and 1.
    n_harmonics
        Number of frequencies along each axis.
    margin
        Room on each side of the box, so that opposite borders do not meet.

    Returns
    -------
    torch.Tensor
        Shape (…, 2 n_harmonics ** n_dims).
    """
    n_dims = places.shape[-1]
    each = torch.arange(n_harmonics, dtype=places.dtype, device=places.device)
    waves = torch.cartesian_prod(*[each] * n_dims).reshape(-1, n_dims)
    angle = 2 * math.pi * ((places + margin) / (1 + 2 * margin)) @ waves.T
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


class SpatialAttention(nn.Module):
    """Mix sensors into virtual channels by their positions.

    a = softmax over sensors of z · e(p), with one learned z a virtual channel; a sensor without a
    position gets no weight. In training all sensors around a random place are left out of a step.

    Parameters
    ----------
    n_virtual
        Number of virtual channels.
    n_dims
        2 or 3: dimensions of the positions.
    n_harmonics
        Frequencies along each axis, see `fourier_features`.
    dropout_radius
        Radius of the spatial dropout, in units of the box; 0 is off.
    """

    def __init__(
        self, n_virtual: int, n_dims: int = 3, n_harmonics: int = 6, dropout_radius: float = 0.2
    ) -> None:
        super().__init__()
        self.n_harmonics = n_harmonics
        self.dropout_radius = dropout_radius
        n_features = 2 * n_harmonics**n_dims
        self.queries = nn.Parameter(torch.randn(n_virtual, n_features) / math.sqrt(n_features))

    def weights(self, places: Tensor) -> Tensor:
        """Give the weight of every sensor in every virtual channel.

        Parameters
        ----------
        places
            Positions in the unit box, shape (…, n_channels, n_dims); NaN marks a sensor that is
            not there or has no position.

        Returns
        -------
        torch.Tensor
            Shape (…, n_virtual, n_channels); rows sum to 1, or to 0 where no sensor is left.
        """
        is_there = torch.isfinite(places).all(dim=-1)
        places = torch.where(is_there[..., None], places, 0.0)
        logits = self.queries @ fourier_features(places, self.n_harmonics).transpose(-1, -2)
        if self.training and self.dropout_radius > 0:
            centre = torch.rand(places.shape[-1], dtype=places.dtype, device=places.device)
            is_there = is_there & ((places - centre).norm(dim=-1) > self.dropout_radius)
        logits = logits.masked_fill(~is_there[..., None, :], -torch.inf)
        return logits.softmax(dim=-1).nan_to_num(0.0)

    def forward(self, values: Tensor, places: Tensor) -> Tensor:
        """Mix sensors.

        Parameters
        ----------
        values
            Shape (n_trials, n_channels, n_times).
        places
            Shape (n_channels, n_dims), or (n_trials, n_channels, n_dims) where montages are mixed
            and filled up with NaN.

        Returns
        -------
        torch.Tensor
            Shape (n_trials, n_virtual, n_times).
        """
        return self.weights(places) @ values


class UnitBox(nn.Module):
    """Bring positions of all montages into one unit box.

    Parameters
    ----------
    n_dims
        2 or 3.
    """

    def __init__(self, n_dims: int) -> None:
        super().__init__()
        self.lower: Tensor
        self.extent: Tensor
        self.register_buffer("lower", torch.zeros(n_dims))
        self.register_buffer("extent", torch.ones(()))

    def fit(self, positions: list[Tensor]) -> None:
        """Take the box around all positions; the longest side becomes 1."""
        known = torch.cat([p[torch.isfinite(p).all(dim=-1)] for p in positions])
        if len(known):
            lower, upper = known.min(dim=0).values, known.max(dim=0).values
            self.extent.copy_((upper - lower).max().clamp(min=1e-6))
            self.lower.copy_((lower + upper - self.extent) / 2)

    def forward(self, positions: Tensor) -> Tensor:
        """Give positions in the box, those outside at its border; NaN stays NaN."""
        places = (positions - self.lower) / self.extent
        return torch.where(torch.isfinite(places), places.clamp(0.0, 1.0), torch.nan)
