"""Empirical-Bayes ridge: the weights of a new person's voxels, given those of others."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

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
    weights = posterior_weights(features, targets, prior)
    full = prior.mean[:, None] + prior.factor @ weights
    return LinearVoxels(full[:-1].astype(np.float32), full[-1].astype(np.float32))


def posterior_weights(features: np.ndarray, targets: np.ndarray, prior: WeightPrior) -> np.ndarray:
    """Give the posterior mean in the prior's own axes, where it is N(0, I) before any picture.

    Returns
    -------
    numpy.ndarray
        ω of ŵ = μ + S ω, float64, shape (n_features + 1, n_units).
    """
    x = with_constant(features)
    residual = np.asarray(targets, dtype=np.float64) - (x @ prior.mean)[:, None]
    return posterior_in_axes(x @ prior.factor, residual, prior.noise)


def posterior_in_axes(design: np.ndarray, residual: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Give the posterior mean of N(0, I) weights, averaged over variances of the noise.

    Parameters
    ----------
    design
        Pictures in the prior's axes, shape (n_pictures, n_axes).
    residual
        Responses less what the prior's mean predicts, shape (n_pictures, n_units).
    noise
        Variances that are equally likely, shape (n_noise,).

    Returns
    -------
    numpy.ndarray
        float64, shape (n_axes, n_units).
    """
    left, spread, right = np.linalg.svd(design, full_matrices=False)
    turned = left.T @ residual
    rest = np.maximum((residual**2).sum(axis=0) - (turned**2).sum(axis=0), 0)
    variance = spread[:, None] ** 2 + noise[None]
    # log likelihood of each voxel's responses under each variance of the noise
    fit = (turned**2).T @ (1 / variance) + rest[:, None] / noise[None]
    volume = np.log(variance).sum(axis=0) + (len(design) - len(spread)) * np.log(noise)
    odds = softmax(-0.5 * (fit + volume), axis=1)
    return np.asarray(right.T @ (spread[:, None] * turned * (odds @ (1 / variance).T).T))
