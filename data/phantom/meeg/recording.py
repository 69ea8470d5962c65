"""From fields to a continuous recording: responses, noise, artefacts, and the converter's steps."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.data.phantom.meeg.artefacts import draw_artefacts
from calcarine.data.phantom.meeg.brain import SensorBrain
from calcarine.data.phantom.meeg.experiment import PlannedRecording
from calcarine.data.phantom.meeg.noise import draw_noise

RESPONSE_S = 0.5
"""No planted response lasts longer."""

WATCHERS = {"EOG": "eog", "ECG": "ecg"}
"""Electrodes beside the sensors, and their types."""

_STEP = {"eeg": 1e-8, "eog": 1e-8, "ecg": 1e-7, "mag": 1e-16, "grad": 1e-15}
"""Volts or tesla (per metre) per integer of the converter."""


@dataclass(frozen=True)
class SimulatedRecording:
    """One run as the amplifier would give it.

    Attributes
    ----------
    data
        float64 in SI units, shape (n_channels + 2, n_samples); the last rows are EOG and ECG.
    artefacts
        One row each, see `artefacts.COLUMNS`; `channel` is a name or `n/a`.
    """

    data: np.ndarray
    artefacts: pd.DataFrame


def add_responses(
    data: np.ndarray, brain: SensorBrain, fields: np.ndarray, onsets: np.ndarray, rate_hz: float
) -> None:
    """Add the response to each trial.

    Parameters
    ----------
    data
        Shape (n_channels, n_samples), changed in place.
    brain
        The subject.
    fields
        Of each trial, as `SensorBrain.topographies` gives them.
    onsets
        Samples, shape (n_trials,).
    rate_hz
        Sampling rate.
    """
    courses = brain.courses(np.arange(round(RESPONSE_S * rate_hz)) / rate_hz)
    for field, onset in zip(fields, onsets, strict=True):
        data[:, onset : onset + courses.shape[1]] += field.T @ courses


def simulate_recording(
    brain: SensorBrain,
    fields: np.ndarray,
    planned: PlannedRecording,
    rate_hz: float,
    artefacts: float,
    rng: np.random.Generator,
) -> SimulatedRecording:
    """Simulate one run.

    Parameters
    ----------
    brain
        The subject.
    fields
        Of each trial in the order of recording, shape (n_trials, n_patches, n_channels); zeros
        give a run without signal.
    planned
        Onsets and length.
    rate_hz
        Sampling rate.
    artefacts
        Scale of artefacts.
    rng
        Of the run.
    """
    data = draw_noise(brain.noise, planned.n_samples, rate_hz, rng)
    drawn = draw_artefacts(brain.artefacts, planned.n_samples, rate_hz, artefacts, rng)
    data += drawn.data
    add_responses(data, brain, fields, planned.onset_samples, rate_hz)
    # rounded, so that the order in which threads add does not reach the files
    kinds = [*brain.device.info.get_channel_types(), *WATCHERS.values()]
    step = np.array([_STEP[kind] for kind in kinds])[:, None]
    whole = np.round(np.vstack([data, drawn.eog, drawn.ecg]) / step)
    table = drawn.artefacts_named(brain.device.channels)
    return SimulatedRecording(whole * step, table)
