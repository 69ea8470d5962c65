import numpy as np
import pytest
from fixtures.planted_sensors import montage, planted
from scipy import signal

from calcarine.data.errors import CalcarineError
from calcarine.decoders.meeg.streaming import CausalFilter, StreamingDecoder
from calcarine.decoders.ridge_decoder import RidgeDecoder


def identity(n_channels=3, n_times=7, **more):
    return StreamingDecoder(
        lambda x: x.reshape(1, -1), n_channels, n_times, sampling_rate_hz=50.0, **more
    )


@pytest.mark.parametrize("sizes", [[1] * 40, [5, 0, 3, 20, 12], [40], [6, 1, 33]])
def test_the_window_is_the_newest_samples_however_they_come(sizes):
    stream = np.random.default_rng(0).standard_normal((3, 40)).astype(np.float32)
    decoder, start = identity(), 0
    for size in sizes:
        decoder.push(stream[:, start : start + size])
        start += size
        if decoder.is_ready:
            np.testing.assert_array_equal(decoder.window(), stream[:, start - 7 : start])
    assert decoder.decode().end_sample == 39


def test_decisions_equal_those_on_epochs():
    sensors = montage(6, 0)
    train, test = planted(0, 120, sensors), planted(1, 5, sensors)
    ridge = RidgeDecoder().fit({"01": train})
    decoder = StreamingDecoder(ridge.predict, 6, 40, 50.0)
    expected = ridge.predict(test.responses)
    for trial in range(5):
        for part in np.array_split(test.responses[trial], 8, axis=1):
            decoder.push(part)
        np.testing.assert_allclose(decoder.decode().embedding, expected[trial], rtol=1e-4)


def test_the_filter_is_causal_and_goes_on_between_pushes():
    stream = np.random.default_rng(1).standard_normal((2, 300))
    whole = CausalFilter(2, 100.0, 1.0, 20.0)(stream)
    pieces = CausalFilter(2, 100.0, 1.0, 20.0)
    together = np.concatenate([pieces(p) for p in np.array_split(stream, 11, axis=1)], axis=1)
    np.testing.assert_allclose(together, whole, atol=1e-10)
    changed = stream.copy()
    changed[:, 200:] += 5
    np.testing.assert_array_equal(
        CausalFilter(2, 100.0, 1.0, 20.0)(changed)[:, :200], whole[:, :200]
    )
    expected = signal.sosfilt(signal.butter(2, [1, 20], "bandpass", fs=100.0, output="sos"), stream)
    np.testing.assert_allclose(whole, expected, atol=1e-10)


@pytest.mark.parametrize("edges", [(None, 15.0), (1.0, 30.0)])
def test_the_stated_delay_is_that_of_a_slow_wave_packet(edges):
    rate = 500.0
    t = np.arange(0, 8, 1 / rate)
    middle = edges[1] / 2 if edges[0] is None else float(np.sqrt(edges[0] * edges[1]))
    packet = np.exp(-((t - 4) ** 2) / 1.0) * np.cos(2 * np.pi * middle * (t - 4))
    band = CausalFilter(1, rate, *edges)
    out = band(packet[None])[0]
    envelope = [np.abs(signal.hilbert(x)) ** 2 for x in (packet, out)]
    centre = [float((t * e).sum() / e.sum()) for e in envelope]
    assert band.delay_s == pytest.approx(centre[1] - centre[0], abs=2e-3)


def test_delay_counts_window_filter_and_computing():
    band = CausalFilter(3, 50.0, None, 10.0)
    decoder = identity(causal_filter=band)
    decoder.push(np.zeros((3, 7)))
    decided = decoder.decode()
    assert decided.delay_s == pytest.approx(6 / 100 + band.delay_s + decided.computing_s)
    assert 0 < decided.computing_s < 1


def test_the_baseline_is_subtracted():
    decoder = identity(baseline=3)
    decoder.push(np.arange(21.0).reshape(3, 7))
    np.testing.assert_allclose(decoder.window(), np.tile(np.arange(7.0) - 1, (3, 1)))


def test_what_cannot_be_decoded_is_refused():
    decoder = identity()
    with pytest.raises(CalcarineError, match="0 samples were seen; a decision needs 7"):
        decoder.decode()
    with pytest.raises(CalcarineError, match=r"shape \(2, 4\)"):
        decoder.push(np.zeros((2, 4)))
    with pytest.raises(CalcarineError, match="channel 1 is not finite"):
        decoder.push(np.array([[0.0], [np.nan], [0.0]]))
    with pytest.raises(CalcarineError, match="baseline must be shorter"):
        identity(baseline=7)
    with pytest.raises(CalcarineError, match=r"0 < l_freq < h_freq < 25"):
        CausalFilter(3, 50.0, 1.0, 30.0)
