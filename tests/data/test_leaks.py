import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.leaks import concept_key, find_leaks, refuse_leaks
from calcarine.data.splits import leave_one_out

WINDOW = (0.0, 10.0)


def table(rows):
    names = ["session", "run", "onset_s", "stimulus_id", "stimulus_sha", "concept", "split"]
    out = pd.DataFrame(rows, columns=names)
    out["trial_id"] = [f"t{i}" for i in range(len(out))]
    return out.assign(subject="01", split_group=out["stimulus_sha"])


CLEAN = [
    ("1", "1", 0.0, "a", "A", "cat", "train"),
    ("1", "2", 0.0, "b", "B", "dog", "validation"),
    ("2", "3", 0.0, "c", "C", "cup", "test"),
    ("2", "3", 20.0, "c", "C", "cup", "test"),
]
ALL = ("stimulus", "concept", "run", "session", "window")


def test_a_clean_split_has_no_leaks():
    assert find_leaks(table(CLEAN), ALL, WINDOW) == []
    refuse_leaks([])


@pytest.mark.parametrize(
    ("row", "unit", "message"),
    [
        (("3", "9", 0.0, "renamed", "C", "x", "train"), "stimulus", "stimulus c = renamed stands"),
        (("3", "9", 0.0, "d", "D", "cup", "train"), "concept", "concept cup stands"),
        (("2", "3", 90.0, "d", "D", "x", "train"), "run", "run 2/3 stands"),
        (("2", "9", 0.0, "d", "D", "x", "train"), "session", "session 2 stands"),
        (("2", "3", 29.9, "d", "D", "x", "train"), "window", "windows of test trial t3 and"),
        (("2", "3", 29.9, "d", "D", "x", "validation"), "window", "windows of test trial t3 and"),
    ],
)
def test_each_kind_of_leak_is_found_where_it_is_asked_for(row, unit, message):
    trials = table([*CLEAN, row])
    (leak,) = find_leaks(trials, (unit,), WINDOW)
    assert message in leak
    assert "t4" in leak
    others = tuple(u for u in ALL if not find_leaks(trials, (u,), WINDOW))
    assert find_leaks(trials, others, WINDOW) == []


def test_validation_and_training_may_not_share_a_stimulus():
    trials = table([*CLEAN, ("1", "1", 50.0, "again", "B", "x", "train")])
    (leak,) = find_leaks(trials, ("stimulus",), WINDOW)
    assert "(validation and training)" in leak


def test_windows_that_touch_do_not_overlap():
    trials = table([*CLEAN, ("2", "3", 30.0, "d", "D", "x", "train")])
    assert find_leaks(trials, ("window",), WINDOW) == []


def test_windows_of_different_runs_do_not_overlap():
    trials = table([*CLEAN, ("1", "3", 0.0, "d", "D", "x", "train")])
    assert find_leaks(trials, ("window",), WINDOW) == []


def test_unused_trials_do_not_leak():
    trials = table([*CLEAN, ("2", "3", 1.0, "c", "C", "cup", "unused")])
    assert find_leaks(trials, ALL, WINDOW) == []


def test_missing_concepts_are_not_one_concept():
    rows = [(*r[:5], "n/a", r[6]) for r in CLEAN]
    assert find_leaks(table(rows), ("concept",), WINDOW) == []


def test_a_cross_validation_is_looked_at_fold_by_fold():
    trials = table(CLEAN)
    clean = leave_one_out(trials, "stimulus")
    assert find_leaks(clean, ("stimulus",), WINDOW) == []
    by_run = leave_one_out(table([*CLEAN, ("1", "2", 50.0, "c2", "C", "x", "x")]), "run")
    assert any("c = c2" in leak for leak in find_leaks(by_run, ("stimulus",), WINDOW))


def test_the_check_stops_and_counts():
    more = [
        ("9", "9", 100.0 * i, f"m{i}", f"M{i}", "x", s) for i in range(7) for s in ("train", "test")
    ]
    with pytest.raises(CalcarineError, match=r"(?s)found the same thing.*m0 = m0.*and 2 more"):
        refuse_leaks(find_leaks(table([*CLEAN, *more]), ("stimulus",), WINDOW))


def test_an_unknown_unit_is_named():
    with pytest.raises(CalcarineError, match=r"names \['day'\]"):
        find_leaks(table(CLEAN), ("day",), WINDOW)


@pytest.mark.parametrize(
    ("name", "other"),
    [("Coffee Mug", "coffee_mug"), ("cats", "cat"), ("Café", "cafe"), ("tee-shirt", "teeshirt")],
)
def test_spellings_of_one_concept_have_one_key(name, other):
    assert concept_key(name) == concept_key(other)


@pytest.mark.parametrize(("name", "other"), [("bat1", "bat2"), ("glass", "glasses"), ("bus", "bu")])
def test_different_concepts_have_different_keys(name, other):
    assert concept_key(name) != concept_key(other)


def test_a_group_of_the_split_may_not_straddle():
    trials = table(CLEAN)
    trials["split_group"] = ["g1", "g2", "g3", "g3"]
    assert find_leaks(trials, (), WINDOW) == []
    trials.loc[0, "split_group"] = "g3"
    (leak,) = find_leaks(trials, (), WINDOW)
    assert "split group g3 stands on both sides (test and training): trial t2 and trial t0" in leak


def test_a_block_may_not_be_cut_and_its_neighbour_may():
    rows = [("1", "1", 10.0 * i, f"s{i}", f"S{i}", c, "train") for i, c in enumerate("aaabbb")]
    trials = table(rows)
    trials.loc[3:, "split"] = "test"
    assert find_leaks(trials, ("block",), WINDOW) == []
    trials.loc[2, "split"] = "test"
    (leak,) = find_leaks(trials, ("block",), WINDOW)
    assert "a block of 3 trials of concept a stands on both sides" in leak


def test_concepts_that_are_spelled_alike_and_differ_can_be_allowed():
    trials = table([*CLEAN, ("3", "9", 0.0, "d", "D", "Cups", "train")])
    (leak,) = find_leaks(trials, ("concept",), WINDOW)
    assert "concept cup, spelled 'Cups' there, stands on both sides" in leak
    assert find_leaks(trials, ("concept",), WINDOW, [("Cups", "cup")]) == []
    (leak,) = find_leaks(table([*CLEAN, ("3", "9", 0.0, "d", "D", "cup", "train")]),
                         ("concept",), WINDOW, [("cup", "cup")])  # fmt: skip
    assert "concept cup stands" in leak
