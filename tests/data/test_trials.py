import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.trials import TRIAL_COLUMNS, read_trials, trial_order_sha, write_trials


@pytest.fixture
def trials():
    return pd.DataFrame(
        {
            "extra": ["x", "y", "z"],
            "trial_id": ["t1", "t2", "t3"],
            "subject": "01",
            "session": ["n/a", "02", "02"],
            "run": "01",
            "onset_s": [1.5, 0.1 + 0.2, 4.0],
            "duration_s": 1.0,
            "stimulus_id": ["001", "002", "1e5"],
            "stimulus_sha": ["12", "0e1", "ab"],
            "concept": ["cat", "n/a", "NA"],
            "repeat": [1, 1, 2],
            "split": "train",
            "split_group": ["001", "002", "003"],
        }
    )


def test_a_round_trip_keeps_labels_as_text(tmp_path, trials):
    path = tmp_path / "trials.tsv"
    write_trials(path, trials)
    found = read_trials(path)
    assert list(found.columns) == [*TRIAL_COLUMNS, "extra"]
    for name in trials.columns:
        assert found[name].tolist() == trials[name].tolist(), name
    write_trials(tmp_path / "again.tsv", found)
    assert (tmp_path / "again.tsv").read_bytes() == path.read_bytes()


def test_the_order_hash_knows_order_and_content(trials):
    sha = trial_order_sha(trials)
    assert sha == trial_order_sha(trials.assign(split="test"))
    assert sha != trial_order_sha(trials.iloc[::-1])
    assert sha != trial_order_sha(trials.assign(onset_s=0.0))
    moved = trials.assign(onset_s=trials["onset_s"] + 1e-9)
    assert sha == trial_order_sha(moved)


def test_a_missing_column_is_named(tmp_path, trials):
    with pytest.raises(CalcarineError, match=r"lacks the columns \['repeat'\]"):
        write_trials(tmp_path / "t.tsv", trials.drop(columns="repeat"))
    assert not (tmp_path / "t.tsv").exists()


def test_two_trials_with_one_id_are_named_with_rows(tmp_path, trials):
    trials["trial_id"] = ["t1", "t2", "t1"]
    with pytest.raises(CalcarineError, match=r"the trial id 't1' stands in rows \[2, 4\]"):
        write_trials(tmp_path / "t.tsv", trials)


def test_an_absent_table_names_the_step(tmp_path):
    with pytest.raises(CalcarineError, match="Run the `prepare` step first"):
        read_trials(tmp_path / "t.tsv")
