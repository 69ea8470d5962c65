"""Dissimilarities of measured responses, of all of them and of two halves of the recording."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.encoders.geometry.dissimilarity import (
    DISTANCES,
    crossnobis,
    noise_precision,
    partition_means,
)

CROSSNOBIS = "crossnobis"


@dataclass(frozen=True)
class MeasuredRdm:
    """One region's RDM.

    Attributes
    ----------
    whole
        From all partitions, shape (n_pairs,).
    halves
        From every other partition, shape (2, n_pairs), each as reliable as half the data; None
        where the partitions are too few.
    """

    whole: np.ndarray
    halves: np.ndarray | None


def repeated_conditions(conditions: np.ndarray, partitions: np.ndarray) -> list[str]:
    """List the conditions that stand in at least two partitions, sorted by name.

    Parameters
    ----------
    conditions, partitions
        Name of each trial's condition and partition, shape (n_trials,).

    Raises
    ------
    CalcarineError
        Fewer than three conditions do.
    """
    pairs = pd.DataFrame({"condition": conditions, "partition": partitions}).drop_duplicates()
    count = pairs["condition"].value_counts()
    found = sorted(str(c) for c in count.index[count >= 2])
    if len(found) < 3:
        raise CalcarineError(
            f"{len(found)} stimuli were shown in two runs or more; a geometry needs three. Leave "
            "the section `geometry` out, or show stimuli again."
        )
    return found


def measured_rdm(
    values: np.ndarray,
    conditions: np.ndarray,
    partitions: np.ndarray,
    distance: str = CROSSNOBIS,
) -> MeasuredRdm:
    """Measure the dissimilarities of the conditions.

    Parameters
    ----------
    values
        Responses of single trials, shape (n_trials, n_units).
    conditions, partitions
        Numbers from 0 of each trial's condition and partition (run), shape (n_trials,).
    distance
        `crossnobis`, or `correlation`, `cosine`, `euclidean` between the means of all trials of a
        condition, which noise makes larger than they are.

    Returns
    -------
    MeasuredRdm
        Halves are every other partition (2, 4, … and 1, 3, …).
    """
    means, residuals = partition_means(values, conditions, partitions)
    halves = [np.arange(first, len(means), 2) for first in (0, 1)]
    if distance == CROSSNOBIS:
        precision = noise_precision(residuals)
        whole = crossnobis(means, precision)
        if min(len(half) for half in halves) < 2 or not _complete(means):
            return MeasuredRdm(whole, None)
        return MeasuredRdm(whole, np.stack([crossnobis(means[h], precision) for h in halves]))
    if distance not in DISTANCES:
        raise CalcarineError(
            f"distance is {distance!r}; expected one of {[CROSSNOBIS, *DISTANCES]}."
        )
    measure = DISTANCES[distance]
    whole = measure(np.nanmean(means, axis=0))
    if not _complete(means) or len(means) < 2:
        return MeasuredRdm(whole, None)
    return MeasuredRdm(whole, np.stack([measure(means[h].mean(axis=0)) for h in halves]))


def _complete(means: np.ndarray) -> bool:
    return bool(np.isfinite(means).all())


def reliability_ceiling(halves_r: float) -> float:
    """Bound a comparison with one subject's RDM by the agreement of its halves.

    Parameters
    ----------
    halves_r
        Correlation of the two halves' RDMs.

    Returns
    -------
    float
        √(2 r / (1 + r)): the Spearman–Brown reliability of the whole is the square of what a
        noiseless model would correlate; 0 where the halves do not agree, NaN where r is.

    Examples
    --------
    >>> round(reliability_ceiling(0.6), 3)
    0.866
    """
    if not np.isfinite(halves_r):
        return float("nan")
    return float(np.sqrt(2 * max(halves_r, 0.0) / (1 + max(halves_r, 0.0))))
