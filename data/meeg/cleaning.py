"""From a recorded run to clean signals, in one fixed order.

Bad channels, signal space separation, notch filter, band-pass, eyes and heart, repair of bad
channels, reference, resampling.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.artefacts import Rejection, remove_artefacts
from calcarine.data.meeg.channels import picked, sensor_names
from calcarine.data.meeg.maxwell import find_maxwell_bads, separate
from calcarine.data.meeg.recordings import MeegFiles
from calcarine.data.meeg.settings import MeegReading
from calcarine.data.meeg.spectra import Spectrum, spectrum


@dataclass(frozen=True)
class CleanRun:
    """Clean signals of a run and what was done to them.

    Attributes
    ----------
    raw
        `mne.io.BaseRaw`, loaded, at the final sampling rate.
    names
        Channels that become units, in order.
    bads
        Bad channels among the sensors, given and found.
    rejection
        What was removed as eyes and heart.
    before, after
        Power spectra of the sensors as recorded and as cleaned.
    steps
        What was done, one phrase each.
    """

    raw: Any
    names: list[str]
    bads: list[str]
    rejection: Rejection
    before: list[Spectrum]
    after: list[Spectrum]
    steps: list[str] = field(default_factory=list)


def clean_run(raw: Any, files: MeegFiles, reading: MeegReading, first_head: Any) -> CleanRun:
    """Clean one run.

    Parameters
    ----------
    raw
        As `open_raw` gives it; it is loaded and changed.
    files, reading
        The run, and what is to be done.
    first_head
        `dev_head_t` of the first run, where heads are moved to it.

    Raises
    ------
    CalcarineError
        A channel is flat, nothing is left, or a step does not fit the recording.
    """
    with quietly():
        raw.load_data(verbose="error")
        sensors = sensor_names(raw.info, reading.sensors)
        check_flat(raw, sensors, files.name)
        steps = patch_segments(raw) + _find_bads(raw, files, reading)
        before = spectrum(raw, sensors)
        bads = [n for n in sensors if n in raw.info["bads"]]
        raw, more = separate(raw, files, reading, first_head)
        steps += more + _filters(raw, reading)
        rejection = remove_artefacts(raw, sensors, reading.artefacts, reading.seed)
        steps += rejection.steps
        names = picked(sensors, reading.picks, files.name)
        names, repaired = _repair(raw, names, bads, reading.bad_channels, files)
        steps += repaired + _reference(raw, reading, files)
        if reading.resample_sfreq is not None:
            raw.resample(reading.resample_sfreq, verbose="error")
            steps.append(f"resample to {reading.resample_sfreq:g} Hz")
        return CleanRun(raw, names, bads, rejection, before, spectrum(raw, names), steps)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep MNE's advice on single steps out of the log; what matters is in quality.json."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def flat_channels(raw: Any, names: list[str]) -> list[str]:
    """Name the channels that never change and are not known to be bad."""
    known = set(raw.info["bads"])
    there = [n for n in names if n not in known]
    spread = np.ptp(raw.get_data(picks=there), axis=1) if there else np.array([])
    return [n for n, s in zip(there, spread, strict=True) if s == 0]


def check_flat(raw: Any, names: list[str], where: str) -> None:
    """Refuse flat channels that nobody has named as bad.

    Raises
    ------
    CalcarineError
        With the channels.
    """
    flat = flat_channels(raw, names)
    if flat:
        raise CalcarineError(
            f"{where}: the channels {flat[:8]} are flat ({len(flat)} of {len(names)}): they never "
            "change. Name them in `recording.bads` or as bad in channels.tsv; they are then "
            "interpolated or dropped (`recording.bad_channels`)."
        )


def patch_segments(raw: Any) -> list[str]:
    """Fill segments that an annotation `PATCH_…` marks with each channel's median.

    An amplifier that drops out for a moment would otherwise ring through every filter.
    """
    spans = [a for a in raw.annotations if a["description"].lower().startswith("patch")]
    if not spans:
        return []
    for span in spans:
        start = max(0, round((span["onset"] - raw.first_time) * raw.info["sfreq"]))
        stop = min(raw.n_times, start + max(1, round(span["duration"] * raw.info["sfreq"])))
        median = np.median(raw.get_data(), axis=1, keepdims=True)
        raw[:, start:stop] = np.repeat(median, stop - start, axis=1)
    return [f"{len(spans)} dropouts filled with the median"]


def _find_bads(raw: Any, files: MeegFiles, reading: MeegReading) -> list[str]:
    from mne.preprocessing import find_bad_channels_lof

    given = list(raw.info["bads"])
    found: list[str] = []
    if reading.find_bads == "lof":
        sensors = sensor_names(raw.info, reading.sensors)
        good = [n for n in sensors if n not in given]
        # MNE's 20 is for caps of 64; with few channels an outlier would be its own neighbourhood
        n_neighbors = min(20, max(2, len(good) // 3))
        if len(good) > n_neighbors:
            found = find_bad_channels_lof(raw, n_neighbors, picks=good, verbose="error")
    elif reading.find_bads == "maxwell":
        found = find_maxwell_bads(raw, files, reading)
    raw.info["bads"] = [*given, *(n for n in found if n not in given)]
    steps = [f"bad channels given: {', '.join(given)}"] if given else []
    if reading.find_bads != "none":
        steps.append(f"bad channels found ({reading.find_bads}): {', '.join(found) or 'none'}")
    return steps


def check_filter(reading: MeegReading, sfreq: float) -> None:
    """Refuse a band that reaches beyond what the sampling rate holds.

    Raises
    ------
    CalcarineError
        With the edge and the Nyquist frequency.
    """
    band = reading.filter
    if band is not None and band.h_freq is not None and band.h_freq >= sfreq / 2:
        raise CalcarineError(
            f"recording.filter.h_freq is {band.h_freq:g} Hz; the recording at {sfreq:g} Hz holds "
            f"frequencies below {sfreq / 2:g} Hz. Set it lower, or to null."
        )


def _filters(raw: Any, reading: MeegReading) -> list[str]:
    steps = []
    nyquist = raw.info["sfreq"] / 2
    if reading.notch_filter is not None:
        notch = reading.notch_filter
        freqs = [f for f in notch.freqs if f < nyquist]
        if freqs:
            given = None if notch.method == "spectrum_fit" else freqs
            raw.notch_filter(
                given if given is not None else freqs, method=notch.method, verbose="error"
            )
            steps.append(f"notch {', '.join(f'{f:g}' for f in freqs)} Hz ({notch.method})")
    band = reading.filter
    if band is not None:
        h_freq = band.h_freq
        check_filter(reading, float(raw.info["sfreq"]))
        # MNE's name for a causal IIR filter is `forward`
        phase = "forward" if (band.method, band.phase) == ("iir", "minimum") else band.phase
        raw.filter(band.l_freq, h_freq, method=band.method, phase=phase, verbose="error")
        steps.append(f"filter {band.l_freq or 0:g}–{h_freq or nyquist:g} Hz ({band.phase} phase)")
    return steps


def _repair(
    raw: Any, names: list[str], bads: list[str], how: str, files: MeegFiles
) -> tuple[list[str], list[str]]:
    own = [n for n in names if n in bads]
    if not own:
        return names, []
    if len(own) > len(names) / 2:
        raise CalcarineError(
            f"{files.name}: {len(own)} of {len(names)} channels are bad: {own[:8]}. Nothing can "
            "be repaired from the rest; look at channels.tsv, `recording.bads` and "
            "`recording.find_bads`."
        )
    if how == "drop":
        return [n for n in names if n not in own], [f"dropped {', '.join(own)}"]
    raw.info["bads"] = [n for n in raw.info["bads"] if n in own]
    raw.interpolate_bads(reset_bads=True, verbose="error")
    return names, [f"interpolated {', '.join(own)}"]


def _reference(raw: Any, reading: MeegReading, files: MeegFiles) -> list[str]:
    reference = reading.set_eeg_reference
    if reference is None or reading.sensors != "eeg":
        return []
    channels = reference if isinstance(reference, str) else list(reference)
    missing = [] if isinstance(channels, str) else sorted(set(channels) - set(raw.ch_names))
    if missing:
        raise CalcarineError(
            f"{files.name}: recording.set_eeg_reference names {missing}, which are no channels."
        )
    raw.set_eeg_reference(channels, projection=False, verbose="error")
    return [f"reference {reference if isinstance(reference, str) else ', '.join(reference)}"]
