from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.events import check_within_scan, match_stimuli, read_events, stimulus_events

STIMULI = pd.DataFrame(
    {
        "stimulus_id": ["cat_1", "dog", "0012", "house"],
        "file": ["animals/cat1.jpg", "animals/dog_2.png", "images/0012.png", "n/a"],
        "concept": ["cat", "dog", "cup", "house"],
    }
)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def shown(path, column="stim_file", ignore=("rest",)):
    return stimulus_events(read_events(path), path, STIMULI, column, ignore)


def test_events_are_sorted_and_keep_their_rows(tmp_path):
    path = write(
        tmp_path / "e.tsv",
        "onset\tduration\ttrial_type\tstim_file\n8.5\t1\tpic\tdog_2.png\n2\tn/a\trest\tn/a\n"
        "4.0\t0\tpic\tanimals/cat1.jpg\n",
    )
    events = read_events(path)
    assert events["onset"].tolist() == [2.0, 4.0, 8.5]
    assert events["row"].tolist() == [3, 4, 2]
    assert np.isnan(events["duration"][0])
    table = shown(path)
    assert table["stimulus_id"].tolist() == ["cat_1", "dog"]
    assert table["concept"].tolist() == ["cat", "dog"]


def test_byte_order_mark_windows_lines_and_spaces_are_read(tmp_path):
    text = "\ufeffonset\tduration\tstim_file\r\n 1.5 \t0.5\tstimuli\\animals\\cat1.jpg\r\n"
    table = shown(write(tmp_path / "e.tsv", text))
    assert table["onset"].tolist() == [1.5]
    assert table["stimulus_id"].tolist() == ["cat_1"]
    assert table["trial_type"].tolist() == ["n/a"]


@pytest.mark.parametrize(
    "name", ["cat_1", "animals/cat1.jpg", "cat1.jpg", "cat1", "other/place/cat1.jpg"]
)
def test_ways_of_naming_a_stimulus(name):
    names = pd.Series([name], name="stim_file")
    assert match_stimuli(names, pd.Series([2]), STIMULI, "e.tsv") == ["cat_1"]


def test_numbers_that_a_spreadsheet_made_floats_are_found():
    names = pd.Series(["0012.0", "0012"], name="image")
    assert match_stimuli(names, pd.Series([2, 3]), STIMULI, "e.tsv") == ["0012", "0012"]


def test_an_unknown_stimulus_is_named_with_its_row(tmp_path):
    path = write(tmp_path / "e.tsv", "onset\tduration\tstim_file\n1\t1\tcat1.jpg\n2\t1\tcow.jpg\n")
    with pytest.raises(CalcarineError, match=r"e\.tsv, row 3: stim_file 'cow\.jpg' fits no"):
        shown(path)


def test_an_ambiguous_file_name_is_refused():
    twins = pd.DataFrame(
        {"stimulus_id": ["a", "b"], "file": ["x/1.png", "y/1.png"], "concept": "c"}
    )
    names = pd.Series(["1.png"], name="stim_file")
    with pytest.raises(CalcarineError, match=r"fits the stimuli \['a', 'b'\]"):
        match_stimuli(names, pd.Series([2]), twins, "e.tsv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("onset\tstim_file\n1\tdog\n", r"lacks the columns \['duration'\]"),
        ("onset,duration,stim_file\n1,2,dog\n", "separated by commas"),
        ("onset\tduration\n", "no events"),
        ("", "cannot be read as a table"),
        ("onset\tduration\n1\t1\n2,5\t1\n", r"row 3: `onset` is '2,5'.*not a comma"),
        ("onset\tduration\nn/a\t1\n", "row 2: `onset` is 'n/a'"),
        ("onset\tduration\nsoon\t1\n", "row 2: `onset` is 'soon'"),
        ("onset\tduration\ninf\t1\n", "row 2: `onset` is inf"),
        ("onset\tduration\n1\t-2\n", "row 2: `duration` is -2 s"),
    ],
)
def test_broken_tables_are_refused(tmp_path, text, message):
    with pytest.raises(CalcarineError, match=message):
        read_events(write(tmp_path / "e.tsv", text))


def test_a_binary_file_is_refused(tmp_path):
    path = tmp_path / "e.tsv"
    path.write_bytes(b"\x00\x05\x16\x07\xff\xfe\x80")
    with pytest.raises(CalcarineError, match=r"e\.tsv cannot be read"):
        read_events(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("onset\tduration\tshow\n1\t1\tdog\n", r"no column 'stim_file'; it has \['onset'"),
        ("onset\tduration\tstim_file\n1\tn/a\tdog\n", "row 2: the duration of a trial is n/a"),
        (
            "onset\tduration\tstim_file\n1\t1\tdog\n5\t1\tcat_1\n1\t1\tdog\n",
            r"rows \[2, 4\]: 2 trials begin at 1 s",
        ),
    ],
)
def test_broken_trials_are_refused(tmp_path, text, message):
    with pytest.raises(CalcarineError, match=message):
        shown(write(tmp_path / "e.tsv", text))


def test_columns_with_a_trial_tables_name_are_renamed(tmp_path):
    text = "onset\tduration\tstim_file\tstimulus_id\trun\n1\t1\tdog\tn04\t3\n"
    table = shown(write(tmp_path / "e.tsv", text))
    assert table["event_stimulus_id"].tolist() == ["n04"]
    assert table["event_run"].tolist() == ["3"]
    assert table["stimulus_id"].tolist() == ["dog"]


def test_the_stimulus_column_may_bear_a_trial_tables_name(tmp_path):
    text = "onset\tduration\tstimulus_id\n1\t1\tdog\n"
    assert shown(write(tmp_path / "e.tsv", text), "stimulus_id")["stimulus_id"].tolist() == ["dog"]


def test_events_beyond_the_scan_are_refused():
    events = pd.DataFrame({"onset": [1.0, 150.0, 151.0], "duration": 1.0, "row": [2, 3, 4]})
    check_within_scan(events, Path("e.tsv"), scan_s=152.0, tr_s=2.0)
    with pytest.raises(CalcarineError, match=r"row 3: 2 of 3 .* at 150 s; the scan ends at 150 s"):
        check_within_scan(events, Path("e.tsv"), scan_s=150.0, tr_s=2.0)


def test_milliseconds_are_suspected():
    events = pd.DataFrame({"onset": [2000.0, 140000.0], "duration": 1.0, "row": [2, 3]})
    with pytest.raises(CalcarineError, match="look like milliseconds"):
        check_within_scan(events, Path("e.tsv"), scan_s=150.0, tr_s=2.0)


def test_events_before_the_scan_are_refused():
    events = pd.DataFrame({"onset": [-8.0, 1.0], "duration": 1.0, "row": [2, 3]})
    with pytest.raises(CalcarineError, match="row 2: the event begins at -8 s, before the first"):
        check_within_scan(events, Path("e.tsv"), scan_s=150.0, tr_s=2.0)


def real_events(shared_data):
    root = shared_data("openneuro-bids-metadata")
    return [p for p in sorted(root.rglob("*_events.tsv")) if not p.name.startswith("._")]


def test_real_dialects_are_read(shared_data):
    """Every fMRI events table of the collection is read, or refused by name."""
    tables = [p for p in real_events(shared_data) if p.parent.name == "func"]
    assert len(tables) > 30
    for path in tables:
        events = read_events(path)
        assert events["onset"].is_monotonic_increasing
        assert len(events) == len(path.read_text().strip().splitlines()) - 1


def test_counts_of_known_data_sets(shared_data):
    root = shared_data("openneuro-bids-metadata")
    counts = {
        "ds001499/sub-CSI1/ses-01/func/sub-CSI1_ses-01_task-5000scenes_run-01_events.tsv": 37,
        "ds004192/sub-01/ses-things01/func/sub-01_ses-things01_task-things_run-01_events.tsv": 92,
    }
    for name, count in counts.items():
        assert len(read_events(root / name)) == count


def test_onsets_in_samples_are_suspected_in_real_data(shared_data):
    path = next(p for p in real_events(shared_data) if "ds003825" in p.parts)
    events = read_events(path)
    with pytest.raises(CalcarineError, match="look like milliseconds or samples"):
        check_within_scan(events, path, scan_s=3300.0, tr_s=2.0)
