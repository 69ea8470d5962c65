"""What the in-context encoder learns from: the voxels of people, as tasks."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from calcarine.encoders.few_pictures.in_context_network import InContextNetwork
from calcarine.encoders.few_pictures.weight_mixture import WeightMixture, mixture_weights
from calcarine.encoders.few_pictures.weight_prior import (
    VoxelPosteriors,
    WeightPrior,
    voxel_posteriors,
    with_constant,
)


@dataclass(frozen=True)
class Person:
    """What one person of the training set has seen and answered.

    Attributes
    ----------
    features
        Embedding of each trial's stimulus, shape (n_trials, n_features).
    responses
        Standardised, shape (n_trials, n_units).
    is_validation
        Trials that choose the epoch, bool, shape (n_trials,).
    regions
        Name of each unit's region, shape (n_units,); None where it is not known.
    """

    features: np.ndarray
    responses: np.ndarray
    is_validation: np.ndarray
    regions: np.ndarray | None = None


@dataclass(frozen=True)
class Tasks:
    """One person's voxels in the axes of the prior."""

    features: np.ndarray
    regions: np.ndarray | None
    prior: WeightPrior
    mixture: WeightMixture
    design: np.ndarray
    residual: np.ndarray
    posteriors: VoxelPosteriors
    train: np.ndarray
    held: np.ndarray

    @classmethod
    def of(cls, person: Person, prior: WeightPrior, mixture: WeightMixture) -> "Tasks":
        """Turn a person's trials into tasks."""
        x = with_constant(person.features)
        train, held = np.flatnonzero(~person.is_validation), np.flatnonzero(person.is_validation)
        known = voxel_posteriors(person.features[train], person.responses[train], prior)
        residual = person.responses - (x @ prior.mean)[:, None]
        kinds = person.features, person.regions, prior, mixture
        return cls(*kinds, x @ prior.factor, residual, known, train, held)

    def error(
        self,
        network: InContextNetwork,
        shown: np.ndarray,
        asked: np.ndarray,
        voxels: np.ndarray,
        responses: np.ndarray,
        truth: np.ndarray,
    ) -> Tensor:
        """Mean squared error of each voxel on the pictures `asked`, shape (n_voxels,)."""
        pictures = self.features[shown]
        offset = with_constant(pictures) @ self.prior.mean
        regions = None if self.regions is None else self.regions[voxels]
        targets = responses[shown] + offset[:, None]
        start = self.prior.in_axes(mixture_weights(pictures, targets, self.mixture, regions))
        context, queries = _single(self.design[shown]), _single(self.design[asked])
        weights = network(context, _single(responses[shown].T), _single(start.T))
        wanted = _single(truth[asked])
        return functional.mse_loss(queries @ weights.T, wanted, reduction="none").mean(dim=0)


def _single(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
