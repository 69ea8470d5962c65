"""Encoders that are networks, from their section of the configuration to the model folder."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.embeddings import Embeddings, write_embeddings
from calcarine.data.predictions import read_predictions
from calcarine.data.responses import Responses, write_responses
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.networks import layer_ensemble, network_encoder
from calcarine.encoders.pretrained import LOADERS, load_pretrained
from calcarine.pipelines import encode
from calcarine.pipelines.config import Config
from calcarine.pipelines.encoder_sections import FITTERS
from calcarine.pipelines.sections.encoder_methods import ENCODERS

N_TRAIN, N_TEST, N_UNITS = 150, 20, 4
SHORT = {"n_epochs": 25, "batch_size": 40, "dropout": 0.0, "learning_rate": 0.02}
SECTIONS = {
    "routed": {"kind": "roi-query", "embeddings": ["tokens"], "head_dim": 8, **SHORT},
    "mixed": {"kind": "roi-query", "embeddings": ["tokens", "more"], "head_dim": 4, **SHORT},
    "field": {"kind": "read-out", "embedding": "tokens", "read_out": "gaussian", **SHORT},
    "pixels": {"kind": "response-optimised", "embedding": "pixels", "width": 4, **SHORT},
}
SHAPES = {"tokens": (9, 3), "more": (4, 5), "pixels": (3, 16, 16)}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    out = tmp_path_factory.mktemp("networks")
    config = Config.model_validate(
        {
            "name": "small",
            "out": out,
            "subjects": ["01"],
            "source": {"kind": "bids", "path": out / "bids"},
            "recording": {"task": "scenes"},
            "embeddings": {name: {"model": "local-dir:nowhere"} for name in SHAPES},
            "encode": SECTIONS,
        }
    )
    rng = np.random.default_rng(5)
    names = np.array([f"s{i:03d}" for i in range(N_TRAIN + N_TEST)])
    values = {
        name: rng.standard_normal((len(names), *shape)).astype(np.float32)
        for name, shape in SHAPES.items()
    }
    brightness = rng.standard_normal((len(names), 1, 1, 1)).astype(np.float32)
    values["pixels"] = 0.3 * values["pixels"] + brightness
    drive = [values["tokens"][:, 4, 0], values["tokens"][:, 4, 1], values["more"][:, 0, 0]]
    signal = np.stack([*drive, brightness[:, 0, 0, 0]], axis=1)
    for name, shape in SHAPES.items():
        stimuli = pd.DataFrame({"stimulus_id": names, "stimulus_sha": names, "concept": "n/a"})
        sidecar = dict.fromkeys(("model", "revision", "layer", "transform_sha"), name)
        sidecar |= {"pooling": "tokens", "input": "pictures", "row_shape": list(shape)}
        flat = values[name].reshape(len(names), -1) if name == "pixels" else values[name]
        write_embeddings(config.layout.embedding(name), Embeddings(flat, stimuli, sidecar))
    write_responses(config.layout, "01", responses(signal, names, rng))
    return config, values


def responses(signal, names, rng):
    n = len(names)
    split = np.where(np.arange(n) < N_TRAIN, "train", "test").astype(object)
    split[: N_TRAIN // 5] = "validation"
    trials = pd.DataFrame(
        {
            "trial_id": names,
            "subject": "01",
            "session": "01",
            "run": "01",
            "onset_s": np.arange(n) * 4.0,
            "duration_s": 2.0,
            "stimulus_id": names,
            "stimulus_sha": names,
            "concept": "n/a",
            "repeat": 1,
            "split": split,
            "split_group": names,
        }
    )
    noisy = (signal + 0.3 * rng.standard_normal(signal.shape)).astype(np.float32)
    roi = ["a", "a", "b", "b"]
    units = pd.DataFrame(
        {"i": np.arange(N_UNITS), "j": 0, "k": 1, "x": 2.0, "roi": roi, "ncsnr": 1.0}
    )
    return Responses(noisy, trials, units, {"space": "native"})


@pytest.mark.parametrize(
    ("name", "finds"), [("routed", [0, 1]), ("mixed", [0, 1]), ("field", [0, 1]), ("pixels", [3])]
)
def test_networks_are_kinds_of_the_encode_section(tree, name, finds):
    config, _ = tree
    encode.run(config, "01", name)
    predictions = read_predictions(config.layout.prediction("01", f"encoder-{name}"))
    assert predictions.values.shape == (N_TEST, N_UNITS)
    r = correlation(np.asarray(predictions.measured), np.asarray(predictions.values))
    assert r[finds].min() > 0.5
    folder = config.layout.model("01", f"encoder-{name}")
    encoder = load_pretrained(folder, check_embedding=False)
    card = (folder / "README.md").read_text()
    assert "validation trials" in card
    assert encoder.space == {"space": "native", "template": False}


def test_a_loaded_network_predicts_what_was_stored(tree):
    config, values = tree
    encode.run(config, "01", "mixed")
    encoder = load_pretrained(config.layout.model("01", "encoder-mixed"))
    stored = read_predictions(config.layout.prediction("01", "encoder-mixed"))
    flat = [values[n].reshape(len(values[n]), -1) for n in ("tokens", "more")]
    found = encoder.predict(np.hstack(flat)[N_TRAIN:])
    np.testing.assert_allclose(found, stored.values, atol=1e-6)


def test_every_kind_has_a_fitter_a_loader_and_a_sentence():
    assert set(FITTERS) == set(ENCODERS)
    assert {network_encoder.KIND, layer_ensemble.KIND} <= set(LOADERS)


def test_methods_name_the_network():
    config = Config.model_validate(
        {
            "name": "small",
            "subjects": ["01"],
            "source": {"kind": "phantom"},
            "recording": {"task": "scenes"},
            "embeddings": {name: {"model": "local-dir:nowhere"} for name in SHAPES},
            "encode": SECTIONS,
        }
    )
    told = {name: ENCODERS[section.kind](section) for name, section in config.encode.items()}
    assert "[roi-query] from a learned query for each region" in told["routed"]
    assert "softmax over models" in told["mixed"]
    assert "softmax over models" not in told["routed"]
    assert "Gaussian receptive field" in told["field"]
    assert "from pixels (pixels)" in told["pixels"]
