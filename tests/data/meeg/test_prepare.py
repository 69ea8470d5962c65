"""From a BIDS recording to responses: oracle is MNE called directly, and the planted response."""

import mne
import numpy as np
import pandas as pd
import pytest
from fixtures.small_eeg import NAMES, PEAK_S, SFREQ

from calcarine.data.errors import CalcarineError
from calcarine.data.layout import Layout
from calcarine.data.meeg.prepare import prepare_meeg
from calcarine.data.meeg.settings import Windows
from calcarine.data.meeg.trials import read_meeg_trials
from calcarine.data.responses import read_responses, write_responses
from calcarine.data.splits import hold_out


def prepared(reading):
    runs, trials = read_meeg_trials(reading)
    trials = hold_out(trials, "declared", 0, validation=(), declared="phase")
    return prepare_meeg(reading, runs, trials)


def test_responses_are_those_of_plain_mne(small_eeg):
    responses, _ = prepared(small_eeg.reading(set_eeg_reference="average"))
    parts = []
    for run in ("01", "02"):
        raw = mne.io.read_raw_brainvision(small_eeg.eeg(run, "eeg.vhdr"), verbose="error")
        raw.load_data().filter(1.0, 40.0, verbose="error")
        raw.set_eeg_reference("average", verbose="error")
        samples = np.round(small_eeg.events[run]["onset"].to_numpy() * SFREQ).astype(int)
        events = np.column_stack([samples, 0 * samples, 0 * samples + 1])
        epochs = mne.Epochs(
            raw, events, tmin=-0.1, tmax=0.4, baseline=(None, 0), preload=True, verbose="error"
        )
        parts.append(epochs.get_data() * 1e6)
    expected = np.concatenate(parts)
    assert responses.values.dtype == np.float32
    np.testing.assert_allclose(responses.values, expected, atol=1e-4)


def test_the_planted_response_is_found(small_eeg):
    responses, quality = prepared(small_eeg.reading())
    times = np.array(responses.sidecar["times_s"])
    shown = responses.trials["stimulus_id"].to_numpy()
    for name, topography in small_eeg.topography.items():
        mean = responses.values[shown == name].mean(axis=0)
        assert times[np.abs(mean).mean(axis=0).argmax()] == pytest.approx(PEAK_S, abs=0.006)
        peak = mean[:, np.argmin(np.abs(times - PEAK_S))]
        assert np.corrcoef(peak, topography)[0, 1] > 0.98
        assert peak @ topography / (topography @ topography) == pytest.approx(10, rel=0.1)
    assert quality["n_trials"] == 48
    assert quality["rejected_share"] == 0


def test_every_column_of_the_events_reaches_the_trial_table(small_eeg):
    responses, _ = prepared(small_eeg.reading())
    for run in ("01", "02"):
        own = responses.trials[responses.trials["run"] == run].reset_index(drop=True)
        for name in ("trial_type", "stim_file", "phase", "comment"):
            assert own[name].tolist() == small_eeg.events[run][name].tolist()
        np.testing.assert_allclose(own["onset_s"], small_eeg.events[run]["onset"])


def test_units_and_sidecar_survive_the_disk(small_eeg, tmp_path):
    responses, _ = prepared(small_eeg.reading())
    layout = Layout(tmp_path / "out", "eeg")
    write_responses(layout, "01", responses)
    again = read_responses(layout, "01")
    assert layout.responses("01").parent.name == "eeg"
    assert again.units["channel"].tolist() == NAMES
    assert set(again.units.columns) >= {"channel", "type", "x", "y", "z", "layout_x", "layout_y"}
    assert again.sidecar["unit"] == "µV"
    assert again.sidecar["sampling_rate_hz"] == SFREQ
    assert len(again.sidecar["times_s"]) == again.values.shape[2] == 101
    assert again.units.set_index("channel").loc["Oz", "y"] < -0.08
    pd.testing.assert_frame_equal(again.units, responses.units, check_dtype=False)


def test_channels_named_like_numbers_keep_their_names(small_eeg, tmp_path):
    responses, _ = prepared(small_eeg.reading())
    responses.units["channel"] = [f"{i:02d}" for i in range(len(responses.units))]
    layout = Layout(tmp_path / "out", "eeg")
    write_responses(layout, "01", responses)
    assert read_responses(layout, "01").units["channel"].tolist()[:2] == ["00", "01"]


def test_resampling_and_decimation_keep_the_latency(small_eeg):
    for changes in (
        {"resample_sfreq": 100.0},
        {"epochs": Windows(-0.1, 0.4, (None, 0.0), decim=2)},
    ):
        responses, _ = prepared(small_eeg.reading(**changes))
        times = np.array(responses.sidecar["times_s"])
        assert responses.sidecar["sampling_rate_hz"] == 100
        assert np.diff(times).mean() == pytest.approx(0.01)
        strength = np.abs(responses.values).mean(axis=(0, 1))
        assert times[strength.argmax()] == pytest.approx(PEAK_S, abs=0.011)


def test_a_shift_of_onsets_moves_the_windows(small_eeg):
    plain, _ = prepared(small_eeg.reading(epochs=Windows(0.0, 0.3, None)))
    shifted, _ = prepared(small_eeg.reading(epochs=Windows(-0.15, 0.15, None, onset_shift_s=0.15)))
    np.testing.assert_allclose(shifted.values, plain.values, atol=1e-5)
    assert shifted.sidecar["response_window_s"] == pytest.approx([0.0, 0.3])


def test_picks_choose_channels_after_the_reference(small_eeg):
    whole, _ = prepared(small_eeg.reading(set_eeg_reference="average"))
    some, _ = prepared(small_eeg.reading(set_eeg_reference="average", picks=["^O", "Pz"]))
    assert some.units["channel"].tolist() == ["Pz", "O1", "Oz", "O2"]
    rows = [NAMES.index(n) for n in some.units["channel"]]
    np.testing.assert_array_equal(some.values, whole.values[:, rows])


def test_rejected_trials_are_left_out_and_listed(small_eeg):
    everything, _ = prepared(small_eeg.reading())
    amplitude = np.ptp(everything.values, axis=2).max(axis=1)
    limit = float(np.median(amplitude))
    kept = amplitude <= limit
    assert 0 < kept.sum() < 48
    responses, quality = prepared(
        small_eeg.reading(epochs=Windows(-0.1, 0.4, (None, 0.0), reject={"eeg": limit}))
    )
    expected = everything.trials["trial_id"][kept].tolist()
    assert responses.trials["trial_id"].tolist() == expected
    np.testing.assert_array_equal(responses.values, everything.values[kept])
    assert set(quality["dropped_trials"]) == set(everything.trials["trial_id"][~kept])
    assert quality["n_trials_rejected"] == 48 - len(expected)


def test_nothing_left_is_an_error(small_eeg):
    reading = small_eeg.reading(epochs=Windows(-0.1, 0.4, None, reject={"eeg": 1.0}))
    with pytest.raises(CalcarineError, match="every trial was rejected"):
        prepared(reading)


def test_bad_segments_take_their_trials_with_them(small_eeg):
    def with_a_bad_segment(table):
        row = {**dict.fromkeys(table.columns, "n/a"), "onset": "3.0", "duration": "1.9"}
        row["trial_type"] = "BAD_movement"
        return pd.concat([table, pd.DataFrame([row])])

    small_eeg.edit_events(with_a_bad_segment)
    responses, quality = prepared(small_eeg.reading())
    assert 46 <= len(responses.trials) <= 47
    assert set(quality["dropped_trials"].values()) == {"BAD_movement"}


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        (Windows(0.3, 0.1), "the end must come after the start"),
        (Windows(-0.1, 0.3, (-0.2, 0.0)), "does not lie in the window"),
        (Windows(-0.1, 0.3, None, reject={"meg": 1.0}), r"limits for \['meg'\]"),
    ],
)
def test_impossible_windows_are_refused(small_eeg, windows, message):
    with pytest.raises(CalcarineError, match=message):
        prepared(small_eeg.reading(epochs=windows))
