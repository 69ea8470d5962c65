"""From the configuration to what is read of one subject's fMRI runs."""

from calcarine.data.block_averages import BlockModel
from calcarine.data.fmri_trials import FmriReading
from calcarine.data.glm import GlmModel
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import FmriRecording, GlmResponses


def fmri_reading(config: Config, subject: str) -> FmriReading:
    """Say what to read of a subject, from the configuration."""
    recording = config.recording
    assert isinstance(recording, FmriRecording)
    responses: GlmModel | BlockModel
    section = recording.responses
    if isinstance(section, GlmResponses):
        responses = GlmModel(
            section.method, section.hrf, section.drift, section.high_pass_hz, section.noise_model
        )
    else:
        responses = BlockModel(
            section.average,
            section.shift_s,
            section.detrend,
            section.standardize,
            section.include_rest,
            section.high_pass_hz,
        )
    return FmriReading(
        bids=config.bids,
        subject=subject,
        task=recording.task,
        stimuli=config.stimuli,
        responses=responses,
        derivatives=recording.derivatives,
        space=recording.space,
        sessions=recording.sessions,
        runs=recording.runs,
        mask=recording.mask,
        rois=recording.rois,
        confounds=recording.confounds,
        stimulus_column=recording.stimulus_column,
        ignore_trial_types=recording.ignore_trial_types,
        smoothing_fwhm_mm=recording.smoothing_fwhm_mm,
    )
