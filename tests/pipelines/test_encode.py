import numpy as np
import pandas as pd
import pytest

from calcarine.data.embeddings import Embeddings, read_embeddings, write_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import read_predictions
from calcarine.data.responses import Responses, write_responses
from calcarine.encoders.band_metrics import band_scores
from calcarine.encoders.banded_encoder import BandedEncoder
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.pretrained import load_pretrained
from calcarine.encoders.trial_bands import history_features
from calcarine.pipelines import encode
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import SplitSection
from calcarine.pipelines.encoding_data import penalty_groups

N_TRAIN, N_TEST, N_REPEATS, N_UNITS, EMBED_DIM = 80, 12, 3, 14, 6


def configuration(out, **encode_section):
    section = {"kind": "ridge", "embedding": "clip", **encode_section}
    return Config.model_validate(
        {
            "name": "small",
            "out": out,
            "subjects": ["01"],
            "source": {"kind": "bids", "path": out / "bids"},
            "recording": {"task": "scenes"},
            "embeddings": {"clip": {"model": "local-dir:nowhere"}},
            "encode": {"clip": section},
        }
    )


def trial_table(rng):
    stimulus = [f"train-{i:02d}" for i in range(N_TRAIN)]
    stimulus += [f"test-{i:02d}" for _ in range(N_REPEATS) for i in range(N_TEST)]
    n = len(stimulus)
    order = rng.permutation(n)
    stimulus = np.array(stimulus)[order]
    table = pd.DataFrame(
        {
            "trial_id": [f"t{i:03d}" for i in range(n)],
            "subject": "01",
            "session": np.where(np.arange(n) < n // 2, "01", "02"),
            "run": [f"{i % 4 + 1:02d}" for i in range(n)],
            "onset_s": np.arange(n) * 4.0,
            "duration_s": 2.0,
            "stimulus_id": stimulus,
            "stimulus_sha": [f"sha-{s}" for s in stimulus],
            "concept": [s[-1] for s in stimulus],
            "repeat": 1,
            "split": np.where(np.char.startswith(stimulus, "test"), "test", "train"),
            "split_group": [f"sha-{s}" for s in stimulus],
        }
    )
    return table


@pytest.fixture
def tree(tmp_path, rng):
    config = configuration(tmp_path)
    trials = trial_table(rng)
    names = sorted(trials["stimulus_id"].unique())
    values = rng.standard_normal((len(names), EMBED_DIM)).astype(np.float32)
    stimuli = pd.DataFrame({"stimulus_id": names, "stimulus_sha": names, "concept": "n/a"})
    sidecar = {
        "model": "local-dir:nowhere",
        "revision": "a" * 64,
        "layer": None,
        "pooling": "pooled",
        "input": "pictures",
        "transform_sha": "b" * 64,
    }
    embeddings = Embeddings(values, stimuli, sidecar)
    write_embeddings(config.layout.embedding("clip"), embeddings)
    features = values[embeddings.rows(trials["stimulus_id"])]
    signal = features @ rng.standard_normal((EMBED_DIM, N_UNITS))
    responses = signal + rng.standard_normal(signal.shape)
    responses[(trials["session"] == "02").to_numpy()] += 4.0
    units = pd.DataFrame({"i": np.arange(N_UNITS), "j": 0, "k": 1, "roi": "V1", "ncsnr": 1.0})
    write(config, trials, responses, units)
    return config, trials, responses.astype(np.float32), units


def write(config, trials, values, units):
    write_responses(
        config.layout,
        "01",
        Responses(values.astype(np.float32), trials, units, {"space": "native"}),
    )


def outputs(config):
    return (
        load_pretrained(config.layout.model("01", "encoder-clip")),
        read_predictions(config.layout.prediction("01", "encoder-clip")),
    )


def test_predicts_test_items_for_every_number_of_repeats(tree):
    config, trials, responses, units = tree
    encode.run(config, "01", "clip")
    encoder, predictions = outputs(config)
    assert predictions.items["n_repeats"].tolist() == [1] * 12 + [2] * 12 + [3] * 12
    best = predictions.most_repeats()
    assert best.items["stimulus_id"].tolist() == [f"test-{i:02d}" for i in range(N_TEST)]
    assert best.items["item"].tolist() == list(range(N_TEST))
    z = encoder.standardizer_.transform(responses, trials["session"].to_numpy())
    for row, name in enumerate(best.items["stimulus_id"]):
        shown = (trials["stimulus_id"] == name).to_numpy()
        np.testing.assert_allclose(best.measured[row], z[shown].mean(axis=0), atol=1e-5)
    by_repeats = [
        np.median(correlation(p.measured, p.values))
        for p in (predictions.select("measured", n, "signal") for n in (1, 3))
    ]
    assert 0.6 < by_repeats[0] < by_repeats[1]
    encoder.check_units(units)
    assert predictions.sidecar["model"] == "encoder-clip"


def test_first_repeats_come_first(tree):
    config, trials, responses, _ = tree
    encode.run(config, "01", "clip")
    encoder, predictions = outputs(config)
    single = predictions.select("measured", 1, "signal")
    first = trials[trials["stimulus_id"] == "test-05"].sort_values(["session", "run", "onset_s"])
    row = first.index[0]
    z = encoder.standardizer_.transform(responses[[row]], trials["session"].to_numpy()[[row]])
    np.testing.assert_allclose(single.measured[5], z[0], atol=1e-5)


def test_test_trials_leave_the_model_as_it_is(tree):
    config, trials, responses, units = tree
    encode.run(config, "01", "clip")
    folder = config.layout.model("01", "encoder-clip")
    before = (folder / "model.safetensors").read_bytes()
    changed = responses.copy()
    is_test = (trials["split"] == "test").to_numpy()
    changed[is_test] = 1e3 * changed[is_test][::-1]
    write(config, trials, changed, units)
    encode.run(config, "01", "clip")
    assert (folder / "model.safetensors").read_bytes() == before


def test_two_runs_give_equal_bytes(tree):
    config, *_ = tree
    encode.run(config, "01", "clip")
    folders = (
        config.layout.model("01", "encoder-clip"),
        config.layout.prediction("01", "encoder-clip"),
    )
    files = [f for folder in folders for f in sorted(folder.iterdir())]
    before = [f.read_bytes() for f in files]
    encode.run(config, "01", "clip")
    assert [f.read_bytes() for f in files] == before


def test_cross_validation_predicts_out_of_fold_and_keeps_a_model_of_all_trials(tree):
    config, trials, responses, units = tree
    folded = trials.assign(
        split="fold-01/" + trials["run"], split_group="01/" + trials["run"].astype(str)
    )
    config = config.model_copy(
        update={"split": SplitSection(by="run", scheme="leave-one-out", disjoint=("run",))}
    )
    write(config, folded, responses, units)
    encode.run(config, "01", "clip")
    encoder, predictions = outputs(config)
    assert predictions.items["fold"].nunique() == 4
    n_items = sum(
        folded[folded["run"] == r]["stimulus_id"].nunique() for r in folded["run"].unique()
    )
    assert predictions.items["item"].nunique() == n_items
    np.testing.assert_allclose(
        encoder.standardizer_.mean[0],
        responses[(trials["session"] == "01").to_numpy()].mean(0),
        rtol=1e-4,
    )
    assert (
        "fitted on all trials"
        in (config.layout.model("01", "encoder-clip") / "README.md").read_text()
    )
    out_of_fold = predictions.select("measured", 1, "signal")
    assert np.median(correlation(out_of_fold.measured, out_of_fold.values)) > 0.6


def test_unpredictable_responses_score_nothing(tree, rng):
    config, trials, responses, units = tree
    write(config, trials, rng.standard_normal(responses.shape), units)
    encode.run(config, "01", "clip")
    _, predictions = outputs(config)
    best = predictions.most_repeats()
    assert abs(np.mean(correlation(best.measured, best.values))) < 0.25


def test_stimuli_without_an_embedding_are_left_out_and_counted(tree):
    config, trials, *_ = tree
    folder = config.layout.embedding("clip")
    values = np.load(folder / "embeddings.npy")
    values[0] = np.nan  # test-00
    np.save(folder / "embeddings.npy", values)
    encode.run(config, "01", "clip")
    _, predictions = outputs(config)
    assert predictions.sidecar["n_without_embedding"] == 3
    assert "test-00" not in set(predictions.items["stimulus_id"])
    assert np.isfinite(predictions.values).all()
    np.save(folder / "embeddings.npy", np.full_like(values, np.nan))
    with pytest.raises(CalcarineError, match="no stimulus has an embedding by local-dir:nowhere"):
        encode.run(config, "01", "clip")
    assert len(trials) == N_TRAIN + N_TEST * N_REPEATS


def test_gcv_and_one_standardisation_for_all(tree):
    config, *_ = tree
    config = configuration(config.layout.out, method="gcv", standardize="all")
    encode.run(config, "01", "clip")
    encoder, _ = outputs(config)
    assert encoder.method == "gcv"
    assert encoder.standardizer_.groups == ("all",)


def test_penalty_groups_follow_the_split(tree):
    _, trials, *_ = tree
    shas = trials["stimulus_sha"].tolist()
    assert penalty_groups(trials, SplitSection()).tolist() == shas
    by_run = trials.assign(split_group=trials["run"])
    of_runs = SplitSection(by="run", disjoint=("run",))
    assert penalty_groups(by_run, of_runs).tolist() == trials["run"].tolist()
    both = SplitSection(by="run", disjoint=("run", "stimulus"))
    assert penalty_groups(by_run, both).tolist() == shas
    concepts = trials.assign(split_group=trials["concept"])
    by_concept = SplitSection(by="concept", disjoint=("concept", "stimulus"))
    assert penalty_groups(concepts, by_concept).tolist() == trials["concept"].tolist()


def test_missing_section_and_missing_files_are_named(tree):
    config, *_ = tree
    with pytest.raises(CalcarineError, match=r"no encoder 'dino'; it has \['clip'\]"):
        encode.run(config, "01", "dino")
    with pytest.raises(CalcarineError, match="Run the `prepare` step for sub-02"):
        encode.run(config, "02", "clip")


def test_banded_encoder_predicts_band_by_band(tree, rng):
    config, _, _, units = tree
    clip = read_embeddings(config.layout.embedding("clip"))
    noise = rng.standard_normal((len(clip.values), 2, 4)).astype(np.float32)
    other = Embeddings(noise, clip.stimuli, {**clip.sidecar, "model": "local-dir:other"})
    write_embeddings(config.layout.embedding("noise"), other)
    section = {"kind": "banded", "embeddings": ["clip", "noise"], "n_candidates": 3}
    raw = config.model_dump(mode="json") | {"encode": {"both": section}}
    raw["embeddings"]["noise"] = {"model": "local-dir:other"}
    config = Config.model_validate(raw | {"out": config.out})
    encode.run(config, "01", "both")
    found = read_predictions(config.layout.prediction("01", "encoder-both"))
    assert found.sidecar["bands"] == ["clip", "noise"]
    assert found.parts.shape == (2, *found.values.shape)
    np.testing.assert_allclose(found.parts.sum(axis=0), found.values, atol=1e-5)
    encoder = BandedEncoder.load(config.layout.model("01", "encoder-both"))
    assert encoder.bands == (("clip", EMBED_DIM), ("noise", 8))
    assert np.median(encoder.shares_[0]) > 0.8
    rows, _ = band_scores(found, units, "01", "test", seed=1, n_draws=50)
    value = {row.metric: row.value for row in rows if row.target == "responses"}
    assert value["r2_part_clip_mean"] > 0.3
    assert abs(value["r2_part_noise_mean"]) < 0.1


def test_history_and_behaviour_are_bands_of_the_trial(tree, rng):
    """Responses follow the stimulus before and the reaction; the bands that say so take it."""
    config, trials, _, units = tree
    clip = read_embeddings(config.layout.embedding("clip"))
    trials = trials.assign(reaction_s=rng.normal(size=len(trials)).round(4))
    rows = clip.flat[clip.rows(trials["stimulus_id"])]
    before = history_features(rows, trials, 1)
    values = np.zeros((len(trials), len(units)), dtype=np.float32)
    values[:, :5] = before @ rng.standard_normal((EMBED_DIM, 5))
    values[:, 5:10] = 2 * trials["reaction_s"].to_numpy()[:, None]
    values += 0.5 * rng.standard_normal(values.shape).astype(np.float32)
    write_responses(config.layout, "01", Responses(values, trials, units, {"space": "func"}))
    section = {"kind": "banded", "embeddings": ["clip"], "history": 1, "behaviour": ["reaction_s"]}
    raw = config.model_dump(mode="json") | {"encode": {"more": section}, "out": config.out}
    config = Config.model_validate(raw)
    encode.run(config, "01", "more")
    found = read_predictions(config.layout.prediction("01", "encoder-more"))
    assert found.sidecar["bands"] == ["clip", "history", "behaviour"]
    last = found.items["n_repeats"] == 1
    r = correlation(np.asarray(found.measured[last]), np.asarray(found.values[last]))
    assert r[:10].min() > 0.5
    strongest = np.asarray(found.parts[:, last]).std(axis=1).argmax(axis=0)
    assert set(strongest[:5]) == {1}
    assert set(strongest[5:10]) == {2}
    with pytest.raises(ValueError, match="needs two bands"):
        Config.model_validate(raw | {"encode": {"one": section | {"history": 0, "behaviour": []}}})
