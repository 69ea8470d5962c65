"""What methods say of every kind of decoder, and of decoding over time."""

import pytest
from pydantic import TypeAdapter

from calcarine.decoders.contrastive_network import NETWORKS
from calcarine.pipelines.config_models import Decoder
from calcarine.pipelines.config_sensors import OverTimeSection
from calcarine.pipelines.decoder_sections import MAKERS
from calcarine.pipelines.sections.citations import CITATIONS
from calcarine.pipelines.sections.decoder_methods import DECODERS, decoder_text, over_time_text
from calcarine.pipelines.sections.methods import _keys

ADAPTER = TypeAdapter(Decoder)


def test_every_decoder_is_described():
    assert set(DECODERS) == set(MAKERS)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_decoder_is_called_what_it_is(kind):
    section = ADAPTER.validate_python({"kind": kind, "target": "clip"})
    text = decoder_text("mine", section)
    assert text.startswith("mine: ")
    assert text.endswith(", to clip, fitted on each subject")
    assert ("support vector" in text) == (kind == "svm")
    assert set(_keys(text)) <= set(CITATIONS)


@pytest.mark.parametrize("network", [n for n in NETWORKS if n != "residual-mlp"])
def test_networks_over_sensors_are_told_apart(network):
    raw = {"kind": "sensor-contrastive", "target": "clip", "subjects": "all", "hold_out": ["03"]}
    texts = {
        n: decoder_text("mine", ADAPTER.validate_python({**raw, "network": {"kind": n}}))
        for n in (network, "eeg-project")
    }
    assert "without 03, to clip, fitted on all subjects together" in texts[network]
    assert (texts[network] == texts["eeg-project"]) == (network == "eeg-project")


@pytest.mark.parametrize("kind", ["ridge", "direction-ridge", "lda"])
def test_decoding_over_time_is_described(kind):
    section = OverTimeSection(target="category", kind=kind, window_s=0.04, step_s=0.012)
    text = over_time_text("mine", section)
    assert "in windows of 0.04 s every 0.012 s, to category" in text
    assert ("discriminant" in text) == (kind == "lda")
