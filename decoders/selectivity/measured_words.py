"""Words of stimuli beside the responses to them, as sums over blocks of trials."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from calcarine.decoders.selectivity.borne_out import Evidence
from calcarine.encoders.ridge.statistics import BlockStatistics
from calcarine.encoders.ridge.streaming import RidgeStatistics

MAX_TERMS = 1024
_UNITS_AT_A_TIME = 1024


@dataclass(frozen=True)
class MeasuredWords:
    """Words of stimuli beside responses, as sums over blocks of trials.

    Attributes
    ----------
    sums
        Of shares of terms (features) and responses (targets).
    place
        Number of each of these blocks among all blocks, shape (n_blocks,): a block in which no
        stimulus has a caption is not among them.
    between
        Share of each unit's variance over trials that is variance of the stimuli's means, shape
        (n_units,); 1 where no stimulus repeats.
    n_stimuli
        Different stimuli a trial: 1 where no stimulus repeats.
    columns
        See `Evidence`.
    """

    sums: BlockStatistics
    place: np.ndarray
    between: np.ndarray
    n_stimuli: float
    columns: np.ndarray

    def evidence(self, counts: np.ndarray | None = None) -> Evidence:
        """Add blocks up.

        Parameters
        ----------
        counts
            How often each block counts (a row of `block_draws`), in the order of their first
            trials; without it each counts once.
        """
        times = np.ones(self.sums.n_blocks) if counts is None else np.asarray(counts)[self.place]
        whole = self.sums.weighted(times)
        n_trials = max(float(whole.n_samples[0]), 1.0)
        mean_x, mean_y = whole.sum_x[0] / n_trials, whole.sum_y[0] / n_trials
        inner = whole.gram[0] - n_trials * np.outer(mean_x, mean_x)
        cross = whole.xty[0].T - n_trials * np.outer(mean_y, mean_x)
        squares = (whole.sum_yy[0] - n_trials * mean_y**2) * self.between
        size_x, size_y = _size(inner.diagonal(), n_trials), _size(squares, n_trials)
        between_terms = inner / np.outer(size_x, size_x)
        np.fill_diagonal(between_terms, np.isfinite(size_x))
        correlations = np.clip(cross / np.outer(size_y, size_x), -1, 1)
        return Evidence(correlations, between_terms, n_trials * self.n_stimuli, self.columns)


def _size(squares: np.ndarray, n_trials: float) -> np.ndarray:
    """Give lengths; infinite where nothing varies, so that correlations are 0."""
    return np.where(squares > 1e-9 * n_trials, np.sqrt(np.maximum(squares, 0)), np.inf)


def measured_words(
    shares: csr_array, responses: np.ndarray, stimuli: np.ndarray, blocks: np.ndarray
) -> MeasuredWords:
    """Lay the words of each trial's stimulus beside the responses to it.

    Repeats of a stimulus count as one measurement, their mean. Regression coefficients of trials
    are those of the means (each weighted by its repeats), and what varies between repeats is taken
    out of the variance. In a draw of blocks that share is taken to be that of all trials.

    The sums need 4 × n_blocks × n_terms × n_units bytes, with the `MAX_TERMS` terms at most that
    vary most.

    Parameters
    ----------
    shares
        Share of the stimulus's captions that say a term, shape (n_trials, n_terms); rows without
        any term belong to trials whose stimulus has no caption, which are left out.
    responses
        Shape (n_trials, n_units).
    stimuli
        Name of each trial's stimulus, shape (n_trials,).
    blocks
        Name of each trial's session or run, shape (n_trials,).
    """
    said = np.flatnonzero(np.diff(shares.indptr))
    names, first = np.unique(blocks, return_index=True)
    order = {name: i for i, name in enumerate(names[np.argsort(first)])}
    own = shares[said]
    mean = np.asarray(own.mean(axis=0)).ravel()
    variance = np.asarray(own.multiply(own).mean(axis=0)).ravel() - mean**2
    columns = np.sort(np.argsort(-variance, kind="stable")[:MAX_TERMS])
    dense = own[:, columns].toarray()
    values = np.asarray(responses)[said]
    sums = RidgeStatistics.from_arrays(dense, values, blocks[said])
    place = np.array([order[name] for name in sums.names], dtype=np.int64)
    between, per_trial = _between_stimuli(values, np.asarray(stimuli)[said])
    return MeasuredWords(sums.blocks(), place, between, per_trial, columns)


def _between_stimuli(values: np.ndarray, stimuli: np.ndarray) -> tuple[np.ndarray, float]:
    """Give the share of variance between stimuli, and the number of stimuli a trial."""
    n_trials = len(values)
    names, member = np.unique(stimuli, return_inverse=True)
    if len(names) == n_trials:
        return np.ones(values.shape[1]), 1.0
    ones = np.ones(n_trials, dtype=np.float32)
    collect = csr_array((ones, (member, np.arange(n_trials))), shape=(len(names), n_trials))
    repeats = np.bincount(member)
    between = np.empty(values.shape[1])
    for start in range(0, values.shape[1], _UNITS_AT_A_TIME):
        part = slice(start, start + _UNITS_AT_A_TIME)
        centred = values[:, part] - values[:, part].mean(axis=0)
        squares = ((collect @ centred) ** 2 / repeats[:, None]).sum(axis=0, dtype=np.float64)
        total = (centred**2).sum(axis=0, dtype=np.float64)
        between[part] = np.where(total > 0, squares / np.where(total > 0, total, 1), 1)
    return between, len(names) / n_trials
