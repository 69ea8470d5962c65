"""Choosing a response shape for each voxel, on training trials."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcarine.data.glm import RunDesign
from calcarine.data.hrf import HrfShape
from calcarine.data.regression import orthonormal_basis, residuals_of

_CHUNK = 8192
# where responses of visual cortex usually peak and how wide they are: mean and spread
_PEAK_S = (5.25, 1.25)
_LOG_WIDTH = (0.0, 0.4)
# two autocorrelated volumes count as one
_VOLUMES_PER_SAMPLE = 2.0


@dataclass
class ShapeScores:
    """How much of the training runs each shape explains, summed run by run.

    The model is the average response: one regressor for all training trials of a run. It is
    blind to what a voxel is tuned to, and needs no trial to repeat. (A regressor a trial would
    fit noise, and most of it where the shape is odd.)

    Attributes
    ----------
    shapes
        Response shapes.
    explained, residual
        Sums of squares, shape (n_shapes, n_voxels).
    n_volumes
        Volumes that were summed over.
    """

    shapes: Sequence[HrfShape]
    explained: np.ndarray
    residual: np.ndarray
    n_volumes: int = 0

    @classmethod
    def empty(cls, shapes: Sequence[HrfShape], n_voxels: int) -> "ShapeScores":
        """Begin with no run."""
        zeros = np.zeros((len(shapes), n_voxels))
        return cls(shapes, zeros, zeros.copy())

    def add_run(self, series: np.ndarray, design: RunDesign, is_training: np.ndarray) -> None:
        """Add a run.

        Other trials of the run are regressors of no interest, with the same shape, so that
        what they evoke does not decide.

        Parameters
        ----------
        series
            Shape (n_volumes, n_voxels).
        design
            The run.
        is_training
            bool, shape (n_trials,).
        """
        if not is_training.any():
            return
        self.n_volumes += len(series)
        trials = [design.trials(shape) for shape in self.shapes]
        for start in range(0, series.shape[1], _CHUNK):
            part = slice(start, start + _CHUNK)
            data = residuals_of(series[:, part].astype(np.float64), design.nuisance)
            for i, regressors in enumerate(trials):
                sums = _sums(data, regressors, design.nuisance, is_training)
                self.explained[i, part] += sums[0]
                self.residual[i, part] += sums[1]

    def choose(self) -> np.ndarray:
        """Choose the most probable shape for each voxel.

        The share of variance that a shape leaves unexplained gives its likelihood; what is known
        of visual cortex (peaks near 5 s) decides where the data are silent.

        Returns
        -------
        numpy.ndarray
            int, shape (n_voxels,): index into `shapes`.
        """
        total = self.explained + self.residual
        left = np.divide(self.residual, total, out=np.ones_like(total), where=total > 0)
        n_samples = self.n_volumes / _VOLUMES_PER_SAMPLE
        likelihood = -0.5 * n_samples * np.log(np.maximum(left, 1e-12))
        prior = np.array([_log_prior(shape) for shape in self.shapes])
        return (likelihood + prior[:, None]).argmax(axis=0)


def _sums(
    data: np.ndarray, trials: np.ndarray, nuisance: np.ndarray, is_training: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give explained and residual sums of squares of data that are free of nuisance."""
    rest = residuals_of(trials, nuisance)
    average = rest[:, is_training].sum(axis=1, keepdims=True)
    total = (data**2).sum(axis=0)
    if not is_training.all():
        others = orthonormal_basis(rest[:, ~is_training])
        average = average - others @ (others.T @ average)
        total = total - ((others.T @ data) ** 2).sum(axis=0)
    explained = (average.T @ data)[0] ** 2 / (average**2).sum()
    return explained, np.maximum(total - explained, 0.0)


def _log_prior(shape: HrfShape) -> float:
    if shape.peak_s is None or shape.width is None:
        return 0.0
    peak = (shape.peak_s - _PEAK_S[0]) / _PEAK_S[1]
    width = (np.log(shape.width) - _LOG_WIDTH[0]) / _LOG_WIDTH[1]
    return float(-0.5 * (peak**2 + width**2))
