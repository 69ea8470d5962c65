import json

import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import CARD_FIELDS, model_card, read_model, write_model

CONFIG = {"kind": "ridge-decoder", "alphas": [0.1, 1.0]}


def test_a_round_trip(tmp_path, rng):
    tensors = {
        "weights": rng.normal(size=(3, 4)).astype(np.float32),
        "transposed": rng.normal(size=(3, 4)).astype(np.float64).T,
        "count": np.int64(7),
        "empty": np.zeros((0, 2), dtype=np.float32),
    }
    write_model(tmp_path / "m", CONFIG, tensors, "# card\n")
    config, found = read_model(tmp_path / "m", "ridge-decoder")
    assert config == CONFIG
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    for name, values in tensors.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].shape == np.shape(values)
        assert found[name].dtype == values.dtype


def test_equal_models_have_equal_bytes(tmp_path, rng):
    tensors = {"b": rng.normal(size=3), "a": rng.normal(size=2)}
    write_model(tmp_path / "1", CONFIG, tensors, "c")
    write_model(tmp_path / "2", dict(reversed(CONFIG.items())), tensors, "c")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_card_needs_every_field():
    fields = {name: f"about {name}" for name in CARD_FIELDS}
    card = model_card("A decoder", fields)
    assert card.startswith("# A decoder\n")
    assert all(f"| {name} | about {name} |" in card for name in CARD_FIELDS)
    with pytest.raises(CalcarineError, match=r"lacks \['licence', 'seed'\]"):
        model_card("A decoder", fields | {"licence": " ", "seed": ""})


def test_problems_are_named(tmp_path):
    with pytest.raises(CalcarineError, match="needs the key `kind`"):
        write_model(tmp_path / "m", {}, {}, "")
    with pytest.raises(CalcarineError, match=r"is not a model folder: .*config\.json is missing"):
        read_model(tmp_path / "m")
    write_model(tmp_path / "m", CONFIG, {"a": np.zeros(50)}, "")
    with pytest.raises(CalcarineError, match="kind 'ridge-decoder'; expected 'lda'"):
        read_model(tmp_path / "m", "lda")
    path = tmp_path / "m" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(CalcarineError, match="cannot be read"):
        read_model(tmp_path / "m")
    (tmp_path / "m" / "config.json").write_text("{")
    with pytest.raises(CalcarineError, match="cannot be read"):
        read_model(tmp_path / "m")


def test_infinite_settings_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_model(tmp_path / "m", {"kind": "x", "alpha": float("inf")}, {}, "")
    assert list(tmp_path.iterdir()) == []
    assert json.dumps(CONFIG)
