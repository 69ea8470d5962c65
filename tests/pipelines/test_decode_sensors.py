import numpy as np
import pytest
from fixtures.sensor_tree import EMBED_DIM, N_TEST, SMALL, build_sensor_tree, configuration

from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import read_predictions
from calcarine.data.responses import read_responses
from calcarine.decoders.decoder_folder import load_decoder
from calcarine.pipelines import decode, decode_group
from calcarine.pipelines.evaluate_decoders import decoder_results


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    config = configuration(tmp_path_factory.mktemp("waves"))
    build_sensor_tree(config)
    return config


@pytest.mark.parametrize("name", ["ridge", "direction", "riemann", "xdawn", "module"])
def test_sensors_are_decoded_and_the_folder_predicts_alike(tree, name):
    if name in ("riemann", "xdawn"):
        pytest.importorskip("pyriemann")
    decode.run(tree, "01", name)
    found = read_predictions(tree.layout.prediction("01", f"decoder-{name}"))
    single = found.select("measured", 1, "single")
    responses = read_responses(tree.layout, "01")
    saved = load_decoder(tree.layout.model("01", f"decoder-{name}"))
    rows = np.flatnonzero((responses.trials["split"] == "test").to_numpy())
    again = saved.predict(
        responses.values[rows],
        responses.units,
        responses.trials["session"].iloc[rows].to_numpy(dtype=str),
    )
    np.testing.assert_allclose(single.values, again, rtol=1e-4, atol=1e-4)
    rows, _ = decoder_results(tree, "01", name, "test")
    if name in ("ridge", "direction", "riemann"):
        ranks = [r for r in rows if r.metric == "brain_to_image_median_rank_centred"]
        best = next(r for r in ranks if r.model == name and r.n_repeats == 4)
        assert best.ci_high < 0.5


def test_a_held_out_subject_is_scored_and_leaves_no_trace(tree):
    decode_group.run(tree, "group")
    found = read_predictions(tree.layout.prediction("03", "decoder-group"))
    assert found.sidecar["is_held_out"]
    assert found.values.shape[1] == EMBED_DIM
    assert (found.items["brain"] == "measured").sum() >= N_TEST
    rows, _ = decoder_results(tree, "03", "group", "test")
    assert {r.split for r in rows} == {"test-unseen-subject"}
    rows, _ = decoder_results(tree, "01", "group", "test")
    assert {r.split for r in rows} == {"test"}
    folder = tree.layout.group_model("decoder-group")
    assert list(load_decoder(folder).standardizers) == ["01", "02"]
    # the stranger's data change nothing
    weights = (folder / "model.safetensors").read_bytes()
    other = read_responses(tree.layout, "03")
    path = tree.layout.responses("03")
    kept = path.read_bytes()
    np.save(path, np.asarray(other.values)[::-1] * 3)
    decode_group.run(tree, "group")
    assert (folder / "model.safetensors").read_bytes() == weights
    path.write_bytes(kept)


def test_who_may_be_held_out(tmp_path):
    group = {**SMALL, "subjects": "all"}
    for wrong in (["04"], ["01", "02", "03"]):
        with pytest.raises(CalcarineError, match=r"hold_out is .* expected some of the subjects"):
            configuration(tmp_path, decode={"group": {**group, "hold_out": wrong}})


def test_compact_networks_refuse_different_montages(tree):
    network = {"kind": "ts-conv"}
    config = configuration(
        tree.layout.out, decode={"group": {**SMALL, "subjects": "all", "network": network}}
    )
    with pytest.raises(CalcarineError, match="same channels for everybody"):
        decode_group.run(config, "group")
