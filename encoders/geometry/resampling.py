"""Intervals over other stimuli and other people, and what unrelated dissimilarities would give."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy.spatial.distance import squareform

from calcarine.data.errors import CalcarineError
from calcarine.encoders.geometry.ceilings import geometry_ceilings
from calcarine.encoders.geometry.comparison import UNIT_ROWS, compare
from calcarine.encoders.geometry.dissimilarity import n_conditions_of
from calcarine.encoders.geometry.weighted import WEIGHTED

Over = Literal["stimuli", "subjects", "both"]


def pair_matrix(n_conditions: int) -> np.ndarray:
    """Give the position of every pair in the vector of pairs, −1 on the diagonal: (n, n) int."""
    n = n_conditions * (n_conditions - 1) // 2
    matrix = squareform(np.arange(n), checks=False)
    np.fill_diagonal(matrix, -1)
    return matrix


def permuted_pairs(conditions: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """List the pairs of permuted conditions in the order of the upper triangle.

    Parameters
    ----------
    conditions
        A permutation, shape (n_conditions,).
    positions
        From `pair_matrix`.

    Returns
    -------
    numpy.ndarray
        Positions in the vector of pairs, shape (n_pairs,).
    """
    upper = np.triu_indices(len(conditions), 1)
    return positions[conditions[upper[0]], conditions[upper[1]]]


def bootstrap_comparisons(
    measured: np.ndarray,
    models: np.ndarray,
    seed: int,
    n_draws: int = 1000,
    method: str = "spearman",
    over: Over = "stimuli",
) -> np.ndarray:
    """Compare models with measured RDMs in bootstrap samples.

    Parameters
    ----------
    measured
        One RDM a subject, shape (n_subjects, n_pairs).
    models
        Shape (n_models, n_pairs).
    seed, n_draws
        Of the draws.
    method
        Measure of comparison.
    over
        What is drawn with replacement: stimuli, subjects, or both. Drawing both counts the noise of
        a measurement twice and gives intervals that are too wide rather than too narrow (Schütt et
        al. 2023, doi:10.7554/eLife.82566).

    Returns
    -------
    numpy.ndarray
        Mean over subjects of each model's comparison, float64, shape (n_draws, n_models).
    """
    known = np.isfinite(measured).all(axis=0) & np.isfinite(models).all(axis=0)
    draws = _draws(np.shape(measured), seed, n_draws, over)
    if method in WEIGHTED:
        rows, others = (np.asarray(r, np.float64)[:, known] for r in (measured, models))
        compared = WEIGHTED[method](rows, others)
        values = [compared(w[known])[subjects].mean(axis=0) for subjects, w in draws]
    else:
        values = [
            compare(measured[subjects][:, p], models[:, p], method).mean(axis=0)
            for subjects, w in draws
            for p in [np.repeat(np.flatnonzero(known), w[known])]
        ]
    return np.stack(values)


def bootstrap_ceilings(
    measured: np.ndarray, seed: int, n_draws: int = 1000, method: str = "spearman"
) -> np.ndarray:
    """Give mean lower and upper ceilings in bootstrap samples of stimuli: shape (n_draws, 2)."""
    found = []
    for _, weights in _draws(np.shape(measured), seed, n_draws, "stimuli"):
        drawn = np.repeat(np.arange(len(weights)), weights)
        bounds = geometry_ceilings(measured[:, drawn], method)
        found.append((bounds.lower.mean(), bounds.upper.mean()))
    return np.array(found)


def _draws(
    shape: tuple[int, ...], seed: int, n_draws: int, over: Over
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draw subjects, and how often each pair of stimuli is there."""
    if over not in ("stimuli", "subjects", "both"):
        raise CalcarineError(f"over is {over!r}; expected 'stimuli', 'subjects' or 'both'.")
    n_subjects, n = shape
    n_conditions = n_conditions_of(n)
    upper = np.triu_indices(n_conditions, 1)
    rng = np.random.default_rng(seed)
    for _ in range(n_draws):
        subjects: np.ndarray = np.arange(n_subjects)
        times = np.ones(n_conditions, dtype=np.int64)
        if over != "stimuli":
            subjects = rng.integers(0, n_subjects, size=(n_subjects,))
        if over != "subjects":
            drawn = rng.integers(0, n_conditions, size=(n_conditions,))
            times = np.bincount(drawn, minlength=n_conditions)
        # a stimulus drawn twice makes no pair with itself
        yield subjects, times[upper[0]] * times[upper[1]]


def permuted_comparisons(
    measured: np.ndarray,
    models: np.ndarray,
    seed: int,
    n_draws: int = 1000,
    method: str = "spearman",
) -> np.ndarray:
    """Compare models whose stimuli were given other stimuli's names.

    Parameters
    ----------
    measured, models, method
        See `bootstrap_comparisons`.
    seed, n_draws
        Of the permutations of stimuli, rows and columns of the RDM together.

    Returns
    -------
    numpy.ndarray
        Mean over subjects under permutation, float64, shape (n_draws, n_models).
    """
    n_conditions = n_conditions_of(np.shape(measured)[1])
    positions = pair_matrix(n_conditions)
    rng = np.random.default_rng(seed)
    if method in UNIT_ROWS and np.isfinite(measured).all() and np.isfinite(models).all():
        # a permutation changes neither ranks nor lengths: they are computed once
        mean = UNIT_ROWS[method](np.asarray(measured, dtype=np.float64)).mean(axis=0)
        rows = UNIT_ROWS[method](np.asarray(models, dtype=np.float64))
        drawn = (permuted_pairs(rng.permutation(n_conditions), positions) for _ in range(n_draws))
        return np.stack([rows[:, pairs] @ mean for pairs in drawn])
    found = []
    for _ in range(n_draws):
        pairs = permuted_pairs(rng.permutation(n_conditions), positions)
        found.append(compare(measured, models[:, pairs], method).mean(axis=0))
    return np.stack(found)


def permutation_p(value: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Give the one-sided p of each model: (1 + number of null values ≥ its own) / (1 + n_draws)."""
    return (1 + (null >= np.asarray(value)[None]).sum(axis=0)) / (1 + len(null))
