"""What encoders are fitted on in a fold, and what every fitted encoder can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from calcarine.data.standardize import Standardizer


@dataclass(frozen=True)
class EncodingTrials:
    """Training and validation trials of one subject.

    Attributes
    ----------
    features
        Embedding of each trial's stimulus, shape (n_trials, embed_dim) or (n_trials, n_tokens,
        embed_dim); several embeddings are laid end to end, shape (n_trials, sum of their sizes).
    responses
        Not standardised, float32, shape (n_trials, n_units).
    stimuli
        Content hash of each trial's stimulus, shape (n_trials,).
    groups
        Unit of the split that each trial belongs to (stimulus, run, …), shape (n_trials,): an
        inner cross-validation never has a group on both sides.
    sessions
        Session of each trial, shape (n_trials,), where responses are standardised within session.
    is_validation
        Trials to choose on, bool, shape (n_trials,). An encoder that chooses nothing on them is
        fitted on them too; one that does must not let them shape its z-scores.
    sizes
        Number of features of each embedding, in the order in which they lie end to end.
    runs, onsets_s
        Run and time of each trial, shape (n_trials,), where trials are samples of a film: what is
        held out in a search are then stretches of it, with a gap.
    """

    features: np.ndarray
    responses: np.ndarray
    stimuli: np.ndarray
    groups: np.ndarray
    sessions: np.ndarray | None
    is_validation: np.ndarray
    sizes: tuple[int, ...] = ()
    runs: np.ndarray | None = None
    onsets_s: np.ndarray | None = None


@dataclass(frozen=True)
class EncodingTask:
    """What an encoder is fitted on in a fold, and where.

    Attributes
    ----------
    embeddings
        Sidecars of the embeddings that it reads, in the order in which their features lie.
    units
        Units table, one row a unit.
    trials
        Training and validation trials.
    seed
        Seed of what is random in it.
    checkpoint
        Folder from which an interrupted training goes on.
    """

    embeddings: Sequence[dict[str, Any]]
    units: pd.DataFrame
    trials: EncodingTrials
    seed: int
    checkpoint: Path


class FittedEncoder(Protocol):
    """A fitted encoder: stimulus to response of every unit.

    Attributes
    ----------
    standardizer_
        z-scores of the training responses.
    """

    standardizer_: Standardizer

    def predict(self, stimuli: np.ndarray) -> np.ndarray:
        """Predict standardised responses, float32 (n_items, n_units), from features."""

    def save(self, folder: Path, card: dict[str, str]) -> None:
        """Write a model folder with the card's text for `data licence split preprocessing seed`."""


@runtime_checkable
class PredictsBands(Protocol):
    """A fitted encoder whose prediction is a sum over families of features."""

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the families."""

    def predict_bands(self, stimuli: np.ndarray) -> np.ndarray:
        """Predict standardised responses band by band, float32 (n_bands, n_items, n_units)."""
