"""Captions in a cross-validation: each fold's encoder captioned anew, for its own test trials."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from calcarine.data.banks import Bank
from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.responses import read_responses
from calcarine.data.seeds import derive_seed
from calcarine.data.splits import Fold, folds
from calcarine.data.trials import read_trials
from calcarine.decoders.selectivity.caption_chain import Chain, caption_units, prepare_bank
from calcarine.decoders.text_judges import TextJudge
from calcarine.encoders.encoding_trials import EncodingTask
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.caption_banks import bank_of
from calcarine.pipelines.caption_sensors import at_sample
from calcarine.pipelines.caption_training import evidence_of, training_trials
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_captions import CaptionSection
from calcarine.pipelines.encoder_sections import fit_encoder
from calcarine.pipelines.encoding_data import EncodingData, encoding_data


@dataclass(frozen=True)
class FoldCaptions:
    """What the encoders of the folds say of the same sets of units.

    Attributes
    ----------
    names
        Folds; empty where the split is no cross-validation.
    texts
        Caption of each set in each fold, one list a set; then those of the scrambled encoder.
    agreement
        Mean similarity of each set's keywords in a fold with those in the other folds, NaN without
        folds.
    """

    names: list[str]
    texts: list[list[str]]
    agreement: np.ndarray


def data_of(config: Config, subject: str, section: CaptionSection) -> EncodingData:
    """Lay the stimuli's embedding beside the responses, as the section's encoder was given them."""
    own = config.encode[section.encoder]
    read = [read_embeddings(config.layout.embedding(n)) for n in own.reads]
    return encoding_data(read_responses(config.layout, subject), read, own, config.split)


def fold_captions(
    config: Config,
    subject: str,
    section: CaptionSection,
    data: EncodingData,
    banks: Mapping[str, Bank],
    mixing: np.ndarray,
    chain: Chain,
    judge: TextJudge,
    written: Mapping[str, list[str]],
    sample: int | None = None,
) -> FoldCaptions:
    """Fit and caption the encoder of every fold, from a bank of its own training stimuli.

    The encoder that is kept has seen all trials; its captions may be read, but only captions of a
    fold may be tested on that fold's test trials.

    Parameters
    ----------
    config, subject, section
        Whose.
    data
        From `data_of`.
    banks
        Of each fold, by its name.
    mixing
        What each set is made of, shape (n_sets, n_units).
    chain
        As the kept encoder was captioned.
    judge
        Compares keywords between folds.
    written
        Captions of stimuli that came without any.
    sample
        Of sensors, see `at_sample`.

    Returns
    -------
    FoldCaptions
        Without folds where the split is a holdout.
    """
    found = folds(data.trials)
    n_sets, n_units = len(mixing), mixing.shape[1]
    if len(found) == 1:
        none: list[list[str]] = [[] for _ in range(n_sets + n_units)]
        return FoldCaptions([], none, np.full(n_sets + n_units, np.nan))
    said, terms = [], []
    for fold in found:
        captions = list(
            _captions(
                config,
                subject,
                section,
                data,
                fold,
                banks[fold.name],
                mixing,
                chain,
                written,
                sample,
            )
        )
        said.append([text for text, _ in captions])
        terms.append(judge.embed([" ".join(own) for _, own in captions]))
    total = np.sum(terms, axis=0)
    own_square = sum((t * t).sum(axis=1) for t in terms)
    n = len(found)
    agreement = ((total * total).sum(axis=1) - own_square) / (n * (n - 1))
    return FoldCaptions(
        [f.name for f in found], [list(t) for t in zip(*said, strict=True)], agreement
    )


def _captions(
    config: Config,
    subject: str,
    section: CaptionSection,
    data: EncodingData,
    fold: Fold,
    bank: Bank,
    mixing: np.ndarray,
    chain: Chain,
    written: Mapping[str, list[str]],
    sample: int | None,
) -> Iterator[tuple[str, list[str]]]:
    """Caption all sets in one fold, then all units of an encoder of its trials in random order."""
    captioned = prepare_bank(bank)
    seed = derive_seed(config.seed, subject, "caption", section.encoder, fold.name)
    order = np.random.default_rng(seed).permutation(len(fold.fit))
    work = config.layout.model(subject, f".captions-{section.encoder}.training")
    for values, what in ((data, mixing), (_scrambled(data, fold, order), np.eye(mixing.shape[1]))):
        trials = values.at(fold.fit, fold.validation)
        task = EncodingTask(data.embeddings, data.units, trials, seed, work)
        encoder = fit_encoder(config.encode[section.encoder], task)
        if not isinstance(encoder, VoxelEncoder):
            raise CalcarineError(
                f"captions are made of the weights of a ridge encoder; {section.encoder!r} is of "
                f"the kind {config.encode[section.encoder].kind!r}."
            )
        weights = what @ at_sample(encoder, sample).coef_.T
        fitted = training_trials(config, section, values, fold.fit, encoder, sample, written)
        evidence = evidence_of(fitted.words(captioned.terms, what))
        for caption in caption_units(weights, captioned, chain, evidence):
            yield caption.text, caption.terms


def _scrambled(data: EncodingData, fold: Fold, order: np.ndarray) -> EncodingData:
    values = np.array(data.values, dtype=np.float32)
    values[fold.fit] = values[fold.fit[order]]
    return replace(data, values=values)


def fold_banks(
    config: Config,
    subject: str,
    section: CaptionSection,
    whole: Bank,
    written: Mapping[str, list[str]] | None = None,
) -> dict[str, Bank]:
    """Give the bank of each fold, by its name: the section's folder, or training stimuli.

    A stimulus that a fold tests is never in its bank, even where other trials of it are training
    trials.

    Parameters
    ----------
    config, subject, section
        Whose.
    whole
        Bank of the encoder that is kept; a folder's, which holds no test stimulus, is every fold's.
    written
        Captions of stimuli that came without any.
    """
    trials = read_trials(config.layout.trials(subject))
    if section.bank is not None:
        return {fold.name: whole for fold in folds(trials)}
    stimuli = trials["stimulus_id"]
    shown = {f.name: set(stimuli.iloc[f.fit]) - set(stimuli.iloc[f.test]) for f in folds(trials)}
    return {name: bank_of(config, subject, section, own, written) for name, own in shown.items()}
