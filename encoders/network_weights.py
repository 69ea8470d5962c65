"""Weights of a network as the arrays that a model folder stores, and back."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

_PREFIX = "network."


def weight_arrays(network: nn.Module) -> dict[str, np.ndarray]:
    """Give the weights of a network on the CPU, each under `network.` and its own name."""
    return {f"{_PREFIX}{name}": value.numpy() for name, value in network.state_dict().items()}


def fill_network(network: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Fill a network with what `weight_arrays` gave; other arrays may stand beside.

    The network is in evaluation mode afterwards.
    """
    weights = {
        name.removeprefix(_PREFIX): torch.from_numpy(np.array(value))
        for name, value in arrays.items()
        if name.startswith(_PREFIX)
    }
    network.load_state_dict(weights)
    network.eval()
