import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.splits import folds, groups_of, hold_out, leave_one_out


@pytest.fixture
def trials():
    """60 trials: 20 stimuli, three repeats in three sessions of two runs."""
    stimuli = np.tile(np.arange(20), 3)
    return pd.DataFrame(
        {
            "trial_id": [f"t{i}" for i in range(60)],
            "subject": "01",
            "session": np.repeat(["a", "b", "c"], 20),
            "run": np.tile(np.repeat(["1", "2"], 10), 3),
            "onset_s": np.tile(4.0 * np.arange(10), 6),
            "stimulus_id": [f"s{i:02d}" for i in stimuli],
            "stimulus_sha": [f"sha{i:02d}" for i in stimuli],
            "concept": [f"c{i % 5}" for i in stimuli],
            "phase": ["test" if i < 4 else "train" for i in stimuli],
        }
    )


@pytest.mark.parametrize(
    ("by", "n_groups"), [("stimulus", 20), ("concept", 5), ("run", 6), ("session", 3)]
)
def test_a_group_never_straddles(trials, by, n_groups):
    split = hold_out(trials, by, seed=1, test=0.34, validation=0.34)
    assert split["split_group"].nunique() == n_groups
    assert (split.groupby("split_group")["split"].nunique() == 1).all()
    assert set(split["split"]) == {"train", "validation", "test"}


def test_shares_of_groups_are_exact_for_all_units_but_stimuli(trials):
    split = hold_out(trials, "run", seed=3, test=0.34, validation=0.25)
    counts = split.groupby("split")["split_group"].nunique()
    assert counts.to_dict() == {"test": 2, "train": 3, "validation": 1}


def test_shares_of_stimuli_hold_on_average():
    table = pd.DataFrame({"stimulus_sha": [f"x{i}" for i in range(20000)]})
    table["stimulus_id"] = table["stimulus_sha"]
    split = hold_out(table, "stimulus", seed=0, test=0.2, validation=0.1)["split"]
    assert (split == "test").mean() == pytest.approx(0.2, abs=0.01)
    assert (split == "validation").mean() == pytest.approx(0.08, abs=0.01)


def test_a_stimulus_stands_on_one_side_whatever_else_was_seen(trials):
    whole = hold_out(trials, "stimulus", seed=5, test=0.3, validation=0.3)
    some = trials[trials["stimulus_id"] > "s06"]
    part = hold_out(some, "stimulus", seed=5, test=0.3, validation=0.3)
    pd.testing.assert_series_equal(part["split"], whole.loc[some.index, "split"])


def test_a_handful_of_stimuli_still_has_a_test_set(trials):
    few = trials[trials["stimulus_id"] < "s03"]
    for seed in range(20):
        assert (hold_out(few, "stimulus", seed, test=0.05)["split"] == "test").sum() >= 3


def test_the_seed_decides(trials):
    a = hold_out(trials, "stimulus", seed=1, test=0.3)["split"]
    assert a.equals(hold_out(trials, "stimulus", seed=1, test=0.3)["split"])
    assert any(not a.equals(hold_out(trials, "stimulus", s, test=0.3)["split"]) for s in (2, 3))


def test_named_groups(trials):
    split = hold_out(trials, "session", seed=0, test=["b"], validation=["c"])
    assert split.groupby("session")["split"].first().tolist() == ["train", "test", "validation"]
    by_run = hold_out(trials, "run", seed=0, test=["a/1", "c/2"], validation=0.0)
    assert (by_run["split"] == "test").sum() == 20


def test_stimuli_are_named_by_their_id_and_take_copies_along(trials):
    copied = trials.copy()
    copied.loc[5, "stimulus_id"] = "renamed"
    split = hold_out(copied, "stimulus", seed=0, test=["renamed"], validation=0.0)
    assert split.loc[split["split"] == "test", "stimulus_sha"].unique().tolist() == ["sha05"]
    assert (split["split"] == "test").sum() == 3


def test_unknown_groups_are_named(trials):
    with pytest.raises(CalcarineError, match=r"split\.test names \['d'\].*\['a', 'b', 'c'\]"):
        hold_out(trials, "session", seed=0, test=["d"])
    with pytest.raises(CalcarineError, match=r"split\.validation names \['s77'\].*'s00'"):
        hold_out(trials, "stimulus", seed=0, test=["s01"], validation=["s77"])


def test_a_declared_split_is_taken_and_validation_drawn_by_stimulus(trials):
    split = hold_out(trials, "declared", seed=0, validation=0.3, declared="phase")
    assert ((split["split"] == "test") == (trials["phase"] == "test")).all()
    assert (split.groupby("stimulus_sha")["split"].nunique() == 1).all()
    assert (split["split"] == "validation").any()


def test_a_declared_validation_is_kept(trials):
    trials.loc[trials["stimulus_id"] == "s09", "phase"] = "validation"
    split = hold_out(trials, "declared", seed=0, validation=0.5, declared="phase")
    assert (split["split"] == trials["phase"]).all()


def test_a_declared_split_needs_its_column_and_words(trials):
    with pytest.raises(CalcarineError, match=r"split\.column is None"):
        hold_out(trials, "declared", seed=0)
    with pytest.raises(CalcarineError, match=r"column 'concept' says \['c0'"):
        hold_out(trials, "declared", seed=0, declared="concept")


def test_a_unit_that_does_not_exist(trials):
    with pytest.raises(CalcarineError, match="expected one of"):
        groups_of(trials, "day")


def test_runs_of_a_recording_without_sessions_bear_their_own_name(trials):
    assert groups_of(trials, "run").unique().tolist()[:2] == ["a/1", "a/2"]
    assert groups_of(trials.assign(session="n/a"), "run").unique().tolist() == ["1", "2"]


def test_one_fold_of_a_fixed_split(trials):
    split = hold_out(trials, "stimulus", seed=2, test=0.3, validation=0.3)
    (fold,) = folds(split)
    assert fold.name == "holdout"
    parts = np.concatenate([fold.train, fold.validation, fold.test])
    assert sorted(parts) == list(range(60))
    assert fold.fit.tolist() == sorted([*fold.train, *fold.validation])
    assert (split["split"].iloc[fold.validation] == "validation").all()


def test_unused_trials_are_in_no_fold(trials):
    split = hold_out(trials, "session", seed=0, test=["b"], validation=0.0)
    split.loc[:4, "split"] = "unused"
    (fold,) = folds(split)
    assert not set(range(5)) & {*fold.fit, *fold.test}


def test_a_cross_validation_tests_every_trial_once(trials):
    found = folds(leave_one_out(trials, "run"))
    assert [f.name for f in found] == ["a/1", "a/2", "b/1", "b/2", "c/1", "c/2"]
    assert sorted(np.concatenate([f.test for f in found])) == list(range(60))
    for i, fold in enumerate(found):
        assert set(fold.validation) == set(found[(i + 1) % 6].test)
        assert len({*fold.train, *fold.validation, *fold.test}) == 60


def test_a_cross_validation_needs_three_groups(trials):
    with pytest.raises(CalcarineError, match=r"needs at least 3 .* have 2: \['1', '2'\]"):
        leave_one_out(trials.assign(session="n/a"), "run")


def test_a_split_without_test_or_training_is_refused(trials):
    with pytest.raises(CalcarineError, match="60 training and 0 test trials"):
        folds(hold_out(trials, "session", seed=0, test=(), validation=0.0))
