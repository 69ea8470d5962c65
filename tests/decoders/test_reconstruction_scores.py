from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import correlation
from scipy.stats import norm as normal
from scipy.stats import t as student_t

from calcarine.data.reconstructions import Reconstructions
from calcarine.decoders.decoding_scores import ITEM_COLUMNS
from calcarine.decoders.picture_metrics import pixel_correlation, pixels
from calcarine.decoders.picture_views import (
    View,
    compare_features,
    compare_labels,
    judge_view,
    pixel_view,
)
from calcarine.decoders.reconstruction_scores import (
    item_scores,
    item_table,
    score_rows,
)

N_ITEMS, SIZE = 9, 16


@pytest.fixture
def targets(rng):
    return rng.integers(0, 256, size=(N_ITEMS, SIZE, SIZE, 3), dtype=np.uint8)


def _made(targets: np.ndarray, conditions: dict[str, np.ndarray]) -> Reconstructions:
    """Put conditions together; the second half of a name is the control."""
    names = list(conditions)
    items = pd.DataFrame(
        {
            "item": range(N_ITEMS),
            "stimulus_id": [f"s{i}" for i in range(N_ITEMS)],
            "fold": "holdout",
            "n_repeats": 6,
            "controls": [1, 0, 1, 1, 1, 0, 1, 1, 1],
        }
    )
    sidecar = {
        "conditions": names,
        "paths": dict.fromkeys(names, "semantic"),
        "controls": {name: name for name in names if name != "semantic"},
    }
    return Reconstructions(np.stack(list(conditions.values())), targets, items, sidecar)


def _embed(pictures) -> np.ndarray:
    return np.stack([np.asarray(p, dtype=np.float64)[::3, ::2].ravel() for p in pictures])


def _brightness(embeddings: np.ndarray) -> np.ndarray:
    return (embeddings.mean(axis=1) > 127).astype(int)


@pytest.fixture
def judge() -> View:
    return judge_view("judge", _embed, {"category": _brightness})


def _scored(made, targets, *views, protocol="phantom"):
    scores = item_scores(made, targets, {protocol: list(views)})
    splits = {"test": np.ones(N_ITEMS, dtype=bool)}
    rows = score_rows("01", "unclip", made, scores, splits, seed=3, n_bootstrap=200)
    return scores, {(r.model, r.metric): r for r in rows}


def _compared(metric, truth, drawn):
    return compare_features({metric: truth}, {metric: drawn})[metric]


def test_perfect_pictures_reach_the_top_of_every_metric(targets, judge):
    made = _made(targets, {"semantic": targets})
    _, rows = _scored(made, targets, judge, pixel_view("phantom", (SIZE, SIZE)))
    for (_, metric), row in rows.items():
        assert row.value == pytest.approx(1), metric
        assert (row.ci_low, row.ci_high) == pytest.approx((1, 1))
        assert (row.n_items, row.n_repeats, row.stage) == (N_ITEMS, 6, "reconstruct")
    assert {m for _, m in rows} == {
        "two_way_identification_judge",
        "category_agreement_judge",
        "pixcorr",
        "ssim_2d",
        "ssim_1d_columns",
    }


def test_shuffled_pictures_are_at_chance(rng):
    targets = rng.normal(size=(400, 30))
    drawn = targets[rng.permutation(400)]
    found = _compared("two_way_identification_x", targets, drawn)
    assert found.values.mean() == pytest.approx(0.5, abs=0.02)
    assert found.chance == 0.5


def test_distractors_are_true_items():
    """Rows are true items, columns predictions; asymmetric on purpose."""
    truth = np.array([[1.0, 0, 0, -1], [0, 1, 0, -1], [1, 1, 1, -3]])
    drawn = np.array([[1.0, 0.2, 0, -1.2], [1, 0.9, 0, -1.9], [1, 0.1, 0.2, -1.3]])
    similarity = np.corrcoef(truth, drawn)[:3, 3:]
    expected = [np.mean(np.delete(similarity[:, j], j) < similarity[j, j]) for j in range(3)]
    transposed = [np.mean(np.delete(similarity[j], j) < similarity[j, j]) for j in range(3)]
    assert expected != transposed
    found = _compared("two_way_identification_x", truth, drawn)
    np.testing.assert_allclose(found.values, expected)


def test_correlation_distance_is_that_of_scipy(rng):
    truth, drawn = rng.normal(size=(5, 11)), rng.normal(size=(5, 11))
    found = _compared("correlation_distance_swav", truth, drawn)
    expected = [correlation(t, d) for t, d in zip(truth, drawn, strict=True)]
    np.testing.assert_allclose(found.values, expected)
    others = [correlation(truth[i], drawn[j]) for i in range(5) for j in range(5) if i != j]
    assert found.chance == pytest.approx(np.mean(others))


def test_chance_of_labels_is_that_of_labels_dealt_out_anew(rng):
    truth, drawn = rng.integers(0, 4, 40), rng.integers(0, 3, 40)
    dealt = [np.mean(truth == rng.permutation(drawn)) for _ in range(4000)]
    found = compare_labels(truth, drawn)
    assert found.chance == pytest.approx(np.mean(dealt), abs=0.01)
    np.testing.assert_array_equal(found.values, truth == drawn)


@pytest.mark.parametrize("protocol", ["phantom", "mindeye", "brain-diffuser"])
def test_chance_of_pixels_is_the_mean_over_other_targets(targets, rng, protocol):
    targets, drawn = targets[:3], rng.integers(0, 256, size=(3, SIZE, SIZE, 3), dtype=np.uint8)
    view = pixel_view(protocol, (SIZE, SIZE))
    found = view.compare(view.represent(targets), view.represent(drawn))["pixcorr"]
    a, b = pixels(targets, protocol), pixels(drawn, protocol)
    pairs = [pixel_correlation(a[[j]], b[[i]])[0] for i in range(3) for j in range(3) if i != j]
    assert found.chance == pytest.approx(np.mean(pairs), abs=1e-9)
    np.testing.assert_allclose(found.values, pixel_correlation(a, b))


def test_constant_pictures_are_left_out_and_counted(targets, judge):
    drawn = targets.copy()
    drawn[4] = 33
    scores, rows = _scored(_made(targets, {"semantic": drawn}), targets, judge)
    row = rows["unclip/semantic", "two_way_identification_judge"]
    assert (row.n_items, row.value) == (N_ITEMS - 1, 1.0)
    assert row.note == "constant pictures left out: 1"
    assert np.flatnonzero(np.isnan(scores[0].values)).tolist() == [4]
    drawn[:] = 33
    _, rows = _scored(_made(targets, {"semantic": drawn}), targets, judge)
    row = rows["unclip/semantic", "two_way_identification_judge"]
    assert np.isnan([row.value, row.ci_low, row.ceiling]).all()
    assert row.n_items == 0


def test_each_row_stands_beside_the_ceiling_of_its_path(targets, rng, judge):
    noisy = np.clip(targets + rng.normal(0, 60, targets.shape), 0, 255).astype(np.uint8)
    made = _made(targets, {"semantic": targets[::-1], "shuffled-brain": noisy, "ceiling": noisy})
    _, rows = _scored(made, targets, judge)
    metric = "category_agreement_judge"
    ceiling = rows["unclip/ceiling", metric]
    assert rows["unclip/semantic", metric].ceiling == ceiling.value
    assert rows["unclip/shuffled-brain", metric].ceiling == ceiling.value
    assert np.isnan(ceiling.ceiling)
    assert ceiling.n_items == 7


def test_splits_share_one_gallery(targets, rng, judge):
    noisy = np.clip(targets + rng.normal(0, 300, targets.shape), 0, 255).astype(np.uint8)
    made = _made(targets, {"semantic": noisy})
    scores = item_scores(made, targets, {"phantom": [judge]})
    chosen = np.arange(N_ITEMS) % 3 == 0
    splits = {"test": np.ones(N_ITEMS, dtype=bool), "test-held-out": chosen}
    rows = score_rows("01", "unclip", made, scores, splits, seed=3, n_bootstrap=200)
    by_split = {(r.split, r.metric): r for r in rows}
    row = by_split["test-held-out", "two_way_identification_judge"]
    assert row.value == pytest.approx(scores[0].values[chosen].mean())
    assert row.n_items == 3
    assert by_split["test", "two_way_identification_judge"].n_items == N_ITEMS


def test_items_of_one_fold_are_drawn_together(targets, rng, judge):
    noisy = np.clip(targets + rng.normal(0, 300, targets.shape), 0, 255).astype(np.uint8)
    made = _made(targets, {"semantic": noisy})
    made.items["fold"] = ["a", "a", "a", "b", "b", "b", "c", "c", "c"]
    scores, rows = _scored(made, targets, judge)
    means = scores[0].values.reshape(3, 3).mean(axis=1)
    row = rows["unclip/semantic", "two_way_identification_judge"]
    # with three folds the 2.5 % quantile is the worst fold drawn three times; so few clusters give
    # an interval that is too narrow by √(n / (n − 1)) · t / z
    middle = np.median([np.mean(drawn) for drawn in product(means, repeat=3)])
    wider = np.sqrt(3 / 2) * student_t.ppf(0.975, 2) / normal.ppf(0.975)
    expected = middle + wider * (np.array([means.min(), means.max()]) - middle)
    assert (row.ci_low, row.ci_high) == pytest.approx(tuple(expected))


def test_what_cannot_be_computed_is_a_row_with_a_note(targets):
    note = "not computed: weights of alexnet not found (put them somewhere)"
    blind = View("alexnet", ("two_way_identification_alexnet_2",), note=note)
    made = _made(targets, {"semantic": targets})
    scores, rows = _scored(made, targets, blind, protocol="mindeye")
    row = rows["unclip/semantic", "two_way_identification_alexnet_2"]
    assert np.isnan([row.value, row.ci_low, row.ci_high, row.chance, row.ceiling]).all()
    assert (row.note, row.protocol, row.n_items) == (note, "mindeye", 0)
    table = item_table("01", "unclip", made, scores)
    assert len(table) == 0
    assert tuple(table.columns) == ITEM_COLUMNS


def test_the_item_table_is_long(targets, judge):
    made = _made(targets, {"semantic": targets, "ceiling": targets})
    scores, _ = _scored(made, targets, judge)
    table = item_table("01", "unclip", made, scores)
    assert tuple(table.columns) == ITEM_COLUMNS
    assert len(table) == 2 * (N_ITEMS + 7)
    ceiling = table[table["model"] == "unclip/ceiling"]
    assert ceiling["stimulus_id"].iloc[:2].tolist() == ["s0", "s2"]


def test_originals_of_other_sizes_are_compared_at_the_size_of_the_pictures(targets, rng):
    originals = [rng.integers(0, 256, size=(20 + i, 18, 3), dtype=np.uint8) for i in range(3)]
    view = pixel_view("phantom", (SIZE, SIZE))
    shown = view.represent(originals)
    assert shown["pixels"].shape == (3, SIZE, SIZE, 3)
    assert len(view.compare(shown, view.represent(targets[:3]))["ssim_2d"].values) == 3


def test_one_item_has_no_chance(targets):
    view = pixel_view("phantom", (SIZE, SIZE))
    one = view.represent(targets[:1])
    found = view.compare(one, one)
    assert all(np.isnan(c.chance) and c.values == pytest.approx(1) for c in found.values())
