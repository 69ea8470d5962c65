"""A film through the steps: real BIDS files to scores, with leaks refused and silence at chance."""

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from calcarine.data.errors import CalcarineError
from calcarine.data.responses import read_responses
from calcarine.data.scores import read_scores
from calcarine.encoders.pretrained import load_pretrained
from calcarine.pipelines import embed, encode, evaluate, prepare, source
from calcarine.pipelines.check import check_config
from calcarine.pipelines.config import parse_config

DELAYS = [0, 1.5, 3, 4.5, 6, 7.5, 9]


def film(out, amplitude=1.0, **changes):
    raw = {
        "name": "film",
        "out": str(out),
        "subjects": ["01"],
        "source": {
            "kind": "phantom", "n_train": 100, "n_test": 16, "n_held_out": 2, "n_test_repeats": 3,
            "n_voxels": 150, "shot_frames": 3, "trials_per_run": 100, "amplitude": amplitude,
        },
        "recording": {
            "modality": "fmri",
            "task": "scenes",
            "confounds": ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"],
            "responses": {
                "kind": "block", "average": False, "standardize": "run", "high_pass_hz": 0.01,
            },
        },
        "split": {"by": "declared", "column": "phase", "disjoint": ["run", "window"]},
        "embeddings": {
            "factors": {
                "model": "column-codes", "input": "concepts",
                "columns": ["category", "colour", "background", "x", "y", "size", "count"],
            }
        },
        "encode": {
            "fir": {"kind": "ridge", "embedding": "factors", "delays_s": DELAYS},
            "at-once": {"kind": "ridge", "embedding": "factors", "delays_s": [0]},
            "later": {"kind": "ridge", "embedding": "factors", "delays_s": [6]},
        },
        "evaluate": {"n_bootstrap": 200},
    }  # fmt: skip
    return parse_config(raw | changes, "test")


def walk(config):
    source.run(config, None)
    source.run(config, "01")
    prepare.run(config, "01")
    for name in config.embeddings:
        embed.run(config, name)
    for name in config.encode:
        encode.run(config, "01", name)
    evaluate.run(config, "01")
    return read_scores(config.layout.metrics("01"))


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    config = film(tmp_path_factory.mktemp("film"))
    return config, walk(config)


def value(scores, model, metric, **which):
    rows = scores[(scores["model"] == model) & (scores["metric"] == metric)]
    for column, wanted in which.items():
        rows = rows[rows[column] == wanted]
    return float(rows["value"].iloc[-1])


def test_every_volume_of_a_frame_is_a_sample(walked):
    config, _ = walked
    responses = read_responses(config.layout, "01")
    trials = responses.trials
    assert len(trials) == 100 * 3 + 3 * 16 * 3
    of_run = trials.groupby(["session", "run"])
    assert (of_run["onset_s"].diff().dropna().round(3) == 1.5).all()
    assert sorted(of_run.size()) == [48, 48, 48, 99, 99, 102]
    assert np.isfinite(responses.values).all()


def test_delays_find_the_planted_response(walked):
    _, scores = walked
    fir, later, at_once = (
        value(scores, f"encoder-{name}", "r_median", target="responses")
        for name in ("fir", "later", "at-once")
    )
    assert min(fir, later) > at_once + 0.1
    assert value(scores, "encoder-fir", "kernel_r_median") > 0.8
    assert 4.5 <= value(scores, "encoder-fir", "kernel_peak_s_median") <= 7.5
    courses = scores[scores["model"] == "encoder-fir/planted-kernel"]
    assert len(courses) == len(DELAYS)


def test_a_kept_encoder_takes_frames_in_order(walked):
    config, _ = walked
    encoder = load_pretrained(config.layout.model("01", "encoder-fir"))
    n_features = len(encoder.coef_) // len(DELAYS)
    frames = np.random.default_rng(0).standard_normal((12, n_features)).astype(np.float32)
    kernels = encoder.coef_.reshape(n_features, len(DELAYS), -1)
    naive = np.tile(encoder.intercept_, (12, 1)).astype(np.float64)
    for t in range(12):
        for column in range(len(DELAYS)):  # delays are whole steps
            if t - column >= 0:
                naive[t] += frames[t - column] @ kernels[:, column]
    found = encoder.predict(encoder.delayed(frames))
    np.testing.assert_allclose(found, naive, rtol=1e-4, atol=1e-4)


def test_stretches_with_neighbours_on_both_sides_are_refused(walked, tmp_path):
    """Shots of one run on both sides of the split: what delays reach would be shared."""
    config, _ = walked
    leaking = {"by": "concept", "test": 0.3, "disjoint": ["concept", "window"]}
    planted = film(tmp_path, split=leaking)
    # the same recording, read under a split that cuts through runs
    (tmp_path / "sourcedata").symlink_to(config.out / "sourcedata", target_is_directory=True)
    with pytest.raises(CalcarineError, match="overlap"):
        prepare.run(planted, "01")


def test_silence_is_at_chance(tmp_path):
    scores = walk(film(tmp_path, amplitude=0.0))
    rows = scores[(scores["metric"] == "r_median") & (scores["model"] == "encoder-fir")]
    last = rows[rows["target"] == "responses"].iloc[-1]
    assert abs(float(last["value"])) < 0.1


def test_gcv_and_unordered_delays_are_refused(tmp_path):
    def encoder(**section):
        own = {"kind": "ridge", "embedding": "factors", **section}
        return film(tmp_path, encode={"fir": own})

    with pytest.raises((CalcarineError, ValidationError), match="method: kfold"):
        encoder(delays_s=[2, 4], method="gcv")
    with pytest.raises((CalcarineError, ValidationError), match="must grow"):
        encoder(delays_s=[4, 2])


def test_delays_of_single_trials_are_refused(tmp_path):
    """Betas at irregular onsets have no past that delays could reach."""
    recording = {"modality": "fmri", "task": "scenes"}
    with pytest.raises((CalcarineError, ValidationError), match="average: false"):
        film(tmp_path, recording=recording)


def test_the_plan_counts_frames(tmp_path):
    path = tmp_path / "film.yaml"
    path.write_text(yaml.safe_dump(film(tmp_path / "out").model_dump(mode="json")))
    problems, plan = check_config(path)
    assert problems == []
    assert "444 trials" in plan.makes[0]
    assert "348 stimuli" in plan.makes[0]
