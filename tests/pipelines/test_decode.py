import json

import numpy as np
import pandas as pd
import pytest

from calcarine.data.embeddings import Embeddings, read_embeddings, write_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import read_model
from calcarine.data.predictions import read_predictions
from calcarine.data.responses import Responses, read_responses, write_responses
from calcarine.data.splits import folds, leave_one_out
from calcarine.data.standardize import Standardizer
from calcarine.decoders.decoder_folder import load_decoder, read_train_means
from calcarine.decoders.decoding_scores import Scoring, decoder_scores
from calcarine.encoders.ridge.estimators import RidgeCV
from calcarine.pipelines import decode, decode_group
from calcarine.pipelines.config import Config
from calcarine.pipelines.decoder_sections import MAKERS

N_TRAIN, N_TEST, N_REPEATS, EMBED_DIM, N_CONCEPTS = 60, 10, 3, 5, 3
SMALL = {"hidden_dim": 16, "n_blocks": 1, "n_epochs": 3, "batch_size": 16}


def configuration(out, **changes):
    return Config.model_validate(
        {
            "name": "small",
            "out": out,
            "subjects": ["01", "02"],
            "source": {"kind": "bids", "path": out / "bids"},
            "recording": {"task": "scenes"},
            "split": {"disjoint": ["stimulus"]},
            "embeddings": {
                "clip": {"model": "local-dir:nowhere"},
                "category": {"model": "concept-codes", "input": "concepts"},
            },
            "decode": {
                "ridge": {"kind": "ridge", "target": "clip"},
                "lda": {"kind": "lda", "target": "category"},
                "svm": {"kind": "svm", "target": "category"},
                "contrastive": {"kind": "contrastive", "target": "clip", **SMALL},
                "group": {"kind": "contrastive", "target": "clip", "subjects": "all", **SMALL},
                "ridge-group": {"kind": "ridge", "target": "clip", "subjects": "all"},
            },
            **changes,
        }
    )


def trial_table(subject, rng):
    names = np.array(
        [f"train-{i:02d}" for i in range(N_TRAIN)] + [f"test-{i}" for i in range(N_TEST)]
    )
    shown = np.concatenate([np.arange(N_TRAIN), np.tile(N_TRAIN + np.arange(N_TEST), N_REPEATS)])
    stimulus = names[rng.permutation(shown)]
    n = len(stimulus)
    number = np.array([int(s.rpartition("-")[2]) for s in stimulus])
    is_test = np.char.startswith(stimulus, "test")
    split = np.where(is_test, "test", np.where(number % 6 == 0, "validation", "train"))
    return pd.DataFrame(
        {
            "trial_id": [f"t{i:03d}" for i in range(n)],
            "subject": subject,
            "session": np.where(np.arange(n) < n // 2, "1", "2"),
            "run": [f"{i % 4 + 1}" for i in range(n)],
            "onset_s": np.arange(n) * 4.0,
            "duration_s": 2.0,
            "stimulus_id": stimulus,
            "stimulus_sha": [f"sha-{s}" for s in stimulus],
            "concept": [f"concept-{i % N_CONCEPTS}" for i in number],
            "repeat": 1,
            "split": split,
            "split_group": [f"sha-{s}" for s in stimulus],
        }
    )


def write_subject(config, subject, n_units, rng, change=lambda trials, values: (trials, values)):
    trials = trial_table(subject, rng)
    clip = read_embeddings(config.layout.embedding("clip"))
    codes = read_embeddings(config.layout.embedding("category"))
    rows = clip.rows(trials["stimulus_id"])
    seen = np.nan_to_num(np.concatenate([clip.flat, 2 * codes.flat], axis=1))[rows]
    values = seen @ rng.standard_normal((seen.shape[1], n_units))
    values += rng.standard_normal(values.shape)
    values[(trials["session"] == "2").to_numpy()] += 5
    trials, values = change(trials, values)
    units = pd.DataFrame({"i": np.arange(n_units), "j": 0, "k": 1, "roi": "V1"})
    sidecar = {"space": "native", "unit": "percent signal change"}
    write_responses(config.layout, subject, Responses(values, trials, units, sidecar))


@pytest.fixture
def tree(tmp_path, rng):
    config = configuration(tmp_path)
    names = sorted(trial_table("01", rng)["stimulus_id"].unique())
    number = np.array([int(s.rpartition("-")[2]) for s in names])
    concepts = [f"concept-{i % N_CONCEPTS}" for i in number]
    table = pd.DataFrame({"stimulus_id": names, "stimulus_sha": names, "concept": concepts})
    values = (rng.standard_normal((len(names), EMBED_DIM)) + 3).astype(np.float32)
    values[names.index("train-07")] = np.nan  # a stimulus without a picture
    write_embeddings(config.layout.embedding("clip"), Embeddings(values, table, {"model": "clip"}))
    codes = np.eye(N_CONCEPTS, dtype=np.float32)[number % N_CONCEPTS]
    told = {"model": "concept-codes", "concepts": sorted(set(concepts))}
    write_embeddings(config.layout.embedding("category"), Embeddings(codes, table, told))
    write_subject(config, "01", 12, np.random.default_rng(1))
    write_subject(config, "02", 9, np.random.default_rng(2))
    return config


def model_bytes(folder):
    return (folder / "model.safetensors").read_bytes()


def test_every_kind_of_decoder_can_be_configured(tree):
    of_sensors = {
        "sensor-contrastive",
        "direction-ridge",
        "riemann",
        "xdawn",
    }  # see test_decode_sensors.py
    assert {d.kind for d in tree.decode.values()} | of_sensors == set(MAKERS)


@pytest.mark.parametrize("name", ["ridge", "lda", "svm", "contrastive"])
def test_items_and_model_folder(tree, name):
    decode.run(tree, "01", name)
    found = read_predictions(tree.layout.prediction("01", f"decoder-{name}"))
    counts = found.items.groupby(["brain", "averaging", "n_repeats"]).size().to_dict()
    signal = {
        (b, "signal", n): N_TEST for b in ("measured", "shuffled", "noise") for n in (1, 2, 3)
    }
    assert counts == signal | {
        **{(b, "single", 1): N_TEST * N_REPEATS for b in ("measured", "shuffled", "noise")},
        ("measured", "embedding", 2): N_TEST,
        ("measured", "embedding", 3): N_TEST,
    }
    assert found.values.dtype == np.float32
    assert np.isfinite(found.values).all()
    n_outputs = N_CONCEPTS if name in ("lda", "svm") else EMBED_DIM
    assert found.values.shape == (len(found.items), n_outputs)
    assert found.sidecar["n_without_target"] == (n_outputs == EMBED_DIM)
    card = (tree.layout.model("01", f"decoder-{name}") / "README.md").read_text()
    assert "sub-01" in card
    assert not list((tree.layout.subject("01") / "models").glob(".*"))


def test_ridge_predictions_equal_the_steps_by_hand(tree):
    decode.run(tree, "01", "ridge")
    found = read_predictions(tree.layout.prediction("01", "decoder-ridge"))
    responses = read_responses(tree.layout, "01")
    clip = read_embeddings(tree.layout.embedding("clip"))
    trials = responses.trials
    keep = (trials["stimulus_id"] != "train-07").to_numpy()
    fit = keep & (trials["split"] != "test").to_numpy()
    session = trials["session"].to_numpy(dtype=str)
    scaler = Standardizer.fit(responses.values[fit], session[fit])
    z = scaler.transform(responses.values, session)
    y = clip.flat[clip.rows(trials["stimulus_id"])]
    ridge = RidgeCV().fit(z[fit], y[fit], trials["stimulus_sha"].to_numpy(dtype=str)[fit])
    chosen = found.select("measured", 3, "signal")
    for stimulus, value in zip(chosen.items["stimulus_id"], chosen.values, strict=True):
        own = (trials["stimulus_id"] == stimulus).to_numpy()
        expected = z[own].mean(axis=0, keepdims=True) @ ridge.coef_ + ridge.intercept_
        np.testing.assert_allclose(value, expected[0], rtol=1e-4)


def test_a_saved_decoder_predicts_from_raw_responses(tree):
    decode.run(tree, "01", "contrastive")
    saved = load_decoder(tree.layout.model("01", "decoder-contrastive"))
    responses = read_responses(tree.layout, "01")
    rows = folds(responses.trials)[0].test
    sessions = responses.trials["session"].to_numpy(dtype=str)[rows]
    again = saved.predict(responses.values[rows], responses.units, sessions)
    found = read_predictions(tree.layout.prediction("01", "decoder-contrastive"))
    np.testing.assert_allclose(again, found.select("measured", 1, "single").values, atol=1e-5)
    assert saved.target["name"] == "clip"
    with pytest.raises(CalcarineError, match="another mask, or another order"):
        saved.predict(responses.values[rows], responses.units.iloc[::-1], sessions)
    with pytest.raises(CalcarineError, match=r"knows the subjects \['01'\]; asked for '02'"):
        saved.predict(responses.values[rows], responses.units, sessions, "02")


def test_the_mean_of_the_training_targets_is_stored(tree):
    decode.run(tree, "01", "ridge")
    config, tensors = read_model(tree.layout.model("01", "decoder-ridge"), "decoder")
    clip = read_embeddings(tree.layout.embedding("clip"))
    is_train = clip.stimuli["stimulus_id"].str.startswith("train").to_numpy()
    assert config["folds"] == ["holdout"]
    expected = np.nanmean(clip.flat[is_train], axis=0)
    np.testing.assert_allclose(tensors["target.train_mean"][0], expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["ridge", "lda", "contrastive"])
def test_test_trials_leave_no_trace_in_the_model(tree, name):
    def exchanged(trials, values):
        rows = np.flatnonzero(trials["split"] == "test")
        values[rows] = np.random.default_rng(9).permutation(values[rows]) * 3
        return trials, values

    def deleted(trials, values):
        # two repeats of one test stimulus stay: a split needs a test trial
        keep = (trials["split"] != "test") | (trials["stimulus_id"] == "test-3")
        return trials[keep].reset_index(drop=True), values[keep]

    folder = tree.layout.model("01", f"decoder-{name}")
    decode.run(tree, "01", name)
    fitted = model_bytes(folder)
    for change in (exchanged, deleted):
        write_subject(tree, "01", 12, np.random.default_rng(1), change)
        decode.run(tree, "01", name)
        assert model_bytes(folder) == fitted


def test_two_runs_give_the_same_bytes(tree):
    folders = [tree.layout.model("01", "decoder-contrastive")]
    folders.append(tree.layout.prediction("01", "decoder-contrastive"))
    bytes_of = []
    for _ in range(2):
        decode.run(tree, "01", "contrastive")
        bytes_of.append([f.read_bytes() for d in folders for f in sorted(d.iterdir())])
    assert bytes_of[0] == bytes_of[1]


def test_cross_validation_predicts_out_of_fold_and_keeps_a_model_of_all_trials(tree, tmp_path):
    def by_run(trials, values):
        return leave_one_out(trials, "run"), values

    write_subject(tree, "01", 12, np.random.default_rng(1), by_run)
    config = configuration(
        tmp_path, split={"by": "run", "scheme": "leave-one-out", "disjoint": ["run"]}
    )
    decode.run(config, "01", "lda")
    found = read_predictions(config.layout.prediction("01", "decoder-lda"))
    singles = found.select("measured", 1, "single")
    assert len(singles.items) == N_TRAIN + N_TEST * N_REPEATS
    assert sorted(set(singles.items["fold"])) == [
        "1/1",
        "1/2",
        "1/3",
        "1/4",
        "2/1",
        "2/2",
        "2/3",
        "2/4",
    ]
    assert singles.items.groupby("item")["fold"].nunique().eq(1).all()
    told, tensors = read_model(config.layout.model("01", "decoder-lda"), "decoder")
    assert tensors["target.train_mean"].shape == (8, N_CONCEPTS)
    assert told["folds"] == [f.name for f in folds(read_responses(config.layout, "01").trials)]


def test_one_model_for_all_subjects(tree):
    decode_group.run(tree, "group")
    saved = load_decoder(tree.layout.group_model("decoder-group"))
    assert list(saved.standardizers) == ["01", "02"]
    for subject in tree.subjects:
        found = read_predictions(tree.layout.prediction(subject, "decoder-group"))
        assert found.sidecar["subjects"] == ["01", "02"]
        assert len(found.most_repeats().items) == N_TEST
        responses = read_responses(tree.layout, subject)
        rows = folds(responses.trials)[0].test
        sessions = responses.trials["session"].to_numpy(dtype=str)[rows]
        again = saved.predict(responses.values[rows], responses.units, sessions, subject)
        np.testing.assert_allclose(again, found.select("measured", 1, "single").values, atol=1e-5)


def test_a_stimulus_tested_in_one_subject_and_trained_on_in_another(tree):
    def other_side(trials, values):
        trials["split"] = np.where(trials["stimulus_id"] == "test-4", "train", trials["split"])
        return trials, values

    write_subject(tree, "02", 9, np.random.default_rng(2), other_side)
    with pytest.raises(CalcarineError, match=r"sha-test-4.*training data of sub-02 and test data"):
        decode_group.run(tree, "group")


def test_subjects_with_other_folds(tree):
    change = lambda trials, values: (leave_one_out(trials, "session"), values)  # noqa: E731
    with pytest.raises(CalcarineError, match="at least 3"):
        write_subject(tree, "02", 9, np.random.default_rng(2), change)
    change = lambda trials, values: (leave_one_out(trials, "run"), values)  # noqa: E731
    write_subject(tree, "02", 9, np.random.default_rng(2), change)
    with pytest.raises(CalcarineError, match=r"sub-01 has the folds \['holdout'\] and sub-02"):
        decode_group.run(tree, "group")


def test_errors_name_the_decoder(tree):
    with pytest.raises(CalcarineError, match="no decoder 'group' with `subjects: each`"):
        decode.run(tree, "01", "group")
    with pytest.raises(CalcarineError, match="no decoder 'ridge' with `subjects: all`"):
        decode_group.run(tree, "ridge")
    with pytest.raises(CalcarineError, match="one subject, and 2 came"):
        decode_group.run(tree, "ridge-group")
    clip = read_embeddings(tree.layout.embedding("clip"))
    empty = Embeddings(np.full(clip.values.shape, np.nan), clip.stimuli, clip.sidecar)
    write_embeddings(tree.layout.embedding("clip"), empty)
    with pytest.raises(CalcarineError, match="no stimulus has a row in the embedding 'clip'"):
        decode.run(tree, "01", "ridge")


def test_an_unknown_kind_of_model_is_refused(tree):
    decode.run(tree, "01", "lda")
    folder = tree.layout.model("01", "decoder-lda")
    told = json.loads((folder / "config.json").read_text())
    told["decoder"]["kind"] = "oracle"
    (folder / "config.json").write_text(json.dumps(told))
    with pytest.raises(
        CalcarineError, match=r"kind 'oracle'; known are \['ridge', 'direction-ridge', 'lda'"
    ):
        load_decoder(folder)


def test_refits_on_shuffled_labels_lie_at_chance_and_the_decoder_above(tree):
    # in short runs of uneven composition, labels that stay in their run still tell something
    one_run = lambda trials, values: (trials.assign(run="1", session="1"), values)  # noqa: E731
    write_subject(tree, "01", 12, np.random.default_rng(1), one_run)
    section = tree.decode["lda"].model_copy(update={"n_permutations": 19})
    config = tree.model_copy(update={"decode": {**tree.decode, "lda": section}})
    decode.run(config, "01", "lda")
    items = read_predictions(config.layout.prediction("01", "decoder-lda")).items
    shuffled = items[items["brain"] == "shuffled-labels"]
    assert sorted(set(shuffled["permutation"])) == list(range(1, 20))
    assert len(shuffled) == 19 * N_TEST
    assert set(items.loc[items["brain"] == "measured", "permutation"]) == {0}
    rows, _ = decoder_scores(
        read_predictions(config.layout.prediction("01", "decoder-lda")),
        read_embeddings(config.layout.embedding("category")),
        read_train_means(config.layout.model("01", "decoder-lda")),
        Scoring("01", "lda", "category", "test", 0),
    )
    rows = {(r.model, r.metric): r for r in rows if r.protocol == "calcarine" and r.n_repeats == 3}
    measured = rows["lda", "accuracy"]
    control = rows["lda/shuffled-labels", "accuracy"]
    assert control.ci_low <= control.chance <= control.ci_high < measured.value
    assert rows["lda/shuffled-labels", "accuracy_permutation_p"].value <= 0.1


def test_refits_leave_the_decoder_as_it_is(tree):
    decode.run(tree, "01", "ridge")
    folder = tree.layout.model("01", "decoder-ridge")
    plain = model_bytes(folder)
    section = tree.decode["ridge"].model_copy(update={"n_permutations": 2})
    config = tree.model_copy(update={"decode": {**tree.decode, "ridge": section}})
    decode.run(config, "01", "ridge")
    assert model_bytes(folder) == plain
