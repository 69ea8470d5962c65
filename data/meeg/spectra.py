"""Power spectra of sensors."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from calcarine.data.meeg.channels import UNITS, channel_types

_SEGMENT_S = 4.0


@dataclass(frozen=True)
class Spectrum:
    """Median power spectrum of the sensors of one type.

    Attributes
    ----------
    kind
        `eeg`, `mag` or `grad`.
    freqs_hz
        Shape (n_freqs,).
    power
        Median over sensors of the power density, in (µV, fT, fT/cm)² / Hz, shape (n_freqs,).
    """

    kind: str
    freqs_hz: np.ndarray
    power: np.ndarray


def spectrum(raw: Any, names: list[str]) -> list[Spectrum]:
    """Estimate power spectra by Welch's method in segments of four seconds.

    Bad channels and segments are left out.

    Parameters
    ----------
    raw
        `mne.io.BaseRaw`, loaded.
    names
        Sensors.

    Returns
    -------
    list of Spectrum
        One for each type of sensor.
    """
    good = [n for n in names if n not in raw.info["bads"]]
    if not good:
        return []
    n_fft = min(int(_SEGMENT_S * raw.info["sfreq"]), raw.n_times)
    found = raw.compute_psd(
        "welch", picks=good, n_fft=n_fft, fmax=min(150.0, raw.info["sfreq"] / 2), verbose="error"
    )
    power, freqs = found.get_data(picks=good, return_freqs=True)
    kinds = np.array(channel_types(raw.info, good))
    return [
        Spectrum(kind, freqs, np.median(power[kinds == kind], axis=0) * UNITS[kind][0] ** 2)
        for kind in dict.fromkeys(kinds.tolist())
    ]


def mean_spectra(runs: list[list[Spectrum]]) -> list[Spectrum]:
    """Average the spectra of runs, type by type; runs with other frequencies are left out."""
    out: list[Spectrum] = []
    for first in runs[0] if runs else []:
        same = [
            s
            for run in runs
            for s in run
            if s.kind == first.kind and np.array_equal(s.freqs_hz, first.freqs_hz)
        ]
        power = np.exp(np.mean([np.log(np.maximum(s.power, 1e-300)) for s in same], axis=0))
        out.append(Spectrum(first.kind, first.freqs_hz, power))
    return out
