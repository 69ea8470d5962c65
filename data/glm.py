"""Single-trial responses by the general linear model: one beta a trial."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from nilearn.glm.first_level import make_first_level_design_matrix

from calcarine.data.errors import CalcarineError
from calcarine.data.hrf import HrfShape, trial_design
from calcarine.data.regression import ar1_coefficients, residuals_of, whiten

_CHUNK = 8192
_MIN_ENERGY = 0.05


@dataclass(frozen=True)
class GlmModel:
    """How betas are estimated; the fields are those of the configuration.

    Attributes
    ----------
    method
        `lsa`: all trials in one model. `lss`: a model for each trial, with the trial and the sum
        of all others (Mumford et al. 2012, doi:10.1016/j.neuroimage.2011.08.076).
    hrf
        `glover`, `spm`, or `library`: the best shape for each voxel.
    drift, high_pass_hz
        Drift regressors and the cut-off of the cosine ones.
    noise_model
        `ols` or `ar1`.
    """

    method: Literal["lsa", "lss"] = "lss"
    hrf: Literal["glover", "spm", "library"] = "library"
    drift: Literal["cosine", "polynomial"] = "cosine"
    high_pass_hz: float = 0.01
    noise_model: Literal["ols", "ar1"] = "ols"


def nuisance_design(
    frame_times_s: np.ndarray, drift: str, high_pass_hz: float, confounds: np.ndarray
) -> np.ndarray:
    """Give the regressors of no interest: confounds, drift and intercept.

    Parameters
    ----------
    frame_times_s
        Shape (n_volumes,).
    drift
        `cosine` (up to `high_pass_hz`) or `polynomial` (of the order 1 + duration / 150 s).
    high_pass_hz
        Cut-off in Hz.
    confounds
        Shape (n_volumes, n_confounds).

    Returns
    -------
    numpy.ndarray
        float64, shape (n_volumes, n_regressors).
    """
    duration = frame_times_s[-1] - frame_times_s[0]
    design = make_first_level_design_matrix(
        frame_times_s,
        drift_model=drift,
        drift_order=1 + int(duration / 150),
        high_pass=high_pass_hz,
        add_regs=confounds if confounds.shape[1] else None,
    )
    return design.to_numpy(dtype=np.float64)


def single_trial_betas(
    series: np.ndarray, trials: np.ndarray, nuisance: np.ndarray, method: str
) -> np.ndarray:
    """Estimate one beta a trial by ordinary least squares.

    Both methods work on what the nuisance regressors leave over (Frisch–Waugh–Lovell), so that
    `lss` needs two sums of products a trial and no model of its own.

    Parameters
    ----------
    series
        Shape (n_volumes, n_voxels).
    trials
        One regressor a trial, shape (n_volumes, n_trials).
    nuisance
        Shape (n_volumes, n_regressors).
    method
        `lsa` or `lss`.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_trials, n_voxels), in the unit of `series`.

    Raises
    ------
    CalcarineError
        `lsa` cannot tell the trials apart.
    """
    rest = residuals_of(trials, nuisance)
    data = residuals_of(np.asarray(series, dtype=np.float64), nuisance)
    if method == "lsa":
        return _together(rest, data)
    total = rest.sum(axis=1)
    own = np.einsum("vt,vt->t", rest, rest)[:, None]
    shared = (rest.T @ total)[:, None] - own
    others = (total @ total) - 2 * shared - own
    with_own = rest.T @ data
    with_others = total @ data - with_own
    if rest.shape[1] == 1:
        return with_own / own
    return (others * with_own - shared * with_others) / (own * others - shared**2)


def _together(rest: np.ndarray, data: np.ndarray) -> np.ndarray:
    betas, _, rank, _ = np.linalg.lstsq(rest, data, rcond=1e-8)
    if rank < rest.shape[1]:
        raise CalcarineError(
            f"lsa cannot tell {rest.shape[1]} trials apart: the design has rank {rank}. Trials "
            "overlap too much for the number of volumes; use `method: lss`."
        )
    return betas


def check_trials_measured(trials: np.ndarray, names: Sequence[str]) -> None:
    """Refuse a trial whose response lies outside the scan.

    Parameters
    ----------
    trials
        One regressor a trial, shape (n_volumes, n_trials).
    names
        Trial ids.

    Raises
    ------
    CalcarineError
        Less than 5 % of a trial's usual response was measured.
    """
    energy = (trials**2).sum(axis=0)
    short = np.flatnonzero(energy < _MIN_ENERGY * np.median(energy))
    if len(short):
        raise CalcarineError(
            f"trial {names[short[0]]} begins so near the end of its scan that its response was "
            f"not measured (as for {len(short)} of {len(names)} trials of the run). "
            "Remove the row from events.tsv."
        )


@dataclass(frozen=True)
class RunDesign:
    """What the models of one run share.

    Attributes
    ----------
    onsets_s, durations_s
        Trials, shape (n_trials,).
    frame_times_s
        Shape (n_volumes,).
    nuisance
        Shape (n_volumes, n_regressors).
    """

    onsets_s: np.ndarray
    durations_s: np.ndarray
    frame_times_s: np.ndarray
    nuisance: np.ndarray

    def trials(self, shape: HrfShape) -> np.ndarray:
        """Give one regressor a trial for a response shape."""
        return trial_design(self.onsets_s, self.durations_s, self.frame_times_s, shape)


def run_betas(
    series: np.ndarray,
    design: RunDesign,
    shapes: Sequence[HrfShape],
    chosen: np.ndarray,
    model: GlmModel,
) -> np.ndarray:
    """Estimate the betas of a run in percent signal change.

    A beta is the height of the trial's response at its peak, divided by the voxel's mean.

    Parameters
    ----------
    series
        Shape (n_volumes, n_voxels); the mean of a voxel is its baseline.
    design
        The run.
    shapes, chosen
        Response shapes, and which one each voxel has: int, shape (n_voxels,).
    model
        Method and noise model.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_trials, n_voxels).
    """
    out = np.empty((len(design.onsets_s), series.shape[1]), dtype=np.float32)
    for index in np.unique(chosen):
        trials = design.trials(shapes[index])
        columns = np.flatnonzero(chosen == index)
        for start in range(0, len(columns), _CHUNK):
            part = columns[start : start + _CHUNK]
            values = series[:, part].astype(np.float64)
            out[:, part] = _betas(values, trials, design.nuisance, model)
            out[:, part] *= 100.0 / values.mean(axis=0)
    return out


def _betas(
    series: np.ndarray, trials: np.ndarray, nuisance: np.ndarray, model: GlmModel
) -> np.ndarray:
    if model.noise_model == "ols":
        return single_trial_betas(series, trials, nuisance, model.method)
    # trials alike: a regressor a trial would eat the autocorrelation that is to be measured
    rho = ar1_coefficients(series, np.column_stack([trials.sum(axis=1), nuisance]))
    out = np.empty((trials.shape[1], series.shape[1]))
    for value in np.unique(rho):
        columns = rho == value
        out[:, columns] = single_trial_betas(
            whiten(series[:, columns], value),
            whiten(trials, value),
            whiten(nuisance, value),
            model.method,
        )
    return out
