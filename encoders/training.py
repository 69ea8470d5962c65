"""One small training loop for every network: seeded, stopped early, resumed exactly.

All randomness of an epoch descends from the seed and the epoch's number, so a run that is
interrupted and resumed ends with the same weights as a calm one, and no state of a random number
generator has to be stored.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from calcarine.data.checkpoints import read_checkpoint, remove_checkpoint, write_checkpoint
from calcarine.data.errors import CalcarineError
from calcarine.data.seeds import derive_seed

# checkpoints are written at this distance, or further apart where that took more of the time
_CHECKPOINT_EVERY_S = 2.0
_CHECKPOINT_SHARE = 0.02


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how fast.

    Attributes
    ----------
    n_epochs
        Passes over the training trials.
    batch_size
        Trials in a batch; batches of an epoch differ by one trial at most.
    learning_rate
        Peak of the one-cycle schedule.
    weight_decay
        AdamW decay of weight matrices; vectors and scalars have none.
    patience
        Epochs without a better validation loss before the end.
    seed
        Seed of data order, mixing and dropout.
    """

    n_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    seed: int


@dataclass(frozen=True)
class Epoch:
    """Where the training stands, for objectives with a schedule.

    Attributes
    ----------
    number, n_epochs
        Number of the epoch, from 0, and how many there are at most.
    rng
        Source of random draws.
    """

    number: int
    n_epochs: int
    rng: np.random.Generator

    @property
    def progress(self) -> float:
        """0 in the first epoch, 1 in the last."""
        return self.number / max(self.n_epochs - 1, 1)


@dataclass
class History:
    """What happened, one value an epoch.

    Attributes
    ----------
    train_loss, validation_loss
        Mean loss of the batches; loss on the validation trials, empty where there are none.
    best_epoch
        The epoch whose weights were kept.
    """

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_epoch: int = -1


def one_cycle(step: int, n_steps: int, peak: float, warm_up: float = 0.3) -> float:
    """Give the learning rate of a step: up from peak/25, then down to nearly 0, by half cosines.

    Parameters
    ----------
    step, n_steps
        Number of the step, from 0, and how many there are.
    peak
        Largest learning rate.
    warm_up
        Share of steps on the way up.

    References
    ----------
    Smith & Topin 2017, doi:10.48550/arXiv.1708.07120.
    """
    top = warm_up * n_steps - 1
    if step <= top:
        start, end, share = peak / 25, peak, step / max(top, 1)
    else:
        start, end, share = peak, peak / 25e4, (step - top) / max(n_steps - 1 - top, 1)
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def adamw(model: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """Make an optimiser that decays matrices only: no bias, no LayerNorm, no temperature."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}],
        lr=0.0,
        fused=True,  # one pass over the weights instead of ten
    )


def train(
    model: nn.Module,
    n_trials: int,
    batch_loss: Callable[[np.ndarray, Epoch], Tensor],
    validation_loss: Callable[[], float] | None,
    plan: TrainingPlan,
    checkpoint: Path | None = None,
    key: str = "",
    every_s: float | None = None,
) -> History:
    """Train a network and leave it with the weights of its best epoch.

    Parameters
    ----------
    model
        Trained in place; in evaluation mode afterwards.
    n_trials
        Number of training trials.
    batch_loss
        Loss of the trials with the given numbers, shape (n_batch,), in the given epoch.
    validation_loss
        Loss on the validation trials, called in evaluation mode without gradients. Without it all
        epochs are trained and the last is kept.
    plan
        How long and how fast.
    checkpoint
        Folder for what a resumed run needs; removed at the end.
    key
        What the checkpoint belongs to (a hash of data and settings); another one is not resumed.
    every_s
        Seconds between checkpoints; by default 2, or more where writing them would take more than
        2 % of the time.

    Returns
    -------
    History

    Raises
    ------
    CalcarineError
        The loss is not finite.
    """
    optimizer = adamw(model, plan.weight_decay)
    history, best = History(), _copy(model)
    if checkpoint is not None:
        history, best = _resume(checkpoint, key, model, optimizer)
    wait_s = _CHECKPOINT_EVERY_S if every_s is None else every_s
    written = time.monotonic()
    epochs = range(len(history.train_loss), plan.n_epochs)
    with torch.random.fork_rng():
        for number in tqdm(
            epochs, "training", plan.n_epochs, initial=epochs.start, disable=None, leave=False
        ):
            if history.best_epoch >= 0 and number - history.best_epoch > plan.patience:
                break
            loss = _one_epoch(model, optimizer, n_trials, batch_loss, plan, number)
            history.train_loss.append(_finite(loss, "training", number))
            if validation_loss is not None:
                loss = _validate(model, validation_loss)
                history.validation_loss.append(_finite(loss, "validation", number))
            if validation_loss is None or loss == min(history.validation_loss):
                history.best_epoch, best = number, _copy(model)
            if checkpoint is not None and time.monotonic() - written >= wait_s:
                started = time.monotonic()
                _write_state(checkpoint, key, model, optimizer, history, best)
                written = time.monotonic()
                if every_s is None:
                    wait_s = max(_CHECKPOINT_EVERY_S, (written - started) / _CHECKPOINT_SHARE)
    model.load_state_dict(best)
    model.eval()
    if checkpoint is not None:
        remove_checkpoint(checkpoint)
    return history


def _one_epoch(
    model: nn.Module,
    optimizer: torch.optim.AdamW,
    n_trials: int,
    batch_loss: Callable[[np.ndarray, Epoch], Tensor],
    plan: TrainingPlan,
    number: int,
) -> float:
    seed = derive_seed(plan.seed, f"epoch-{number}")
    torch.manual_seed(seed)
    epoch = Epoch(number, plan.n_epochs, np.random.default_rng(seed))
    batches = np.array_split(
        epoch.rng.permutation(n_trials), max(1, round(n_trials / plan.batch_size))
    )
    device = next(model.parameters()).device
    model.train()
    total = 0.0
    for i, rows in enumerate(batches):
        step = number * len(batches) + i
        rate = one_cycle(step, plan.n_epochs * len(batches), plan.learning_rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = batch_loss(rows, epoch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * len(rows)
    return total / n_trials


def _validate(model: nn.Module, validation_loss: Callable[[], float]) -> float:
    model.eval()
    with torch.no_grad():
        return float(validation_loss())


def _finite(loss: float, what: str, number: int) -> float:
    if not math.isfinite(loss):
        raise CalcarineError(
            f"the {what} loss is {loss} in epoch {number}. Lower `learning_rate` or look for "
            "outliers in the responses."
        )
    return loss


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _write_state(
    folder: Path,
    key: str,
    model: nn.Module,
    optimizer: torch.optim.AdamW,
    history: History,
    best: dict[str, Tensor],
) -> None:
    tensors = {f"model.{n}": v for n, v in _copy(model).items()}
    tensors |= {f"best.{n}": v for n, v in best.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{n}": v for n, v in state.items()}
    arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
    write_checkpoint(folder, key, arrays, asdict(history))


def _resume(
    folder: Path,
    key: str,
    model: nn.Module,
    optimizer: torch.optim.AdamW,
) -> tuple[History, dict[str, Tensor]]:
    found = read_checkpoint(folder, key)
    if found is None:
        return History(), _copy(model)
    device = next(model.parameters()).device
    tensors = {name: torch.from_numpy(value).to(device) for name, value in found[0].items()}
    model.load_state_dict(_below("model.", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _below("optimizer.", tensors).items():
        number, what = name.split(".")
        moments.setdefault(int(number), {})[what] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return History(**found[1]), _below("best.", tensors)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
