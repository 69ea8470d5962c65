"""True noise ceilings: how well a perfect model could predict the phantom's estimated responses."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from calcarine.data.phantom.bold import DRIFT_PERIOD_S, hrf_groups, trial_regressors
from calcarine.data.phantom.cortex import Cortex
from calcarine.data.phantom.experiment import PlannedRun


def single_trial_weights(trials: np.ndarray, nuisance: np.ndarray) -> np.ndarray:
    """Give the weights that turn a time series into least-squares-separate responses.

    Each trial has a model of its own: its regressor, the sum of all others, and the nuisance
    (Mumford et al. 2012, doi:10.1016/j.neuroimage.2011.08.076).

    Parameters
    ----------
    trials
        One regressor a trial, shape (n_volumes, n_trials).
    nuisance
        Shape (n_volumes, n_regressors).

    Returns
    -------
    numpy.ndarray
        Shape (n_trials, n_volumes).
    """
    basis, _ = np.linalg.qr(nuisance)
    rest = trials - basis @ (basis.T @ trials)
    weights = np.empty(trials.shape[::-1])
    total = rest.sum(axis=1)
    for trial, own in enumerate(rest.T):
        others = total - own
        freed = own - others * ((others @ own) / max(float(others @ others), 1e-12))
        weights[trial] = freed / (freed @ own)
    return weights


def slow_nuisance(frame_times_s: np.ndarray) -> np.ndarray:
    """Give an intercept and the cosines of all drift, shape (n_volumes, n_regressors)."""
    n_volumes = len(frame_times_s)
    n_cosines = max(1, int(2 * n_volumes * frame_times_s[1] / DRIFT_PERIOD_S))
    volume = np.arange(n_volumes)[:, None] + 0.5
    return np.cos(np.pi * np.arange(n_cosines + 1) * volume / n_volumes)


def true_ceilings(
    cortex: Cortex,
    drive: np.ndarray,
    runs: Sequence[PlannedRun],
    duration_s: float,
    tr_s: float,
    n_repeats: int,
) -> pd.DataFrame:
    """Compute the noise ceilings of the test scenes' responses in closed form.

    The response is estimated by least squares separate with the planted haemodynamic response
    and drift. Its signal is the part that the scene itself contributes; its noise is what the
    autocorrelated noise and the neighbouring trials contribute. Movement counts as removed.

    Parameters
    ----------
    cortex
        The subject.
    drive
        Of the test scenes, in percent signal change, shape (n_scenes, n_voxels).
    runs
        Test runs.
    duration_s, tr_s
        How long pictures stay, and repetition time.
    n_repeats
        Repeats that are averaged.

    Returns
    -------
    pandas.DataFrame
        `ncsnr`, `noise_ceiling_1` and `noise_ceiling_n` (r, for one measurement and for the mean
        of the repeats), one row a voxel; 0 for voxels without signal.
    """
    signal_sd = drive.std(axis=0, ddof=1)
    rho, noise_sd = (cortex.voxels[name].to_numpy() for name in ("ar1", "noise_sd"))
    kept, noise = np.zeros(len(rho)), np.zeros(len(rho))
    for run in runs:
        frame_times_s = tr_s * np.arange(run.n_volumes)
        nuisance = slow_nuisance(frame_times_s)
        lag = np.abs(np.subtract.outer(np.arange(run.n_volumes), np.arange(run.n_volumes)))
        for peak, width, rows in hrf_groups(cortex):
            trials = trial_regressors(run.onsets_s, duration_s, frame_times_s, peak, width)
            weights = single_trial_weights(trials, nuisance)
            gain = weights @ trials
            own = np.diag(gain)
            kept[rows] += own.mean() / len(runs)
            # variance of what the other trials leak in, and of this trial's varying gain
            leaked = ((gain**2).sum(axis=1) - own**2).mean() + own.var()
            noise[rows] += leaked * signal_sd[rows] ** 2 / len(runs)
            for value in np.unique(rho[rows]):
                same = rows[rho[rows] == value]
                variance = np.einsum("tv,vw,tw->t", weights, value**lag, weights, optimize=True)
                noise[same] += variance.mean() * noise_sd[same] ** 2 / len(runs)
    ncsnr = kept * signal_sd / np.sqrt(noise)
    return pd.DataFrame(
        {
            "ncsnr": ncsnr,
            "noise_ceiling_1": ncsnr / np.sqrt(ncsnr**2 + 1),
            "noise_ceiling_n": ncsnr / np.sqrt(ncsnr**2 + 1 / n_repeats),
        }
    )
