"""Real sidecars of public EEG and MEG data sets, and EEGLAB's BIDS example."""

import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.events import read_events
from calcarine.data.meeg.channels import positions
from calcarine.data.meeg.reading import open_raw
from calcarine.data.meeg.recordings import find_recordings
from calcarine.data.meeg.settings import MeegReading
from calcarine.data.meeg.trials import check_within_recording
from calcarine.data.tables import read_table

# what a data set's onsets are counted in, where it is not seconds
_REFUSED = {"ds003825": "milliseconds or samples"}


_LONGEST_S = 5400.0  # no recording is longer than an hour and a half


def test_every_events_table_of_eeg_and_meg_is_read_or_refused_by_name(shared_data):
    root = shared_data("openneuro-bids-metadata")
    paths = [p for p in sorted(root.rglob("*_events.tsv")) if p.parent.name in ("eeg", "meg")]
    read = refused = 0
    for path in paths:
        if path.name.startswith("._"):
            with pytest.raises(CalcarineError, match="cannot be read as a table"):
                read_events(path)
            refused += 1
            continue
        data_set = path.relative_to(root).parts[0]
        events = read_events(path)
        assert events["onset"].is_monotonic_increasing
        assert len(events) == len(read_table(path, "events table"))
        if data_set in _REFUSED:
            with pytest.raises(CalcarineError, match=_REFUSED[data_set]):
                check_within_recording(events, path, _LONGEST_S)
            refused += 1
        else:
            check_within_recording(events, path, _LONGEST_S)
            read += 1
    assert read + refused == len(paths) == 13
    assert read == 11


def test_counts_of_known_recordings(shared_data):
    root = shared_data("openneuro-bids-metadata")
    eeg = read_events(root / "ds003825/sub-01/eeg/sub-01_task-rsvp_events.tsv")
    assert len(eeg) == 22248
    name = "sub-BIGMEG1_ses-01_task-main_run-01_events.tsv"
    assert len(read_events(root / "ds004212/sub-BIGMEG1/ses-01/meg" / name)) == 226


def test_every_channel_table_is_read(shared_data):
    root = shared_data("openneuro-bids-metadata")
    paths = [p for p in root.rglob("*_channels.tsv") if not p.name.startswith("._")]
    assert len(paths) > 9
    for path in paths:
        table = read_table(path, "channels table")
        assert {"name", "type", "units"} <= set(table.columns)
        assert not table["name"].duplicated().any()


def test_the_bids_example_of_eeglab_is_opened_by_the_ordinary_reader(shared_data):
    root = shared_data("eeglab-sample") / "test_data" / "BIDS_test"
    files = find_recordings(root, "S1", "Experiment", "eeg")
    assert [(f.session, f.run) for f in files] == [("01", "01")]
    reading = MeegReading(
        root, "S1", "Experiment", "eeg", root / "stimuli.tsv", montage="fsaverage_1005"
    )
    raw = open_raw(files[0], reading)
    assert raw.info["sfreq"] == 256
    assert raw.n_times == 256 * 60
    assert len(raw.ch_names) == 16
    place = dict(zip(raw.ch_names, positions(raw.info, raw.ch_names), strict=True))
    assert place["EEG Fp1"][1] > 0.05
    assert place["EEG T3"][0] < -0.05
    with pytest.raises(CalcarineError, match=r"has no events\.tsv"):
        files[0].events_file()
