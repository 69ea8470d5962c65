"""How the weights of voxels are distributed, learned from the voxels of other people."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcarine.data.errors import CalcarineError

_N_NOISE = 16
_SMALLEST = 1e-8


@dataclass(frozen=True)
class WeightPrior:
    """A normal distribution of a voxel's weights, intercept last, and of its noise.

    Attributes
    ----------
    mean
        float64, shape (n_features + 1,).
    factor
        S of the covariance S Sᵀ, float64, shape (n_features + 1, n_features + 1).
    noise
        Variances of the noise that are equally likely, float64, ascending, shape (n_noise,).
    """

    mean: np.ndarray
    factor: np.ndarray
    noise: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the weights, shape (n_features + 1, n_features + 1)."""
        return self.factor @ self.factor.T

    def in_axes(self, weights: np.ndarray) -> np.ndarray:
        """Give ω of w = μ + S ω, for weights of the shape (n_features + 1, n_units)."""
        return np.asarray(np.linalg.solve(self.factor, weights - self.mean[:, None]))


def with_constant(features: np.ndarray) -> np.ndarray:
    """Append a column of ones: float64, shape (n, n_features + 1)."""
    flat = np.asarray(features, dtype=np.float64).reshape(len(features), -1)
    return np.hstack([flat, np.ones((len(flat), 1))])


def fit_weight_prior(
    people: Sequence[tuple[np.ndarray, np.ndarray]], n_iterations: int = 40
) -> WeightPrior:
    """Learn the distribution of weights by expectation maximisation.

    Each voxel is y = X w + ε with w ~ N(μ, Σ) and ε ~ N(0, σ²I); μ, Σ and each voxel's σ² maximise
    the likelihood of all voxels. The mean of fitted ridge weights would not do: ridge has shrunk
    them, and their spread would hold the noise of the fits.

    Parameters
    ----------
    people
        Features (n_trials, n_features) and standardised responses (n_trials, n_units) of each.
    n_iterations
        Rounds.

    Raises
    ------
    CalcarineError
        Nobody is given, or the numbers of features differ.
    """
    sums = [WeightSums.of(features, responses) for features, responses in people]
    if len({len(own.gram) for own in sums}) != 1:
        raise CalcarineError(
            f"a prior of weights needs people with the same features; got {len(sums)} with "
            f"{[len(own.gram) - 1 for own in sums]} features."
        )
    size = len(sums[0].gram)
    mean = np.zeros(size)
    scale = np.mean([np.trace(own.gram) / (own.n_trials * size) for own in sums])
    factor = np.eye(size) * np.sqrt(0.1 / (scale * size))
    noise = [np.full(own.moments.shape[1], 0.9) for own in sums]
    for _ in range(n_iterations):
        found = [own.posterior(mean, factor, n) for own, n in zip(sums, noise, strict=True)]
        noise = [own.noise(f) for own, f in zip(sums, found, strict=True)]
        weights = np.concatenate([f.weights for f in found], axis=1)
        spread = np.sum([f.covariance(np.ones(f.weights.shape[1])) for f in found], axis=0)
        mean = weights.mean(axis=1)
        centred = weights - mean[:, None]
        factor = covariance_root((centred @ centred.T + spread) / weights.shape[1])
    middle = (np.arange(_N_NOISE) + 0.5) / _N_NOISE
    return WeightPrior(mean, factor, np.quantile(np.concatenate(noise), middle))


@dataclass(frozen=True)
class VoxelPosteriors:
    """What all trials of a person tell of the weights of each voxel, in the prior's axes.

    Attributes
    ----------
    mean
        Shape (n_features + 1, n_units).
    axes, variance
        Axes that all voxels share, shape (n_features + 1, n_features + 1), and the variance of each
        voxel along them, shape (n_features + 1, n_units).
    noise
        Variance of each voxel's noise, shape (n_units,).
    """

    mean: np.ndarray
    axes: np.ndarray
    variance: np.ndarray
    noise: np.ndarray

    def draw(self, units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw weights that the trials leave possible, shape (n_features + 1, len(units))."""
        spread = np.sqrt(self.variance[:, units]) * rng.standard_normal(
            (len(self.mean), len(units))
        )
        return np.asarray(self.mean[:, units] + self.axes @ spread)


def voxel_posteriors(
    features: np.ndarray, responses: np.ndarray, prior: WeightPrior, n_iterations: int = 10
) -> VoxelPosteriors:
    """Give the distribution of each voxel's weights and its noise, given a person's trials."""
    sums = WeightSums.of(features, responses)
    noise = sums.settled_noise(prior, n_iterations)
    values, axes = np.linalg.eigh(prior.factor.T @ sums.gram @ prior.factor)
    variance = noise / (np.maximum(values, 0)[:, None] + noise)
    drive = prior.factor.T @ (sums.moments - (sums.gram @ prior.mean)[:, None])
    mean = axes @ (variance / noise * (axes.T @ drive))
    return VoxelPosteriors(mean, axes, variance, noise)


@dataclass(frozen=True)
class WeightPosterior:
    """What a person's trials make of the voxels' weights under one normal distribution.

    Attributes
    ----------
    weights
        Means, shape (n_features + 1, n_units).
    axes, variance
        Axes that all voxels share, and the variance of each voxel along them, both of which are
        (n_features + 1) long.
    gram_traces
        tr(Gram · covariance) of each voxel, shape (n_units,).
    likelihood
        Log likelihood of each voxel's responses, without constants, shape (n_units,).
    """

    weights: np.ndarray
    axes: np.ndarray
    variance: np.ndarray
    gram_traces: np.ndarray
    likelihood: np.ndarray

    def covariance(self, counts: np.ndarray) -> np.ndarray:
        """Sum the voxels' covariances, each so many times."""
        return np.asarray((self.axes * (self.variance @ counts)) @ self.axes.T)


@dataclass(frozen=True)
class WeightSums:
    """All that the likelihood needs of one person.

    Attributes
    ----------
    gram, moments, squares
        XᵀX, XᵀY and the sums of squared responses, with a constant among the features.
    n_trials
        Number of trials.
    """

    gram: np.ndarray
    moments: np.ndarray
    squares: np.ndarray
    n_trials: int

    @classmethod
    def of(cls, features: np.ndarray, responses: np.ndarray) -> "WeightSums":
        """Sum over trials."""
        x, y = with_constant(features), np.asarray(responses, dtype=np.float64)
        return cls(x.T @ x, x.T @ y, (y**2).sum(axis=0), len(x))

    def posterior(self, mean: np.ndarray, factor: np.ndarray, noise: np.ndarray) -> WeightPosterior:
        """Give the weights' distribution, in axes in which prior and Gram are both diagonal."""
        values, axes = np.linalg.eigh(factor.T @ self.gram @ factor)
        values = np.maximum(values, 0)[:, None]
        back = factor @ axes
        total = values + noise
        shrink = noise / total
        drive = back.T @ (self.moments - (self.gram @ mean)[:, None])
        weights = mean[:, None] + back @ (drive / total)
        left = self.squares - 2 * mean @ self.moments + mean @ self.gram @ mean
        quadratic = (left - (drive**2 / total).sum(axis=0)) / noise
        volume = np.log(total).sum(axis=0) + (self.n_trials - len(values)) * np.log(noise)
        traces = (values * shrink).sum(axis=0)
        return WeightPosterior(weights, back, shrink, traces, -0.5 * (quadratic + volume))

    def noise(self, found: WeightPosterior) -> np.ndarray:
        """Update the noise of each voxel."""
        explained = (found.weights * (2 * self.moments - self.gram @ found.weights)).sum(axis=0)
        return np.maximum((self.squares - explained + found.gram_traces) / self.n_trials, 1e-3)

    def settled_noise(self, prior: WeightPrior, n_iterations: int = 10) -> np.ndarray:
        """Give the noise of each voxel under a prior, shape (n_units,)."""
        noise = np.full(self.moments.shape[1], np.median(prior.noise))
        for _ in range(n_iterations):
            noise = self.noise(self.posterior(prior.mean, prior.factor, noise))
        return noise


def covariance_root(covariance: np.ndarray) -> np.ndarray:
    """Give a factor S with S Sᵀ the covariance; directions without variance keep a little."""
    values, axes = np.linalg.eigh(covariance)
    return axes * np.sqrt(np.maximum(values, _SMALLEST * values.max()))
