"""Milliseconds from the newest sample to an embedding, on one core.

    python benchmarks/streaming.py --n-channels 102 --n-times 67

Prints a markdown table: median and 95th percentile over decisions by wall time, and the mean by
processor time, for the linear decoder and every network over sensors, barely trained (time does not
depend on the weights).
"""

import argparse
import time

import numpy as np
import torch

from calcarine.decoders.contrastive import ContrastiveDecoder
from calcarine.decoders.contrastive_loss import ContrastiveLoss
from calcarine.decoders.contrastive_network import NETWORKS
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.meeg.sensors import Sensors
from calcarine.decoders.meeg.streaming import CausalFilter, StreamingDecoder
from calcarine.decoders.ridge_decoder import RidgeDecoder
from calcarine.encoders.training import TrainingPlan


def trials(n_channels: int, n_times: int, embed_dim: int, rate: float) -> DecodingTrials:
    rng = np.random.default_rng(0)
    n = 64
    where = rng.standard_normal((n_channels, 3))
    where *= 0.1 / np.linalg.norm(where, axis=1, keepdims=True)
    times = -0.2 + np.arange(n_times) / rate
    names = tuple(f"C{i}" for i in range(n_channels))
    ids = np.arange(n).astype(str)
    return DecodingTrials(
        rng.standard_normal((n, n_channels, n_times), dtype=np.float32),
        rng.standard_normal((n, embed_dim), dtype=np.float32),
        ids,
        ids,
        np.zeros(n, dtype=bool),
        Sensors(names, where.astype(np.float32), times),
    )


def measure(
    decoder: RidgeDecoder | ContrastiveDecoder, args: argparse.Namespace
) -> tuple[np.ndarray, float]:
    """Push samples one by one and decode after each.

    Returns
    -------
    tuple
        Wall milliseconds of every decision, and mean processor milliseconds, filter included.
    """
    rng = np.random.default_rng(1)
    band = CausalFilter(args.n_channels, args.rate, 0.1, min(30.0, 0.45 * args.rate))
    stream = StreamingDecoder(
        lambda window: decoder.predict(window, "01"), args.n_channels, args.n_times, args.rate, band
    )
    samples = rng.standard_normal((args.n_channels, args.n_times + args.n_decisions + 20))
    stream.push(samples[:, : args.n_times])
    spent, began = [], time.process_time()
    for sample in samples[:, args.n_times :].T:
        stream.push(sample[:, None])
        spent.append(1e3 * stream.decode().computing_s)
    return np.array(spent[20:]), 1e3 * (time.process_time() - began) / len(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-channels", type=int, default=102)
    parser.add_argument("--n-times", type=int, default=67)
    parser.add_argument("--rate", type=float, default=83.3, help="Hz")
    parser.add_argument("--embed-dim", type=int, default=512)
    parser.add_argument("--n-decisions", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = {"01": trials(args.n_channels, args.n_times, args.embed_dim, args.rate)}
    plan = TrainingPlan(1, 64, 1e-3, 0.1, 1, seed=0)
    decoders: dict[str, RidgeDecoder | ContrastiveDecoder] = {"ridge": RidgeDecoder().fit(data)}
    for kind, network in NETWORKS.items():
        shape = network.shape()
        decoders[kind] = ContrastiveDecoder(shape, plan, ContrastiveLoss("info-nce", 0.0)).fit(data)
    print(f"{args.n_channels} channels × {args.n_times} samples → {args.embed_dim} dimensions\n")
    print("| decoder | median ms | 95th percentile ms | processor ms |\n| --- | --- | --- | --- |")
    for name, decoder in decoders.items():
        spent, processor = measure(decoder, args)
        high = np.percentile(spent, 95)
        print(f"| {name} | {np.median(spent):.2f} | {high:.2f} | {processor:.2f} |", flush=True)


if __name__ == "__main__":
    main()
