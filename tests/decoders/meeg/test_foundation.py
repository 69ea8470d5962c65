import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from calcarine.data.errors import CalcarineError
from calcarine.decoders.meeg.foundation import (
    CONTRACTS,
    FoundationFeatures,
    Input,
    contract_problems,
    load_foundation,
    load_weights,
    to_contract,
)

LABRAM = CONTRACTS["labram"]
GIVEN = Input(("O1", "OZ", "O2"), 200.0, (0.1, 40.0), "µV", 400)


@pytest.mark.parametrize("kind", list(CONTRACTS))
def test_what_keeps_the_contract_passes(kind):
    given = replace(GIVEN, band_hz=(0.5, 40.0))
    assert contract_problems(CONTRACTS[kind], given) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampling_rate_hz": 250.0}, "sampling rate 250 Hz, expected 200"),
        ({"unit": "z"}, "unit 'z', expected one of"),
        ({"band_hz": (0.01, 40.0)}, "band 0.01–40 Hz, expected within 0.1–75"),
        ({"band_hz": (0.1, 90.0)}, "band 0.1–90 Hz"),
        ({"n_times": 250}, "250 samples, expected a multiple of 200"),
        ({"channels": ("O1", "O1", "O2")}, "twice"),
    ],
)
def test_every_mismatch_is_refused(change, message):
    given = replace(GIVEN, **change)
    with pytest.raises(CalcarineError, match=message):
        to_contract(np.zeros((1, 3, given.n_times)), LABRAM, given)


def test_fixed_channels_are_held_to_their_order():
    fixed = replace(LABRAM, channels=("O1", "O2", "OZ"))
    with pytest.raises(CalcarineError, match=r"in that order; missing: none"):
        to_contract(np.zeros((1, 3, 400)), fixed, GIVEN)


@pytest.mark.parametrize(("unit", "value"), [("µV", 50.0), ("mV", 0.05), ("V", 5e-5)])
def test_units_are_brought_to_the_networks(unit, value):
    given = replace(GIVEN, unit=unit)
    out = to_contract(np.full((2, 3, 400), value), LABRAM, given)
    np.testing.assert_allclose(out, 0.5, rtol=1e-5)
    assert out.dtype == np.float32


def test_channels_are_z_scored_where_the_contract_says_so():
    z = replace(LABRAM, normalisation="channel-z")
    values = 30 * np.random.default_rng(0).standard_normal((2, 3, 400)) + 7
    values[0, 1] = 4.0
    out = to_contract(values, z, GIVEN)
    np.testing.assert_allclose(out.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(out[1].std(axis=1), 1, atol=1e-4)
    assert np.abs(out[0, 1]).max() < 1e-3


def test_features_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(1200, 5)).eval()
    values = np.random.default_rng(0).standard_normal((7, 3, 400))
    features = FoundationFeatures(LABRAM, network, "sha")
    whole = features(values, GIVEN)
    assert whole.shape == (7, 5)
    np.testing.assert_allclose(features(values, GIVEN, batch_size=2), whole, atol=1e-5)


def test_weights_are_loaded_whole_or_not_at_all():
    network = nn.Linear(3, 2)
    good = {n: torch.full_like(v, 0.5) for n, v in network.state_dict().items()}
    load_weights(network, good, "file")
    assert (network.weight == 0.5).all()
    for bad, message in (
        ({"weight": good["weight"]}, r"1 weights are missing \['bias'\]"),
        ({**good, "head": torch.zeros(1)}, r"1 are left over \['head'\]"),
        ({**good, "bias": torch.zeros(3)}, r"1 have another shape \['bias'\]"),
    ):
        with pytest.raises(CalcarineError, match=message):
            load_weights(network, bad, "file")


def test_what_is_not_there_is_named(tmp_path, monkeypatch):
    with pytest.raises(CalcarineError, match="no contract for 'gpt'"):
        load_foundation("gpt", tmp_path / "w", GIVEN, {})
    with pytest.raises(CalcarineError, match="are not there; download them"):
        load_foundation("labram", tmp_path / "w", GIVEN, {})
    (tmp_path / "w").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "braindecode.models", None)
    monkeypatch.setitem(sys.modules, "braindecode", None)
    with pytest.raises(CalcarineError, match="braindecode"):
        load_foundation("labram", tmp_path / "w", GIVEN, {})
