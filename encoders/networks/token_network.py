"""A read-out on the tokens of a frozen network, or on a small network trained from pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from calcarine.data.errors import CalcarineError
from calcarine.encoders.networks.read_outs import READ_OUTS, ReadOutName
from calcarine.encoders.networks.tokens import TokenScaler, grid_side


@dataclass(frozen=True)
class ReadOutShape:
    """Which read-out.

    Attributes
    ----------
    read_out
        Name in `READ_OUTS`.
    dropout
        Of whole channels, before the read-out.
    """

    read_out: ReadOutName = "factorised"
    dropout: float = 0.2


class TokenReadOut(nn.Module):
    """A read-out on standardised tokens.

    Parameters
    ----------
    row_shape
        (n_tokens, n_channels).
    n_units
        Number of units.
    shape
        Which read-out.
    """

    def __init__(self, row_shape: tuple[int, ...], n_units: int, shape: ReadOutShape) -> None:
        super().__init__()
        n_tokens, n_channels = row_shape
        if shape.read_out != "linear":
            grid_side(n_tokens)
        self.scaler = TokenScaler(n_channels)
        self.dropout = nn.Dropout1d(shape.dropout)
        self.read_out = READ_OUTS[shape.read_out](n_tokens, n_channels, n_units)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, (n, n_tokens, n_channels), to responses, (n, n_units)."""
        scaled = self.dropout(self.scaler(tokens).transpose(1, 2)).transpose(1, 2)
        return self.read_out(scaled)


@dataclass(frozen=True)
class PixelShape:
    """Size of the response-optimised network.

    Attributes
    ----------
    width
        Channels of the first layer; later ones have twice and four times as many.
    read_out
        Name in `READ_OUTS`.
    dropout
        Of whole channels, before the read-out.
    """

    width: int = 24
    read_out: ReadOutName = "factorised"
    dropout: float = 0.1


class PixelNetwork(nn.Module):
    """A small convolutional network trained on responses alone, from pixels.

    Four convolutions bring the picture to an eighth of its side; a read-out gives the responses
    (response-optimised encoders: Khosla & Wehbe 2024, doi:10.1167/jov.24.10.1474).

    Parameters
    ----------
    row_shape
        (3, height, width), square.
    n_units
        Number of units.
    shape
        Size.
    """

    def __init__(self, row_shape: tuple[int, ...], n_units: int, shape: PixelShape) -> None:
        super().__init__()
        if len(row_shape) != 3 or row_shape[1] != row_shape[2] or row_shape[1] % 8:
            raise CalcarineError(
                f"the pixels have the shape {row_shape}; expected (3, side, side) with a side that "
                "8 divides. Read an embedding of the model pixels:SIZE."
            )
        width = shape.width
        layers = [_layer(row_shape[0], width, 5, 2), _layer(width, 2 * width, 3, 2)]
        layers += [_layer(2 * width, 4 * width, 3, 2), _layer(4 * width, 4 * width, 3, 1)]
        self.trunk = nn.Sequential(*layers)
        self.dropout = nn.Dropout2d(shape.dropout)
        self.read_out = READ_OUTS[shape.read_out]((row_shape[1] // 8) ** 2, 4 * width, n_units)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures, (n, 3, side, side), to responses, (n, n_units)."""
        maps = self.dropout(self.trunk(pictures))
        return self.read_out(maps.flatten(2).transpose(1, 2))


def _layer(n_in: int, n_out: int, kernel: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(n_out),
        nn.GELU(),
    )


def scale_tokens(network: nn.Module, tokens: Tensor) -> None:
    """Fit the network's scaler, where it has one, on training tokens."""
    scaler = getattr(network, "scaler", None)
    if scaler is not None:
        with torch.no_grad():
            scaler.fit(tokens)
