"""Haemodynamic response functions: the canonical ones of nilearn and a library of shapes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from nilearn.glm.first_level import compute_regressor
from scipy.stats import gamma

from calcarine.data.errors import CalcarineError

KERNEL_S = 32.0
_GRID_S = 0.05
_UNDERSHOOT_LATER_S = 10.0
_UNDERSHOOT_RATIO = 1 / 6


@dataclass(frozen=True)
class HrfShape:
    """One double-gamma response.

    Attributes
    ----------
    name
        `glover`, `spm`, or the two numbers below.
    peak_s, width
        Time to peak of the first gamma in seconds, and its scale (1 is canonical; the width of
        the peak grows with its root). None for nilearn's own shapes.
    """

    name: str
    peak_s: float | None = None
    width: float | None = None

    @property
    def model(self) -> str | Callable[[float, int], np.ndarray]:
        """What nilearn takes as `hrf_model`."""
        if self.peak_s is None or self.width is None:
            return self.name
        peak_s, width = self.peak_s, self.width

        def kernel(tr_s: float, oversampling: int) -> np.ndarray:
            values = double_gamma(np.arange(0, KERNEL_S, tr_s / oversampling), peak_s, width)
            return values / values.sum()

        return kernel


def double_gamma(times_s: np.ndarray, peak_s: float, width: float) -> np.ndarray:
    """Evaluate a response that is the difference of two gamma densities.

    The first has its mode at `peak_s` and the scale `width`; the second, the undershoot, has its
    mode 10 s later, the scale 1 and a sixth of the weight (Friston et al. 1998,
    doi:10.1006/nimg.1997.0306).

    Parameters
    ----------
    times_s
        Seconds after a brief stimulus, shape (n_times,).
    peak_s, width
        See `HrfShape`.

    Returns
    -------
    numpy.ndarray
        Shape (n_times,), the largest value is 1 on a fine grid.

    Examples
    --------
    >>> times = np.arange(0, 32, 0.01)
    >>> round(float(times[double_gamma(times, 5.0, 1.0).argmax()]), 1)
    5.0
    """

    def shape(t: np.ndarray) -> np.ndarray:
        peak = gamma.pdf(t, peak_s / width + 1, scale=width)
        later = gamma.pdf(t, peak_s + _UNDERSHOOT_LATER_S + 1, scale=1.0)
        return peak - _UNDERSHOOT_RATIO * later

    return shape(np.asarray(times_s)) / shape(np.arange(0, KERNEL_S, 0.01)).max()


def hrf_library() -> list[HrfShape]:
    """List the shapes that a voxel's response is chosen from.

    Seven times to peak from 3.5 to 8 s, three widths each: they span what is found in visual
    cortex (peaks between about 4 and 7 s; Handwerker et al. 2004,
    doi:10.1016/j.neuroimage.2003.11.029).
    """
    return [
        HrfShape(f"peak {peak:g} s, width {width:g}", float(peak), width)
        for peak in np.arange(3.5, 8.1, 0.75)
        for width in (0.6, 1.0, 1.6)
    ]


def hrf_shapes(hrf: str) -> list[HrfShape]:
    """Give the shapes of a configuration's word: one for `glover` and `spm`, many for `library`.

    Raises
    ------
    CalcarineError
        The word is another one.
    """
    if hrf == "library":
        return hrf_library()
    if hrf not in ("glover", "spm"):
        raise CalcarineError(f"hrf is {hrf!r}; expected glover, spm or library.")
    return [HrfShape(hrf)]


def trial_response(shape: HrfShape, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the response to one trial on a fine grid, scaled so that its peak is 1.

    The scale makes betas comparable: whatever shape and duration, a beta is the height of the
    response's peak.

    Parameters
    ----------
    shape
        Response to a brief stimulus.
    duration_s
        Length of the trial; below 0.05 s it counts as brief.

    Returns
    -------
    tuple of numpy.ndarray
        Seconds after onset and values, each of shape (n_times,).
    """
    times = np.arange(0, KERNEL_S + duration_s + 1, _GRID_S)
    event = np.array([[0.0], [duration_s], [1.0]])
    regressor, _ = compute_regressor(event, shape.model, times, oversampling=1, min_onset=0)
    values = regressor[:, 0]
    return times, values / values.max()


def trial_design(
    onsets_s: np.ndarray, durations_s: np.ndarray, frame_times_s: np.ndarray, shape: HrfShape
) -> np.ndarray:
    """Give one regressor a trial.

    Parameters
    ----------
    onsets_s, durations_s
        Shape (n_trials,).
    frame_times_s
        Time of each volume, shape (n_volumes,).
    shape
        Response of the voxel.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_volumes, n_trials); the peak of each trial's full response is 1.
    """
    design = np.empty((len(frame_times_s), len(onsets_s)))
    rounded = np.round(durations_s, 3)
    for duration in np.unique(rounded):
        times, values = trial_response(shape, float(duration))
        rows = np.flatnonzero(rounded == duration)
        delay = frame_times_s[:, None] - np.asarray(onsets_s)[None, rows]
        design[:, rows] = np.interp(delay, times, values, left=0.0, right=0.0)
    return design
