"""Contrastive training of sensors side by side: calcarine's loop, and a plain DataLoader loop.

    python benchmarks/meeg_training.py --network eeg-project

The plain loop is what one writes first: a Dataset that takes one trial after the other out of a
memory-mapped array, a DataLoader with default workers, AdamW, OneCycleLR. It trains the network of
calcarine (`same modules`), and the same network with torch's own dropout layer, as one would write
it (`torch's dropout`): same layers, weights, loss, batch size and steps. All in one process, one
after the other, `--n-pairs` times. Prints a markdown table of steps a second, by wall time and by
processor time; ratios are medians of paired ratios. Reading the data into memory counts.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from calcarine.decoders.bit_dropout import BitDropout
from calcarine.decoders.contrastive_loss import ContrastiveLoss, Objective
from calcarine.decoders.contrastive_network import NETWORKS, ContrastiveNetwork
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.losses import info_nce, mse
from calcarine.decoders.meeg.sensors import Sensors
from calcarine.decoders.network_inputs import network_input
from calcarine.encoders.training import TrainingPlan, train

SENSOR_NETWORKS = tuple(name for name in NETWORKS if name != "residual-mlp")


def planted(args: argparse.Namespace) -> DecodingTrials:
    """Make trials of noise: time does not depend on what they hold."""
    rng = np.random.default_rng(0)
    where = rng.standard_normal((args.n_channels, 3))
    where *= 0.1 / np.linalg.norm(where, axis=1, keepdims=True)
    ids = np.arange(args.n_trials).astype(str)
    names = tuple(f"C{i}" for i in range(args.n_channels))
    return DecodingTrials(
        rng.standard_normal((args.n_trials, args.n_channels, args.n_times), dtype=np.float32),
        rng.standard_normal((args.n_trials, args.embed_dim), dtype=np.float32),
        ids,
        ids,
        np.zeros(args.n_trials, dtype=bool),
        Sensors(names, where.astype(np.float32), -0.2 + 0.012 * np.arange(args.n_times)),
    )


def fresh(data: DecodingTrials, kind: str) -> ContrastiveNetwork:
    torch.manual_seed(0)
    inputs = {"01": network_input(data.responses, data.sensors)}
    network = ContrastiveNetwork(inputs, data.targets.shape[1], NETWORKS[kind].shape())
    network.trunk.begin({"01": data})
    return network


def clocks() -> np.ndarray:
    """Read wall and processor seconds, once a GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return np.array([time.perf_counter(), time.process_time()])


def ours(data: DecodingTrials, args: argparse.Namespace) -> np.ndarray:
    """Time calcarine's loop, in steps a second of wall and of processor time."""
    network = fresh(data, args.network).to(args.device)
    loss = ContrastiveLoss("info-nce", 0.0, 0.75, 0.25)
    plan = TrainingPlan(args.n_epochs, args.batch_size, 1e-3, 0.1, args.n_epochs, seed=0)
    mean = np.zeros(data.targets.shape[1], dtype=np.float32)
    began = clocks()
    objective = Objective(network, loss, {"01": data}, mean, 1.0, torch.device(args.device))
    train(network, objective.n_trials, objective.batch_loss, None, plan)
    n_steps = args.n_epochs * max(1, round(args.n_trials / args.batch_size))
    return n_steps / (clocks() - began)


class Stored(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Trials of a memory-mapped array and their targets, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.responses = np.load(folder / "responses.npy", mmap_mode="r")
        self.targets = np.load(folder / "targets.npy", mmap_mode="r")

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        own = (np.array(values[row]) for values in (self.responses, self.targets))
        response, target = (torch.from_numpy(values) for values in own)
        return response, target


def with_torch_dropout(network: nn.Module) -> nn.Module:
    """Put torch's dropout in the place of calcarine's, in all layers."""
    for name, child in network.named_children():
        if isinstance(child, BitDropout):
            setattr(network, name, nn.Dropout(child.p))
        else:
            with_torch_dropout(child)
    return network


def plain(
    data: DecodingTrials, args: argparse.Namespace, folder: Path, own_dropout: bool
) -> np.ndarray:
    """Time what one would write first, in steps a second of wall and of processor time."""
    network = fresh(data, args.network).to(args.device).train()
    if own_dropout:
        with_torch_dropout(network)
    began = clocks()
    loader = DataLoader(Stored(folder), args.batch_size, shuffle=True, num_workers=args.n_workers)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-3, total_steps=args.n_epochs * len(loader)
    )
    for _ in range(args.n_epochs):
        for batch in loader:
            responses, targets = (values.to(args.device) for values in batch)
            projection, regression = network({"01": responses})
            contrast = info_nce(projection, targets, network.temperature)
            loss = 0.75 * contrast + 0.25 * mse(regression, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return args.n_epochs * len(loader) / (clocks() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=list(SENSOR_NETWORKS), action="append")
    parser.add_argument("--n-trials", type=int, default=960)
    parser.add_argument("--n-channels", type=int, default=102)
    parser.add_argument("--n-times", type=int, default=67)
    parser.add_argument("--embed-dim", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--n-epochs", type=int, default=3)
    parser.add_argument("--n-workers", type=int, default=0)
    parser.add_argument("--n-pairs", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="torch device of both")
    args = parser.parse_args()
    data = planted(args)
    print(
        f"{args.n_trials} trials, {args.n_channels} channels × {args.n_times} samples → "
        f"{args.embed_dim} dimensions, batch {args.batch_size}, {args.device}, "
        f"{torch.get_num_threads()} threads\n"
    )
    print("| network | clock | calcarine, steps/s | plain loop | ratio | torch's dropout | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "responses.npy", data.responses)
        np.save(folder / "targets.npy", data.targets)
        for kind in args.network or list(SENSOR_NETWORKS):
            args.network = kind
            compare(data, args, folder)


def compare(data: DecodingTrials, args: argparse.Namespace, folder: Path) -> None:
    """Time all three loops in turn and print two rows of the table."""
    ours(data, args)  # the first run pays for loading libraries
    found = np.array(
        [
            (ours(data, args), plain(data, args, folder, False), plain(data, args, folder, True))
            for _ in range(args.n_pairs)
        ]
    )
    ratios = np.median(found[:, :1] / found[:, 1:], axis=0)
    for i, clock in enumerate(("wall", "processor")):
        own, same, torchs = np.median(found[:, :, i], axis=0)
        print(
            f"| {args.network} | {clock} | {own:.1f} | {same:.1f} | {ratios[0, i]:.2f} | "
            f"{torchs:.1f} | {ratios[1, i]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
