import numpy as np
import pytest
from fixtures.sensor_tree import build_sensor_tree, configuration

from calcarine.data.noise_ceiling import repeat_variance
from calcarine.data.predictions import read_predictions
from calcarine.data.responses import read_responses
from calcarine.data.scores import read_scores
from calcarine.data.standardize import Standardizer
from calcarine.data.time_scores import read_time_scores
from calcarine.encoders.ridge.estimators import RidgeCV
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines import encode, evaluate
from calcarine.pipelines.evaluate_encoders import sensor_ceilings


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    config = configuration(tmp_path_factory.mktemp("waves"), decode={}, over_time={})
    build_sensor_tree(config)
    for name in config.encode:
        encode.run(config, "01", name)
    evaluate.run(config, "01")
    return config


def test_channels_by_time_are_as_many_targets_of_one_solver(tree):
    rng = np.random.default_rng(0)
    responses = read_responses(tree.layout, "01")
    values = np.asarray(responses.values)[:60]
    features = rng.standard_normal((60, 5)).astype(np.float32)
    encoder = VoxelEncoder({"model": "m"}, responses.units).fit(features, values)
    flat = Standardizer.fit(values).transform(values).reshape(60, -1)
    ridge = RidgeCV().fit(features, flat)
    expected = ridge.predict(features).reshape(values.shape)
    np.testing.assert_allclose(encoder.predict(features), expected, atol=1e-5)
    assert encoder.score(features, values).shape == values.shape[1:]


def test_the_folder_predicts_time_courses(tree):
    encoder = VoxelEncoder.load(tree.layout.model("01", "encoder-clip"))
    found = read_predictions(tree.layout.prediction("01", "encoder-clip"))
    assert found.values.shape[1:] == (10, 40)
    assert found.measured.shape == found.values.shape
    assert encoder.predict(np.zeros((2, 5), dtype=np.float32)).shape == (2, 10, 40)


def test_each_embedding_peaks_where_it_was_planted(tree):
    scores = read_scores(tree.layout.metrics("01"))
    peaks = scores[scores["metric"] == "peak_latency_s"].set_index("model")["value"]
    assert abs(peaks["encoder-late"] - 0.3) <= 0.03
    courses = read_time_scores(tree.layout.over_time("01"))
    late = courses[courses["model"] == "encoder-late"].set_index("start_s")
    assert late.loc[0.3, "ci_low"] > 0
    assert late.loc[0.1, "ci_low"] < 0.2
    # a model that holds both latencies is above chance at both
    clip = courses[courses["model"] == "encoder-clip"].set_index("start_s")
    assert (clip.loc[[0.1, 0.3], "ci_low"] > 0).all()
    assert (clip.loc[[0.1, 0.3], "ceiling"] > 0.5).all()


def test_ceilings_over_time_are_those_of_single_samples(tree):
    responses = read_responses(tree.layout, "01")
    found = sensor_ceilings(responses)
    assert found.shape == (10, 40)
    trials = responses.trials
    fit = trials["split"].isin(["train", "validation"]).to_numpy()
    sessions = trials["session"].to_numpy()
    column = np.asarray(responses.values)[:, 3, 10:11]
    scaled = Standardizer.fit(column[fit], sessions[fit]).transform(column, sessions)
    expected = repeat_variance(scaled, trials["stimulus_id"].to_numpy()).ncsnr
    assert found[3, 10] == pytest.approx(expected[0], rel=1e-5)
