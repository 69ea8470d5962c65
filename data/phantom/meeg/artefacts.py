"""What sensors record beside the brain: eyes, heart, mains, muscles, a bad channel."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import signal

from calcarine.data.phantom.meeg.devices import LINE_HZ, Device

COLUMNS = ("kind", "onset_s", "duration_s", "channel", "size")
KINDS = ("blink", "heartbeat", "line", "muscle", "bad-channel")

_BLINKS_PER_MINUTE, _BLINK_S = 12.0, 0.35
_BEATS_PER_MINUTE = (58.0, 76.0)
_BURSTS_PER_MINUTE, _BURST_S = 2.0, (0.4, 1.2)
_MUSCLE_HZ = (25.0, 110.0)
_MUSCLE_SPREAD_M = 0.03
_JUMPS_PER_MINUTE = 3.0
_EOG_V, _ECG_V, _OWN_NOISE_V = 250e-6, 900e-6, 4e-6
_PER_KIND = {"eeg": 1.0, "mag": 1.0, "grad": 25.0}
"""A gradiometer's unit is T/m: what is 1 T in a magnetometer is of this order in it."""


@dataclass(frozen=True)
class Sizes:
    """Largest value of each artefact over channels, in V or T."""

    blink: float
    heart: float
    line: float
    muscle: float
    bad: float


SIZES = {
    "eeg": Sizes(120e-6, 4e-6, 6e-6, 25e-6, 80e-6),
    "meg": Sizes(2.5e-12, 6e-13, 3e-13, 6e-13, 4e-12),
}


@dataclass(frozen=True)
class PlantedArtefacts:
    """How artefacts are seen by one subject's sensors.

    Attributes
    ----------
    eyes, heart, line
        Topographies in V or T (T/m) at size 1, shape (n_channels,).
    muscles
        Topographies of the left and the right temple, shape (2, n_channels).
    bad_channel
        Row of the channel that is broken in all runs.
    bad_size
        Standard deviation of what it records instead of little noise.
    beats_per_minute
        Of the heart.
    """

    eyes: np.ndarray
    heart: np.ndarray
    line: np.ndarray
    muscles: np.ndarray
    bad_channel: int
    bad_size: float
    beats_per_minute: float


@dataclass(frozen=True)
class DrawnArtefacts:
    """Artefacts of one run.

    Attributes
    ----------
    data
        What they add to the channels, shape (n_channels, n_samples).
    eog, ecg
        The two electrodes that watch the eyes and the heart, in V, shape (n_samples,).
    table
        One row each, columns as in `COLUMNS`: seconds from the run's beginning; `size` is the
        largest absolute value in the channels, in V or T.
    """

    data: np.ndarray
    eog: np.ndarray
    ecg: np.ndarray
    table: pd.DataFrame

    def artefacts_named(self, channels: list[str]) -> pd.DataFrame:
        """Give the table with the name of the channel that alone has the artefact, or `n/a`."""
        names = [channels[row] if row >= 0 else "n/a" for row in self.table["channel"]]
        return self.table.assign(channel=names)


def plant_artefacts(
    device: Device, eyes: np.ndarray, heart: np.ndarray, rng: np.random.Generator
) -> PlantedArtefacts:
    """Draw how one subject's sensors see each artefact.

    Parameters
    ----------
    device
        Sensors.
    eyes, heart
        Fields of the dipoles, in any unit, shape (n_channels,).
    rng
        Of the subject.
    """
    sizes = SIZES[device.datatype]
    kinds = device.info.get_channel_types()
    units = np.array([_PER_KIND[kind] for kind in kinds])
    places = device.positions_m
    main = units == 1.0
    sides = places[:, 0] / np.abs(places[:, 0]).max()
    # mains come from far away: an even part and a slope
    line = 0.7 + 0.3 * rng.normal(0, 1, 3) @ (places / np.abs(places).max()).T
    temples = []
    for side in (-1, 1):
        site = places[np.argmax(side * sides - np.abs(places[:, 2] - 0.02) / 0.1)]
        squared = ((places - site) ** 2).sum(axis=1)
        temples.append(np.exp(-squared / (2 * _MUSCLE_SPREAD_M**2)) * units)
    bad = int(rng.choice(np.flatnonzero(main)))
    return PlantedArtefacts(
        sizes.blink * eyes / np.abs(eyes[main]).max(),
        sizes.heart * heart / np.abs(heart[main]).max(),
        sizes.line * line * units,
        sizes.muscle * np.stack(temples),
        bad,
        sizes.bad,
        float(rng.uniform(*_BEATS_PER_MINUTE)),
    )


def _poisson_onsets(
    per_minute: float, length_s: float, gap_s: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw onsets at a mean rate, none sooner than `gap_s` after another."""
    mean = 60 / per_minute
    steps = gap_s + rng.exponential(mean - gap_s, int(3 * length_s / mean) + 10)
    onsets = np.cumsum(steps) - gap_s
    return np.asarray(onsets[onsets < length_s - gap_s])


def _add(wave: np.ndarray, onset: int, shape: np.ndarray) -> None:
    stop = min(len(wave), onset + len(shape))
    wave[onset:stop] += shape[: stop - onset]


def draw_artefacts(
    planted: PlantedArtefacts,
    n_samples: int,
    rate_hz: float,
    scale: float,
    rng: np.random.Generator,
) -> DrawnArtefacts:
    """Draw one run's artefacts.

    Parameters
    ----------
    planted
        Of the subject.
    n_samples, rate_hz
        Length and sampling rate of the run.
    scale
        Of everything; at 0 nothing is added and nothing is listed.
    rng
        Of the run.
    """
    data = np.zeros((len(planted.eyes), n_samples))
    blinks, beats = np.zeros(n_samples), np.zeros(n_samples)
    rows = [
        _blinks(planted, data, blinks, rate_hz, rng),
        _heart(planted, data, beats, rate_hz, rng),
        _line(planted, data, rate_hz, rng),
        _muscles(planted, data, rate_hz, rng),
        _bad_channel(planted, data, rate_hz, rng),
    ]
    eog, ecg = _OWN_NOISE_V * rng.standard_normal((2, n_samples))
    table = pd.concat(rows, ignore_index=True)
    table["size"] *= scale
    return DrawnArtefacts(
        scale * data,
        eog + scale * _EOG_V * blinks,
        ecg + scale * _ECG_V * beats,
        table if scale > 0 else table.iloc[:0],
    )


def _rows(
    kind: str, onsets_s: np.ndarray, duration_s: np.ndarray | float, size: np.ndarray | float
) -> pd.DataFrame:
    table = pd.DataFrame({"onset_s": onsets_s})
    table["kind"], table["duration_s"], table["channel"] = kind, duration_s, -1
    table["size"] = size
    return table[list(COLUMNS)]


def _blinks(
    planted: PlantedArtefacts,
    data: np.ndarray,
    wave: np.ndarray,
    rate_hz: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    length_s = data.shape[1] / rate_hz
    onsets = _poisson_onsets(_BLINKS_PER_MINUTE, length_s, _BLINK_S, rng)
    heights = np.clip(rng.lognormal(0, 0.2, len(onsets)), 0.5, 1.7)
    shape = np.hanning(int(_BLINK_S * rate_hz)) ** 1.5
    for onset, height in zip(onsets, heights, strict=True):
        _add(wave, int(onset * rate_hz), height * shape)
    data += planted.eyes[:, None] * wave
    return _rows("blink", onsets, _BLINK_S, heights * np.abs(planted.eyes).max())


def _heart(
    planted: PlantedArtefacts,
    data: np.ndarray,
    wave: np.ndarray,
    rate_hz: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    length_s = data.shape[1] / rate_hz
    mean = 60 / planted.beats_per_minute
    onsets = np.cumsum(mean * rng.normal(1, 0.04, int(1.3 * length_s / mean) + 5))
    onsets = onsets[onsets < length_s - 0.6]
    times = np.arange(0, 0.5, 1 / rate_hz)
    # R peak between Q and S, then the T wave
    bumps = ((0.05, 0.008, -0.15), (0.08, 0.010, 1.0), (0.11, 0.010, -0.25), (0.33, 0.04, 0.25))
    shape = sum(h * np.exp(-((times - p) ** 2) / (2 * w**2)) for p, w, h in bumps)
    for onset in onsets:
        _add(wave, int(onset * rate_hz), np.asarray(shape))
    data += planted.heart[:, None] * wave
    return _rows("heartbeat", onsets, 0.5, np.abs(planted.heart).max())


def _line(
    planted: PlantedArtefacts, data: np.ndarray, rate_hz: float, rng: np.random.Generator
) -> pd.DataFrame:
    times = np.arange(data.shape[1]) / rate_hz
    phases = rng.uniform(0, 2 * np.pi, 3)
    slow = 1 + 0.2 * np.sin(2 * np.pi * times / 37.0 + phases[0])
    wave = np.sin(2 * np.pi * LINE_HZ * times + phases[1])
    if rate_hz / 2 > 2 * LINE_HZ:
        wave += 0.3 * np.sin(2 * np.pi * 2 * LINE_HZ * times + phases[2])
    data += planted.line[:, None] * (slow * wave)
    size = np.abs(planted.line).max()
    return _rows("line", np.zeros(1), data.shape[1] / rate_hz, size)


def _muscles(
    planted: PlantedArtefacts, data: np.ndarray, rate_hz: float, rng: np.random.Generator
) -> pd.DataFrame:
    length_s = data.shape[1] / rate_hz
    onsets = _poisson_onsets(_BURSTS_PER_MINUTE, length_s, _BURST_S[1], rng)
    durations = rng.uniform(*_BURST_S, len(onsets))
    band = (_MUSCLE_HZ[0], min(_MUSCLE_HZ[1], 0.45 * rate_hz))
    sos = signal.butter(4, band, "bandpass", fs=rate_hz, output="sos")
    for onset, duration in zip(onsets, durations, strict=True):
        n_burst = int(duration * rate_hz)
        noise = signal.sosfiltfilt(sos, rng.standard_normal(n_burst + 100))[50:-50]
        start = int(onset * rate_hz)
        burst = (noise / noise.std() * np.hanning(n_burst))[: data.shape[1] - start]
        topography = planted.muscles[rng.integers(2)]
        data[:, start : start + len(burst)] += topography[:, None] * burst
    return _rows("muscle", onsets, durations, np.abs(planted.muscles).max())


def _bad_channel(
    planted: PlantedArtefacts, data: np.ndarray, rate_hz: float, rng: np.random.Generator
) -> pd.DataFrame:
    n_samples = data.shape[1]
    jumps = rng.random(n_samples) < _JUMPS_PER_MINUTE / 60 / rate_hz
    steps = np.cumsum(jumps * rng.normal(0, 2.0, n_samples))
    wave = 0.7 * rng.standard_normal(n_samples) + steps - steps.mean()
    data[planted.bad_channel] += planted.bad_size * wave
    table = _rows("bad-channel", np.zeros(1), n_samples / rate_hz, planted.bad_size)
    table["channel"] = planted.bad_channel
    return table
