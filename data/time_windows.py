"""Windows of a trial: which samples they hold, and the means over them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from calcarine.data.errors import CalcarineError

_TINY_S = 1e-9


class Window(NamedTuple):
    """Part of a trial.

    Attributes
    ----------
    start_s, stop_s
        Seconds after stimulus onset; samples at `start_s` belong to it, those at `stop_s` do not.
    """

    start_s: float
    stop_s: float

    @property
    def centre_s(self) -> float:
        """The middle, in seconds after onset."""
        return (self.start_s + self.stop_s) / 2


def sliding_windows(times_s: np.ndarray, window_s: float, step_s: float) -> list[Window]:
    """Slide a window over the trial.

    The grid is anchored at stimulus onset: no window holds samples of both sides of it, as long
    as `window_s` is a multiple of `step_s`.

    Parameters
    ----------
    times_s
        Times of the samples.
    window_s, step_s
        Length, and time between the starts.

    Returns
    -------
    list of Window
        Those that lie in the trial and hold a sample, first to last; those across the onset are
        left out.

    Raises
    ------
    CalcarineError
        No window fits.

    Examples
    --------
    >>> [w.start_s for w in sliding_windows(np.arange(-2, 4) / 10, 0.2, 0.1)]
    [-0.2, 0.0, 0.1, 0.2]
    """
    step = float(np.median(np.diff(times_s)))
    first, last = float(times_s[0]), float(times_s[-1]) + step
    numbers = range(int(np.ceil(first / step_s - 1e-6)), int(np.floor(last / step_s + 1e-6)) + 1)
    found = []
    for number in numbers:
        start = round(number * step_s, 9)
        window = Window(start, round(start + window_s, 9))
        is_across = window.start_s < -_TINY_S and window.stop_s > _TINY_S
        inside = window.stop_s <= last + _TINY_S
        if inside and not is_across and samples_of(times_s, window).any():
            found.append(window)
    if not found:
        raise CalcarineError(
            f"no window of {window_s:g} s every {step_s:g} s holds a sample of the trial from "
            f"{first:g} to {last:g} s. Choose a shorter window, or a longer epoch."
        )
    return found


def samples_of(times_s: np.ndarray, window: Window) -> np.ndarray:
    """Tell which samples lie in a window, bool, shape (n_times,)."""
    return (times_s >= window.start_s - _TINY_S) & (times_s < window.stop_s - _TINY_S)


def window_means(values: np.ndarray, times_s: np.ndarray, windows: Sequence[Window]) -> np.ndarray:
    """Average the samples of each window.

    Parameters
    ----------
    values
        Shape (n_trials, n_channels, n_times).
    times_s
        Shape (n_times,).
    windows
        Each must hold a sample.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_trials, n_channels, n_windows).
    """
    share = np.stack([samples_of(times_s, w) for w in windows], axis=1).astype(np.float32)
    return np.asarray(values, dtype=np.float32) @ (share / share.sum(axis=0))
