"""Methods text of EEG and MEG recordings, composed from the configuration."""

from calcarine.pipelines.config_data import RobustScaling, ZscoreScaling
from calcarine.pipelines.config_meeg import (
    EegRecording,
    EpochsSection,
    IcaSection,
    MaxwellSection,
    MegRecording,
    RegressionSection,
)

_CALIBRATED = (
    "Signal space separation [sss] was applied where the data set brings a fine-calibration file."
)


def sensor_responses(recording: EegRecording | MegRecording) -> str:
    """Say what was done to the signals, in the order in which it was done."""
    parts = [
        "Signals were read and processed with MNE-Python [mne]; each run was cleaned by itself.",
        _bads(recording),
        _separation(recording),
        _filters(recording),
        _artefacts(recording.artefacts),
        _reference(recording),
        _epochs(recording.epochs, recording.resample_sfreq),
    ]
    return " ".join(part for part in parts if part)


def _bads(recording: EegRecording | MegRecording) -> str:
    found = {
        "none": "",
        "lof": ", and those that the local outlier factor found",
        "maxwell": ", and those that signal space separation could not rebuild",
    }[recording.find_bads]
    fate = {"interpolate": "interpolated", "drop": "left out"}[recording.bad_channels]
    return f"Channels that the data set or the configuration calls bad{found} were {fate}."


def _separation(recording: EegRecording | MegRecording) -> str:
    if isinstance(recording, EegRecording) or recording.maxwell_filter is None:
        return ""
    if not isinstance(recording.maxwell_filter, MaxwellSection):
        return _CALIBRATED
    return "Signal space separation [sss] was applied."


def _filters(recording: EegRecording | MegRecording) -> str:
    text = ""
    if recording.notch_filter is not None:
        text = f"Notch filter at {', '.join(f'{f:g}' for f in recording.notch_filter.freqs)} Hz. "
    band = recording.filter
    if band is None:
        return text + "No band-pass filter."
    edges = [f"from {band.l_freq:g} Hz"] if band.l_freq is not None else []
    edges += [f"to {band.h_freq:g} Hz"] if band.h_freq is not None else []
    phase = {"zero": "zero-phase", "minimum": "causal (minimum-phase)"}[band.phase]
    return f"{text}Band-pass filter {' '.join(edges)} ({band.method.upper()}, {phase})."


def _artefacts(section: IcaSection | RegressionSection | None) -> str:
    if section is None:
        return "Eye and heart artefacts were not removed."
    if isinstance(section, RegressionSection):
        return f"{', '.join(section.picks_artifact)} channels were regressed out of all others."
    watched = [
        name
        for name, on in (("eyes", section.find_bads_eog), ("heart", section.find_bads_ecg))
        if on
    ]
    return (
        f"Independent components ({section.method}) [ica] of {' and '.join(watched) or 'nothing'} "
        "were removed."
    )


def _reference(recording: EegRecording | MegRecording) -> str:
    if isinstance(recording, MegRecording) or recording.set_eeg_reference is None:
        return ""
    reference = recording.set_eeg_reference
    named = reference if isinstance(reference, str) else f"the mean of {', '.join(reference)}"
    return f"The reference is {named}."


def _epochs(section: EpochsSection, resampled: float | None) -> str:
    text = f"Signals were resampled to {resampled:g} Hz. " if resampled is not None else ""
    shift = f", shifted by {1000 * section.onset_shift_s:g} ms" if section.onset_shift_s else ""
    text += (
        f"Windows run from {1000 * section.tmin:g} to {1000 * section.tmax:g} ms after the "
        f"onset{shift}"
    )
    if section.baseline is not None:
        start, end = section.baseline
        start = section.tmin if start is None else start
        end = section.tmax if end is None else end
        text += f", less their mean from {1000 * start:g} to {1000 * end:g} ms"
    if section.reject:
        limits = ", ".join(f"{kind} {limit:g}" for kind, limit in section.reject.items())
        text += f"; windows with a peak-to-peak amplitude above {limits} (µV, fT) were rejected"
    return text + "."


def scaling_text(scaling: ZscoreScaling | RobustScaling) -> str:
    """Say how responses were scaled in each fold; nothing where it is the usual z-score."""
    if isinstance(scaling, ZscoreScaling):
        return ""
    text = "In each fold sensors were scaled by median and interquartile range of training trials"
    if scaling.clamp is not None:
        text += f", limited to ±{scaling.clamp:g}"
    if scaling.mvnn is not None:
        text += f", and whitened by their noise covariance ({scaling.mvnn.dim}) [mvnn]"
    return text + "."
