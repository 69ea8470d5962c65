"""The training loop of the phantom's small networks: seeded by step, so that it can be resumed."""

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.scenes import Scene, foreground_mask, render_scene
from calcarine.data.seeds import derive_seed

WARM_UP = 0.05


def scene_pictures(scenes: list[Scene]) -> torch.Tensor:
    """Render scenes, uint8 ``(n_scenes, 3, 64, 64)``."""
    return torch.from_numpy(np.stack([render_scene(s) for s in scenes])).permute(0, 3, 1, 2)


def scene_masks(scenes: list[Scene]) -> torch.Tensor:
    """Mark the objects of scenes, bool ``(n_scenes, 1, 64, 64)``."""
    return torch.from_numpy(np.stack([foreground_mask(s) for s in scenes])).unsqueeze(1)


def learning_rate_factor(step: int, n_steps: int) -> float:
    """Rise linearly over the first twentieth of the steps, then fall as a cosine to 1 %.

    Examples
    --------
    >>> learning_rate_factor(5, 100), round(learning_rate_factor(99, 100), 2)
    (1.0, 0.01)
    """
    n_warm_up = max(1, round(WARM_UP * n_steps))
    if step < n_warm_up:
        return (step + 1) / n_warm_up
    progress = (step - n_warm_up) / max(1, n_steps - n_warm_up)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


class Trainer:
    """Train a network step by step; what a step draws depends on the seed and its number alone.

    Parameters
    ----------
    network
        What is trained.
    loss
        Draws a batch with the generator that it is given and returns the loss.
    n_steps
        Length of the learning-rate schedule.
    learning_rate
        Its peak.
    seed
        Of the batches.
    weight_decay
        Of AdamW, for matrices and kernels; biases and gains have none.
    ema_decay
        Where given, a running average of the weights is kept, which `averaged` copies back.
    after_step
        Called with the step's number when the weights have changed.

    Attributes
    ----------
    network
        What is trained.
    n_done, seconds
        Steps that were taken, and the time that they took.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[[torch.Generator], torch.Tensor],
        n_steps: int,
        learning_rate: float,
        seed: int,
        weight_decay: float = 0.0,
        ema_decay: float | None = None,
        after_step: Callable[[int], None] | None = None,
    ) -> None:
        self.network = network
        self.n_steps = n_steps
        self.n_done = 0
        self.seconds = 0.0
        self._loss = loss
        self._learning_rate = learning_rate
        self._seed = seed
        self._ema_decay = ema_decay
        self._after_step = after_step
        trained = [p for p in network.parameters() if p.requires_grad]
        self._parameters = [p for p in trained if p.ndim > 1] + [p for p in trained if p.ndim < 2]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98))
        self._average = [p.detach().clone() for p in self._parameters] if ema_decay else []

    def step(self) -> float:
        """Take one step and return its loss."""
        start = time.monotonic()
        seed = derive_seed(self._seed, "step", str(self.n_done))
        generator = torch.Generator().manual_seed(seed)
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate * learning_rate_factor(self.n_done, self.n_steps)
        loss = self._loss(generator)
        if not torch.isfinite(loss):
            raise CalcarineError(
                f"the loss is {loss.item()} at step {self.n_done}; lower the learning rate "
                f"(now {self._learning_rate})."
            )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        self.n_done += 1
        self._update_average()
        if self._after_step is not None:
            self._after_step(self.n_done)
        self.seconds += time.monotonic() - start
        return float(loss.detach())

    def _update_average(self) -> None:
        if self._ema_decay is None:
            return
        # a young average would otherwise remember the random start
        decay = min(self._ema_decay, (1 + self.n_done) / (10 + self.n_done))
        weights = [p.detach() for p in self._parameters]
        torch._foreach_lerp_(self._average, weights, 1 - decay)

    @torch.no_grad()
    def use_average(self) -> None:
        """Put the averaged weights into the network, where an average is kept."""
        for parameter, average in zip(self._parameters, self._average, strict=False):
            parameter.copy_(average)

    def state(self) -> dict[str, torch.Tensor]:
        """Give all that `load_state` needs to go on: weights, moments, average, steps, seconds."""
        tensors = {f"network.{n}": t for n, t in self.network.state_dict().items()}
        for i, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{name}": t for name, t in moments.items()}
        tensors |= {f"average.{i}": t for i, t in enumerate(self._average)}
        tensors["n_done"] = torch.tensor(self.n_done)
        tensors["seconds"] = torch.tensor(self.seconds)
        return {name: t.detach().clone().contiguous() for name, t in tensors.items()}

    def load_state(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from what `state` gave."""
        self.network.load_state_dict(_under("network.", tensors))
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = tensor
        state = self._optimizer.state_dict()
        self._optimizer.load_state_dict({**state, "state": moments})
        for i, average in enumerate(self._average):
            average.copy_(tensors[f"average.{i}"])
        self.n_done, self.seconds = int(tensors["n_done"]), float(tensors["seconds"])


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
