"""Training a network encoder on responses, and running it in an order that leaves no trace."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from calcarine.encoders.devices import default_device
from calcarine.encoders.training import Epoch, History, TrainingPlan, train

_ITEMS_AT_A_TIME = 64


def fit_network(
    network: nn.Module,
    rows: np.ndarray,
    targets: np.ndarray,
    is_validation: np.ndarray,
    plan: TrainingPlan,
    checkpoint: Path | None = None,
    key: str = "",
) -> History:
    """Train a network by its mean squared error on a GPU where there is one.

    Parameters
    ----------
    network
        Trained in place; on the CPU and in evaluation mode afterwards.
    rows
        Of all trials, shape (n_trials, *row_shape).
    targets
        Standardised responses, shape (n_trials, n_units).
    is_validation
        Trials that choose the epoch, bool, shape (n_trials,).
    plan, checkpoint, key
        See `calcarine.encoders.training.train`.
    """
    device = default_device()
    network.to(device)
    x, y = torch.from_numpy(rows).to(device), torch.from_numpy(targets).to(device)
    train_rows = torch.from_numpy(np.flatnonzero(~is_validation)).to(device)
    held_rows = torch.from_numpy(np.flatnonzero(is_validation)).to(device)

    def batch_loss(batch: np.ndarray, epoch: Epoch) -> Tensor:
        own = train_rows[torch.from_numpy(batch).to(device)]
        return functional.mse_loss(network(x[own]), y[own])

    def validation_loss() -> float:
        parts = [
            functional.mse_loss(network(x[own]), y[own], reduction="sum")
            for own in held_rows.split(_ITEMS_AT_A_TIME)
        ]
        return float(sum(parts)) / (len(held_rows) * y.shape[1])

    history = train(
        network,
        len(train_rows),
        batch_loss,
        validation_loss if len(held_rows) else None,
        plan,
        checkpoint,
        key,
    )
    network.cpu()
    return history


def in_batches(
    network: nn.Module, rows: np.ndarray, compute: Callable[[Any, Tensor], Tensor]
) -> np.ndarray:
    """Run a network on rows in double precision, a few at a time.

    Products of one row and of many take their sums in different orders; in single precision the
    heads, large weights of what differs little, make 2e-5 of that.

    Parameters
    ----------
    network
        Not changed.
    rows
        float32, shape (n_items, *row_shape).
    compute
        Network and rows to the result, one row an item.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_items, …).
    """
    exact = copy.deepcopy(network).double().eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(rows), _ITEMS_AT_A_TIME):
            some = torch.from_numpy(rows[start : start + _ITEMS_AT_A_TIME])
            parts.append(compute(exact, some.double()).float().numpy())
    return np.concatenate(parts)
