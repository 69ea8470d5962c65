"""Learning kinds of voxels from other people, by expectation maximisation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.cluster import KMeans

from calcarine.encoders.few_pictures.weight_mixture import WeightMixture, log_likelihood
from calcarine.encoders.few_pictures.weight_prior import (
    WeightPosterior,
    WeightPrior,
    WeightSums,
    covariance_root,
    fit_weight_prior,
)

N_KINDS = (1, 4, 8, 16)
_N_NOISE = 8
_N_ITERATIONS = 40
_PRIOR_VOXELS = 20.0  # each kind's covariance holds so many voxels of the common one
_PRIOR_ODDS = 2.0  # and each region so many voxels of the mean region

Data = tuple[np.ndarray, np.ndarray]
"""Features (n_trials, n_features) and standardised responses (n_trials, n_units)."""


def fit_weight_mixture(
    people: Sequence[Data],
    regions: Sequence[np.ndarray | None] | None = None,
    n_kinds: Sequence[int] = N_KINDS,
    seed: int = 0,
) -> WeightMixture:
    """Learn the kinds of voxels.

    Each voxel is y = X w + ε with w ~ N(μ_k, Σ_k) in kind k. The number of kinds is the one that
    makes the responses of people who were left out most likely; of one person, those of voxels
    that were left out.

    Parameters
    ----------
    people
        Features and responses of each.
    regions
        Name of the region of each person's units; None where unknown.
    n_kinds
        Numbers of kinds to choose from.
    seed
        Of the first guess.

    Raises
    ------
    CalcarineError
        Nobody is given, or the numbers of features differ.

    References
    ----------
    Bishop 2006, Pattern Recognition and Machine Learning, chapter 9.
    """
    chosen = n_kinds[0]
    if len(n_kinds) > 1:
        halves = _halves(people)
        scores = [sum(_left_out(*half, n, seed) for half in halves) for n in n_kinds]
        chosen = n_kinds[int(np.argmax(scores))]
    return _fit(people, regions or [None] * len(people), chosen, seed)


def _halves(people: Sequence[Data]) -> list[tuple[list[Data], list[Data]]]:
    """Split people, or one person's voxels, in two, and give both ways round."""
    if len(people) > 1:
        one, other = list(people[::2]), list(people[1::2])
    elif people:
        features, responses = people[0]
        one, other = [(features, responses[:, ::2])], [(features, responses[:, 1::2])]
    else:
        return []
    return [(one, other), (other, one)]


def _left_out(known: list[Data], asked: list[Data], n_kinds: int, seed: int) -> float:
    mixture = _fit(known, [None] * len(known), n_kinds, seed)
    return sum(log_likelihood(features, responses, mixture) for features, responses in asked)


def _fit(
    people: Sequence[Data], regions: Sequence[np.ndarray | None], n_kinds: int, seed: int
) -> WeightMixture:
    prior = fit_weight_prior(people)
    sums = [WeightSums.of(features, responses) for features, responses in people]
    guess = _Guess.first(sums, prior, n_kinds, seed)
    for _ in range(_N_ITERATIONS):
        guess = guess.better(sums, prior)
    noise = np.concatenate(guess.noise)
    levels = np.stack([_quantiles(noise, own) for own in guess.belongs.T])
    parts = np.split(guess.belongs, _ends(sums))
    names, region_shares = _by_region(regions, parts, guess.shares)
    return WeightMixture(guess.shares, guess.means, guess.factors, levels, names, region_shares)


def _ends(sums: Sequence[WeightSums]) -> np.ndarray:
    return np.cumsum([own.moments.shape[1] for own in sums])[:-1]


@dataclass(frozen=True)
class _Guess:
    """Kinds, each person's noise, and how likely each voxel belongs to each kind."""

    means: np.ndarray
    factors: np.ndarray
    noise: list[np.ndarray]
    belongs: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """How common each kind is."""
        shares = np.maximum(self.belongs.mean(axis=0), 1e-9)
        return np.asarray(shares / shares.sum())

    @classmethod
    def first(
        cls, sums: Sequence[WeightSums], prior: WeightPrior, n_kinds: int, seed: int
    ) -> "_Guess":
        """Group voxels by their weights under the common prior."""
        noise = [own.settled_noise(prior) for own in sums]
        found = [
            own.posterior(prior.mean, prior.factor, n) for own, n in zip(sums, noise, strict=True)
        ]
        weights = np.concatenate([f.weights for f in found], axis=1)
        n_kinds = max(1, min(n_kinds, weights.shape[1] // 4))
        # in the prior's axes, so that a direction counts by how much voxels differ along it
        turned = prior.in_axes(weights).T
        labels = KMeans(n_kinds, n_init=5, random_state=seed).fit_predict(turned)
        belongs = np.eye(n_kinds)[labels]
        means = (weights @ belongs / belongs.sum(axis=0)).T
        return cls(means, np.tile(prior.factor, (n_kinds, 1, 1)), noise, belongs)

    def better(self, sums: Sequence[WeightSums], prior: WeightPrior) -> "_Guess":
        """Do one round of expectation maximisation."""
        found = [
            [own.posterior(m, f, n) for m, f in zip(self.means, self.factors, strict=True)]
            for own, n in zip(sums, self.noise, strict=True)
        ]
        evidence = [np.stack([kind.likelihood for kind in kinds], axis=1) for kinds in found]
        belongs = softmax(np.concatenate(evidence) + np.log(self.shares), axis=1)
        parts = np.split(belongs, _ends(sums))
        noise = [
            np.sum([part[:, k] * own.noise(f) for k, f in enumerate(kinds)], axis=0)
            for own, kinds, part in zip(sums, found, parts, strict=True)
        ]
        kinds = [
            _kind([own[k] for own in found], [part[:, k] for part in parts], prior)
            for k in range(belongs.shape[1])
        ]
        means, factors = (np.stack(arrays) for arrays in zip(*kinds, strict=True))
        return _Guess(means, factors, noise, belongs)


def _kind(
    found: Sequence[WeightPosterior], belongs: Sequence[np.ndarray], prior: WeightPrior
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and factor of one kind, from each person's voxels as far as they belong to it."""
    weights = np.concatenate([f.weights for f in found], axis=1)
    own = np.concatenate(belongs)
    size = float(own.sum())
    mean = weights @ own / max(size, 1e-9)
    centred = weights - mean[:, None]
    spread = (centred * own) @ centred.T + _PRIOR_VOXELS * prior.covariance
    for f, part in zip(found, belongs, strict=True):
        spread += f.covariance(part)
    return mean, covariance_root(spread / (size + _PRIOR_VOXELS))


def _quantiles(noise: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """Variances of the noise in one kind that are equally likely."""
    order = np.argsort(noise)
    reached = np.cumsum(belongs[order]) / max(float(belongs.sum()), 1e-9)
    middle = (np.arange(_N_NOISE) + 0.5) / _N_NOISE
    return np.asarray(np.interp(middle, reached, noise[order]))


def _by_region(
    regions: Sequence[np.ndarray | None], parts: Sequence[np.ndarray], shares: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Count kinds in each region of those whose regions are known."""
    known = [(r, p) for r, p in zip(regions, parts, strict=True) if r is not None]
    if not known:
        return (), None
    labels = np.concatenate([np.asarray(r).astype(str) for r, _ in known])
    belongs = np.concatenate([p for _, p in known])
    names = tuple(sorted(set(labels.tolist())))
    counts = np.stack([belongs[labels == name].sum(axis=0) for name in names])
    counts += _PRIOR_ODDS * shares
    return names, counts / counts.sum(axis=1, keepdims=True)
