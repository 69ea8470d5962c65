"""Encoding from few pictures: step, scores and section of the page."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.embeddings import Embeddings, write_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import read_predictions
from calcarine.data.responses import Responses, read_responses, write_responses
from calcarine.data.scores import write_scores
from calcarine.data.standardize import Standardizer
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.few_pictures.in_context import InContextEncoder
from calcarine.encoders.ridge.solver import solve_ridge
from calcarine.pipelines import few_pictures
from calcarine.pipelines.config import Config
from calcarine.pipelines.evaluate_few_pictures import few_pictures_results
from calcarine.pipelines.sections.few_pictures import few_pictures as section_of
from calcarine.pipelines.subject_record import read_record

N_TRAIN, N_TEST, N_REPEATS, N_UNITS, EMBED_DIM = 90, 15, 2, 30, 8
SECTION = {
    "embedding": "clip",
    "counts": [6, 40],
    "n_draws": 2,
    "in_context": {"width": 8, "n_heads": 2, "n_epochs": 3, "batch_size": 10},
}


def configuration(out, **changes):
    return Config.model_validate(
        {
            "name": "small",
            "out": out,
            "subjects": ["01", "02", "03"],
            "source": {"kind": "bids", "path": out / "bids"},
            "recording": {"task": "scenes"},
            "embeddings": {"clip": {"model": "local-dir:nowhere"}},
            "few_pictures": {"clip": {**SECTION, **changes}},
            "evaluate": {"n_bootstrap": 200},
        }
    )


def trial_table():
    names = [f"train-{i:02d}" for i in range(N_TRAIN)]
    names += [f"test-{i:02d}" for _ in range(N_REPEATS) for i in range(N_TEST)]
    n, names = len(names), np.array(names)
    split = np.where(np.char.startswith(names, "test"), "test", "train").astype(object)
    split[:15] = "validation"
    return pd.DataFrame(
        {
            "trial_id": [f"t{i:03d}" for i in range(n)],
            "subject": "01",
            "session": np.where(np.arange(n) % 2 == 0, "01", "02"),
            "run": "01",
            "onset_s": np.arange(n) * 4.0,
            "duration_s": 2.0,
            "stimulus_id": names,
            "stimulus_sha": names,
            "concept": "n/a",
            "repeat": 1,
            "split": split,
            "split_group": names,
        }
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Three people whose voxels weigh two of eight features: others tell which two matter."""
    config = configuration(tmp_path_factory.mktemp("few"))
    rng = np.random.default_rng(4)
    trials = trial_table()
    names = np.array(sorted(trials["stimulus_id"].unique()))
    values = rng.standard_normal((len(names), EMBED_DIM)).astype(np.float32)
    stimuli = pd.DataFrame({"stimulus_id": names, "stimulus_sha": names, "concept": "n/a"})
    sidecar = {"model": "local-dir:nowhere", "revision": "a", "layer": None, "pooling": "pooled"}
    embeddings = Embeddings(values, stimuli, sidecar | {"transform_sha": "b"})
    write_embeddings(config.layout.embedding("clip"), embeddings)
    shown = values[embeddings.rows(trials["stimulus_id"])]
    units = pd.DataFrame({"i": np.arange(N_UNITS), "j": 0, "k": 1, "roi": "V1", "ncsnr": 1.0})
    for subject in config.subjects:
        weights = np.zeros((EMBED_DIM, N_UNITS))
        weights[:2] = rng.standard_normal((2, N_UNITS))
        noisy = shown @ weights + 1.2 * rng.standard_normal((len(trials), N_UNITS))
        responses = Responses(noisy.astype(np.float32), trials, units, {"space": "native"})
        write_responses(config.layout, subject, responses)
    few_pictures.run(config, "01", "clip")
    return config


def predicted(config):
    return read_predictions(config.layout.prediction("01", "few-pictures-clip"))


def test_others_help_where_pictures_are_few(tree):
    config = tree
    rows = few_pictures_results(config, "01", "clip", "test", read_responses(config.layout, "01"))
    values = {(r.model, r.protocol, r.metric): r for r in rows}
    few = {
        method: values[f"few-pictures-clip-{method}", "6-pictures", "r_median"].value
        for method in ("ridge", "empirical-bayes", "in-context")
    }
    assert few["empirical-bayes"] > few["ridge"] + 0.1
    assert few["in-context"] > few["ridge"] + 0.1
    gain = values["few-pictures-clip-empirical-bayes", "6-pictures", "r_median_gain_over_ridge"]
    assert gain.value == pytest.approx(few["empirical-bayes"] - few["ridge"])
    assert gain.ci_low < gain.value < gain.ci_high
    many = values["few-pictures-clip-ridge", "40-pictures", "r_median"]
    assert many.value > few["ridge"]
    assert (many.n_items, many.n_repeats) == (N_TEST, N_REPEATS)
    mean = values["few-pictures-clip/mean-predictor", "6-pictures", "r_median"]
    assert mean.value == 0


def test_level_is_the_mean_over_draws_of_medians_over_units(tree):
    config = tree
    found = predicted(config)
    rows = few_pictures_results(config, "01", "clip", "test", read_responses(config.layout, "01"))
    row = next(r for r in rows if r.model.endswith("-ridge") and r.protocol == "6-pictures")
    own = (found.items["method"] == "ridge") & (found.items["n_pictures"] == 6)
    medians = []
    for draw in (0, 1):
        chosen = np.flatnonzero(own & (found.items["draw"] == draw))
        medians.append(np.median(correlation(found.measured[chosen], found.values[chosen])))
    assert row.value == pytest.approx(np.mean(medians))


def test_ridge_knows_its_pictures_alone(tree):
    config = tree
    own = few_pictures._subject_data(
        config, "01", few_pictures.read_embeddings(config.layout.embedding("clip")), True
    )
    section = config.few_pictures["clip"]
    encoder = InContextEncoder.load(config.layout.model("01", "in-context-clip"))
    fitted = {
        (labels["method"], labels["n_pictures"], labels["draw"]): found
        for labels, found in few_pictures._fitted(own, section, encoder, 3)
    }
    order = np.random.default_rng(few_pictures.derive_seed(3, "draw-1")).permutation(own.fold.fit)
    chosen = np.sort(order[:6])
    targets = Standardizer.fit(own.values[chosen]).transform(own.values[chosen])
    ridge = solve_ridge(own.features[chosen], targets, np.arange(6), n_folds=3)
    np.testing.assert_allclose(fitted["ridge", 6, 1].coef, ridge.coef)
    assert not np.isin(chosen, own.fold.test).any()


def test_teachers_never_include_the_subject(tree):
    config = tree
    section = config.few_pictures["clip"]
    assert section.teachers("02", config.subjects) == ("01", "03")
    named = configuration(config.layout.out, learn_from=["01", "02"]).few_pictures["clip"]
    assert named.teachers("02", config.subjects) == ("01",)
    assert (
        "sub-02, sub-03" in (config.layout.model("01", "in-context-clip") / "README.md").read_text()
    )


def test_own_test_responses_change_nothing_that_is_predicted(tree, tmp_path):
    config = tree
    before = np.array(predicted(config).values)
    responses = read_responses(config.layout, "01")
    changed = np.array(responses.values)
    changed[(responses.trials["split"] == "test").to_numpy()] += 5
    other = configuration(tmp_path)
    embeddings = few_pictures.read_embeddings(config.layout.embedding("clip"))
    write_embeddings(other.layout.embedding("clip"), embeddings)
    for subject in other.subjects:
        own = read_responses(config.layout, subject)
        values = changed if subject == "01" else np.array(own.values)
        write_responses(
            other.layout, subject, Responses(values, own.trials, own.units, {"space": "native"})
        )
    few_pictures.run(other, "01", "clip")
    np.testing.assert_array_equal(predicted(other).values, before)


def test_the_page_shows_the_curve(tree):
    config = tree
    rows = few_pictures_results(config, "01", "clip", "test", read_responses(config.layout, "01"))
    write_scores(config.layout.metrics("01"), rows)
    section = section_of(read_record(config, "01"))
    text, figures, table = section.blocks
    assert "learned from sub-02, sub-03" in text.text
    assert figures.figures[0].name == "few_pictures_clip"
    assert len(table.rows) == 2 * len(few_pictures.METHODS)
    assert table.pale == frozenset({0, 1, 7, 8})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": [6, 400]}, "has 90 training pictures; 400 are asked"),
        ({"learn_from": ["01"]}, "nobody but sub-01 to learn from"),
    ],
)
def test_what_cannot_be_is_refused(tree, changes, message):
    config = tree
    with pytest.raises(CalcarineError, match=message):
        few_pictures.run(configuration(config.layout.out, **changes), "01", "clip")
    with pytest.raises(CalcarineError, match="no few_pictures 'dino'"):
        few_pictures.run(config, "01", "dino")
