"""Contrastive training of sensors side by side: calcarine's loop, and a plain DataLoader loop.

    python benchmarks/meeg_training.py --network eeg-project

Both train the same network with the same loss on the same trials, batch size and optimiser, in one
process, one after the other, `--n-pairs` times. Prints a markdown table of steps a second, by wall
time and by processor time; ratios are medians of paired ratios.
"""

import argparse
import time

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from calcarine.decoders.contrastive_loss import ContrastiveLoss, Objective
from calcarine.decoders.contrastive_network import NETWORKS, ContrastiveNetwork
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.losses import info_nce, mse
from calcarine.decoders.meeg.sensors import Sensors
from calcarine.decoders.network_inputs import network_input
from calcarine.encoders.training import TrainingPlan, train


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
    return ContrastiveNetwork(inputs, data.targets.shape[1], NETWORKS[kind].shape())


def clocks() -> np.ndarray:
    """Read wall and processor seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def ours(data: DecodingTrials, args: argparse.Namespace) -> np.ndarray:
    """Time calcarine's loop, in steps a second of wall and of processor time."""
    network = fresh(data, args.network)
    loss = ContrastiveLoss("info-nce", 0.0, 0.75, 0.25)
    plan = TrainingPlan(args.n_epochs, args.batch_size, 1e-3, 0.1, args.n_epochs, seed=0)
    mean = np.zeros(data.targets.shape[1], dtype=np.float32)
    began = clocks()
    objective = Objective(network, loss, {"01": data}, mean, 1.0, torch.device("cpu"))
    train(network, objective.n_trials, objective.batch_loss, None, plan)
    n_steps = args.n_epochs * max(1, round(args.n_trials / args.batch_size))
    return n_steps / (clocks() - began)


def plain(data: DecodingTrials, args: argparse.Namespace) -> np.ndarray:
    """Time what one would write first, in steps a second of wall and of processor time."""
    network = fresh(data, args.network).train()
    tensors = TensorDataset(torch.from_numpy(data.responses), torch.from_numpy(data.targets))
    loader = DataLoader(tensors, args.batch_size, shuffle=True, num_workers=args.n_workers)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-3, total_steps=args.n_epochs * len(loader)
    )
    began = clocks()
    for _ in range(args.n_epochs):
        for responses, targets in loader:
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
    parser.add_argument("--network", choices=list(NETWORKS), action="append")
    parser.add_argument("--n-trials", type=int, default=960)
    parser.add_argument("--n-channels", type=int, default=102)
    parser.add_argument("--n-times", type=int, default=67)
    parser.add_argument("--embed-dim", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--n-epochs", type=int, default=3)
    parser.add_argument("--n-workers", type=int, default=0)
    parser.add_argument("--n-pairs", type=int, default=3)
    args = parser.parse_args()
    data = planted(args)
    print(
        f"{args.n_trials} trials, {args.n_channels} channels × {args.n_times} samples → "
        f"{args.embed_dim} dimensions, batch {args.batch_size}, {torch.get_num_threads()} threads\n"
    )
    print("| network | clock | calcarine, steps/s | plain DataLoader loop, steps/s | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for kind in args.network or list(NETWORKS):
        args.network = kind
        ours(data, args)  # the first run pays for loading libraries
        pairs = np.array([(ours(data, args), plain(data, args)) for _ in range(args.n_pairs)])
        ratios = np.median(pairs[:, 0] / pairs[:, 1], axis=0)
        for i, clock in enumerate(("wall", "processor")):
            first, second = np.median(pairs[:, :, i], axis=0)
            print(
                f"| {kind} | {clock} | {first:.1f} | {second:.1f} | {ratios[i]:.2f} |", flush=True
            )


if __name__ == "__main__":
    main()
