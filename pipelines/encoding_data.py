"""What an encoder is fitted on: one subject's trials beside the embeddings that it reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.embeddings import Embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.responses import Responses
from calcarine.data.stored_rows import take_rows
from calcarine.data.trials import runs_of
from calcarine.encoders.delays import delayed_features, step_s
from calcarine.encoders.encoding_trials import EncodingTrials
from calcarine.encoders.trial_bands import behaviour_features, history_features
from calcarine.pipelines.config import Encoder as EncoderSection
from calcarine.pipelines.config_data import SplitSection


@dataclass(frozen=True)
class EncodingData:
    """Trials of one subject beside the embeddings of their stimuli.

    Attributes
    ----------
    trials
        Trial table, one row a trial; only trials whose stimulus has every embedding.
    values
        Responses, not standardised, shape (n_trials, n_units).
    features
        Embedding of each trial's stimulus, see `EncodingTrials`.
    sessions
        Session of each trial, where responses are standardised within session.
    groups
        What must not straddle the folds of a search, see `penalty_groups`.
    units
        Units table.
    embeddings
        Sidecars of the embeddings.
    n_without_embedding
        Trials that were left out.
    sizes
        Number of features of each band.
    varies
        Whether trials of one stimulus have features of their own.
    follows
        Whether trials are samples of a film, which follow one another.
    """

    trials: pd.DataFrame
    values: np.ndarray
    features: np.ndarray
    sessions: np.ndarray | None
    groups: np.ndarray
    units: pd.DataFrame
    embeddings: tuple[dict[str, object], ...]
    n_without_embedding: int
    sizes: tuple[int, ...] = ()
    varies: bool = False
    follows: bool = False

    def at(self, fold_rows: np.ndarray, validation: np.ndarray) -> EncodingTrials:
        """Take some trials, of which `validation` (row numbers) are there to choose on."""
        trials = self.trials.iloc[fold_rows]
        return EncodingTrials(
            self.features[fold_rows],
            take_rows(self.values, fold_rows),
            trials["stimulus_sha"].to_numpy(dtype=str),
            self.groups[fold_rows],
            None if self.sessions is None else self.sessions[fold_rows],
            np.isin(fold_rows, validation),
            self.sizes,
            runs_of(trials) if self.follows else None,
            trials["onset_s"].to_numpy(dtype=np.float64) if self.follows else None,
        )


def encoding_data(
    responses: Responses,
    embeddings: Sequence[Embeddings],
    section: EncoderSection,
    split: SplitSection,
) -> EncodingData:
    """Lay the embeddings that an encoder reads beside the responses.

    Raises
    ------
    CalcarineError
        No stimulus has every embedding.
    """
    delays, sidecars = section.at_delays_s, [e.sidecar for e in embeddings]
    flat = bool(section.trial_bands or delays)
    features = _features(embeddings, responses.trials["stimulus_id"], flat)
    known = np.isfinite(features).all(axis=tuple(range(1, features.ndim)))
    if not known.any():
        names = " and ".join(str(e.sidecar["model"]) for e in embeddings)
        raise CalcarineError(
            f"no stimulus has an embedding by {names}: all rows are NaN because stimuli.tsv names "
            "no picture. Leave this encoder out of `encode`."
        )
    more = [TRIAL_BANDS[n](section, embeddings[0], responses.trials) for n in section.trial_bands]
    sizes = [e.flat.shape[1] for e in embeddings]
    if delays:
        features = delayed_features(features, responses.trials, delays)
        sizes = [size * len(delays) for size in sizes]
        told = {"delays_s": list(delays), "step_s": step_s(responses.trials)}
        sidecars = [sidecar | told for sidecar in sidecars]
    if more:
        features = np.concatenate([features, *more], axis=1)
    trials = responses.trials[known].reset_index(drop=True)
    sessions = (
        trials["session"].astype(str).to_numpy() if section.standardize == "session" else None
    )
    return EncodingData(
        trials,
        responses.values if known.all() else take_rows(responses.values, np.flatnonzero(known)),
        features[known],
        sessions,
        penalty_groups(trials, split),
        responses.units,
        tuple(sidecars),
        int((~known).sum()),
        (*sizes, *(band.shape[1] for band in more)),
        bool(more or delays),
        bool(delays),
    )


def _history(section: Any, first: Embeddings, trials: pd.DataFrame) -> np.ndarray:
    rows = np.asarray(first.flat[first.rows(trials["stimulus_id"])])
    return history_features(rows, trials, section.history)


def _behaviour(section: Any, first: Embeddings, trials: pd.DataFrame) -> np.ndarray:
    return behaviour_features(trials, section.behaviour)


TRIAL_BANDS: dict[str, Callable[[Any, Embeddings, pd.DataFrame], np.ndarray]] = {
    "history": _history,
    "behaviour": _behaviour,
}


def _features(embeddings: Sequence[Embeddings], stimuli: pd.Series, flat: bool) -> np.ndarray:
    """Take each trial's row of one embedding as it is, of several laid end to end."""
    if len(embeddings) == 1 and not flat:
        return np.asarray(embeddings[0].values[embeddings[0].rows(stimuli)])
    return np.concatenate([e.flat[e.rows(stimuli)] for e in embeddings], axis=1)


def penalty_groups(trials: pd.DataFrame, split: SplitSection) -> np.ndarray:
    """Name what must not straddle the inner folds: the unit that the outer split keeps apart.

    Stimuli, where the split keeps stimuli apart; otherwise its own unit (run, session, concept), so
    that a penalty is chosen for the kind of novelty that the test brings.

    Parameters
    ----------
    trials
        Trial table.
    split
        The configuration's split.
    """
    if split.by != "concept" and "stimulus" in split.disjoint:
        return trials["stimulus_sha"].astype(str).to_numpy()
    groups = trials["split_group"].astype(str).to_numpy()
    if len(np.unique(groups)) < 3:
        return trials["stimulus_sha"].astype(str).to_numpy()
    return groups
