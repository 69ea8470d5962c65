"""Temporal response functions: continuous stimuli to sensors, by ridge over lags."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.ridge.folds import purged_folds
from calcarine.encoders.ridge.solver import solve_ridge


def lagged(features: np.ndarray, lags: Sequence[int], segments: np.ndarray) -> np.ndarray:
    """Lay copies of features side by side, each shifted by a lag.

    Parameters
    ----------
    features
        Shape (n_samples, n_features).
    lags
        Samples by which the response follows the stimulus; negative ones look ahead.
    segments
        Which piece of the recording each sample belongs to, shape (n_samples,), pieces one after
        the other: nothing is carried from one to the next.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_samples, n_features * n_lags): lags of a feature side by side, zero where
        the stimulus is not known.

    Examples
    --------
    >>> lagged(np.array([[1.0], [2.0], [3.0]]), [0, 1], np.zeros(3)).tolist()
    [[1.0, 0.0], [2.0, 1.0], [3.0, 2.0]]
    """
    n_samples, n_features = features.shape
    out = np.zeros((n_samples, n_features, len(lags)), dtype=np.float32)
    for column, lag in enumerate(lags):
        source = np.arange(n_samples) - lag
        inside = (source >= 0) & (source < n_samples)
        rows = np.flatnonzero(inside)
        rows = rows[segments[rows] == segments[source[rows]]]
        out[rows, :, column] = features[source[rows]]
    return out.reshape(n_samples, -1)


class TemporalResponse:
    """Predict channels from the recent past of a stimulus (Crosse et al. 2016).

    doi:10.3389/fnhum.2016.00604: y(t) = Σ_lag Σ_f x_f(t − lag) w_f(lag) + b, with one penalty a
    channel from the solver that voxels have.

    Parameters
    ----------
    tmin_s, tmax_s
        First and last lag in seconds, both included; negative ones look ahead, as a control.
    sampling_rate_hz
        Of stimulus and responses.
    n_folds
        Folds of the search for penalties; whole segments are held out.
    gap_s
        Seconds between training and held-out samples, for one long film: folds are then stretches
        of it, and samples within the gap of a stretch (beside those that its lags reach) serve
        neither side. It should span the autocorrelation of the noise. None: whole segments.

    Attributes
    ----------
    kernels_
        Response functions, float32, shape (n_features, n_lags, n_channels).
    intercept_, alpha_
        Shape (n_channels,).
    lags_s_
        Lags in seconds, shape (n_lags,).
    """

    def __init__(
        self,
        tmin_s: float,
        tmax_s: float,
        sampling_rate_hz: float,
        n_folds: int | None = 5,
        gap_s: float | None = None,
    ) -> None:
        if not tmin_s <= tmax_s or sampling_rate_hz <= 0:
            raise CalcarineError(
                f"lags from {tmin_s} to {tmax_s} s at {sampling_rate_hz} Hz; expected tmin_s ≤ "
                "tmax_s and a positive rate."
            )
        self.tmin_s, self.tmax_s = tmin_s, tmax_s
        self.sampling_rate_hz = sampling_rate_hz
        self.n_folds = n_folds
        self.gap_s = gap_s

    @property
    def lags(self) -> range:
        """Lags in samples."""
        rate = self.sampling_rate_hz
        return range(round(self.tmin_s * rate), round(self.tmax_s * rate) + 1)

    def fit(self, stimulus: np.ndarray, responses: np.ndarray, segments: np.ndarray) -> Self:
        """Fit on continuous training data.

        Parameters
        ----------
        stimulus
            Shape (n_samples, n_features).
        responses
            Shape (n_samples, n_channels).
        segments
            Run, sentence or film that each sample belongs to, shape (n_samples,): the folds of the
            search for penalties hold out whole ones.

        Raises
        ------
        CalcarineError
            Lengths differ, or there are fewer than two segments.
        """
        _check(stimulus, responses, segments)
        features = lagged(stimulus, self.lags, segments)
        solution = solve_ridge(features, responses, **self._folds(segments))
        shape = (stimulus.shape[1], len(self.lags), responses.shape[1])
        self.kernels_ = solution.coef.reshape(shape)
        self.intercept_, self.alpha_ = solution.intercept, solution.alpha
        self.lags_s_ = np.array(self.lags) / self.sampling_rate_hz
        return self

    def _folds(self, segments: np.ndarray) -> dict[str, Any]:
        """Say how penalties are cross-validated: over segments, or stretches with a gap."""
        if self.gap_s is not None:
            reach = max(abs(lag) for lag in self.lags)
            gap = self.gap_s * self.sampling_rate_hz + reach
            n_stretches = 5 if self.n_folds is None else self.n_folds
            return {"folds": purged_folds(len(segments), n_stretches, gap, segments=segments)}
        n_segments = len(np.unique(segments))
        if n_segments < 2:
            raise CalcarineError(
                "all samples belong to one segment; a penalty is chosen on segments that were held "
                "out. Name two or more (runs, or pieces of some ten seconds), or give `gap_s`."
            )
        n_folds = None if self.n_folds is None else min(self.n_folds, n_segments)
        return {"groups": segments, "n_folds": n_folds}

    def predict(self, stimulus: np.ndarray, segments: np.ndarray) -> np.ndarray:
        """Predict responses, float32, shape (n_samples, n_channels)."""
        n_features = len(self.kernels_)
        if stimulus.ndim != 2 or stimulus.shape[1] != n_features:
            raise CalcarineError(
                f"the stimulus has the shape {stimulus.shape}; fitted on {n_features} features."
            )
        weights = self.kernels_.reshape(-1, self.kernels_.shape[2])
        return lagged(stimulus, self.lags, segments) @ weights + self.intercept_

    def score(
        self, stimulus: np.ndarray, responses: np.ndarray, segments: np.ndarray
    ) -> np.ndarray:
        """Correlate predicted with measured responses over samples, shape (n_channels,)."""
        _check(stimulus, responses, segments)
        return correlation(responses, self.predict(stimulus, segments))


def _check(stimulus: np.ndarray, responses: np.ndarray, segments: np.ndarray) -> None:
    lengths = (len(stimulus), len(responses), len(segments))
    if len(set(lengths)) != 1 or stimulus.ndim != 2 or responses.ndim != 2:
        raise CalcarineError(
            f"stimulus, responses and segments have the shapes {stimulus.shape}, "
            f"{responses.shape} and {np.shape(segments)}; expected (n_samples, n_features), "
            "(n_samples, n_channels) and (n_samples,)."
        )
