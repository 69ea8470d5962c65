"""Choosing a response shape for each voxel, on training trials."""

from collections.abc import Sequence

import numpy as np

from calcarine.data.glm import RunDesign
from calcarine.data.hrf import HrfShape
from calcarine.data.regression import orthonormal_basis, residuals_of

_CHUNK = 8192


def explained_sums(
    series: np.ndarray, wanted: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give how much of a run some trials explain, beyond what all else in the model explains.

    Parameters
    ----------
    series
        Shape (n_volumes, n_voxels).
    wanted
        Regressors of the trials in question, shape (n_volumes, n_trials).
    others
        Nuisance regressors and all other trials, shape (n_volumes, n_others).

    Returns
    -------
    tuple of numpy.ndarray
        Explained and residual sum of squares, each of shape (n_voxels,).
    """
    data = residuals_of(np.asarray(series, dtype=np.float64), others)
    basis = orthonormal_basis(residuals_of(wanted, others))
    explained = ((basis.T @ data) ** 2).sum(axis=0)
    return explained, (data**2).sum(axis=0) - explained


def score_shapes(
    series: np.ndarray, design: RunDesign, is_training: np.ndarray, shapes: Sequence[HrfShape]
) -> tuple[np.ndarray, np.ndarray]:
    """Score every response shape on the training trials of a run.

    Other trials of the run are regressors of no interest, with the same shape: nothing that they
    evoke decides. Sums over runs, given to `choose_shapes`, choose the shape.

    Parameters
    ----------
    series
        Shape (n_volumes, n_voxels).
    design
        The run.
    is_training
        bool, shape (n_trials,).
    shapes
        Response shapes.

    Returns
    -------
    tuple of numpy.ndarray
        Explained and residual sums of squares, each of shape (n_shapes, n_voxels).
    """
    explained = np.zeros((len(shapes), series.shape[1]))
    residual = np.zeros_like(explained)
    for i, shape in enumerate(shapes):
        trials = design.trials(shape)
        others = np.column_stack([design.nuisance, trials[:, ~is_training]])
        for start in range(0, series.shape[1], _CHUNK):
            part = slice(start, start + _CHUNK)
            explained[i, part], residual[i, part] = explained_sums(
                series[:, part], trials[:, is_training], others
            )
    return explained, residual


def choose_shapes(explained: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Choose the shape that leaves the least unexplained for each voxel.

    Parameters
    ----------
    explained, residual
        Sums over runs of what `score_shapes` returns, shape (n_shapes, n_voxels).

    Returns
    -------
    numpy.ndarray
        int, shape (n_voxels,).
    """
    total = explained + residual
    share = np.divide(explained, total, out=np.zeros_like(total), where=total > 0)
    return share.argmax(axis=0)
