"""Weights of voxels projected onto a bank: one streaming pass against four voxels at a time.

    python benchmarks/projection.py --n-units 20000 --n-entries 100000 --embed-dim 512

Prints a markdown table. The published way reads the whole bank for every four voxels; it is timed
on `--n-published` voxels and scaled to all of them, because its cost is the same for every four.
Memory is the peak of the process above what it held before, the bank not counted (it lies on disk
and is memory-mapped).
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from calcarine.decoders.selectivity.projection import TEMPERATURE, project


def write_shards(folder: Path, n_entries: int, embed_dim: int, n_shards: int = 4) -> list[Path]:
    """Write random embeddings of uneven lengths on a cone, float32."""
    rng = np.random.default_rng(0)
    centre = rng.standard_normal(embed_dim, dtype=np.float32)
    paths = []
    for number, rows in enumerate(np.array_split(np.arange(n_entries), n_shards)):
        shard = rng.standard_normal((len(rows), embed_dim), dtype=np.float32) + 0.7 * centre
        shard *= rng.uniform(0.7, 1.4, (len(rows), 1)).astype(np.float32)
        paths.append(folder / f"shard-{number:05d}.npy")
        np.save(paths[-1], shard)
    return paths


def four_at_a_time(
    weights: np.ndarray, shards: list[np.ndarray], n_top: int, device: str
) -> tuple[np.ndarray, float]:
    """Project as published: softmax over the whole bank for four voxels, then the next four."""
    bank = torch.cat([torch.from_numpy(np.array(s)) for s in shards]).to(device)
    norm = torch.linalg.vector_norm(bank, dim=1)
    unit = bank / norm[:, None]
    given = torch.nn.functional.normalize(torch.from_numpy(weights).to(device), dim=1)
    start = time.perf_counter()
    out = []
    for four in given.split(4):
        cosine = four @ unit.T
        share = torch.softmax(cosine / TEMPERATURE, dim=1)
        torch.topk(cosine * norm, n_top, dim=1)
        direction = torch.nn.functional.normalize(share @ unit, dim=1)
        out.append((direction * (share @ norm)[:, None]).cpu())
    return torch.cat(out).numpy(), time.perf_counter() - start


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(
    n_units: int, n_entries: int, embed_dim: int, n_published: int, n_top: int, device: str
) -> str:
    weights = np.random.default_rng(1).standard_normal((n_units, embed_dim), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_shards(Path(folder), n_entries, embed_dim)
        shards = [np.load(p, mmap_mode="r") for p in paths]
        few = [np.asarray(shards[0][:64])]
        project(weights[:8], few, n_top=n_top, device=device)  # libraries are loaded
        before, start = peak_mb(), time.perf_counter()
        ours = project(weights, shards, n_top=n_top, device=device)
        seconds, memory = time.perf_counter() - start, peak_mb() - before
        published, theirs = four_at_a_time(weights[:n_published], shards, n_top, device)
        theirs *= n_units / n_published
    error = np.linalg.norm(ours.embedding[:n_published] - published, axis=1)
    error = (error / np.linalg.norm(published, axis=1)).max()
    return "\n".join(
        [
            f"{n_units} voxels, bank of {n_entries} × {embed_dim}, the {n_top} best of each, "
            f"{device}, {torch.get_num_threads()} threads",
            "",
            "| | seconds | ratio | passes over the bank | peak memory MB |",
            "| --- | --- | --- | --- | --- |",
            f"| calcarine, streaming | {seconds:.1f} | 1.00 | 1 | {memory:.0f} |",
            f"| four voxels at a time (from {n_published} voxels) | {theirs:.1f} | "
            f"{theirs / seconds:.2f} | {-(-n_units // 4)} | the bank, twice |",
            "",
            f"Largest difference of a projected vector, as a share of its length: {error:.1e}.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-units", type=int, default=20_000)
    parser.add_argument("--n-entries", type=int, default=100_000)
    parser.add_argument("--embed-dim", type=int, default=512)
    parser.add_argument("--n-published", type=int, default=100)
    parser.add_argument("--n-top", type=int, default=32)
    parser.add_argument("--device", default="cpu", help="torch device of both")
    print(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
