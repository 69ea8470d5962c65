"""Everything that a recording can do wrong ends in one message that says where and what to do."""

import json
import warnings

import mne
import mne_bids
import numpy as np
import pandas as pd
import pytest
from fixtures.small_eeg import NAMES, SFREQ, planted_run, write_run, write_stimuli

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.check import find_problems, montage_warnings
from calcarine.data.meeg.cleaning import clean_run
from calcarine.data.meeg.prepare import prepare_meeg
from calcarine.data.meeg.reading import open_raw
from calcarine.data.meeg.recordings import find_recordings
from calcarine.data.meeg.settings import Filter, MeegReading, Windows
from calcarine.data.meeg.trials import read_meeg_trials
from calcarine.data.splits import hold_out


def prepared(reading):
    runs, trials = read_meeg_trials(reading)
    return prepare_meeg(reading, runs, hold_out(trials, "run", 0, ("02",), ()))


def problems_of(reading):
    """List problems; `prepare` must stop with the first of them too."""
    found = find_problems(reading)
    with pytest.raises(CalcarineError) as stopped:
        prepared(reading)
    assert str(stopped.value)[:60] in " ".join(found.problems)
    return found.problems


def test_a_good_recording_has_no_problem(small_eeg):
    found = find_problems(small_eeg.reading())
    assert found.problems == []
    assert found.warnings == []
    assert len(found.trials) == 48
    assert found.units["channel"].tolist() == NAMES


def test_channels_without_positions(small_eeg, rng):
    data, events = planted_run(rng, list(small_eeg.topography), small_eeg.topography)
    write_run(small_eeg.root, data, events, "02", montage=None)
    for ending in ("electrodes.tsv", "coordsystem.json"):
        for path in (small_eeg.root / "sub-01" / "eeg").glob(f"*{ending}"):
            path.unlink()
    problems = problems_of(small_eeg.reading())
    assert "14 of 14 channels have no position: ['Fp1'" in problems[0]
    assert "`recording.montage`, e.g. fsaverage_1005" in problems[0]
    assert find_problems(small_eeg.reading(montage="fsaverage_1005")).problems == []


def test_positions_in_the_wrong_unit(small_eeg):
    path = next((small_eeg.root / "sub-01" / "eeg").glob("*coordsystem.json"))
    value = json.loads(path.read_text())
    value["EEGCoordinateUnits"] = "m"
    path.write_text(json.dumps(value))
    table = next((small_eeg.root / "sub-01" / "eeg").glob("*electrodes.tsv"))
    electrodes = pd.read_csv(table, sep="\t")
    electrodes[["x", "y", "z"]] *= 1000
    electrodes.to_csv(table, sep="\t", index=False, na_rep="n/a")
    problems = problems_of(small_eeg.reading())
    assert "are on no head" in problems[0]
    assert "Positions are metres" in problems[0]


def scale_onsets(factor):
    def edit(table):
        return table.assign(onset=(table["onset"].astype(float) * factor).map("{:.3f}".format))

    return edit


def test_events_in_milliseconds(small_eeg):
    small_eeg.edit_events(scale_onsets(1000))
    problems = problems_of(small_eeg.reading())
    assert "events begin beyond the recording" in problems[0]
    assert "look like milliseconds or samples" in problems[0]


def test_events_past_the_recording(small_eeg):
    small_eeg.edit_events(lambda t: t.assign(onset=[*t["onset"][:-1], "41.5"]))
    problems = problems_of(small_eeg.reading())
    assert "row 25: 1 of 24 events begin beyond the recording, the first at 41.5 s" in problems[0]
    assert "milliseconds" not in problems[0]


def test_events_before_the_recording(small_eeg):
    small_eeg.edit_events(lambda t: t.assign(onset=["-0.5", *t["onset"][1:]]))
    assert (
        "row 2: the event begins at -0.5 s, before the first sample"
        in problems_of(small_eeg.reading())[0]
    )


@pytest.mark.parametrize("column", ["onset", "duration"])
def test_events_without_a_number(small_eeg, column):
    path = small_eeg.edit_events(lambda t: t.assign(**{column: ["n/a", *t[column][1:]]}))
    problems = problems_of(small_eeg.reading())
    assert f"{path}, row 2" in problems[0]
    assert "n/a" in problems[0]


def test_trials_that_overlap_are_named(small_eeg):
    small_eeg.edit_events(lambda t: t.assign(duration="500"))
    found = find_problems(small_eeg.reading())
    assert "23 of 24 trials overlap the next one, the first in rows 2 and 3" in found.warnings[0]
    assert "If durations are not seconds" in found.warnings[0]


def test_windows_that_reach_into_the_next_stimulus_are_counted(small_eeg):
    gaps = np.diff(np.sort(small_eeg.events["01"]["onset"]))
    tmax = float(np.median(gaps))
    expected = int((gaps < tmax - 1e-6).sum())
    reading = small_eeg.reading(epochs=Windows(-0.1, tmax, None))
    found = find_problems(reading)
    assert found.problems == []
    assert (
        f"the windows of {expected} of 24 trials reach into the next stimulus"
        in (found.warnings[0])
    )
    _, quality = prepared(reading)
    assert quality["warnings"][:1] == found.warnings[:1]


def flatten_a_channel(small_eeg):
    data, events = planted_run(
        np.random.default_rng(2), list(small_eeg.topography) * 4, small_eeg.topography
    )
    data[NAMES.index("C3")] = 0
    write_run(small_eeg.root, data, events, "02")


def test_a_flat_channel(small_eeg):
    flatten_a_channel(small_eeg)
    problems = problems_of(small_eeg.reading())
    assert "the channels ['C3'] are flat (1 of 14)" in problems[0]
    assert "`recording.bads`" in problems[0]
    assert find_problems(small_eeg.reading(bads=["C3"])).problems == []


def test_runs_at_different_rates(small_eeg):
    data, events = planted_run(
        np.random.default_rng(2), list(small_eeg.topography) * 4, small_eeg.topography, sfreq=250.0
    )
    write_run(small_eeg.root, data, events, "02", sfreq=250.0)
    problems = problems_of(small_eeg.reading())
    assert "sub-01_run-01 at 200 Hz, sub-01_run-02 at 250 Hz" in problems[0]
    assert "`recording.resample_sfreq`" in problems[0]
    reading = small_eeg.reading(resample_sfreq=100.0)
    responses, _ = prepared(reading)
    assert responses.sidecar["sampling_rate_hz"] == 100
    assert len(responses.trials) == 48


def test_runs_with_other_channels(small_eeg):
    data, events = planted_run(
        np.random.default_rng(2), list(small_eeg.topography) * 4, small_eeg.topography
    )
    write_run(small_eeg.root, data[:-1], events, "02", names=NAMES[:-1])
    problems = problems_of(small_eeg.reading(montage="fsaverage_1005"))
    assert "different channels: 14 and 13 channels, 13 in common; only here ['O2']" in problems[0]
    some = small_eeg.reading(montage="fsaverage_1005", picks=NAMES[:-1])
    assert find_problems(some).problems == []


def test_montages_that_differ_between_subjects(small_eeg):
    units = find_problems(small_eeg.reading()).units
    other = units.iloc[:-2].copy()
    assert montage_warnings({"01": units, "02": units}) == []
    found = montage_warnings({"01": units, "02": other})
    assert len(found) == 1
    assert "sub-01 and sub-02 have different montages: 14 and 12 channels" in found[0]
    assert "only here ['Oz', 'O2']" in found[0]
    reversed_order = montage_warnings({"01": units, "02": units.iloc[::-1]})
    assert "in another order" in reversed_order[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"picks": ["^X"]}, r"'\^X' fits no channel"),
        ({"picks": ["("]}, "is no regular expression"),
        ({"bads": ["Q1"]}, r"recording\.bads names \['Q1'\]"),
        ({"channel_types": {"Q1": "eog"}}, r"channel_types names \['Q1'\]"),
        ({"channel_types": {"Cz": "brain"}}, "recording.channel_types"),
        ({"montage": "mars_1005"}, "'mars_1005' is not known"),
        ({"filter": Filter(1.0, 150.0)}, "h_freq is 150 Hz"),
        ({"set_eeg_reference": ["M1"]}, r"set_eeg_reference names \['M1'\]"),
        ({"sensors": "mag"}, "no channel of type 'mag'"),
        ({"bads": NAMES[:8]}, "8 of 14 channels are bad"),
        ({"find_bads": "maxwell"}, "is for MEG"),
    ],
)
def test_keys_that_do_not_fit_the_recording(small_eeg, changes, message):
    reading = small_eeg.reading(**changes)
    files = find_recordings(small_eeg.root, "01", "look", "eeg")[0]
    with pytest.raises(CalcarineError, match=message):
        clean_run(open_raw(files, reading), files, reading, None)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"subject": "09"}, r"no folder `eeg` of sub-09; it has \['sub-01'\]"),
        ({"task": "listen"}, r"no EEG run of task 'listen'; its tasks are \['look'\]"),
        ({"runs": ["07"]}, r"has no run \['07'\]; it has \['01', '02'\]"),
        ({"sessions": ["03"]}, r"has no session \['03'\]"),
        ({"datatype": "meg"}, "no folder `meg`"),
    ],
)
def test_what_is_not_there_is_named(small_eeg, asked, message):
    wanted = {"subject": "01", "task": "look", "datatype": "eeg", **asked}
    with pytest.raises(CalcarineError, match=message):
        find_recordings(small_eeg.root, **wanted)


def test_a_run_that_scans_names_must_be_there(small_eeg):
    for path in small_eeg.eeg("02").parent.glob("*run-02_eeg.*"):
        path.unlink()
    with pytest.raises(CalcarineError, match=r"scans\.tsv names eeg/.*run-02_eeg\.vhdr"):
        find_recordings(small_eeg.root, "01", "look", "eeg")
    assert len(find_recordings(small_eeg.root, "01", "look", "eeg", runs=["01"])) == 1


def test_a_damaged_file_is_named(small_eeg):
    small_eeg.eeg("01", "eeg.vhdr").write_text("Brain Vision Data Exchange Header\nnonsense\n")
    problems = problems_of(small_eeg.reading())
    assert "run-01_eeg.vhdr cannot be read" in problems[0]


def test_a_recording_without_events_is_opened_and_has_no_trials(small_eeg):
    small_eeg.eeg("01").unlink()
    files = find_recordings(small_eeg.root, "01", "look", "eeg")
    assert open_raw(files[0], small_eeg.reading()).info["sfreq"] == SFREQ
    assert "has no events.tsv" in problems_of(small_eeg.reading())[0]


@pytest.fixture
def split_meg(tmp_path):
    """Write a MEG recording in two FIF parts."""
    info = mne.channels.read_meg_canonical_info("ctf151")
    info = mne.pick_info(info, np.arange(12))
    with info._unlock():
        info["sfreq"], info["lowpass"] = 500.0, 250.0
    rng = np.random.default_rng(0)
    raw = mne.io.RawArray(1e-13 * rng.normal(size=(12, 100_000)), info, verbose="error")
    root = tmp_path / "bids"
    folder = root / "sub-01" / "meg"
    folder.mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = mne_bids.BIDSPath(subject="01", task="look", suffix="meg", datatype="meg", root=root)
        name = folder / path.copy().update(extension=".fif").basename
        raw.save(name, fmt="single", split_size="3MB", split_naming="bids", verbose="error")
    write_stimuli(root / "stimuli", ["a1", "a2"])
    events = pd.DataFrame(
        {
            "onset": 2.0 + 2 * np.arange(20),
            "duration": 0.5,
            "trial_type": "picture",
            "stim_file": ["a1", "a2"] * 10,
        }
    )
    events.to_csv(folder / "sub-01_task-look_events.tsv", sep="\t", index=False)
    return root


def meg_reading(root):
    return MeegReading(
        root, "01", "look", "meg", root / "stimuli" / "stimuli.tsv", sensors="mag", filter=None
    )


def test_a_split_recording_is_one_run(split_meg):
    parts = sorted((split_meg / "sub-01" / "meg").glob("*.fif"))
    assert len(parts) > 1
    files = find_recordings(split_meg, "01", "look", "meg")
    assert len(files) == 1
    raw = open_raw(files[0], meg_reading(split_meg))
    assert raw.n_times == 100_000


def test_a_missing_part_of_a_split_recording(split_meg):
    parts = sorted((split_meg / "sub-01" / "meg").glob("*.fif"))
    parts[-1].unlink()
    files = find_recordings(split_meg, "01", "look", "meg")
    with pytest.raises(CalcarineError, match="A part of a split FIF recording is missing"):
        open_raw(files[0], meg_reading(split_meg))


def test_a_missing_first_part_of_a_split_recording(split_meg):
    parts = sorted((split_meg / "sub-01" / "meg").glob("*.fif"))
    parts[0].unlink()
    with pytest.raises(CalcarineError, match="part 02 of a split recording whose first part"):
        find_recordings(split_meg, "01", "look", "meg")


def test_a_rate_that_the_sidecar_states_otherwise_is_a_warning(small_eeg):
    path = small_eeg.eeg("01", "eeg.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"SamplingFrequency": 7}))
    found = find_problems(small_eeg.reading())
    assert found.problems == []
    assert "sampled at 7 Hz, the recording says 200 Hz, which is used" in found.warnings[0]
