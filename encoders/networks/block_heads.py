"""Linear heads of units, each on the output of its own query: a block-sparse product."""

import math

import numpy as np
import torch
from torch import Tensor, nn

_LARGEST_BLOCK = 64


class BlockHeads(nn.Module):
    """Weigh, for each unit, the vector of the query that the unit belongs to.

    Units are laid out in blocks of at most 64 that share a query, so that the product costs
    n × n_units × dim, and neither a (n_queries × n_units) nor a (n_units × n_units) array is made.

    Parameters
    ----------
    query_of_unit
        Number of each unit's query, shape (n_units,).
    dim
        Length of a query's vector.
    """

    block_query: Tensor
    place: Tensor

    def __init__(self, query_of_unit: np.ndarray, dim: int) -> None:
        super().__init__()
        block_query, place, width = _blocks(np.asarray(query_of_unit, dtype=np.int64))
        self.register_buffer("block_query", torch.from_numpy(block_query))
        self.register_buffer("place", torch.from_numpy(place))
        scale = 1 / math.sqrt(dim)
        weight = torch.empty(len(block_query), width, dim).uniform_(-scale, scale)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(len(place)))

    def forward(self, vectors: Tensor) -> Tensor:
        """Map vectors of queries, (n, n_queries, dim), to units, (n, n_units)."""
        own = vectors[:, self.block_query]
        found = torch.einsum("nbd,bud->nbu", own, self.weight)
        return found.flatten(1)[:, self.place] + self.bias

    def replace(self, weights: Tensor, bias: Tensor) -> None:
        """Set the weights, (n_units, dim), and biases, (n_units,), of all units."""
        with torch.no_grad():
            flat = torch.zeros_like(self.weight).flatten(0, 1)
            flat[self.place] = weights
            self.weight.copy_(flat.unflatten(0, self.weight.shape[:2]))
            self.bias.copy_(bias)


def _blocks(query_of_unit: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Give the query of each block, the place of each unit among the blocks, and their width."""
    counts = np.bincount(query_of_unit)
    width = int(min(counts.max(), _LARGEST_BLOCK))
    block_query: list[int] = []
    place = np.empty(len(query_of_unit), dtype=np.int64)
    for query in np.flatnonzero(counts):
        units = np.flatnonzero(query_of_unit == query)
        for start in range(0, len(units), width):
            own = units[start : start + width]
            place[own] = len(block_query) * width + np.arange(len(own))
            block_query.append(int(query))
    return np.array(block_query, dtype=np.int64), place, width
