"""A functional parcellation: units that the same discriminative stimulus excites most."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from calcarine.data.errors import CalcarineError

TEMPERATURE = 1.6
_MAX_ROUNDS = 20


@dataclass(frozen=True)
class Parcellation:
    """Clusters of units and the stimulus that tells each apart.

    Attributes
    ----------
    labels
        Cluster of each unit, 0 … n_clusters − 1, shape (n_units,).
    stimuli
        Row of the most discriminative stimulus of each cluster, shape (n_clusters,).
    objective
        Mean over units of their cluster's J, as a share of its maximum log n_clusters.
    """

    labels: np.ndarray
    stimuli: np.ndarray
    objective: float

    @property
    def n_clusters(self) -> int:
        """How many clusters there are."""
        return len(self.stimuli)


def discriminative_objective(means: np.ndarray, temperature: float = TEMPERATURE) -> np.ndarray:
    """Give J_c = r̄_c/τ − log mean_k exp(r̄_k/τ) of every stimulus and cluster.

    Parameters
    ----------
    means
        Mean response of each cluster to each stimulus, shape (n_stimuli, n_clusters).
    temperature
        τ.

    Returns
    -------
    numpy.ndarray
        Shape (n_stimuli, n_clusters); at most log n_clusters, 0 where all respond alike.

    Examples
    --------
    >>> discriminative_objective(np.array([[2.0, 2.0]])).round(6).tolist()
    [[0.0, 0.0]]
    """
    scaled = means / temperature
    log_mean = logsumexp(scaled, axis=1, keepdims=True) - np.log(means.shape[1])
    return scaled - log_mean


def parcellate(
    responses: np.ndarray,
    n_clusters: int,
    seed: int,
    temperature: float = TEMPERATURE,
    min_units: int = 5,
    min_gain: float = 0.05,
) -> Parcellation:
    """Cluster units by their most discriminative stimuli, and split and merge clusters.

    Stimulus and assignment alternate: each cluster's stimulus maximises J, each unit goes to the
    cluster whose stimulus excites it most (Burg et al. 2024, arXiv:2401.05342). A split or a merge
    is kept if J grows by `min_gain`, as a share of log n_clusters, by which clusterings of
    different numbers can be compared.

    Parameters
    ----------
    responses
        Predicted responses to a bank of stimuli, shape (n_stimuli, n_units).
    n_clusters
        Clusters to begin with.
    seed
        Of the first clustering and of splits.
    temperature
        τ.
    min_units
        A cluster with fewer units is given up.
    min_gain
        Gain that a split or a merge needs.

    Raises
    ------
    CalcarineError
        There are fewer units than clusters could have, or a unit responds to all alike.
    """
    if n_clusters < 2 or responses.shape[1] < n_clusters * min_units:
        raise CalcarineError(
            f"{responses.shape[1]} units cannot make {n_clusters} clusters of {min_units} units; "
            "expected two clusters at least and enough units for each."
        )
    spread = responses.std(axis=0)
    if (spread == 0).any():
        flat = int(np.flatnonzero(spread == 0)[0])
        raise CalcarineError(f"unit {flat} responds to all stimuli alike; leave it out.")
    standard = (responses - responses.mean(axis=0)) / spread
    profiles = PCA(min(20, *standard.shape), random_state=seed).fit_transform(standard.T)
    first = KMeans(n_clusters, n_init=4, random_state=seed).fit_predict(profiles)
    best = _alternate(standard, first, temperature, min_units)
    for _ in range(_MAX_ROUNDS):
        tried = [
            _alternate(standard, labels, temperature, min_units)
            for labels in (
                *_splits(best.labels, profiles, min_units, seed),
                *_merges(best.labels, standard),
            )
        ]
        better = max(tried, key=lambda p: p.objective, default=best)
        if better.objective <= best.objective * (1 + min_gain):
            break
        best = better
    return best


def _alternate(
    standard: np.ndarray, labels: np.ndarray, temperature: float, min_units: int
) -> Parcellation:
    for _ in range(_MAX_ROUNDS):
        labels = _large(labels, min_units)
        stimuli, _ = _stimuli(standard, labels, temperature)
        again = standard[stimuli].argmax(axis=0)
        if (again == labels).all():
            break
        labels = again
    labels = _large(labels, min_units)
    stimuli, values = _stimuli(standard, labels, temperature)
    top = np.log(len(stimuli)) if len(stimuli) > 1 else np.inf
    return Parcellation(labels, stimuli, float(values[labels].mean() / top))


def _large(labels: np.ndarray, min_units: int) -> np.ndarray:
    """Give clusters numbers without gaps; units of small ones join the largest for now."""
    names, counts = np.unique(labels, return_counts=True)
    kept = names[counts >= min_units]
    largest = names[counts.argmax()]
    labels = np.where(np.isin(labels, kept), labels, largest)
    return np.unique(labels, return_inverse=True)[1]


def _means(standard: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.stack([standard[:, labels == k].mean(axis=1) for k in np.unique(labels)], axis=1)


def _stimuli(
    standard: np.ndarray, labels: np.ndarray, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    values = discriminative_objective(_means(standard, labels), temperature)
    return values.argmax(axis=0), values.max(axis=0)


def _splits(
    labels: np.ndarray, profiles: np.ndarray, min_units: int, seed: int
) -> list[np.ndarray]:
    """Cut each cluster in two."""
    out = []
    for k in np.unique(labels):
        own = np.flatnonzero(labels == k)
        if len(own) >= 2 * min_units:
            halves = KMeans(2, n_init=4, random_state=seed).fit_predict(profiles[own])
            cut = labels.copy()
            cut[own[halves == 1]] = labels.max() + 1
            out.append(cut)
    return out


def _merges(labels: np.ndarray, standard: np.ndarray) -> list[np.ndarray]:
    """Join the two clusters whose mean responses are most alike."""
    names = np.unique(labels)
    if len(names) < 3:
        return []
    alike = np.corrcoef(_means(standard, labels).T)
    np.fill_diagonal(alike, -np.inf)
    a, b = np.unravel_index(alike.argmax(), alike.shape)
    return [np.where(labels == names[b], names[a], labels)]
