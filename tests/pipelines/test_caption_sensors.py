"""Captions of sensors: their peak, their clusters, and the step on planted sensors."""

import numpy as np
import pandas as pd
import pytest
from fixtures.caption_tree import build

from calcarine.data.captions import read_captions
from calcarine.data.errors import CalcarineError
from calcarine.data.responses import Responses, read_responses, write_responses
from calcarine.pipelines import caption, encode
from calcarine.pipelines.caption_sensors import at_sample, clustered, peak_sample, responses_at
from calcarine.pipelines.evaluate_captions import caption_results

PEAK, N_TIMES = 3, 5


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Planted units become channels whose signal comes at one sample, in noise at the others."""
    config = build(tmp_path_factory.mktemp("sensors"), np.random.default_rng(6), nearest=None)
    old = read_responses(config.layout, "01")
    rng = np.random.default_rng(1)
    values = rng.standard_normal((*old.values.shape, N_TIMES))
    values[..., PEAK] = old.values
    place = np.repeat([[-1.0, -1], [-1, 1], [1, -1], [1, 1]], 8, axis=0)
    units = pd.DataFrame(
        {"channel": [f"C{i:02d}" for i in range(32)], "type": "eeg",
         "x": place[:, 0] + 0.01 * np.arange(32) / 32, "y": place[:, 1], "z": 0.0}
    )  # fmt: skip
    sidecar = {"times_s": (0.1 * np.arange(N_TIMES)).tolist(), "sampling_rate_hz": 10.0}
    whole = Responses(values.astype(np.float32), old.trials, units, sidecar)
    write_responses(config.layout, "01", whole)
    encode.run(config, "01", "clip")
    caption.run(config, "01", "own")
    return config


def test_clusters_of_sensors_are_captioned_at_their_peak(config):
    made = read_captions(config.layout.captions("01", "own"))
    assert made.sidecar["sample"] == PEAK
    _, table = caption_results(config, "01", "own", "test")
    clusters = table[table["kind"] == "region"].set_index("unit")
    # channels were planted quarter by quarter: face, house, red, noise
    assert set(clusters.index) == {"left back", "left front", "right back", "right front"}
    for name, word in (("left back", "face"), ("left front", "house"), ("right back", "red")):
        assert clusters.loc[name, "shown"]
        assert word in clusters.loc[name, "text"]
    assert not clusters.loc["right front", "shown"]
    channels = table[table["kind"] == "unit"]
    assert channels["unit"].tolist()[:2] == ["C00", "C01"]
    assert channels.loc[channels["region"] != "right front", "shown"].mean() > 0.75
    assert channels.loc[channels["region"] == "right front", "shown"].mean() <= 0.125


def test_one_sample_of_an_encoder_predicts_what_the_whole_does(config):
    from calcarine.encoders.voxel_encoder import VoxelEncoder

    whole = VoxelEncoder.load(config.layout.model("01", "encoder-clip"))
    assert peak_sample(whole) == PEAK
    flat = at_sample(whole, PEAK)
    features = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    expected = (features @ whole.coef_ + whole.intercept_).reshape(4, 32, N_TIMES)[..., PEAK]
    np.testing.assert_allclose(features @ flat.coef_ + flat.intercept_, expected, rtol=1e-6)
    assert whole.n_times_ == N_TIMES
    assert at_sample(whole, None) is whole
    assert responses_at(expected, 32, None) is expected


def test_clusters_come_from_a_table_of_channels(tmp_path):
    units = pd.DataFrame({"channel": ["A1", "A2", "A3"]})
    table = tmp_path / "clusters.tsv"
    table.write_text("channel\tcluster\nA1\tocc\nA3\tocc\n")
    assert clustered(units, table)["roi"].tolist() == ["occ", "n/a", "occ"]
    table.write_text("channel\tcluster\nB1\tocc\n")
    with pytest.raises(CalcarineError, match="names none of the channels"):
        clustered(units, table)
    table.write_text("sensor\tcluster\nB1\tocc\n")
    with pytest.raises(CalcarineError, match="need `channel` and `cluster`"):
        clustered(units, table)
    assert "roi" not in clustered(units, None)
