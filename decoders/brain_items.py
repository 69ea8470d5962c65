"""Test trials become items: averaged over repeats, shuffled among items, or replaced by noise."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.data.predictions import ITEM_COLUMNS
from calcarine.data.repeats import average_rows, repeat_rows
from calcarine.data.seeds import derive_seed

BRAINS = ("measured", "shuffled", "noise")
SHUFFLED_LABELS = "shuffled-labels"
"""Measured brains, predicted by a decoder that was fitted on shuffled labels."""


@dataclass(frozen=True)
class BrainItems:
    """Responses to predict from, one row an item.

    Attributes
    ----------
    responses
        float32, shape (n_items, n_units) or (n_items, n_channels, n_times).
    table
        The columns of a prediction's `items.tsv`; `item` numbers the test stimuli of all folds.
    """

    responses: np.ndarray
    table: pd.DataFrame


def single_items(
    responses: np.ndarray,
    trials: pd.DataFrame,
    fold: str,
    first_item: int,
    brain: str = "measured",
    seed: int = 0,
) -> BrainItems:
    """Take each test trial by itself.

    Parameters
    ----------
    responses
        Standardised responses of the test trials of one fold, shape (n_trials, n_units …).
    trials
        Their rows of the trial table.
    fold
        Name of the fold.
    first_item
        Number of the fold's first item.
    brain
        `measured`; `shuffled`: the trials' responses in random order; `noise`: standard normal
        patterns.
    seed
        Seed of the order and of the noise.
    """
    names = sorted(set(trials["stimulus_id"]))
    item = first_item + np.searchsorted(names, trials["stimulus_id"].to_numpy(dtype=str))
    rng = np.random.default_rng(derive_seed(seed, brain, fold, "single"))
    values = np.asarray(responses, dtype=np.float32)
    if brain == "shuffled":
        values = values[rng.permutation(len(values))]
    if brain == "noise":
        values = rng.standard_normal(values.shape, dtype=np.float32)
    return BrainItems(values, _table(trials, item, fold, brain, 1, "single"))


def averaged_items(
    responses: np.ndarray,
    trials: pd.DataFrame,
    fold: str,
    first_item: int,
    n_repeats: int,
    brain: str,
    seed: int,
) -> BrainItems:
    """Average the first repeats of each test stimulus, in signal space.

    Parameters
    ----------
    responses, trials, fold, first_item
        See `single_items`.
    n_repeats
        Repeats to average; stimuli with fewer are left out.
    brain
        `measured`; `shuffled`: the averages in random order, so that by chance an item may keep
        its own; `noise`: averages of as many standard normal patterns.
    seed
        Seed of the order and of the noise.
    """
    groups = repeat_rows(trials, np.arange(len(trials)), n_repeats)
    names = sorted(set(trials["stimulus_id"]))
    shown = trials.iloc[[g[0] for g in groups]]
    item = first_item + np.searchsorted(names, shown["stimulus_id"].to_numpy(dtype=str))
    table = _table(shown, item, fold, brain, n_repeats, "signal")
    if not groups:
        return BrainItems(np.empty((0, *responses.shape[1:]), dtype=np.float32), table)
    rng = np.random.default_rng(derive_seed(seed, brain, fold, str(n_repeats)))
    averages = average_rows(responses, groups)
    if brain == "shuffled":
        averages = averages[rng.permutation(len(averages))]
    if brain == "noise":
        averages = rng.standard_normal(averages.shape, dtype=np.float32) / np.sqrt(n_repeats)
    return BrainItems(averages.astype(np.float32, copy=False), table)


def average_predictions(
    predicted: np.ndarray, trials: pd.DataFrame, fold: str, first_item: int, n_repeats: int
) -> BrainItems:
    """Average the predictions of the first repeats of each test stimulus, in embedding space.

    Parameters
    ----------
    predicted
        Prediction for each single trial, shape (n_trials, embed_dim).
    trials, fold, first_item, n_repeats
        See `averaged_items`.

    Returns
    -------
    BrainItems
        `responses` holds the averaged predictions.
    """
    items = averaged_items(predicted, trials, fold, first_item, n_repeats, "measured", seed=0)
    return BrainItems(items.responses, items.table.assign(averaging="embedding"))


def _table(
    trials: pd.DataFrame, item: np.ndarray, fold: str, brain: str, n_repeats: int, averaging: str
) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "item": item,
            "stimulus_id": trials["stimulus_id"].to_numpy(),
            "concept": trials["concept"].to_numpy(),
            "fold": fold,
            "brain": brain,
            "n_repeats": n_repeats,
            "averaging": averaging,
        }
    )
    return table[list(ITEM_COLUMNS)]
