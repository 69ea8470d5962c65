"""Step `prepare`: recording → trials, split, leak check, responses, quality."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.atomic import write_json
from calcarine.data.betas.ready_betas import (
    BETAS_WINDOW_S,
    betas_quality,
    betas_trials,
    write_betas,
)
from calcarine.data.dissimilarities import read_dissimilarities
from calcarine.data.meeg.prepare import prepare_meeg
from calcarine.data.meeg.prepare import response_window_s as meeg_window_s
from calcarine.data.meeg.ready_epochs import read_epochs
from calcarine.data.meeg.trials import read_meeg_trials
from calcarine.data.recorded_dissimilarities import profile_responses
from calcarine.data.responses import Responses, write_responses
from calcarine.data.seeds import derive_seed
from calcarine.data.splits import hold_out, leave_one_out
from calcarine.data.stimuli import read_stimuli, stimulus_shas
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import SplitSection
from calcarine.pipelines.config_meeg import EpochsRecording
from calcarine.pipelines.data_links import check_data_set_links
from calcarine.pipelines.input_hashes import write_input_hashes
from calcarine.pipelines.leak_check import (
    allowed_notes,
    check_before_reading,
    check_responses,
    with_delays,
)
from calcarine.pipelines.meeg_reading import meeg_reading


def declare_split(trials: pd.DataFrame, split: SplitSection, seed: int) -> pd.DataFrame:
    """Declare the split that the configuration asks for.

    All subjects of a configuration draw with the same seed, so that a stimulus stands on the
    same side for all of them.
    """
    return SCHEMES[split.scheme](trials, split, seed)


def _hold_out(trials: pd.DataFrame, split: SplitSection, seed: int) -> pd.DataFrame:
    return hold_out(
        trials, split.by, derive_seed(seed, "split"), split.test, split.validation, split.column
    )


def _leave_one_out(trials: pd.DataFrame, split: SplitSection, seed: int) -> pd.DataFrame:
    return leave_one_out(trials, split.by, split.column)


def _unsplit(trials: pd.DataFrame, split: SplitSection, seed: int) -> pd.DataFrame:
    return trials.assign(split="unused", split_group=trials["stimulus_sha"].astype("str"))


SCHEMES: dict[str, Callable[[pd.DataFrame, SplitSection, int], pd.DataFrame]] = {
    "holdout": _hold_out,
    "leave-one-out": _leave_one_out,
    "none": _unsplit,
}


# What reads one modality is imported where it is used: libraries of the others take seconds.


def _prepare_fmri(config: Config, subject: str) -> None:
    from calcarine.data.fmri import prepare_fmri, response_window_s
    from calcarine.data.fmri_trials import read_fmri_trials
    from calcarine.pipelines.fmri_reading import fmri_reading

    reading = fmri_reading(config, subject)
    runs, trials = read_fmri_trials(reading)
    trials = declare_split(trials, config.split, config.seed)
    window = with_delays(config, response_window_s(reading.responses, trials))
    check_before_reading(config, trials, window, [(r.files.name, r.files.bold[0]) for r in runs])
    _write(config, subject, *prepare_fmri(reading, runs, trials))


def _prepare_dissimilarities(config: Config, subject: str) -> None:
    measured = read_dissimilarities(config.bids / f"sub-{subject}" / "dissimilarities")
    shas = stimulus_shas(read_stimuli(config.stimuli), config.stimuli.parent)
    responses = profile_responses(measured, shas, subject)
    trials = declare_split(responses.trials, config.split, config.seed)
    quality = {
        "n_stimuli": len(measured.stimuli),
        "n_sessions": len(measured.rdms),
        "n_unknown_pairs": int(np.isnan(measured.values).sum()),
    }
    write_json(config.layout.quality(subject), quality)
    write_responses(config.layout, subject, replace(responses, trials=trials))


def _prepare_meeg(config: Config, subject: str) -> None:
    reading = meeg_reading(config, subject)
    runs, trials = read_meeg_trials(reading)
    trials = declare_split(trials, config.split, config.seed)
    recordings = [(run.files.name, run.files.recording) for run in runs]
    check_before_reading(config, trials, meeg_window_s(reading), recordings)
    _write(config, subject, *prepare_meeg(reading, runs, trials))


def _prepare_epochs(config: Config, subject: str) -> None:
    recording = config.recording
    assert isinstance(recording, EpochsRecording)
    responses, quality = read_epochs(
        config.bids, subject, recording.datatype, config.stimuli, recording.picks
    )
    trials = declare_split(responses.trials, config.split, config.seed)
    window = responses.sidecar["times_s"][0], responses.sidecar["times_s"][-1]
    check_before_reading(config, trials, window, [])
    _write(config, subject, replace(responses, trials=trials), quality)


def _write(config: Config, subject: str, responses: Responses, quality: dict[str, Any]) -> None:
    check_responses(responses.values, responses.trials)
    warnings = [*quality.get("warnings", []), *allowed_notes(config)]
    write_json(config.layout.quality(subject), {**quality, "warnings": warnings})
    write_responses(config.layout, subject, responses)


def _prepare_betas(config: Config, subject: str) -> None:
    from calcarine.pipelines.betas import open_betas

    found = open_betas(config, subject)
    trials = declare_split(betas_trials(found, subject, config.stimuli), config.split, config.seed)
    check_before_reading(config, trials, BETAS_WINDOW_S, [])
    quality = betas_quality(found, subject)
    warnings = [*quality.get("warnings", []), *allowed_notes(config)]
    write_json(config.layout.quality(subject), {**quality, "warnings": warnings})
    write_betas(config.layout, subject, found, trials, check_responses)


MODALITIES: dict[str, Callable[[Config, str], None]] = {
    "fmri": _prepare_fmri,
    "dissimilarities": _prepare_dissimilarities,
    "eeg": _prepare_meeg,
    "meg": _prepare_meeg,
    "epochs": _prepare_epochs,
    "betas": _prepare_betas,
}


def run(config: Config, subject: str) -> None:
    """Prepare one subject: write trials, responses, units and quality.

    The split is declared and checked before any volume is read.

    Raises
    ------
    CalcarineError
        Something is wrong with the data or the split.
    """
    check_data_set_links(config, [subject])
    MODALITIES[config.recording.modality](config, subject)
    write_input_hashes(config, subject)
