"""Single-trial responses of a subject's BOLD runs, one run in memory at a time."""

from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from calcarine.data.bids_names import entities_of
from calcarine.data.block_averages import BlockModel, block_responses
from calcarine.data.bold import VolumeSpace, check_whole, volume_space
from calcarine.data.confounds import read_confounds
from calcarine.data.errors import CalcarineError
from calcarine.data.fmri_quality import RunQuality, Survey, survey_run
from calcarine.data.fmri_trials import FmriReading, MeasuredRun
from calcarine.data.glm import (
    GlmModel,
    RunDesign,
    check_trials_measured,
    nuisance_design,
    run_betas,
)
from calcarine.data.hrf import KERNEL_S, HrfShape, hrf_shapes
from calcarine.data.hrf_choice import ShapeScores
from calcarine.data.noise_ceiling import unit_ceilings
from calcarine.data.responses import Responses
from calcarine.data.rois import unit_rois
from calcarine.data.splits import folds
from calcarine.data.surface_bold import SurfaceSpace, surface_space

Space = VolumeSpace | SurfaceSpace


def open_space(reading: FmriReading, runs: list[MeasuredRun]) -> Space:
    """Choose the voxels or vertices that are read.

    Raises
    ------
    CalcarineError
        The mask does not fit, or smoothing is asked for on a surface.
    """
    files = [run.files for run in runs]
    name = entities_of(files[0].bold[0].name).get("space", "func")
    if not files[0].is_surface:
        return volume_space(files, name, reading.mask, reading.smoothing_fwhm_mm)
    if reading.mask is not None or reading.smoothing_fwhm_mm is not None:
        raise CalcarineError(
            "`recording.mask` and `recording.smoothing_fwhm_mm` are for volumes; "
            f"{files[0].bold[0].name} lies on a surface. Remove them."
        )
    return surface_space(files, name)


def response_window_s(model: GlmModel | BlockModel, trials: pd.DataFrame) -> tuple[float, float]:
    """Give the data that a trial uses, in seconds after its onset."""
    longest = float(trials["duration_s"].max())
    if isinstance(model, BlockModel):
        return model.shift_s, model.shift_s + longest
    return 0.0, KERNEL_S + longest


def run_design(reading: FmriReading, run: MeasuredRun, model: GlmModel) -> RunDesign:
    """Build what the models of a run share."""
    return RunDesign(
        run.trials["onset"].to_numpy(dtype=float),
        run.trials["duration"].to_numpy(dtype=float),
        run.timing.frame_times_s,
        _nuisance(reading, run, model.drift, model.high_pass_hz),
    )


def _nuisance(
    reading: FmriReading, run: MeasuredRun, drift: str, high_pass_hz: float
) -> np.ndarray:
    timing = run.timing
    confounds = read_confounds(
        run.files.confounds, reading.confounds, timing.n_volumes, run.files.name
    )
    return nuisance_design(timing.frame_times_s, drift, high_pass_hz, confounds)


def check_choice_of_shapes(model: GlmModel | BlockModel, trials: pd.DataFrame) -> None:
    """Refuse to choose response shapes where every trial is tested once.

    Raises
    ------
    CalcarineError
        The split is a cross-validation and the model chooses from a library.
    """
    if isinstance(model, GlmModel) and model.hrf == "library" and len(folds(trials)) > 1:
        raise CalcarineError(
            "`hrf: library` chooses shapes on training trials, and in a cross-validation every "
            "trial is tested once. Set `recording.responses.hrf` to glover or spm."
        )


def _training_rows(trials: pd.DataFrame) -> np.ndarray:
    """Mark the trials that may choose a response shape: bool, shape (n_trials,)."""
    is_training = np.zeros(len(trials), dtype=bool)
    is_training[folds(trials)[0].train] = True
    return is_training


def _first_pass(
    reading: FmriReading,
    runs: list[MeasuredRun],
    trials: pd.DataFrame,
    space: Space,
    shapes: list[HrfShape],
) -> tuple[Survey, np.ndarray]:
    """Walk through all runs once: quality, usable units, and the choice of response shapes."""
    model = reading.responses
    chooses = isinstance(model, GlmModel) and len(shapes) > 1
    is_training = _training_rows(trials) if chooses else np.zeros(len(trials), dtype=bool)
    scores = ShapeScores.empty(shapes, space.n_units)
    qualities: list[RunQuality] = []
    start = 0
    for run in tqdm(runs, desc=f"sub-{reading.subject}: survey", disable=None):
        rows = slice(start, start + len(run.trials))
        start = rows.stop
        for path in run.files.bold:
            check_whole(path)
        series = space.read(run.files)
        qualities.append(survey_run(series, run, space, isinstance(model, GlmModel)))
        if isinstance(model, GlmModel) and chooses:
            scores.add_run(series, run_design(reading, run, model), is_training[rows])
    survey = Survey.of(qualities, space, reading.subject)
    chosen = scores.choose() if chooses else np.zeros(space.n_units, dtype=int)
    return survey, chosen[survey.kept]


def _estimate(
    reading: FmriReading,
    run: MeasuredRun,
    series: np.ndarray,
    names: list[str],
    shapes: list[HrfShape],
    chosen: np.ndarray,
) -> np.ndarray:
    model = reading.responses
    if isinstance(model, BlockModel):
        assert run.blocks is not None
        slow = model.high_pass_hz
        nuisance = None if slow is None else _nuisance(reading, run, "cosine", slow)
        return block_responses(series, run.blocks, model, nuisance)
    design = run_design(reading, run, model)
    check_trials_measured(design.trials(shapes[len(shapes) // 2]), names)
    return run_betas(series, design, shapes, chosen, model)


def prepare_fmri(
    reading: FmriReading, runs: list[MeasuredRun], trials: pd.DataFrame
) -> tuple[Responses, dict[str, Any]]:
    """Estimate one response a trial.

    Every run is read twice, one at a time: first to survey it (and to choose response shapes on
    training trials), then to estimate.

    Parameters
    ----------
    reading
        What to read and how.
    runs, trials
        From `read_fmri_trials`; `split` of the trials is declared.

    Returns
    -------
    tuple
        Responses, not standardised, and the quality of the data (JSON values).

    Raises
    ------
    CalcarineError
        A file is damaged, a value in the mask is not finite, or nothing usable is left.
    """
    model = reading.responses
    check_choice_of_shapes(model, trials)
    space = open_space(reading, runs)
    shapes = hrf_shapes(model.hrf) if isinstance(model, GlmModel) else []
    survey, chosen = _first_pass(reading, runs, trials, space, shapes)
    space = space.keep(survey.kept)
    values = np.empty((len(trials), space.n_units), dtype=np.float32)
    start = 0
    for run in tqdm(runs, desc=f"sub-{reading.subject}: responses", disable=None):
        rows = slice(start, start + len(run.trials))
        start = rows.stop
        if len(run.trials):
            names = trials["trial_id"].iloc[rows].tolist()
            series = space.read(run.files)
            values[rows] = _estimate(reading, run, series, names, shapes, chosen)
    ceilings, statement = unit_ceilings(values, trials)
    units = space.units()
    units["roi"] = unit_rois(space, reading.rois, reading.subject, reading.bids)
    units = units.join(ceilings)
    if len(shapes) > 1:
        units["hrf_index"] = chosen
    sidecar = {
        **space.sidecar(),
        "unit": _unit(model),
        "tr_s": runs[0].timing.tr_s,
        "response_window_s": list(response_window_s(model, trials)),
        "noise_ceiling": statement,
        "hrf": [shape.name for shape in shapes],
        "provenance": _provenance(reading, runs),
    }
    quality = survey.report(runs, reading)
    quality["ncsnr_median"] = None if statement is None else float(units["ncsnr"].median())
    return Responses(values, trials, units, sidecar), quality


def _unit(model: GlmModel | BlockModel) -> str:
    if isinstance(model, GlmModel):
        return "percent signal change"
    return {"rest": "z (rest of the run)", "run": "z (run)", "none": "raw"}[model.standardize]


def _provenance(reading: FmriReading, runs: list[MeasuredRun]) -> dict[str, Any]:
    """Say which files the responses come from, relative to their data set."""
    root = reading.derivatives or reading.bids
    return {
        "bold": [str(p.relative_to(root)) for run in runs for p in run.files.bold],
        "events": [str(run.files.events.relative_to(reading.bids)) for run in runs],
        "confounds": list(reading.confounds),
    }
