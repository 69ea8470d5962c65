import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from calcarine.data.errors import CalcarineError
from calcarine.encoders.factor_probes import FactorProbe, read_probes, write_probes

LINEAR = FactorProbe(
    ("a", "b", "c"),
    np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], dtype=np.float32),
    np.array([0.0, 0.5, 0.0], dtype=np.float32),
)
# names whether the two entries have the same sign, which no line tells
SAME_SIGN = FactorProbe(
    ("other", "same"),
    np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]], dtype=np.float32),
    np.zeros(2, dtype=np.float32),
    np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]], dtype=np.float32),
    np.zeros(4, dtype=np.float32),
)


def test_a_linear_probe_takes_the_largest_logit():
    embeddings = np.array([[2.0, 1.0], [0.2, 0.1], [-3.0, -3.0]])
    assert LINEAR(embeddings).tolist() == ["a", "b", "c"]


def test_a_hidden_layer_reads_what_is_not_linear():
    embeddings = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    assert SAME_SIGN(embeddings).tolist() == ["same", "same", "other", "other"]


def test_probes_come_back_as_they_were_written(tmp_path):
    write_probes(tmp_path, {"letter": LINEAR, "sign": SAME_SIGN})
    read = read_probes(tmp_path)
    embeddings = np.random.default_rng(0).normal(size=(50, 2))
    for name, probe in (("letter", LINEAR), ("sign", SAME_SIGN)):
        assert read[name](embeddings).tolist() == probe(embeddings).tolist()


def test_a_model_without_probes_has_none(tmp_path):
    assert read_probes(tmp_path) == {}
    assert read_probes(None) == {}


def test_a_factor_without_weights_is_named(tmp_path):
    write_probes(tmp_path, {"letter": LINEAR})
    tensors = load_file(tmp_path / "probes.safetensors")
    save_file({"letter.bias": tensors["letter.bias"]}, tmp_path / "probes.safetensors")
    assert json.loads((tmp_path / "probes.json").read_text()) == {"letter": ["a", "b", "c"]}
    with pytest.raises(CalcarineError, match=r"no letter\.weight"):
        read_probes(tmp_path)
