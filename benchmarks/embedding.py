"""Embedding pictures from disk against the bare forward pass of the same network.

Prints the ratio of their throughputs: reading, decoding, hashing, transforming and storing are
what the difference is made of. The weights are random; they do not matter for time. The ratio of
processor time stands beside it: on a processor that other work shares, only that can be compared.

    python benchmarks/embedding.py --architecture ViT-B-16 --pictures 128
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import torch
from PIL import Image

from calcarine.data.digests import read_picture
from calcarine.encoders.embedding_models import EmbeddingModel
from calcarine.encoders.embedding_store import embed_stimuli
from calcarine.encoders.picture_network import PictureNetwork, frozen


def random_clip(architecture: str, device: str) -> EmbeddingModel:
    model, _, transform = open_clip.create_model_and_transforms(architecture)
    model = frozen(model)
    network = PictureNetwork(model, transform, model.encode_image, architecture)
    return EmbeddingModel(f"random {architecture}", network, device=device)


def write_pictures(folder: Path, n_pictures: int, size: tuple[int, int]) -> pd.DataFrame:
    """Write JPEG files with the detail of photographs (about 60 kB at 480 × 360)."""
    rng = np.random.default_rng(0)
    for i in range(n_pictures):
        coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        pixels = np.asarray(coarse.resize(size), dtype=float) + rng.normal(0, 8, (*size[::-1], 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.jpg", quality=85)
    names = [str(i) for i in range(n_pictures)]
    return pd.DataFrame(
        {"stimulus_id": names, "file": [f"{n}.jpg" for n in names], "concept": "n/a"}
    )


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Measure elapsed and processor time."""
    start, start_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - start_cpu


def bare(model: EmbeddingModel, batches: list[torch.Tensor]) -> None:
    with torch.inference_mode():
        for batch in batches:
            model.embed_tensor(batch).cpu()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--architecture", default="ViT-B-16")
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 360), metavar=("W", "H"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    choice = parser.parse_args()

    model = random_clip(choice.architecture, choice.device)
    assert model.revision  # hashed once, before the clock starts
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        table = write_pictures(folder, choice.pictures, tuple(choice.size))
        paths = [folder / name for name in table["file"]]
        ready: list[torch.Tensor] = []
        _, prepare = seconds(lambda: ready.extend(model.transform(read_picture(p)) for p in paths))
        batches = [b.to(choice.device) for b in torch.stack(ready).split(choice.batch_size)]
        bare(model, batches[:1])
        rounds = []
        for i in range(choice.rounds):
            out = folder / f"out-{i}"
            rounds.append(
                (
                    seconds(lambda: bare(model, batches)),
                    seconds(
                        lambda out=out: embed_stimuli(
                            model, table, folder, out, batch_size=choice.batch_size
                        )
                    ),
                )
            )
    print(f"{choice.architecture} on {choice.device}, {torch.get_num_threads()} threads")
    print(f"decode and transform: {1000 * prepare / len(table):.1f} ms of processor time a picture")
    for clock, name in enumerate(("elapsed", "processor")):
        ratios = [a[clock] / b[clock] for a, b in rounds]
        rates = [choice.pictures / statistics.median(r[k][clock] for r in rounds) for k in (0, 1)]
        print(
            f"{name} time: bare {rates[0]:.1f}, embed_stimuli {rates[1]:.1f} pictures/s, "
            f"ratio {statistics.median(ratios):.3f} ({', '.join(f'{r:.3f}' for r in ratios)})"
        )


if __name__ == "__main__":
    main()
