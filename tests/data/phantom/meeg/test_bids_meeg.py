import json
from dataclasses import replace

import mne
import mne_bids
import numpy as np
import pandas as pd
import pytest
from scipy.signal import find_peaks

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.meeg import bids_meeg
from calcarine.data.phantom.meeg.bids_meeg import write_shared, write_subject
from calcarine.data.phantom.meeg.brain import plant_brain
from calcarine.data.phantom.meeg.experiment import plan_recordings
from calcarine.data.phantom.meeg.truth import read_sensor_truth

ENDING = {"eeg": ".vhdr", "meg": ".fif"}


def recordings(root, datatype):
    paths = mne_bids.find_matching_paths(
        root, datatypes=datatype, suffixes=datatype, extensions=ENDING[datatype]
    )
    for path in sorted(paths, key=str):
        yield mne_bids.read_raw_bids(path, verbose="ERROR").load_data()


def referenced(raw):
    """Set the average reference where there are electrodes."""
    if "eeg" in raw:
        return raw.copy().set_eeg_reference("average", verbose="ERROR")
    return raw


def without_blinks(raw):
    """Regress the eyes out, with MNE's own method."""
    source = referenced(raw)
    model = mne.preprocessing.EOGRegression(picks="data", picks_artifact="eog")
    return model.fit(source).apply(source)


def test_the_official_validator_agrees(recorded):
    validator = pytest.importorskip("bids_validator").BIDSValidator()
    for path in recorded.rglob("*"):
        name = "/" + path.relative_to(recorded).as_posix()
        if path.is_file() and not name.startswith(("/derivatives", "/stimuli")):
            assert validator.is_bids(name), name


def test_mne_bids_reads_what_was_planned(
    recorded, datatype, sensor_experiment, sensor_scenes, brain
):
    planned = plan_recordings(sensor_experiment, "01", sensor_scenes)
    files = sensor_scenes.table.set_index("stimulus_id")["file"]
    truth = read_sensor_truth(recorded, "01")
    for raw, run in zip(recordings(recorded, datatype), planned, strict=True):
        assert raw.info["sfreq"] == sensor_experiment.sampling_rate_hz
        assert raw.info["line_freq"] == 50
        assert raw.info["bads"] == truth.facts["bad_channels"]
        assert raw.n_times == run.n_samples
        assert raw.get_channel_types()[-2:] == ["eog", "ecg"]
        onsets = run.onset_samples / sensor_experiment.sampling_rate_hz
        np.testing.assert_allclose(raw.annotations.onset, onsets, atol=1e-6)
        np.testing.assert_allclose(raw.annotations.duration, sensor_experiment.duration_s)
        shown = [extra["stim_file"] for extra in raw.annotations.extras]
        assert shown == files[run.stimulus_ids].tolist()
        assert {extra["phase"] for extra in raw.annotations.extras} == {run.phase}
        places = np.array([channel["loc"][:3] for channel in raw.info["chs"][:-2]])
        planted = np.array([channel["loc"][:3] for channel in brain.device.info["chs"]])
        np.testing.assert_allclose(places, planted, atol=1e-4)
        if datatype == "meg":
            moved = raw.info["dev_head_t"]["trans"]
            np.testing.assert_allclose(moved, brain.device.info["dev_head_t"]["trans"], atol=1e-5)


def test_events_keep_every_column(recorded, datatype):
    path = next(recorded.rglob("*_events.tsv"))
    table = pd.read_csv(path, sep="\t")
    for name in ("onset", "duration", "trial_type", "stim_file", "phase", "combination"):
        assert name in table, name
        assert table[name].notna().all()
    assert (table["duration"] > 0).all()


def test_the_erf_has_the_planted_latency_and_topography(
    recorded, datatype, brain, fields, sensor_experiment, sensor_scenes
):
    """MNE's average of the written recording against what was planted in the head."""
    epochs = []
    for raw in recordings(recorded, datatype):
        raw.filter(1.0, 40.0, picks="all", verbose="ERROR")
        raw = without_blinks(raw).pick("data", exclude="bads")
        epochs.append(
            mne.Epochs(raw, tmin=-0.1, tmax=0.4, preload=True, verbose="ERROR").get_data()
        )
        names = raw.ch_names
    found = np.concatenate(epochs).mean(axis=0)
    times = np.arange(found.shape[1]) / sensor_experiment.sampling_rate_hz - 0.1
    good = [brain.device.channels.index(name) for name in names]
    planned = plan_recordings(sensor_experiment, "01", sensor_scenes)
    rows = sensor_scenes.rows([i for run in planned for i in run.stimulus_ids])
    expected = fields[rows].mean(axis=0)[:, good].T @ brain.courses(times)
    if datatype == "eeg":
        expected = expected - expected.mean(axis=0)
    power, planted_power = (np.std(erf, axis=0) for erf in (found, expected))
    # early areas, category patches and late ones make peaks of about the same height
    peaks, planted_peaks = (
        times[find_peaks(p, height=0.5 * p.max(), prominence=0.05 * p.max())[0]]
        for p in (power, planted_power)
    )
    assert len(planted_peaks)
    for planted_peak in planted_peaks:
        assert np.abs(peaks - planted_peak).min() <= 0.011
    for time in np.flatnonzero(planted_power > 0.6 * planted_power.max()):
        assert np.corrcoef(found[:, time], expected[:, time])[0, 1] > 0.9


def test_mains_are_seen_and_can_be_removed(recorded, datatype):
    raw = next(recordings(recorded, datatype)).pick("data", exclude="bads")

    def peak(raw):
        spectrum = raw.compute_psd(fmin=40, fmax=60, n_fft=800, verbose="ERROR")
        power, freqs = spectrum.get_data().mean(axis=0), spectrum.freqs
        return power[np.argmin(np.abs(freqs - 50))] / np.median(power)

    assert peak(raw) > 20
    assert peak(raw.copy().notch_filter(50.0, verbose="ERROR")) < 2


def test_blinks_are_seen_and_can_be_removed(recorded, datatype):
    truth = read_sensor_truth(recorded, "01")
    first = truth.artefacts[["session", "run"]].iloc[0]
    blinks = truth.artefacts.query("kind == 'blink'")
    blinks = blinks[(blinks["session"] == first["session"]) & (blinks["run"] == first["run"])]
    raw = next(recordings(recorded, datatype)).filter(1.0, 40.0, picks="all", verbose="ERROR")
    assert len(blinks) > 1

    def height(raw):
        picks = raw.copy().pick("data", exclude="bads")
        middle = (blinks["onset_s"] + blinks["duration_s"] / 2) * raw.info["sfreq"]
        data = picks.get_data()
        return np.abs(data[:, middle.round().astype(int)]).mean(axis=1).max() / np.median(
            np.abs(data)
        )

    assert height(referenced(raw)) > 8
    assert height(without_blinks(raw)) < 0.4 * height(referenced(raw))


def test_truth_survives_the_disk(recorded, brain, datatype):
    truth = read_sensor_truth(recorded, "01")
    assert truth.facts["datatype"] == datatype
    assert truth.patches["roi"].tolist() == brain.patches["roi"].tolist()
    np.testing.assert_allclose(truth.patches["latency_s"], brain.patches["latency_s"])
    assert set(truth.artefacts["kind"]) >= {"blink", "heartbeat", "line", "bad-channel"}
    assert truth.artefacts["run"].str.len().eq(2).all()
    path = recorded / "derivatives" / "truth" / "sub-01" / "sub-01_leadfield.npy"
    np.testing.assert_allclose(np.load(path), brain.leadfield, rtol=1e-6)
    carriers = truth.facts["carriers"]
    assert set(carriers.values()) <= set(truth.patches["roi"])
    assert (truth.ceilings["noise_ceiling_n"] <= 1).all()
    described = json.loads((path.parent / "sub-01_truth.json").read_text())
    assert described["leadfield_sha"] == truth.facts["leadfield_sha"]


def test_two_runs_give_the_same_arrays_and_tables(recorded, datatype, sensor_experiment, tmp_path):
    write_shared(tmp_path, sensor_experiment, ["01"])
    write_subject(tmp_path, datatype, sensor_experiment, "01")
    pairs = zip(recordings(recorded, datatype), recordings(tmp_path, datatype), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one.get_data(), other.get_data())
    for path in recorded.rglob("*.tsv"):
        assert path.read_bytes() == (tmp_path / path.relative_to(recorded)).read_bytes(), path


def test_without_amplitude_nothing_is_planted(recorded, datatype, sensor_experiment, tmp_path):
    silent = replace(sensor_experiment, amplitude=0.0)
    write_shared(tmp_path, silent, ["01"])
    write_subject(tmp_path, datatype, silent, "01")
    truth = read_sensor_truth(tmp_path, "01")
    assert (truth.ceilings["noise_ceiling_n"] == 0).all()
    assert (truth.information["r"] == 0).all()
    shown, nothing = (next(recordings(root, datatype)) for root in (recorded, tmp_path))
    onsets = shown.time_as_index(shown.annotations.onset, use_rounding=True)
    rate = shown.info["sfreq"]
    differs = (shown.get_data("data") != nothing.get_data("data")).any(axis=0)
    window = np.zeros(len(differs), dtype=bool)
    for onset in onsets:
        window[onset : onset + round(0.5 * rate)] = True
    # the same noise with and without signal: only what follows a picture differs
    assert differs[window].mean() > 0.5
    assert not differs[~window].any()


def test_a_broken_simulation_leaves_no_half_subject(
    datatype, sensor_experiment, tmp_path, monkeypatch
):
    write_shared(tmp_path, sensor_experiment, ["01"])
    simulate, seen = bids_meeg.simulate_recording, []

    def stops_in_the_second_run(*arguments):
        seen.append(1)
        if len(seen) == 2:
            raise RuntimeError("power cut")
        return simulate(*arguments)

    monkeypatch.setattr(bids_meeg, "simulate_recording", stops_in_the_second_run)
    with pytest.raises(RuntimeError, match="power cut"):
        write_subject(tmp_path, datatype, sensor_experiment, "01")
    assert not list(tmp_path.glob("*sub-01*"))


def test_another_montage_is_written_as_such(sensor_experiment, tmp_path):
    assert len(plant_brain("eeg", sensor_experiment, "02").device.channels) == 16


def test_absent_truth_is_named(tmp_path):
    with pytest.raises(CalcarineError, match="only a phantom has a known truth"):
        read_sensor_truth(tmp_path, "01")
