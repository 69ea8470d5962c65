"""From the section `recording` of an EEG or MEG configuration to what is read and done."""

from typing import Any, Literal

from calcarine.data.meeg.settings import (
    Filter,
    Ica,
    Maxwell,
    MeegReading,
    Notch,
    Regression,
    Windows,
)
from calcarine.data.seeds import derive_seed
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_meeg import (
    EegRecording,
    IcaSection,
    MaxwellSection,
    MeegRecording,
    MegRecording,
    RegressionSection,
)


def meeg_reading(config: Config, subject: str) -> MeegReading:
    """Say what to read of a subject and how, from the configuration."""
    recording = config.recording
    assert isinstance(recording, MeegRecording)
    notch, band = recording.notch_filter, recording.filter
    return MeegReading(
        bids=config.bids,
        subject=subject,
        task=recording.task,
        datatype=recording.datatype,
        stimuli=config.stimuli,
        sensors=recording.sensors if isinstance(recording, MegRecording) else "eeg",
        sessions=recording.sessions,
        runs=recording.runs,
        stimulus_column=recording.stimulus_column,
        ignore_trial_types=recording.ignore_trial_types,
        channel_types=recording.channel_types,
        montage=recording.montage,
        picks=recording.picks,
        bads=recording.bads,
        find_bads=recording.find_bads,
        bad_channels=recording.bad_channels,
        maxwell_filter=_maxwell(recording),
        notch_filter=None if notch is None else Notch(**notch.model_dump()),
        filter=None if band is None else Filter(**band.model_dump()),
        artefacts=_artefacts(recording.artefacts),
        set_eeg_reference=(
            recording.set_eeg_reference if isinstance(recording, EegRecording) else None
        ),
        resample_sfreq=recording.resample_sfreq,
        epochs=Windows(**recording.epochs.model_dump()),
        seed=derive_seed(config.seed, subject, "prepare"),
    )


def _maxwell(recording: MeegRecording) -> Maxwell | Literal["where-calibrated"] | None:
    if not isinstance(recording, MegRecording):
        return None
    asked = recording.maxwell_filter
    return Maxwell(**asked.model_dump()) if isinstance(asked, MaxwellSection) else asked


def _artefacts(section: IcaSection | RegressionSection | None) -> Ica | Regression | None:
    if section is None:
        return None
    values: dict[str, Any] = section.model_dump(exclude={"kind"})
    return Ica(**values) if isinstance(section, IcaSection) else Regression(**values)
