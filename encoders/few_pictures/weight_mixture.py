"""Kinds of voxels: a mixture of normal distributions of weights, and what it makes of pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from calcarine.encoders.few_pictures.empirical_bayes import normal_posterior
from calcarine.encoders.few_pictures.weight_prior import WeightPrior, with_constant


@dataclass(frozen=True)
class WeightMixture:
    """Kinds of voxels, each a normal distribution of weights (intercept last) and of noise.

    Attributes
    ----------
    shares
        How common each kind is, float64, shape (n_kinds,), summing to 1.
    means
        Shape (n_kinds, n_features + 1).
    factors
        S of each kind's covariance S Sᵀ, shape (n_kinds, n_features + 1, n_features + 1).
    noise
        Variances of the noise that are equally likely in a kind, shape (n_kinds, n_noise).
    regions
        Names of regions.
    region_shares
        How common each kind is in a region, shape (n_regions, n_kinds), rows summing to 1.
    """

    shares: np.ndarray
    means: np.ndarray
    factors: np.ndarray
    noise: np.ndarray
    regions: tuple[str, ...] = ()
    region_shares: np.ndarray | None = None

    @classmethod
    def of(cls, prior: WeightPrior) -> "WeightMixture":
        """Give the mixture of one kind that is this prior."""
        arrays = prior.mean[None], prior.factor[None], prior.noise[None]
        return cls(np.ones(1), *arrays)

    def shares_of(self, regions: np.ndarray | None, n_units: int) -> np.ndarray:
        """How common each kind is where each unit lies, shape (n_units, n_kinds).

        A region that nobody else has, or no region at all, tells nothing.
        """
        shares = np.tile(self.shares, (n_units, 1))
        if regions is None or self.region_shares is None:
            return shares
        for row, name in enumerate(self.regions):
            shares[np.asarray(regions) == name] = self.region_shares[row]
        return shares

    def arrays(self) -> dict[str, np.ndarray]:
        """Give all numbers by name, for a model folder."""
        found = {
            "kinds.shares": self.shares,
            "kinds.means": self.means,
            "kinds.factors": self.factors,
            "kinds.noise": self.noise,
        }
        if self.region_shares is not None:
            found["kinds.region_shares"] = self.region_shares
        return found

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], regions: Sequence[str]
    ) -> "WeightMixture":
        """Take what `arrays` gave, and the names of the regions."""
        parts = (arrays[f"kinds.{name}"] for name in ("shares", "means", "factors", "noise"))
        shares, means, factors, noise = (np.asarray(part, dtype=np.float64) for part in parts)
        found = arrays.get("kinds.region_shares")
        return cls(shares, means, factors, noise, tuple(regions), found)

    def mean_weights(self, regions: np.ndarray | None, n_units: int) -> np.ndarray:
        """Weights that are expected before any picture, shape (n_features + 1, n_units)."""
        return np.asarray((self.shares_of(regions, n_units) @ self.means).T)


def mixture_weights(
    features: np.ndarray,
    targets: np.ndarray,
    mixture: WeightMixture,
    regions: np.ndarray | None = None,
) -> np.ndarray:
    """Give the posterior mean of the weights, averaged over kinds and variances of the noise.

    A kind counts as much as the voxel's few responses and its region make it likely.

    Parameters
    ----------
    features
        Embeddings of the pictures, shape (n_pictures, n_features).
    targets
        Standardised responses, shape (n_pictures, n_units).
    mixture
        From the voxels of other people.
    regions
        Name of each unit's region, shape (n_units,), where it is known.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_features + 1, n_units), intercept last.
    """
    found = _by_kind(features, targets, mixture)
    evidence = np.stack([likelihood for _, likelihood in found], axis=1)
    evidence += np.log(mixture.shares_of(regions, len(evidence)))
    odds = softmax(evidence, axis=1)
    return np.asarray(sum(odds[:, k] * weights for k, (weights, _) in enumerate(found)))


def log_likelihood(features: np.ndarray, targets: np.ndarray, mixture: WeightMixture) -> float:
    """Sum over voxels how likely their responses are under the mixture, regions left aside."""
    evidence = [likelihood for _, likelihood in _by_kind(features, targets, mixture)]
    return float(logsumexp(np.stack(evidence, axis=1), b=mixture.shares, axis=1).sum())


def _by_kind(
    features: np.ndarray, targets: np.ndarray, mixture: WeightMixture
) -> list[tuple[np.ndarray, np.ndarray]]:
    x, y = with_constant(features), np.asarray(targets, dtype=np.float64)
    kinds = zip(mixture.means, mixture.factors, mixture.noise, strict=True)
    return [normal_posterior(x, y, *kind) for kind in kinds]
