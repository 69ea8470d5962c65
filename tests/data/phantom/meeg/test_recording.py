import numpy as np
import pytest

from calcarine.data.phantom.meeg.ceilings import (
    BAND_HZ,
    ideal_epoch,
    true_ceilings,
    true_information,
)
from calcarine.data.phantom.meeg.experiment import PlannedRecording
from calcarine.data.phantom.meeg.noise import draw_noise
from calcarine.data.phantom.meeg.recording import add_responses, simulate_recording
from calcarine.data.phantom.tuning import factor_code_names, factor_codes

RATE_HZ = 200.0


@pytest.fixture(scope="module")
def planned():
    onsets = np.array([400, 540, 700, 851])
    return PlannedRecording("01", "01", "train", list("abcd"), onsets, 1600)


def simulate(brain, fields, planned, artefacts=1.0):
    return simulate_recording(
        brain, fields, planned, RATE_HZ, artefacts, np.random.default_rng(2)
    ).data


def test_signal_is_the_naive_sum_over_trials(brain, fields, planned):
    shown = simulate(brain, fields[:4], planned)
    silent = simulate(brain, 0 * fields[:4], planned)
    n_channels = len(brain.device.channels)
    expected = np.zeros((n_channels, planned.n_samples))
    for trial, onset in enumerate(planned.onset_samples):
        times = (np.arange(planned.n_samples) - onset) / RATE_HZ
        expected += fields[trial].T @ (brain.courses(times) * (times >= 0))
    found = (shown - silent)[:n_channels]
    np.testing.assert_allclose(found, expected, atol=0.002 * np.abs(expected).max())
    np.testing.assert_array_equal(shown[n_channels:], silent[n_channels:])


def test_the_same_seed_gives_the_same_bytes(brain, fields, planned):
    first, again = (simulate(brain, fields[:4], planned) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_recordings_have_realistic_sizes(brain, datatype, planned):
    data = simulate(brain, np.zeros((4, len(brain.patches), len(brain.device.channels))), planned)
    good = np.arange(len(brain.device.channels)) != brain.artefacts.bad_channel
    size = np.median(data[: len(good)][good].std(axis=1))
    low, high = {"eeg": (8e-6, 50e-6), "meg": (150e-15, 1.5e-12)}[datatype]
    assert low < size < high


def epochs_of(brain, epoch, fields, n_repeats, rng):
    """Cut simulated responses as an ideal preprocessing leaves them."""
    n_scenes, gap = len(fields), round(1.0 * RATE_HZ)
    n_samples = gap * (n_scenes * n_repeats + 2)
    good = [brain.device.channels.index(name) for name in epoch.channels]
    data = draw_noise(brain.noise, n_samples, RATE_HZ, rng)
    order = np.tile(np.arange(n_scenes), n_repeats)
    onsets = gap * (np.arange(len(order)) + 1)
    add_responses(data, brain, fields[order], onsets, RATE_HZ)
    waves = np.fft.rfft(data[good], axis=1)
    frequencies = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    waves[:, (frequencies < BAND_HZ[0]) | (frequencies > BAND_HZ[1])] = 0
    data = np.fft.irfft(waves, n_samples, axis=1)
    if brain.device.datatype == "eeg":
        data -= data.mean(axis=0)
    samples = np.round(epoch.times_s * RATE_HZ).astype(int)
    cut = data[:, onsets[:, None] + samples[None]].transpose(1, 0, 2)
    cut = cut - cut[:, :, epoch.times_s <= 1e-9].mean(axis=2, keepdims=True)
    return cut.reshape(n_repeats, n_scenes, *cut.shape[1:])


def test_ceilings_are_what_repeats_show(brain, fields, rng):
    """The oracle: reliability of simulated responses, ideally filtered."""
    n_repeats = 60
    epoch = ideal_epoch(brain, 2 * fields[:30], RATE_HZ)
    found = epochs_of(brain, epoch, 2 * fields[:30], n_repeats, rng)
    table = true_ceilings(epoch, n_repeats)
    noise = table["noise_sd"].to_numpy().reshape(len(epoch.channels), -1)
    signal = table["signal_sd"].to_numpy().reshape(noise.shape)
    measured_noise = found.std(axis=0, ddof=1).mean(axis=0)
    late = epoch.times_s > 0.05
    np.testing.assert_allclose(measured_noise[:, late] / noise[:, late], 1, atol=0.12)
    measured = found.mean(axis=0).std(axis=0, ddof=1)
    expected = np.sqrt(signal**2 + noise**2 / n_repeats)
    strong = signal > 0.5 * signal.max()
    np.testing.assert_allclose(measured[strong] / expected[strong], 1, atol=0.25)


def test_there_is_nothing_to_know_before_the_onset(brain, fields, sensor_scenes):
    epoch = ideal_epoch(brain, fields, RATE_HZ)
    table = true_information(epoch, sensor_scenes.table, 3)
    assert table.loc[table["time_s"] < 0.02, "r"].max() < 0.01
    ceilings = true_ceilings(epoch, 3)
    assert ceilings.loc[ceilings["time_s"] < 0.02, "noise_ceiling_n"].max() < 0.01
    silent = true_ceilings(ideal_epoch(brain, 0 * fields, RATE_HZ), 3)
    assert (silent["noise_ceiling_n"] == 0).all()


def test_information_is_what_the_best_linear_decoder_reaches(brain, fields, sensor_scenes, rng):
    """The oracle: least squares on many noisy copies of the responses at one time."""
    epoch = ideal_epoch(brain, fields, RATE_HZ)
    time = int(np.argmin(np.abs(epoch.times_s - 0.15)))
    n_copies = 400
    root = np.linalg.cholesky(
        epoch.noise_at(time) + 1e-9 * np.eye(len(epoch.channels)) * epoch.noise_at(time).max()
    )
    seen = np.tile(epoch.responses[:, :, time], (n_copies, 1))
    seen = seen + rng.standard_normal(seen.shape) @ root.T
    codes = np.tile(factor_codes(sensor_scenes.table), (n_copies, 1))
    design = np.column_stack([np.ones(len(seen)), seen / seen.std()])
    fitted = design @ np.linalg.lstsq(design, codes, rcond=None)[0]
    found = [np.corrcoef(fitted[:, j], codes[:, j])[0, 1] for j in range(codes.shape[1])]
    table = true_information(epoch, sensor_scenes.table, 1)
    now = table[np.isclose(table["time_s"], epoch.times_s[time])].set_index("code")
    np.testing.assert_allclose(found, now.loc[factor_code_names(), "r"], atol=0.02)
