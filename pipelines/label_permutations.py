"""Decoders refitted on shuffled labels: what the same fit finds where there is nothing to find."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from calcarine.data.seeds import derive_seed
from calcarine.data.splits import Fold, groups_of
from calcarine.decoders.decoding_trials import Decoder, DecodingTrials
from calcarine.pipelines.config import Decoder as DecoderSection
from calcarine.pipelines.decoder_sections import make_decoder
from calcarine.pipelines.decoding_data import SubjectData


def shuffled_rows(runs: np.ndarray, is_validation: np.ndarray, seed: int) -> np.ndarray:
    """Draw a permutation of trials that leaves each trial in its run.

    Trials of a run share more than their labels, so that only they are exchangeable. Where runs are
    short and show some labels more often than others, their means still tell labels apart: the
    control then lies above chance, and the comparison with it is too strict rather than too lax.

    Parameters
    ----------
    runs
        Run of each trial, shape (n_trials,).
    is_validation
        Trials to choose on, shape (n_trials,): they exchange labels among themselves.
    seed
        Seed of the draw.

    Returns
    -------
    numpy.ndarray
        Row whose label each trial gets, shape (n_trials,).

    Examples
    --------
    >>> rows = shuffled_rows(np.array(["a", "b", "a", "b"]), np.zeros(4, dtype=bool), 0)
    >>> sorted(rows[[0, 2]].tolist()), sorted(rows[[1, 3]].tolist())
    ([0, 2], [1, 3])
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(runs))
    for run in np.unique(runs):
        for part in (True, False):
            own = np.flatnonzero((runs == run) & (is_validation == part))
            rows[own] = rng.permutation(own)
    return rows


def shuffle_labels(
    trials: Mapping[str, DecodingTrials],
    data: Mapping[str, SubjectData],
    fold: Mapping[str, Fold],
    seed: int,
) -> dict[str, DecodingTrials]:
    """Give the training trials of a fold the labels of others of their run.

    Parameters
    ----------
    trials
        Training trials of the fold, by subject.
    data, fold
        Where they come from.
    seed
        Seed of the permutation.
    """
    shuffled = {}
    for subject, own in trials.items():
        table = data[subject].trials.iloc[fold[subject].fit]
        runs = groups_of(table, "run").to_numpy(dtype=str)
        rows = shuffled_rows(runs, own.is_validation, derive_seed(seed, subject))
        shuffled[subject] = replace(own, targets=own.targets[rows], stimuli=own.stimuli[rows])
    return shuffled


def permuted_decoders(
    section: DecoderSection,
    trials: Mapping[str, DecodingTrials],
    data: Mapping[str, SubjectData],
    fold: Mapping[str, Fold],
    seed: int,
    checkpoint: Path,
) -> Iterator[Decoder]:
    """Fit a fold's decoder `section.n_permutations` times, each time on other shuffled labels.

    Everything else stays: responses, their scale, and the search for penalties or epochs.

    Parameters
    ----------
    section
        Which decoder.
    trials
        Training trials of the fold, by subject.
    data, fold
        Where they come from.
    seed
        Seed of the permutations.
    checkpoint
        Beside this folder an interrupted training leaves what it needs.
    """
    name = next(iter(fold.values())).name
    folder = checkpoint.with_name(f"{checkpoint.name}-shuffled")
    numbers = range(1, section.n_permutations + 1)
    for number in tqdm(numbers, f"{name}: shuffled labels", disable=None, leave=False):
        own = derive_seed(seed, name, "shuffled-labels", str(number))
        shuffled = shuffle_labels(trials, data, fold, own)
        yield make_decoder(section, own, folder).fit(shuffled)
