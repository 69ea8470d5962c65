"""From drive to BOLD: responses, drift, autocorrelated noise, movement, and an int16 image."""

from dataclasses import dataclass

import nibabel
import numpy as np
import pandas as pd
from scipy.stats import gamma

from calcarine.data.phantom.cortex import Cortex
from calcarine.data.phantom.regions import volume_affine, volume_shape

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
HEAD_RADIUS_MM = 50.0
DRIFT_PERIOD_S = 120.0
"""No drift is faster than this."""

_GRID_S = 0.05
_KERNEL_S = 30.0
_UNDERSHOOT = 0.15
_UNDERSHOOT_LATER_S = 9.0
_DRIFT_SD = 1.0
_JERKS_PER_MINUTE = 0.4
_STEP = 0.05
"""Scanner units per integer of the image: 0.005 % of a typical voxel."""


@dataclass(frozen=True)
class SimulatedRun:
    """One run as the scanner would give it.

    Attributes
    ----------
    bold
        float32, shape (n_volumes, n_voxels), scanner units.
    confounds
        One row a volume: six motion parameters (mm and radians), `framewise_displacement` (mm).
    """

    bold: np.ndarray
    confounds: pd.DataFrame


def haemodynamic_response(times_s: np.ndarray, peak_s: float, width_s: float) -> np.ndarray:
    """Evaluate the planted response to a brief stimulus, in arbitrary units.

    Parameters
    ----------
    times_s
        Seconds after the stimulus, any shape.
    peak_s, width_s
        When the peak comes, and the scale of its gamma density.

    Returns
    -------
    numpy.ndarray
        A gamma density with its mode at `peak_s`, less an undershoot 9 s later.
    """
    peak = gamma.pdf(times_s, peak_s / width_s + 1, scale=width_s)
    later = gamma.pdf(times_s, (peak_s + _UNDERSHOOT_LATER_S) / 1.2 + 1, scale=1.2)
    return peak - _UNDERSHOOT * later


def trial_regressors(
    onsets_s: np.ndarray,
    duration_s: float,
    frame_times_s: np.ndarray,
    peak_s: float,
    width_s: float,
) -> np.ndarray:
    """Give the response to each trial, of height 1.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_volumes, n_trials).
    """
    times = np.arange(0, _KERNEL_S + duration_s, _GRID_S)
    brief = haemodynamic_response(times, peak_s, width_s)
    shown = np.ones(max(1, round(duration_s / _GRID_S)))
    response = np.convolve(brief, shown)[: len(times)]
    delay = frame_times_s[:, None] - onsets_s[None, :]
    return np.interp(delay, times, response / response.max(), left=0.0, right=0.0)


def hrf_groups(cortex: Cortex) -> list[tuple[float, float, np.ndarray]]:
    """List the planted responses: peak, width, and the voxels that have it."""
    shapes = cortex.voxels.groupby(["hrf_peak_s", "hrf_width_s"], sort=True).indices
    return [(float(peak), float(width), rows) for (peak, width), rows in shapes.items()]


def evoked_signal(
    cortex: Cortex,
    drive: np.ndarray,
    onsets_s: np.ndarray,
    duration_s: float,
    frame_times_s: np.ndarray,
) -> np.ndarray:
    """Convolve the drive of a run's trials with each voxel's response.

    Parameters
    ----------
    cortex
        The subject.
    drive
        Percent signal change, shape (n_trials, n_voxels).
    onsets_s, duration_s
        When pictures come, shape (n_trials,), and how long they stay.
    frame_times_s
        Shape (n_volumes,).

    Returns
    -------
    numpy.ndarray
        Percent signal change, shape (n_volumes, n_voxels).
    """
    signal = np.empty((len(frame_times_s), drive.shape[1]))
    for peak, width, rows in hrf_groups(cortex):
        regressors = trial_regressors(onsets_s, duration_s, frame_times_s, peak, width)
        signal[:, rows] = regressors @ drive[:, rows]
    return signal


def ar1_noise(cortex: Cortex, n_volumes: int, rng: np.random.Generator) -> np.ndarray:
    """Draw stationary noise, in part shared by neighbours.

    Returns
    -------
    numpy.ndarray
        Percent signal change, shape (n_volumes, n_voxels), of standard deviation `noise_sd` and
        lag-1 autocorrelation `ar1`.
    """
    loadings = cortex.shared_noise
    own = np.sqrt(1 - (loadings**2).sum(axis=1))
    noise = own * rng.standard_normal((n_volumes, len(loadings)))
    noise += rng.standard_normal((n_volumes, loadings.shape[1])) @ loadings.T
    rho = cortex.voxels["ar1"].to_numpy()
    fresh = np.sqrt(1 - rho**2)
    for volume in range(1, n_volumes):
        noise[volume] = rho * noise[volume - 1] + fresh * noise[volume]
    return noise * cortex.voxels["noise_sd"].to_numpy()


def drift(frame_times_s: np.ndarray, n_voxels: int, rng: np.random.Generator) -> np.ndarray:
    """Draw slow drift: cosines of long periods, shape (n_volumes, n_voxels), percent."""
    length = frame_times_s[-1] + frame_times_s[1]
    n_cosines = max(1, int(2 * length / DRIFT_PERIOD_S))
    order = np.arange(1, n_cosines + 1)
    cosines = np.cos(np.pi * order * (frame_times_s[:, None] + frame_times_s[1] / 2) / length)
    return cosines @ (rng.normal(0, _DRIFT_SD, (n_cosines, n_voxels)) / order[:, None])


def movement(n_volumes: int, tr_s: float, rng: np.random.Generator) -> tuple[pd.DataFrame, list]:
    """Move the head: a slow random walk and a few abrupt jerks.

    Returns
    -------
    tuple
        Confounds, one row a volume, and the volumes at which the head jerked.
    """
    steps = rng.normal(0, 0.012 * np.sqrt(tr_s), (n_volumes, 6))
    jerks = np.flatnonzero(rng.random(n_volumes) < _JERKS_PER_MINUTE * tr_s / 60)
    steps[jerks] += rng.normal(0, 0.15, (len(jerks), 6))
    steps[0] = 0.0
    walk = np.cumsum(steps, axis=0)
    displacement = np.abs(steps).sum(axis=1)
    walk[:, 3:] /= HEAD_RADIUS_MM
    confounds = pd.DataFrame(walk, columns=list(MOTION))
    confounds["framewise_displacement"] = displacement
    confounds.loc[0, "framewise_displacement"] = np.nan
    return confounds, jerks.tolist()


def simulate_run(
    cortex: Cortex,
    drive: np.ndarray,
    onsets_s: np.ndarray,
    duration_s: float,
    n_volumes: int,
    tr_s: float,
    rng: np.random.Generator,
) -> SimulatedRun:
    """Simulate one run.

    Parameters
    ----------
    cortex
        The subject.
    drive
        Height of the responses in percent signal change, shape (n_trials, n_voxels); zeros give
        a run without signal.
    onsets_s, duration_s
        When pictures come, shape (n_trials,), and how long they stay.
    n_volumes, tr_s
        Length of the run in volumes, and of a volume in seconds.
    rng
        Of the run.

    Returns
    -------
    SimulatedRun
        Time series and confounds.
    """
    frame_times_s = tr_s * np.arange(n_volumes)
    percent = evoked_signal(cortex, drive, onsets_s, duration_s, frame_times_s)
    percent += ar1_noise(cortex, n_volumes, rng)
    percent += drift(frame_times_s, drive.shape[1], rng)
    confounds, jerks = movement(n_volumes, tr_s, rng)
    scale = np.array([1.0] * 3 + [HEAD_RADIUS_MM] * 3)
    percent += (confounds[list(MOTION)].to_numpy() * scale) @ cortex.motion_leak
    percent[jerks] += cortex.spike_leak
    baseline = cortex.voxels["baseline"].to_numpy() * (1 + rng.normal(0, 0.01))
    return SimulatedRun((baseline * (1 + percent / 100)).astype(np.float32), confounds)


def bold_image(cortex: Cortex, bold: np.ndarray, tr_s: float) -> nibabel.Nifti1Image:
    """Put time series into a volume of int16 with a scale; zero outside the voxels."""
    data = np.zeros((*volume_shape(), len(bold)), dtype=np.int16, order="F")
    where = tuple(cortex.voxels[axis].to_numpy() for axis in "ijk")
    data[where] = np.round(bold.T / _STEP).astype(np.int16)
    image = nibabel.Nifti1Image(data, volume_affine())
    image.header.set_data_dtype(np.int16)
    image.header.set_slope_inter(_STEP, 0.0)
    image.header.set_zooms((*image.header.get_zooms()[:3], tr_s))
    return in_mni(image)


def label_image(cortex: Cortex, labels: np.ndarray) -> nibabel.Nifti1Image:
    """Put one small integer a voxel into a volume; zero elsewhere."""
    data = np.zeros(volume_shape(), dtype=np.uint8)
    data[tuple(cortex.voxels[axis].to_numpy() for axis in "ijk")] = labels
    return in_mni(nibabel.Nifti1Image(data, volume_affine()))


def in_mni(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    """State units and space in the header."""
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(image.affine, code="mni")
    image.set_qform(image.affine, code="mni")
    return image
