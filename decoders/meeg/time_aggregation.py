"""From features over time to one vector: by mean, by learned weights, by attention."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

Aggregation = Literal["mean", "linear", "attention"]


class MeanOverTime(nn.Module):
    """Average over time."""

    def __init__(self, n_features: int, n_times: int) -> None:
        super().__init__()

    def forward(self, values: Tensor) -> Tensor:
        """Map (n_trials, n_features, n_times) to (n_trials, n_features)."""
        return values.mean(dim=-1)


class LinearOverTime(nn.Module):
    """Weigh samples by learned weights that all features share (Benchetrit et al. 2024).

    Without their offset: it would be the same for all features, and a LayerNorm follows.
    """

    def __init__(self, n_features: int, n_times: int) -> None:
        super().__init__()
        self.affine = nn.Linear(n_times, 1, bias=False)
        nn.init.constant_(self.affine.weight, 1 / n_times)

    def forward(self, values: Tensor) -> Tensor:
        """Map (n_trials, n_features, n_times) to (n_trials, n_features)."""
        return self.affine(values).squeeze(-1)


class AttentionOverTime(nn.Module):
    """Weigh samples by what they hold (Bahdanau et al. 2014, doi:10.48550/arXiv.1409.0473).

    The weights are the softmax over time of vᵀ tanh(W h + b).
    """

    def __init__(self, n_features: int, n_times: int) -> None:
        super().__init__()
        self.key = nn.Linear(n_features, n_features)
        self.query = nn.Linear(n_features, 1, bias=False)

    def weights(self, values: Tensor) -> Tensor:
        """Give the weight of every sample, shape (n_trials, 1, n_times); they sum to 1."""
        score = self.query(torch.tanh(self.key(values.transpose(1, 2))))
        return score.transpose(1, 2).softmax(dim=-1)

    def forward(self, values: Tensor) -> Tensor:
        """Map (n_trials, n_features, n_times) to (n_trials, n_features)."""
        return (values * self.weights(values)).sum(dim=-1)


AGGREGATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "mean": MeanOverTime,
    "linear": LinearOverTime,
    "attention": AttentionOverTime,
}
