"""The networks that an encoder can be, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from calcarine.encoders.networks.roi_query import RoiQueryNetwork, RoiQueryShape
from calcarine.encoders.networks.token_network import (
    PixelNetwork,
    PixelShape,
    ReadOutShape,
    TokenReadOut,
)

Shape = RoiQueryShape | ReadOutShape | PixelShape


@dataclass(frozen=True)
class Architecture:
    """How a network is made.

    Attributes
    ----------
    shape
        Class of its size.
    make
        Row shape of the embedding, query of each unit and size, to the network.
    """

    shape: type[Any]
    make: Callable[[tuple[int, ...], np.ndarray, Any], nn.Module]


ARCHITECTURES: dict[str, Architecture] = {
    "roi-query": Architecture(RoiQueryShape, RoiQueryNetwork),
    "read-out": Architecture(
        ReadOutShape, lambda rows, queries, shape: TokenReadOut(rows, len(queries), shape)
    ),
    "pixels": Architecture(
        PixelShape, lambda rows, queries, shape: PixelNetwork(rows, len(queries), shape)
    ),
}
