"""Each step of cleaning against planted artefacts, MNE called directly, or known positions."""

import warnings

import mne
import numpy as np
import pytest
from fixtures.small_eeg import NAMES, SFREQ

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.artefacts import remove_artefacts
from calcarine.data.meeg.channels import flat_layout, picked, positions, unit_scales
from calcarine.data.meeg.cleaning import clean_run
from calcarine.data.meeg.maxwell import bids_file, separate, settings_for
from calcarine.data.meeg.reading import spelled_as, standard_montage
from calcarine.data.meeg.recordings import MeegFiles
from calcarine.data.meeg.settings import Filter, Ica, Maxwell, MeegReading, Notch, Regression
from calcarine.data.meeg.spectra import mean_spectra, spectrum

BLINKS = np.array([3.0, 1.0, 1.5] + [0.1] * 11)


def recording(rng, names=NAMES, length_s=40.0, blinks=False, line_uv=0.0):
    """Give brain-like noise in volts, with blinks (also in an EOG channel) and mains."""
    n = int(length_s * SFREQ)
    times = np.arange(n) / SFREQ
    mixing = rng.normal(size=(len(names), 6))
    brain = mixing @ np.cumsum(rng.normal(size=(6, n)), axis=1) * 0.3
    brain -= brain.mean(axis=1, keepdims=True)
    data = brain + rng.normal(0, 1, (len(names), n))
    data += line_uv * np.sin(2 * np.pi * 50 * times)
    blink = np.zeros(n)
    if blinks:
        for at in np.arange(2.0, length_s - 2, 2.3):
            blink += 60 * np.exp(-0.5 * ((times - at) / 0.06) ** 2)
    clean = data.copy()
    data = data + np.outer(BLINKS[: len(names)], blink)
    eog = blink * 5 + rng.normal(0, 2, n)
    info = mne.create_info([*names, "EOG"], SFREQ, ["eeg"] * len(names) + ["eog"])
    raw = mne.io.RawArray(np.vstack([data, eog]) * 1e-6, info, verbose="error")
    raw.set_montage("fsaverage_1005", verbose="error")
    return raw, clean


def files(tmp_path, datatype="eeg"):
    return MeegFiles("01", "n/a", "01", "look", datatype, tmp_path / "a.vhdr", None, tmp_path)


def reading(tmp_path, **changes):
    settings = {"filter": None, **changes}
    return MeegReading(tmp_path, "01", "look", "eeg", tmp_path / "stimuli.tsv", **settings)


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize(
    "settings",
    [Ica(n_components=10, find_bads_ecg=False), Regression(), Regression(("EOG",))],
    ids=["ica", "regression", "regression-by-name"],
)
def test_blinks_are_removed_and_the_rest_stays(rng, settings):
    raw, clean = recording(rng, blinks=True)
    raw.filter(1.0, 40.0, verbose="error")
    filtered = mne.filter.filter_data(clean, SFREQ, 1.0, 40.0, verbose="error")
    before = rms(raw.get_data(picks=NAMES) * 1e6 - filtered)
    found = remove_artefacts(raw, NAMES, settings, seed=0)
    after = rms(raw.get_data(picks=NAMES) * 1e6 - filtered)
    assert after < 0.35 * before
    assert found.share > 0.1
    assert found.steps


def test_removed_components_are_told_with_their_topography(rng):
    raw, _ = recording(rng, blinks=True)
    raw.filter(1.0, 40.0, verbose="error")
    found = remove_artefacts(raw, NAMES, Ica(n_components=10), seed=0)
    assert [c.cause for c in found.removed] == ["eyes"]
    component = found.removed[0]
    assert component.channels == NAMES
    assert abs(np.corrcoef(component.pattern, BLINKS)[0, 1]) > 0.95
    assert np.abs(component.pattern).max() == 1
    assert abs(component.score) > 0.7
    assert "components of the heart were not looked for" in found.warnings[0]


def test_frontal_channels_can_stand_for_the_eyes(rng):
    raw, _ = recording(rng, blinks=True)
    raw.filter(1.0, 40.0, verbose="error").pick(NAMES)
    quiet = remove_artefacts(raw.copy(), NAMES, Ica(n_components=10), seed=0)
    assert quiet.removed == ()
    assert "components of the eyes were not looked for" in quiet.warnings[0]
    named = Ica(n_components=10, eog_channels=("Fp1",), find_bads_ecg=False)
    assert len(remove_artefacts(raw, NAMES, named, seed=0).removed) >= 1


def test_nothing_is_removed_where_nothing_was_asked(rng):
    raw, _ = recording(rng, blinks=True)
    before = raw.get_data()
    assert remove_artefacts(raw, NAMES, None, seed=0).removed == ()
    np.testing.assert_array_equal(raw.get_data(), before)


def test_the_same_seed_gives_the_same_signals(rng):
    raw, _ = recording(rng, blinks=True)
    raw.filter(1.0, 40.0, verbose="error")
    copies = [raw.copy(), raw.copy()]
    for copy in copies:
        remove_artefacts(copy, NAMES, Ica(n_components=8), seed=3)
    np.testing.assert_array_equal(copies[0].get_data(), copies[1].get_data())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Regression(("ecg",)), "'ecg' is no channel and no type of one"),
        (Ica(eog_channels=("Nose",)), r"eog_channels names \['Nose'\]"),
    ],
)
def test_channels_of_eyes_that_are_not_there(rng, settings, message):
    raw, _ = recording(rng)
    with pytest.raises(CalcarineError, match=message):
        remove_artefacts(raw, NAMES, settings, seed=0)


def test_mains_are_filtered_out_and_seen_in_the_spectrum(rng, tmp_path):
    raw, _ = recording(rng, line_uv=5.0)
    asked = reading(tmp_path, notch_filter=Notch((50.0, 150.0)))
    clean = clean_run(raw, files(tmp_path), asked, None)
    at = np.argmin(np.abs(clean.before[0].freqs_hz - 50))
    assert clean.before[0].power[at] > 50 * clean.after[0].power[at]
    elsewhere = np.argmin(np.abs(clean.before[0].freqs_hz - 30))
    ratio = clean.after[0].power[elsewhere] / clean.before[0].power[elsewhere]
    assert ratio == pytest.approx(1, abs=0.05)
    assert clean.steps == ["notch 50 Hz (fir)"]


def test_spectrum_of_white_noise_is_its_density(rng):
    info = mne.create_info(4, 200.0, "eeg")
    raw = mne.io.RawArray(3e-6 * rng.normal(size=(4, 40_000)), info, verbose="error")
    found = spectrum(raw, raw.ch_names)[0]
    # variance 9 µV² over a band of 100 Hz
    assert np.median(found.power) == pytest.approx(0.09, rel=0.05)
    assert mean_spectra([[found], [found]])[0].power == pytest.approx(found.power)


def test_a_bad_channel_is_interpolated_from_the_others(rng, tmp_path):
    raw, _ = recording(rng)
    row = NAMES.index("Cz")
    raw._data[row] = 1e-3 * rng.normal(size=raw.n_times)
    raw.info["bads"] = ["Cz"]
    expected = raw.copy().interpolate_bads(verbose="error").get_data(picks="Cz")
    clean = clean_run(raw, files(tmp_path), reading(tmp_path), None)
    np.testing.assert_allclose(clean.raw.get_data(picks="Cz"), expected)
    assert clean.names == NAMES
    assert clean.bads == ["Cz"]
    assert clean.steps[-1] == "interpolated Cz"


def test_a_bad_channel_can_be_dropped_and_stays_out_of_the_reference(rng, tmp_path):
    raw, _ = recording(rng)
    raw._data[NAMES.index("Cz")] = 1e-2 * rng.normal(size=raw.n_times)
    raw.info["bads"] = ["Cz"]
    asked = reading(tmp_path, bad_channels="drop", set_eeg_reference="average")
    clean = clean_run(raw, files(tmp_path), asked, None)
    assert "Cz" not in clean.names
    values = clean.raw.get_data(picks=clean.names)
    assert rms(values.mean(axis=0)) < 1e-12


def test_a_noisy_channel_is_found(rng, tmp_path):
    raw, _ = recording(rng)
    asked = reading(tmp_path, find_bads="lof")
    quiet = clean_run(raw.copy(), files(tmp_path), asked, None)
    raw._data[NAMES.index("P3")] += 4e-4 * rng.normal(size=raw.n_times)
    clean = clean_run(raw, files(tmp_path), asked, None)
    assert "P3" in clean.bads
    assert "P3" not in quiet.bads
    assert clean.steps[0].startswith("bad channels found (lof): ")


def test_reference_to_chosen_channels(rng, tmp_path):
    raw, _ = recording(rng)
    data = raw.get_data(picks=NAMES)
    asked = reading(tmp_path, set_eeg_reference=("O1", "O2"))
    clean = clean_run(raw, files(tmp_path), asked, None)
    pair = [NAMES.index("O1"), NAMES.index("O2")]
    np.testing.assert_allclose(
        clean.raw.get_data(picks=NAMES), data - data[pair].mean(axis=0), atol=1e-15
    )


def test_causal_filter_shows_nothing_before_it_happened(tmp_path):
    values = np.zeros((3, 4000))
    values[:, 2000] = 1e-4
    for method, phase, is_causal in (
        ("fir", "zero", False),
        ("fir", "minimum", True),
        ("iir", "minimum", True),
    ):
        raw = mne.io.RawArray(values.copy(), mne.create_info(3, 200.0, "eeg"), verbose="error")
        asked = reading(tmp_path, filter=Filter(1.0, 40.0, method, phase))
        out = clean_run(raw, files(tmp_path), asked, None).raw.get_data()
        early = np.abs(out[:, 1900:1999]).max() / np.abs(out).max()
        assert (early < 1e-3) == is_causal


def test_units_and_names():
    assert unit_scales(["eeg", "eeg"])[0].tolist() == [1e6, 1e6]
    assert unit_scales(["mag", "grad"])[0].tolist() == [1e15, 1e13]
    assert picked(["A", "B1", "B2"], ["B1"], "run") == ["B1"]


def test_layout_has_nose_up_and_left_on_the_left():
    info = mne.create_info(NAMES, 100.0, "eeg").set_montage("fsaverage_1005")
    flat = dict(zip(NAMES, flat_layout(positions(info, NAMES)), strict=True))
    assert flat["Fp1"][1] > flat["F3"][1] > flat["C3"][1] > flat["O1"][1]
    assert flat["C3"][0] < flat["Cz"][0] < flat["C4"][0]
    assert np.linalg.norm(flat["Cz"]) < 0.2
    assert 0.7 < np.linalg.norm(flat["Oz"]) < 1.4


def test_montages_understand_other_spellings():
    montage = standard_montage("fsaverage_1005")
    names = ["EEG Fp1-Ref", "EEG T3", "oz", "ECG", "T8", "T4"]
    found = spelled_as(montage, names).get_positions()["ch_pos"]
    own = montage.get_positions()["ch_pos"]
    for name, meant in (("EEG Fp1-Ref", "Fp1"), ("EEG T3", "T7"), ("oz", "Oz"), ("T8", "T8")):
        np.testing.assert_array_equal(found[name], own[meant])
    assert not {"ECG", "T4"} & set(found)


def test_meg_sensors_lie_in_the_head_frame():
    info = mne.channels.read_meg_canonical_info("neuromag")
    moved = info.copy()
    with moved._unlock():
        moved["dev_head_t"]["trans"][:3, 3] = [0.001, 0.002, 0.045]
    names = info["ch_names"][:5]
    shift = positions(moved, names) - positions(info, names)
    np.testing.assert_allclose(shift, np.tile([0.001, 0.002, 0.045], (5, 1)), atol=1e-6)


def test_separation_happens_where_a_calibration_file_is(tmp_path):
    own = MeegFiles("01", "n/a", "01", "look", "meg", tmp_path / "sub-01_meg.fif", None, tmp_path)
    asked = MeegReading(
        tmp_path,
        "01",
        "look",
        "meg",
        tmp_path / "s.tsv",
        sensors="meg",
        maxwell_filter="where-calibrated",
    )
    assert settings_for(own, asked) is None
    (tmp_path / "sub-01_acq-calibration_meg.dat").write_text("0")
    assert settings_for(own, asked) == Maxwell()
    assert bids_file(own, "calibration").name == "sub-01_acq-calibration_meg.dat"
    assert bids_file(own, "cross_talk") is None
    missing = MeegReading(
        tmp_path,
        "01",
        "look",
        "meg",
        tmp_path / "s.tsv",
        sensors="meg",
        maxwell_filter=Maxwell(calibration=tmp_path / "none.dat"),
    )
    with pytest.raises(CalcarineError, match=r"maxwell_filter\.calibration .* is not there"):
        separate(None, own, missing, None)


def test_separation_is_that_of_mne(tmp_path):
    """Sixteen of 306 sensors at low orders: what it does is MNE's, that it is called is ours."""
    info = mne.channels.read_meg_canonical_info("neuromag")
    info = mne.pick_info(info, np.arange(0, 306, 6))
    with info._unlock():
        info["sfreq"], info["lowpass"] = 100.0, 50.0
        info["dev_head_t"]["trans"][2, 3] = 0.045
        info["dig"] = mne.create_info(NAMES, 1.0, "eeg").set_montage("fsaverage_1005")["dig"]
    rng = np.random.default_rng(0)
    raw = mne.io.RawArray(1e-13 * rng.normal(size=(51, 500)), info, verbose="error")
    own = MeegFiles("01", "n/a", "01", "look", "meg", tmp_path / "a.fif", None, tmp_path)
    settings = Maxwell(None, None, int_order=3, ext_order=1, destination=None)
    asked = MeegReading(
        tmp_path, "01", "look", "meg", tmp_path / "s.tsv", sensors="meg", maxwell_filter=settings
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mne.preprocessing.maxwell_filter(raw, int_order=3, ext_order=1, verbose="error")
        found, steps = separate(raw, own, asked, None)
    np.testing.assert_allclose(found.get_data(), expected.get_data())
    assert steps == ["SSS with orders 3 and 1"]
