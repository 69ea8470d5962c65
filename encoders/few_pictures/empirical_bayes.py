"""Empirical-Bayes ridge: the weights of a new person's voxels, given those of others."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from calcarine.encoders.few_pictures.weight_prior import WeightPrior, with_constant


@dataclass(frozen=True)
class LinearVoxels:
    """Weights of voxels.

    Attributes
    ----------
    coef, intercept
        float32, shape (n_features, n_units) and (n_units,).
    """

    coef: np.ndarray
    intercept: np.ndarray

    @classmethod
    def of(cls, weights: np.ndarray) -> "LinearVoxels":
        """Take weights with the intercept last, shape (n_features + 1, n_units)."""
        return cls(weights[:-1].astype(np.float32), weights[-1].astype(np.float32))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict standardised responses, float32, shape (n_items, n_units)."""
        flat = np.asarray(features, dtype=np.float32).reshape(len(features), -1)
        return flat @ self.coef + self.intercept


def empirical_bayes_ridge(
    features: np.ndarray, targets: np.ndarray, prior: WeightPrior
) -> LinearVoxels:
    """Give the posterior mean of the weights, ŵ = μ + ΣXᵀ(XΣXᵀ + σ²I)⁻¹(y − Xμ).

    The noise of a voxel is not known: ŵ is averaged over the variances of the prior, each as likely
    as the voxel's few responses make it.

    Parameters
    ----------
    features
        Embeddings of the pictures, shape (n_pictures, n_features).
    targets
        Standardised responses, shape (n_pictures, n_units).
    prior
        From the voxels of other people.

    References
    ----------
    Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, chapter 2.
    """
    x, y = with_constant(features), np.asarray(targets, dtype=np.float64)
    return LinearVoxels.of(normal_posterior(x, y, prior.mean, prior.factor, prior.noise)[0])


def normal_posterior(
    x: np.ndarray, y: np.ndarray, mean: np.ndarray, factor: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the posterior mean of N(μ, S Sᵀ) weights, averaged over variances of the noise.

    Parameters
    ----------
    x
        Pictures, with a constant, shape (n_pictures, n_features + 1).
    y
        Responses, shape (n_pictures, n_units).
    mean, factor
        μ and S.
    noise
        Variances that are equally likely, shape (n_noise,).

    Returns
    -------
    weights : numpy.ndarray
        float64, shape (n_features + 1, n_units).
    likelihood : numpy.ndarray
        Log likelihood of each voxel's responses, without constants, shape (n_units,).
    """
    left, spread, right = np.linalg.svd(x @ factor, full_matrices=False)
    residual = y - (x @ mean)[:, None]
    turned = left.T @ residual
    rest = np.maximum((residual**2).sum(axis=0) - (turned**2).sum(axis=0), 0)
    variance = spread[:, None] ** 2 + noise[None]
    fit = (turned**2).T @ (1 / variance) + rest[:, None] / noise[None]
    volume = np.log(variance).sum(axis=0) + (len(x) - len(spread)) * np.log(noise)
    likelihood = -0.5 * (fit + volume)
    odds = softmax(likelihood, axis=1)
    drive = spread[:, None] * turned * (odds @ (1 / variance).T).T
    weights = mean[:, None] + factor @ (right.T @ drive)
    return weights, logsumexp(likelihood, axis=1) - np.log(len(noise))
