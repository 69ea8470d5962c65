from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.reconstruction_tree import N_TEST, N_TRAIN, SUBJECT, write_tree
from PIL import Image

from calcarine.data.digests import file_sha
from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import read_predictions, write_predictions
from calcarine.data.reconstructions import read_reconstructions
from calcarine.data.seeds import derive_seed
from calcarine.decoders.generator import Sampling, load_generator
from calcarine.decoders.low_level import vectors_to_latents
from calcarine.pipelines.reconstruct import run, single_pictures

CONTROLS = ["shuffled-brain", "noise-brain", "category-only", "nearest-training-picture"]
CONDITIONS = [
    "semantic",
    *CONTROLS,
    "ceiling",
    *("low-level", "low-level-shuffled-brain", "low-level-noise-brain", "low-level-ceiling"),
    *("combined", "combined-shuffled-brain", "combined-noise-brain", "combined-ceiling"),
]
# the first two test stimuli have no single picture
KNOWN = slice(N_TRAIN + 2, None)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = write_tree(tmp_path_factory.mktemp("reconstruct"))
    run(config, SUBJECT, "unclip")
    return config


@pytest.fixture(scope="module")
def made(config):
    return read_reconstructions(config.layout.reconstruction(SUBJECT, "unclip"))


@pytest.fixture(scope="module")
def generator(config):
    return load_generator(config.reconstruct["unclip"].generator)


@pytest.fixture
def changed(config, tmp_path):
    """Give a function that makes a configuration with another `reconstruct` and another tree."""

    def change(**updates):
        section = config.reconstruct["unclip"].model_copy(update=updates)
        return config.model_copy(update={"reconstruct": {"other": section}})

    return change


def _measured(config, name):
    predictions = read_predictions(config.layout.prediction(SUBJECT, f"decoder-ridge-{name}"))
    return predictions.select("measured", 2, "signal").values[2:]


def test_all_conditions_stand_beside_each_other(made):
    assert made.sidecar["conditions"] == CONDITIONS
    assert made.pictures.shape == (len(CONDITIONS), N_TEST - 2, 32, 32, 3)
    assert made.sidecar["paths"]["combined-ceiling"] == "combined"
    assert made.sidecar["controls"]["low-level-noise-brain"] == "noise-brain"
    assert "semantic" not in made.sidecar["controls"]
    assert made.sidecar["n_left_out"] == 2
    assert made.items["n_repeats"].tolist() == [2] * (N_TEST - 2)


def test_targets_are_the_pictures_that_were_shown(config, made):
    for row, stimulus in enumerate(made.items["stimulus_id"]):
        shown = np.asarray(Image.open(config.stimuli.parent / f"{stimulus}.png"))
        np.testing.assert_array_equal(made.targets[row], shown)


def test_paths_are_what_the_generator_makes_of_the_predictions(config, made, generator):
    seeds = [derive_seed(4, SUBJECT, "reconstruct", "unclip", s) for s in made.items["stimulus_id"]]
    assert made.items["seed"].tolist() == seeds
    sampling = Sampling(n_steps=2, strength=0.75)
    embeds, vectors = _measured(config, "clip"), _measured(config, "latent")
    latents = vectors_to_latents(vectors, generator.latent_shape)
    np.testing.assert_array_equal(made.of("semantic"), generator.generate(embeds, seeds, sampling))
    np.testing.assert_array_equal(made.of("low-level"), generator.decode(latents))
    np.testing.assert_array_equal(
        made.of("combined"), generator.generate(embeds, seeds, sampling, latents)
    )


def test_ceiling_uses_the_true_embedding(config, made, generator):
    true = read_embeddings(config.layout.embedding("clip")).values[KNOWN]
    drawn = generator.generate(true, made.items["seed"].to_numpy(), Sampling(n_steps=2))
    half_precision = 1 if torch.cuda.is_available() else 0  # rounds otherwise in other batches
    np.testing.assert_allclose(np.int16(made.of("ceiling")), np.int16(drawn), atol=half_precision)


def test_nearest_training_picture_is_one_of_the_training_pictures(config, made):
    train = [
        np.asarray(Image.open(config.stimuli.parent / f"scene-{i:03d}.png")) for i in range(N_TRAIN)
    ]
    for picture in made.of("nearest-training-picture"):
        assert sum((picture == t).all() for t in train) == 1


def test_only_ceilings_know_the_truth(config, made, tmp_path):
    """Replace the true embeddings of all test stimuli: nothing but the ceilings may change."""
    other = config.model_copy(update={"out": tmp_path / "out"})
    (tmp_path / "out").mkdir()
    for name in ("sub-01", "embeddings"):
        _copy(config.layout.out / name, other.layout.out / name)
    for name in ("clip", "latent"):
        path = other.layout.embedding(name) / "embeddings.npy"
        values = np.load(path)
        values[N_TRAIN:] = values[N_TRAIN:][::-1] + 1
        np.save(path, values)
    run(other, SUBJECT, "unclip")
    again = read_reconstructions(other.layout.reconstruction(SUBJECT, "unclip"))
    changed = [c for c in CONDITIONS if (made.of(c) != again.of(c)).any()]
    assert changed == [c for c in CONDITIONS if c.endswith("ceiling")]


def _copy(source: Path, destination: Path) -> None:
    for file in source.rglob("*"):
        if file.is_file():
            new = destination / file.relative_to(source)
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(file.read_bytes())


def test_two_runs_give_the_same_bytes(config):
    folder = config.layout.reconstruction(SUBJECT, "unclip")
    before = {f.name: file_sha(f) for f in folder.iterdir()}
    run(config, SUBJECT, "unclip")
    assert {f.name: file_sha(f) for f in folder.iterdir()} == before


def test_fewer_controls_and_no_low_level(changed, made):
    config = changed(n_controls=2, low_level=None)
    run(config, SUBJECT, "other")
    few = read_reconstructions(config.layout.reconstruction(SUBJECT, "other"))
    assert few.sidecar["conditions"] == CONDITIONS[:6]
    assert few.items["controls"].tolist() == [1, 0, 0, 0, 1]
    np.testing.assert_array_equal(
        few.of("nearest-training-picture"), made.of("nearest-training-picture")[[0, 4]]
    )
    assert few.of("semantic").any(axis=(1, 2, 3)).all()


def test_a_decoder_to_another_embedding_is_refused(changed):
    config = changed(semantic="ridge-latent", low_level=None)
    with pytest.raises(CalcarineError, match=r"shape \(n, 12\); got \(5, 256\)"):
        run(config, SUBJECT, "other")


def test_predictions_without_control_brains_are_refused(config, tmp_path):
    folder = config.layout.prediction(SUBJECT, "decoder-ridge-clip")
    whole = read_predictions(folder)
    whole = replace(whole, values=np.array(whole.values))
    kept = np.flatnonzero(whole.items["brain"] != "noise")
    items = pd.DataFrame(whole.items.iloc[kept])
    write_predictions(folder, replace(whole, values=whole.values[kept], items=items))
    try:
        with pytest.raises(CalcarineError, match="no prediction from the noise brain for 5 items"):
            run(config, SUBJECT, "unclip")
    finally:
        write_predictions(folder, whole)


def test_stimuli_that_are_one_picture(tmp_path):
    (tmp_path / "folder").mkdir()
    rows = [("a", "a.png"), ("b", "n/a"), ("c", "folder")]
    table = pd.DataFrame(rows, columns=["stimulus_id", "file"])
    table.to_csv(tmp_path / "stimuli.tsv", sep="\t", index=False)
    assert single_pictures(tmp_path / "stimuli.tsv") == {"a": tmp_path / "a.png"}
