"""Train the phantom's small networks: a CLIP, a judge and an unCLIP generator."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from calcarine.data.atomic import new_file
from calcarine.encoders.phantom_training import Trainer

SAVE_EVERY = 500


def train(trainer: Trainer, checkpoint: Path, name: str, until: int | None = None) -> float:
    """Train to the end, or to step `until`; go on from the checkpoint where there is one.

    Returns
    -------
    float
        Mean loss of the last hundred steps of this call; NaN where nothing was left to do.
    """
    if checkpoint.exists():
        trainer.load_state(load_file(checkpoint))
    last = trainer.n_steps if until is None else min(until, trainer.n_steps)
    losses: list[float] = []
    with tqdm(total=last, initial=trainer.n_done, desc=name, disable=None) as bar:
        while trainer.n_done < last:
            losses.append(trainer.step())
            bar.update()
            if trainer.n_done % SAVE_EVERY == 0 or trainer.n_done == last:
                mean = sum(losses[-100:]) / len(losses[-100:])
                bar.write(f"{name}: step {trainer.n_done}, loss {mean:.4f}")
                save_checkpoint(trainer, checkpoint)
    return float(torch.tensor(losses[-100:]).mean())


def save_checkpoint(trainer: Trainer, checkpoint: Path) -> None:
    """Write all that a later `train` needs to go on."""
    with new_file(checkpoint) as temporary:
        save_file(trainer.state(), temporary)
