import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions
from calcarine.pipelines.phantom_truth import PlantedMap, area_under_curve, truth_scores

N_ITEMS, N_REPEATS = 90, 4
CATEGORIES = ("face", "house", "tool")
# kind of voxel, what it prefers, where it looks, and how many there are
PLANT = [
    *(("category", c, np.nan, 12) for c in CATEGORIES),
    ("pixels", "n/a", 0.2, 15),
    ("pixels", "n/a", 0.7, 14),
    ("colour", "red", np.nan, 10),
    ("none", "n/a", np.nan, 200),
]


@pytest.fixture
def truth():
    rows = [row[:3] for row in PLANT for _ in range(row[3])]
    table = pd.DataFrame(rows, columns=["tuned_to", "preferred", "rf_x"])
    n = len(table)
    table[["i", "j", "k"]] = np.stack([np.arange(n), np.full(n, 2), np.full(n, 5)], axis=1)
    table["linear"] = table["tuned_to"] == "category"
    table["noise_ceiling_n"] = np.where(table["tuned_to"] == "none", 0.0, 0.8)
    return table


@pytest.fixture
def stimuli(rng):
    return pd.DataFrame(
        {
            "stimulus_id": [f"s{i:02d}" for i in range(N_ITEMS)],
            "category": rng.permutation(np.repeat(CATEGORIES, N_ITEMS // 3)),
            "x": rng.uniform(0.2, 0.8, N_ITEMS).astype("str"),
        }
    )


@pytest.fixture
def units(truth):
    """Give the voxels in another order than the truth."""
    shuffled = truth[["i", "j", "k"]].iloc[::-1].reset_index(drop=True)
    # 0.8 for four repeats
    shuffled["ncsnr"] = 0.8 / 0.6 / np.sqrt(N_REPEATS)
    return shuffled


def _pictures(stimuli):
    """Paint a bright square at the place of each stimulus."""
    pictures = np.zeros((N_ITEMS, 30, 30, 3), dtype=np.uint8)
    for picture, x in zip(pictures, stimuli["x"].astype(float), strict=True):
        left = round(30 * x) - 3
        picture[12:18, left : left + 6] = 200
    return pictures


def _drive(truth, stimuli, rng):
    """Make the planted responses, one column a voxel of the truth."""
    x = stimuli["x"].astype(float).to_numpy()
    drive = np.zeros((N_ITEMS, len(truth)))
    for v, voxel in truth.iterrows():
        if voxel["tuned_to"] == "category":
            drive[:, v] = stimuli["category"] == voxel["preferred"]
        if voxel["tuned_to"] == "pixels":
            drive[:, v] = x if voxel["rf_x"] > 0.5 else -x
        if voxel["tuned_to"] == "colour":
            drive[:, v] = rng.normal(size=N_ITEMS)
    sd = drive.std(axis=0)
    return (drive - drive.mean(axis=0)) / np.where(sd > 0, sd, 1)


def _scores(predicted, measured, units, truth, stimuli):
    items = pd.DataFrame(
        {
            "item": range(N_ITEMS),
            "stimulus_id": stimuli["stimulus_id"],
            "concept": stimuli["category"],
            "fold": "holdout",
            "brain": "measured",
            "n_repeats": N_REPEATS,
            "averaging": "signal",
        }
    )
    predictions = Predictions(
        predicted[:, ::-1], items, {"model": "encoder-clip"}, measured[:, ::-1]
    )
    rows = truth_scores(
        predictions, units, truth, stimuli, _pictures(stimuli), "01", "test", 3, 200, 0.3
    )
    return {(r.target, r.metric): r for r in rows}


@pytest.fixture
def perfect(truth, stimuli, units, rng):
    drive = _drive(truth, stimuli, rng)
    predicted = drive + (drive == 0) * rng.normal(size=drive.shape)
    # a signal of variance 1 under a ceiling of 0.8
    measured = drive + 0.75 * rng.normal(size=drive.shape)
    return _scores(predicted, measured, units, truth, stimuli)


def test_area_is_that_of_scikit_learn(rng):
    planted, strength = rng.random(60) < 0.3, rng.integers(0, 9, 60).astype(float)
    found = PlantedMap(planted, strength)
    assert area_under_curve(found)[0] == pytest.approx(roc_auc_score(planted, strength))
    counts = rng.integers(0, 3, size=(4, 60))
    expected = [roc_auc_score(planted.repeat(c), strength.repeat(c)) for c in counts]
    np.testing.assert_allclose(area_under_curve(found, counts), expected)
    assert np.isnan(area_under_curve(PlantedMap(np.zeros(60, dtype=bool), strength)))


def test_a_perfect_encoder_reaches_the_planted_ceiling(perfect):
    for metric in ("r_over_ceiling_median", "r_over_true_ceiling_median"):
        row = perfect["planted-linear", metric]
        assert row.value == pytest.approx(1, abs=0.08)
        assert row.ci_low < row.value < row.ci_high
        assert (row.n_items, row.n_repeats, row.protocol) == (N_ITEMS, N_REPEATS, "phantom")


def test_untuned_voxels_are_at_zero(perfect):
    row = perfect["planted-untuned", "r_mean"]
    assert row.value == pytest.approx(0, abs=0.03)
    assert row.ci_low < 0 < row.ci_high


def test_patches_and_visual_field_are_recovered(perfect):
    areas = [perfect[f"planted-{c}", "map_auc"].value for c in CATEGORIES]
    assert min(areas) > 0.95
    assert perfect["planted-categories", "map_auc"].value == pytest.approx(np.mean(areas))
    assert perfect["planted-visual-field", "map_auc"].value > 0.95


def test_an_encoder_that_knows_nothing_finds_nothing(truth, stimuli, units, rng):
    shape = (N_ITEMS, len(truth))
    rows = _scores(rng.normal(size=shape), rng.normal(size=shape), units, truth, stimuli)
    assert abs(rows["planted-linear", "r_over_ceiling_median"].value) < 0.15
    for target in ("planted-categories", "planted-visual-field"):
        row = rows[target, "map_auc"]
        assert row.ci_low < 0.5 < row.ci_high


def test_without_signal_the_rows_say_so(truth, stimuli, units, rng):
    shape = (N_ITEMS, len(truth))
    truth["noise_ceiling_n"] = 0.0
    units["ncsnr"] = 0.0
    truth = truth.assign(tuned_to="none", preferred="n/a")
    rows = _scores(rng.normal(size=shape), rng.normal(size=shape), units, truth, stimuli)
    assert "no linear voxel" in rows["planted-linear", "r_over_ceiling_median"].note
    assert "nothing of the kind" in rows["planted-categories", "map_auc"].note
    assert np.isfinite(rows["planted-untuned", "r_mean"].value)


def test_another_phantoms_truth_is_refused(truth, stimuli, units, rng):
    shape = (N_ITEMS, len(truth))
    with pytest.raises(CalcarineError, match="3 of 275 voxels have no planted truth"):
        _scores(rng.normal(size=shape), rng.normal(size=shape), units, truth[3:], stimuli)
