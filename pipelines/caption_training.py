"""The training trials that captions are made of, and what they say of words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from calcarine.data.errors import CalcarineError
from calcarine.data.splits import folds
from calcarine.data.stimuli import read_stimuli
from calcarine.data.stored_rows import take_rows
from calcarine.data.trials import runs_of
from calcarine.decoders.selectivity.borne_out import Evidence
from calcarine.decoders.selectivity.measured_words import MeasuredWords, measured_words
from calcarine.decoders.selectivity.terms import Terms, shares_of
from calcarine.encoders.ridge.resampling import drawn_weights
from calcarine.encoders.ridge.streaming import RidgeStatistics
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.caption_banks import with_captions
from calcarine.pipelines.caption_sensors import responses_at
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_captions import CaptionSection
from calcarine.pipelines.encoding_data import EncodingData


@dataclass(frozen=True)
class TrainingTrials:
    """What an encoder was fitted on.

    Attributes
    ----------
    features
        Shape (n_trials, n_features).
    responses
        Standardised as the encoder's, shape (n_trials, n_units).
    blocks
        Session or run that is resampled, shape (n_trials,).
    stimuli
        Shape (n_trials,).
    captions
        Of each stimulus, by its name; empty where captions need not be borne out by responses.
    """

    features: np.ndarray
    responses: np.ndarray
    blocks: np.ndarray
    stimuli: np.ndarray
    captions: Mapping[str, list[str]]

    def permuted(self, order: np.ndarray) -> "TrainingTrials":
        """Give the responses in another order to the same stimuli."""
        return replace(self, responses=take_rows(self.responses, order))

    def shares(self, terms: Terms) -> csr_array:
        """Give the share of each trial's captions that say each term, (n_trials, n_terms)."""
        names, member = np.unique(self.stimuli, return_inverse=True)
        return shares_of([self.captions.get(name, []) for name in names], terms)[member]

    def words(self, terms: Terms, mixing: np.ndarray | None = None) -> MeasuredWords | None:
        """Lay a bank's words beside the responses.

        Parameters
        ----------
        terms
            Of the bank.
        mixing
            What each set of units is made of, shape (n_sets, n_units); without it single units.

        Returns
        -------
        MeasuredWords or None
            None where no stimulus has a caption that says any of them.
        """
        shares = self.shares(terms)
        if not shares.nnz:
            return None
        values = self.responses if mixing is None else self.responses @ mixing.T
        return measured_words(shares, values, self.stimuli, self.blocks)


def training_trials(
    config: Config,
    section: CaptionSection,
    data: EncodingData,
    rows: np.ndarray,
    encoder: VoxelEncoder,
    sample: int | None,
    written: Mapping[str, list[str]],
) -> TrainingTrials:
    """Take the trials that an encoder was fitted on.

    Parameters
    ----------
    config, section
        Whose.
    data
        From `data_of`.
    rows
        Of the trials.
    encoder
        Fitted on them.
    sample
        Of sensors, see `at_sample`.
    written
        Captions of stimuli that came without any.
    """
    trials = data.trials.iloc[rows]
    sessions = None if data.sessions is None else data.sessions[rows]
    responses = encoder.standardizer_.transform(take_rows(data.values, rows), sessions)
    by_run = section.resample == "run"
    blocks = runs_of(trials) if by_run else trials["session"].to_numpy(dtype=str)
    stimuli = trials["stimulus_id"].to_numpy(dtype=str)
    return TrainingTrials(
        data.features[rows].reshape(len(rows), -1),
        responses_at(responses, len(encoder.units), sample),
        blocks,
        stimuli,
        {} if section.borne_out is None else captions_of(config, np.unique(stimuli), written),
    )


def captions_of(
    config: Config, stimuli: np.ndarray, written: Mapping[str, list[str]]
) -> dict[str, list[str]]:
    """Give the captions of stimuli, by name: their own, or those that a captioner wrote."""
    table = with_captions(read_stimuli(config.stimuli), written)
    captions = table.set_index("stimulus_id")["captions"]
    return {str(s): list(captions[s]) for s in stimuli}


def kept_rows(trials: pd.DataFrame) -> np.ndarray:
    """List the trials that the encoder that is kept was fitted on."""
    found = folds(trials)
    if len(found) == 1:
        return found[0].fit
    return np.unique(np.concatenate([fold.test for fold in found]))


def evidence_of(words: MeasuredWords | None, counts: np.ndarray | None = None) -> Evidence | None:
    """Add up what responses say of words, where they say anything."""
    return None if words is None else words.evidence(counts)


def refits(
    fitted: TrainingTrials,
    alpha: np.ndarray,
    draws: np.ndarray,
    mixing: np.ndarray | None,
    words: MeasuredWords | None,
) -> Iterator[tuple[np.ndarray, Evidence | None]]:
    """Fit again to drawn blocks of trials, and hear what the drawn responses say of words.

    Parameters
    ----------
    fitted
        What was fitted.
    alpha
        Penalty of each unit.
    draws
        How often each block counts, shape (n_draws, n_blocks).
    mixing
        What each set is made of, shape (n_sets, n_units); without it single units.
    words
        Of these sets.

    Raises
    ------
    CalcarineError
        There is one block only.
    """
    if len(np.unique(fitted.blocks)) < 2:
        raise CalcarineError(
            "the reliability of captions needs two sessions (or runs) at least to draw from. Write "
            "`resample: run` where there is only one session."
        )
    sums = RidgeStatistics.from_arrays(fitted.features, fitted.responses, fitted.blocks).blocks()
    for counts, weights in zip(draws, drawn_weights(sums, alpha, draws), strict=True):
        own = weights.T if mixing is None else mixing @ weights.T
        yield own, evidence_of(words, counts)
