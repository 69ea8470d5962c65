"""Ridge and networks of the sensors' phantom, one person at a time and three together.

    calcarine run snakemake/config/phantom_meg.yaml --config out=out/m seed=11
    python benchmarks/sensor_decoders.py out/m

Reads a tree in which `prepare` and `embed` have run, fits every decoder of the table below on all
or a part of the training trials, and prints `brain_to_image` top-1 (centred cosine, all repeats
averaged) and the mean relative rank of each. Settings are chosen on another seed than the one that
is reported.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calcarine.data.embeddings import read_embeddings
from calcarine.data.scaling import fit_scaler
from calcarine.data.splits import folds
from calcarine.decoders.brain_items import averaged_items
from calcarine.decoders.decoding_trials import Decoder, DecodingTrials
from calcarine.decoders.retrieval import brain_to_image, cosines
from calcarine.pipelines.config import Config, load_config
from calcarine.pipelines.config_sensors import DirectionRidgeSection, SensorContrastiveSection
from calcarine.pipelines.decoder_sections import make_decoder
from calcarine.pipelines.decoding import scaling_plan, training_trials
from calcarine.pipelines.decoding_data import at_rows, subject_data
from calcarine.pipelines.encode import usual_repeats

RIDGE = DirectionRidgeSection(kind="direction-ridge", target="clip")


def _network(n_epochs: int = 30, **network: object) -> SensorContrastiveSection:
    told = {"kind": "sensor-contrastive", "target": "clip", "n_epochs": n_epochs}
    return SensorContrastiveSection.model_validate({**told, "network": network})


NETWORKS = {
    "eeg-project": _network(kind="eeg-project"),
    **{
        f"shared-filters, {n} filters": _network(kind="shared-filters", n_filters=n)
        for n in (2, 4, 8, 16)
    },
    "brain-module": _network(12, kind="brain-module"),
}


@dataclass(frozen=True)
class Person:
    """Training trials, test items (n_items, n_channels, n_times) and their true embeddings."""

    train: DecodingTrials
    items: np.ndarray
    gallery: np.ndarray

    def part(self, n_trials: int) -> DecodingTrials:
        """Take the first training trials."""
        names = ("responses", "targets", "stimuli", "groups", "is_validation")
        return replace(self.train, **{n: getattr(self.train, n)[:n_trials] for n in names})


def read_person(config: Config, subject: str) -> Person:
    """Scale a subject's trials as the workflow does, and average the test repeats."""
    target = read_embeddings(config.layout.embedding("clip"))
    data = subject_data(config, subject, RIDGE, target)
    fold = folds(data.trials)[0]
    shown = data.trials["stimulus_sha"].iloc[fold.fit].to_numpy(dtype=str)
    sessions = at_rows(data.sessions, fold.fit)
    scaler = fit_scaler(scaling_plan(config), data.values[fold.fit], sessions, shown)
    test = scaler.transform(data.values[fold.test], at_rows(data.sessions, fold.test))
    table = data.trials.iloc[fold.test].reset_index(drop=True)
    n_repeats = usual_repeats(data.trials, [fold])
    items = averaged_items(test, table, fold.name, 0, n_repeats, "measured", 0)
    gallery = np.asarray(target.flat[target.rows(items.table["stimulus_id"])])
    return Person(training_trials(data, fold, scaler), items.responses, gallery)


def score(decoder: Decoder, people: Mapping[str, Person], subject: str) -> tuple[float, float]:
    """Give top-1 and mean relative rank of one subject's test items."""
    own = people[subject]
    found = cosines(
        decoder.predict(own.items, subject), own.gallery, own.train.targets.mean(axis=0)
    )
    ranks = brain_to_image(found, np.arange(len(found)))
    return float((found.argmax(axis=1) == np.arange(len(found))).mean()), float(
        ranks.relative.mean()
    )


def row(name: str, people: Mapping[str, Person], n_trials: int, together: bool, seed: int) -> str:
    """Fit a decoder and print its row."""
    section = NETWORKS.get(name, RIDGE)
    start = time.perf_counter()
    trials = {s: p.part(n_trials) for s, p in people.items()}
    with tempfile.TemporaryDirectory() as folder:

        def fit(chosen: Mapping[str, DecodingTrials]) -> Decoder:
            return make_decoder(section, seed, Path(folder) / "checkpoint").fit(chosen)

        if together:
            decoder = fit(trials)
            fitted = dict.fromkeys(people, decoder)
        else:
            fitted = {s: fit({s: own}) for s, own in trials.items()}
    found = np.array([score(fitted[s], people, s) for s in people])
    seconds = time.perf_counter() - start
    cells = " / ".join(f"{top:.2f}" for top in found[:, 0])
    top, rank = found.mean(axis=0)
    whom = "together" if together else "one by one"
    return f"| {name} | {whom} | {n_trials} | {cells} | {top:.3f} | {rank:.4f} | {seconds:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--n-train", type=int, nargs="+", default=[270, 540, 1080])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", choices=list(NETWORKS), action="append")
    args = parser.parse_args()
    config = load_config(args.tree / "config.yaml")
    people = {subject: read_person(config, subject) for subject in config.subjects}
    first = next(iter(people.values()))
    print(f"{len(first.gallery)} test scenes, seed {config.seed}\n")
    print("| decoder | people | trials of each | top-1 | mean | mean relative rank | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    most = max(args.n_train)
    channels = {p.items.shape[1] for p in people.values()}
    for n_trials in args.n_train:
        print(row("direction-ridge", people, n_trials, False, args.seed), flush=True)
    for name in args.network or list(NETWORKS):
        for together in (False, True):
            if together and name == "eeg-project" and len(channels) > 1:
                continue
            is_curve = name == "shared-filters, 4 filters"
            for n_trials in args.n_train if is_curve else [most]:
                print(row(name, people, n_trials, together, args.seed), flush=True)


if __name__ == "__main__":
    main()
