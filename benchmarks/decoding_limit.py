"""Linear against contrastive decoders of the phantom's voxels, and the limit of any decoder.

    python benchmarks/decoding_limit.py --n-train 500 1000 2000 4000 8000

Prints a markdown table. Responses are drawn trial by trial from what is planted (drive of each
voxel, its noise and the noise that voxels share), without time series, so that there may be more
trials than a scan has. The limit is the choice of the likeliest scene under the planted model
itself: it knows every voxel's tuning and the covariance of the noise, and no rule whatever finds
more scenes on average.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from calcarine.data.digests import array_sha
from calcarine.data.phantom.ceilings import true_ceilings
from calcarine.data.phantom.cortex import Cortex, plant_cortex
from calcarine.data.phantom.experiment import Experiment, draw_scenes, plan_runs
from calcarine.data.seeds import derive_seed
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.retrieval import cosines
from calcarine.encoders.embedding_models import load_embedding_model
from calcarine.pipelines.config_models import ContrastiveDecoderSection, RidgeDecoderSection
from calcarine.pipelines.decoder_sections import make_decoder

SUBJECT = "01"
SECTIONS = {
    "ridge": RidgeDecoderSection(kind="ridge", target="clip"),
    "ridge, units weighted": RidgeDecoderSection(kind="ridge", target="clip", weigh_units=True),
    "contrastive": ContrastiveDecoderSection(kind="contrastive", target="clip", weigh_units=False),
    "contrastive, units weighted": ContrastiveDecoderSection(
        kind="contrastive", target="clip", weigh_units=True
    ),
}


@dataclass(frozen=True)
class Scenes:
    """What is shown: drive (n_scenes, n_voxels), embeddings (n_scenes, embed_dim), hashes."""

    drive: np.ndarray
    embeds: np.ndarray
    shas: np.ndarray


def show(cortex: Cortex, experiment: Experiment, phase: str) -> Scenes:
    """Draw the scenes of a phase, and what cortex and embedding make of them."""
    shown = draw_scenes(experiment)
    rows = np.flatnonzero(shown.table["phase"] == phase)
    pictures = shown.pictures[rows]
    model = load_embedding_model("calcarine:phantom-clip")
    embeds = model.embed_pictures([Image.fromarray(p) for p in pictures])
    drive = cortex.drive(pictures, shown.table.iloc[rows].reset_index(drop=True))
    return Scenes(drive, embeds.astype(np.float64), np.array([array_sha(p) for p in pictures]))


class Noise:
    """Noise of single trials: each voxel's own, and what voxels share.

    Parameters
    ----------
    cortex
        The subject.
    sd
        Standard deviation of one trial's noise, shape (n_voxels,).
    """

    def __init__(self, cortex: Cortex, sd: np.ndarray) -> None:
        shared = cortex.shared_noise
        own = np.sqrt(np.maximum(1 - (shared**2).sum(axis=1), 0))
        self.shared, self.own = sd[:, None] * shared, sd * own

    def draw(self, n_trials: int, rng: np.random.Generator) -> np.ndarray:
        """Draw noise, shape (n_trials, n_voxels)."""
        sources = rng.standard_normal((n_trials, self.shared.shape[1])) @ self.shared.T
        return sources + rng.standard_normal((n_trials, len(self.own))) * self.own

    @property
    def covariance(self) -> np.ndarray:
        """Shape (n_voxels, n_voxels)."""
        return self.shared @ self.shared.T + np.diag(self.own**2)


def trial_noise(cortex: Cortex, experiment: Experiment, drive: np.ndarray) -> Noise:
    """Give the noise that estimated responses of the experiment's test runs have."""
    table = draw_scenes(experiment).table
    runs = [r for r in plan_runs(experiment, SUBJECT, table) if r.phase == "test"]
    ceilings = true_ceilings(
        cortex, drive, runs, experiment.duration_s, experiment.tr_s, experiment.n_test_repeats
    )
    ncsnr = ceilings["ncsnr"].to_numpy()
    signal = drive.std(axis=0, ddof=1)
    sd = np.where(ncsnr > 0, signal / np.maximum(ncsnr, 1e-9), 1.0)
    return Noise(cortex, sd)


def log_likelihood(responses: np.ndarray, drive: np.ndarray, noise: Noise, n: int) -> np.ndarray:
    """Score every scene (columns) for every mean response of n repeats (rows), up to a constant."""
    root = np.linalg.cholesky(noise.covariance / n)
    white, expected = (np.linalg.solve(root, a.T).T for a in (responses, drive))
    found: np.ndarray = white @ expected.T - (expected**2).sum(axis=1) / 2
    return found


def top1(scores: np.ndarray) -> str:
    """Share of items (rows) whose own scene (column) scores highest, and its standard error."""
    share = float((scores.argmax(axis=1) == np.arange(len(scores))).mean())
    return f"{share:.3f} ± {np.sqrt(share * (1 - share) / len(scores)):.3f}"


def measure(n_train: list[int], n_test: int, seed: int) -> str:
    """Fit every decoder on every number of trials."""
    experiment = Experiment(seed=seed)
    cortex = plant_cortex(SUBJECT, experiment.n_voxels, seed)
    rng = np.random.default_rng(derive_seed(seed, "decoding limit"))
    train = show(cortex, replace(experiment, n_train=max(n_train)), "train")
    unseen = replace(experiment, n_test=n_test, n_held_out=0)
    test = show(cortex, replace(unseen, seed=seed + 1), "test")
    noise = trial_noise(cortex, unseen, test.drive)
    n_repeats = experiment.n_test_repeats
    averaged = test.drive + noise.draw(n_test, rng) / np.sqrt(n_repeats)
    responses = train.drive + noise.draw(len(train.drive), rng)
    lines = ["| training trials | " + " | ".join(SECTIONS) + " |", "| --- |" + " --- |" * 4]
    for n in n_train:
        cells = []
        rows = np.arange(len(responses))[:n]
        mean, sd = responses[rows].mean(axis=0), responses[rows].std(axis=0)
        x, centre = (responses[rows] - mean) / sd, train.embeds[rows].mean(axis=0)
        held = rng.permutation(n) < n // 10
        trials = DecodingTrials(
            x.astype(np.float32),
            train.embeds[rows].astype(np.float32),
            train.shas[rows],
            train.shas[rows],
            held,
        )
        for section in SECTIONS.values():
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                decoder = make_decoder(section, seed, Path(folder) / "checkpoint")
                decoder.fit({SUBJECT: trials})
                seconds = time.perf_counter() - start
            predicted = decoder.predict(((averaged - mean) / sd).astype(np.float32), SUBJECT)
            found = top1(cosines(predicted, test.embeds, centre))
            cells.append(f"{found} ({seconds:.0f} s)")
        lines.append(f"| {n} | " + " | ".join(cells) + " |")
    limit = top1(log_likelihood(averaged, test.drive, noise, n_repeats))
    told = f"gallery of {n_test} new scenes, {n_repeats} repeats averaged, seed {seed}"
    last = f"Likeliest scene under the planted model: {limit}"
    return "\n".join([f"brain_to_image top-1, centred cosine; {told}", "", *lines, "", last])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-train", type=int, nargs="+", default=[500, 1000, 2000, 4000, 8000])
    parser.add_argument("--n-test", type=int, default=300)
    parser.add_argument("--seed", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(measure(arguments.n_train, arguments.n_test, arguments.seed))


if __name__ == "__main__":
    main()
