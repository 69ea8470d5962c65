import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from calcarine.data.embeddings import Embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions
from calcarine.decoders.category_metrics import category_auc, category_hits, category_metrics
from calcarine.decoders.decoding_scores import Scoring, combination_subsets, decoder_scores
from calcarine.decoders.decoding_trials import flat_responses
from calcarine.decoders.retrieval import brain_to_image, cosines, d_prime

N_STIMULI, EMBED_DIM, N_REPEATS = 20, 8, 3
SCORING = Scoring("01", "ridge-clip", "clip", "test", seed=3, n_draws=200)


@pytest.fixture
def truth(rng):
    names = [f"s{i:02d}" for i in range(N_STIMULI)]
    table = pd.DataFrame({"stimulus_id": names, "stimulus_sha": names, "concept": "n/a"})
    values = (rng.standard_normal((N_STIMULI, EMBED_DIM)) + 4).astype(np.float32)
    return Embeddings(values, table, {"model": "clip"})


def rows(brain, averaging, n_repeats, per_item=1):
    item = np.repeat(np.arange(N_STIMULI), per_item)
    return pd.DataFrame(
        {
            "item": item,
            "stimulus_id": [f"s{i:02d}" for i in item],
            "concept": "n/a",
            "fold": np.where(item < 8, "one", "two"),
            "brain": brain,
            "n_repeats": n_repeats,
            "averaging": averaging,
        }
    )


@pytest.fixture
def predictions(truth, rng):
    tables = [rows("measured", "signal", n) for n in range(1, N_REPEATS + 1)]
    tables += [rows(brain, "signal", N_REPEATS) for brain in ("shuffled", "noise")]
    tables += [rows("measured", "single", 1, per_item=3), rows("measured", "embedding", 2)]
    items = pd.concat(tables, ignore_index=True)
    noise = rng.standard_normal((len(items), EMBED_DIM))
    noise /= np.sqrt(items["n_repeats"].to_numpy())[:, None]
    values = truth.values[truth.rows(items["stimulus_id"])] + 0.8 * noise
    is_control = (items["brain"] != "measured").to_numpy()
    values[is_control] = 4 + rng.standard_normal((is_control.sum(), EMBED_DIM))
    return Predictions(values.astype(np.float32), items, {"model": "decoder-ridge-clip"})


@pytest.fixture
def means(truth):
    return {"one": truth.values[3:].mean(axis=0), "two": truth.values[:-3].mean(axis=0)}


def as_table(scores):
    return pd.DataFrame([vars(s) for s in scores])


def test_rows_hold_what_the_functions_say(predictions, truth, means):
    scores, items = decoder_scores(predictions, truth, means, SCORING)
    table = as_table(scores).set_index(["model", "protocol", "n_repeats", "metric"]).sort_index()
    chosen = predictions.select("measured", 3, "signal")
    own = np.arange(N_STIMULI)
    raw = brain_to_image(cosines(chosen.values, truth.values), own)
    centre = np.stack([means[f] for f in chosen.items["fold"]])
    centred = brain_to_image(cosines(chosen.values, truth.values, centre), own)
    of = table.loc[("ridge-clip", "calcarine", 3)]
    for name, ranks in (("raw", raw), ("centred", centred)):
        assert of.loc[f"brain_to_image_top1_{name}", "value"] == ranks.top(1).mean()
        assert of.loc[f"brain_to_image_top5_{name}", "value"] == ranks.top(5).mean()
        assert of.loc[f"brain_to_image_median_rank_{name}", "value"] == np.median(ranks.relative)
        expected = d_prime(ranks.relative.mean(), N_STIMULI * (N_STIMULI - 1))
        assert of.loc[f"brain_to_image_dprime_{name}", "value"] == pytest.approx(expected)
    assert (of["value"] != of["value"].iloc[0]).any()
    assert of.loc["brain_to_image_gallery_size", "value"] == N_STIMULI
    assert of.loc["brain_to_image_top1_raw", "chance"] == pytest.approx(1 / N_STIMULI)
    assert of.loc["brain_to_image_top5_raw", "chance"] == pytest.approx(5 / N_STIMULI)
    assert of.loc["brain_to_image_median_rank_raw", "chance"] == 0.5
    assert of.loc["brain_to_image_top1_raw", "ceiling"] == 1
    inside = of.dropna(subset="ci_low")
    assert ((inside["ci_low"] <= inside["value"]) & (inside["value"] <= inside["ci_high"])).all()
    shown = items[items["metric"] == "brain_to_image_top1_raw"]
    np.testing.assert_array_equal(shown["value"], raw.top(1))


def test_repeats_averaging_and_controls_have_rows_of_their_own(predictions, truth, means):
    table = as_table(decoder_scores(predictions, truth, means, SCORING)[0])
    top1 = table[table["metric"] == "brain_to_image_top1_centred"]
    found = list(zip(top1["model"], top1["protocol"], top1["n_repeats"], strict=True))
    assert found == [
        ("ridge-clip", "calcarine", 1),
        ("ridge-clip", "calcarine", 2),
        ("ridge-clip", "calcarine", 3),
        ("ridge-clip", "calcarine-embedding-average", 2),
        ("ridge-clip", "calcarine-single-trial", 1),
        ("ridge-clip/shuffled-brain", "calcarine", 3),
        ("ridge-clip/noise-brain", "calcarine", 3),
    ]
    assert (top1["n_items"] == N_STIMULI).all()
    last = Scoring("01", "ridge-clip", "clip", "test", 3, 200, repeat_curve=False)
    few = as_table(decoder_scores(predictions, truth, means, last)[0])
    assert few[few["protocol"] == "calcarine"]["n_repeats"].unique().tolist() == [3]


def test_equal_runs_give_equal_rows(predictions, truth, means):
    first, again = (as_table(decoder_scores(predictions, truth, means, SCORING)[0]) for _ in "ab")
    pd.testing.assert_frame_equal(first, again)


def test_single_trials_of_an_item_count_as_one(predictions, truth, means):
    scores, _ = decoder_scores(predictions, truth, means, SCORING)
    row = next(
        s for s in scores
        if (s.protocol, s.metric) == ("calcarine-single-trial", "brain_to_image_top1_raw")
    )  # fmt: skip
    chosen = predictions.select("measured", 1, "single")
    match = np.repeat(np.arange(N_STIMULI), 3)
    hits = brain_to_image(cosines(chosen.values, truth.values), match).top(1)
    assert row.value == pytest.approx(hits.reshape(N_STIMULI, 3).mean())
    assert row.chance == pytest.approx(1 / N_STIMULI)


def test_held_out_combinations_are_scored_against_the_whole_gallery(predictions, truth, means):
    stimuli = truth.stimuli.assign(combination=["held-out"] * 5 + ["seen"] * (N_STIMULI - 5))
    subsets = combination_subsets(stimuli)
    scoring = Scoring("01", "ridge-clip", "clip", "test", 3, 200, False, subsets)
    table = as_table(decoder_scores(predictions, truth, means, scoring)[0])
    own = table[(table["model"] == "ridge-clip") & (table["protocol"] == "calcarine")]
    by_split = own.pivot(index="metric", columns="split", values="value")
    assert list(by_split.columns) == ["test", "test-held-out", "test-seen"]
    top1 = by_split.loc["brain_to_image_top1_raw"]
    assert top1["test"] == pytest.approx((5 * top1["test-held-out"] + 15 * top1["test-seen"]) / 20)
    held = own[(own["split"] == "test-held-out") & (own["metric"] == "brain_to_image_top1_raw")]
    assert held["n_items"].item() == 5
    assert held["chance"].item() == pytest.approx(1 / N_STIMULI)
    assert combination_subsets(truth.stimuli) == {}
    assert combination_subsets(truth.stimuli.assign(combination="seen")) == {}


def test_items_that_cannot_be_scored_are_counted(predictions, truth, means):
    predictions.values[(predictions.items["item"] == 4).to_numpy()] = 0
    table = as_table(decoder_scores(predictions, truth, means, SCORING)[0])
    raw = table[(table["metric"] == "brain_to_image_top1_raw") & (table["model"] == "ridge-clip")]
    assert (raw["n_items"] == N_STIMULI - 1).all()
    assert set(raw["note"]) == {"1 items could not be scored"}


def category_case(rng, n_items=90):
    shown = rng.choice(4, n_items, p=[0.4, 0.3, 0.2, 0.1])
    table = pd.DataFrame({"stimulus_id": list("abcd"), "stimulus_sha": "x", "concept": "n/a"})
    codes = Embeddings(
        np.eye(4, dtype=np.float32), table, {"model": "concept-codes", "concepts": list("abcd")}
    )
    items = pd.DataFrame(
        {
            "item": np.arange(n_items),
            "stimulus_id": np.array(list("abcd"))[shown],
            "concept": "n/a",
            "fold": "holdout",
            "brain": "measured",
            "n_repeats": 1,
            "averaging": "signal",
        }
    )
    scores = rng.standard_normal((n_items, 4)) + 1.2 * np.eye(4)[shown]
    return shown, codes, Predictions(scores.astype(np.float32), items, {"model": "decoder-lda"})


def test_categories_equal_scikit_learn(rng):
    shown, codes, predictions = category_case(rng)
    scoring = Scoring("01", "lda-category", "category", "leave-one-run-out", 0, 200)
    scores, _ = decoder_scores(predictions, codes, {"holdout": np.zeros(4)}, scoring)
    by_name = {s.metric: s for s in scores}
    guess = predictions.values.argmax(axis=1)
    assert set(by_name) == {"accuracy", "balanced_accuracy", "auc"}
    ranked = [roc_auc_score(shown == c, predictions.values[:, c]) for c in range(4)]
    share = np.bincount(shown) / len(shown)
    assert by_name["auc"].value == pytest.approx(np.dot(share, ranked), abs=1e-6)
    assert by_name["auc"].chance == 0.5
    assert by_name["accuracy"].value == pytest.approx(accuracy_score(shown, guess))
    assert by_name["accuracy"].chance == pytest.approx(np.bincount(shown).max() / 90)
    expected = balanced_accuracy_score(shown, guess)
    assert by_name["balanced_accuracy"].value == pytest.approx(expected)
    assert by_name["balanced_accuracy"].chance == 0.25
    assert by_name["accuracy"].split == "leave-one-run-out"


def test_areas_are_compared_within_folds():
    """Each fold is perfect; across folds a shift of the scores would spoil the order."""
    scores = np.array([[0.2, 0.8], [0.9, 0.1], [10.2, 5.8], [10.9, 5.1]])
    codes = np.eye(2)[[1, 0, 1, 0]]
    folds = np.array(["a", "a", "b", "b"])
    assert category_auc(scores, codes, folds).tolist() == [1, 1, 1, 1]
    assert category_auc(scores, codes, np.zeros(4)).mean() < 1
    alone = category_auc(scores[:1], codes[:1], folds[:1])
    assert np.isnan(alone).all()
    tied = category_auc(np.zeros((4, 2)), codes, folds)
    assert tied.tolist() == [0.5] * 4


def test_sure_probabilities_keep_their_order():
    """In float32 a probability of 1 − 1e-12 is 1; what is left for the other tells them apart."""
    left = np.array([1e-12, 1e-9, 1e-10, 1e-8], dtype=np.float32)
    scores = np.column_stack([np.float32(1) - left, left])
    codes = np.eye(2)[[0, 0, 1, 1]]
    assert category_auc(scores, codes, np.zeros(4)).mean() == 0.75


def test_categories_with_more_stimuli_count_no_more():
    """Two squares and one press: items are averaged, and both categories count alike."""
    scores = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    codes = np.eye(2)[[0, 0, 1, 1]]
    found = category_metrics(scores, codes, items=np.array([0, 1, 2, 2]))
    values = {m.name: m.values for m in found}["balanced_accuracy"]
    of_items = [values[0], values[1], values[2:].mean()]
    assert np.mean(of_items) == pytest.approx((1.0 + 0.5) / 2)


def test_tied_categories_share_the_hit():
    scores = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, 1.0, 1.0]])
    np.testing.assert_allclose(category_hits(scores, np.eye(3)[[1, 2, 2]]), [0.5, 1 / 3, 0])


def test_mismatches_are_named(predictions, truth, means):
    short = Embeddings(truth.values[:, :5], truth.stimuli, truth.sidecar)
    with pytest.raises(CalcarineError, match="predicts 8 dimensions; the embedding clip has 5"):
        decoder_scores(predictions, short, means, SCORING)
    with pytest.raises(CalcarineError, match=r"folds \['two'\]"):
        decoder_scores(predictions, truth, {"one": means["one"]}, SCORING)


@pytest.mark.parametrize("shape", [(3, 4, 5), (0, 4, 5), (2, 6), (0, 6)])
def test_no_trials_are_flattened_too(shape):
    """A fold may have fewer repeats than others: then an average has no item."""
    expected = (shape[0], int(np.prod(shape[1:])))
    assert flat_responses(np.zeros(shape, dtype=np.float32)).shape == expected
