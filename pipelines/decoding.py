"""Fitting a decoder in every fold and predicting its test items, for one subject or several."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.embeddings import Embeddings, read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions, write_predictions
from calcarine.data.responses import read_responses, units_sha
from calcarine.data.seeds import derive_seed
from calcarine.data.splits import Fold, folds
from calcarine.data.standardize import Standardizer
from calcarine.decoders.brain_items import (
    BRAINS,
    BrainItems,
    average_predictions,
    averaged_items,
    single_items,
)
from calcarine.decoders.decoder_folder import SavedDecoder, save_decoder
from calcarine.decoders.decoding_trials import Decoder, DecodingTrials
from calcarine.pipelines.config import Config
from calcarine.pipelines.config import Decoder as DecoderSection
from calcarine.pipelines.decoder_cards import decoder_card
from calcarine.pipelines.decoder_sections import make_decoder
from calcarine.pipelines.encode import penalty_groups, usual_repeats


@dataclass(frozen=True)
class SubjectData:
    """Trials of one subject beside the target of their stimuli.

    Attributes
    ----------
    trials
        Trial table, one row a trial; only trials whose stimulus has a target.
    values
        Responses, not standardised, shape (n_trials, n_units).
    targets
        Target of each trial's stimulus, shape (n_trials, embed_dim).
    sessions
        Session of each trial, where responses are standardised within session.
    groups
        What must not straddle the folds of an inner search, shape (n_trials,).
    units
        Units table.
    n_without_target
        Number of trials that were left out.
    """

    trials: pd.DataFrame
    values: np.ndarray
    targets: np.ndarray
    sessions: np.ndarray | None
    groups: np.ndarray
    units: pd.DataFrame
    n_without_target: int


@dataclass(frozen=True)
class FittedFold:
    """A decoder fitted on the training trials of a fold, with its z-scores.

    Attributes
    ----------
    decoder
        The fitted decoder.
    standardizers
        z-scores of the training trials, by subject.
    train_mean
        Mean target of the training trials, shape (embed_dim,).
    """

    decoder: Decoder
    standardizers: dict[str, Standardizer]
    train_mean: np.ndarray


def decode_subjects(
    config: Config, subjects: tuple[str, ...], name: str, whom: str, folder: Path
) -> None:
    """Fit a decoder on some subjects together, save it, and write the predictions of each.

    Parameters
    ----------
    config
        The configuration.
    subjects
        Labels.
    name
        Name of the decoder in the section `decode`.
    whom
        What its key `subjects` must say: `each` or `all`.
    folder
        Where the model goes.

    Raises
    ------
    CalcarineError
        There is no such decoder, or data and decoder do not fit together.
    """
    section = _section(config, name, whom)
    target = read_embeddings(config.layout.embedding(section.target))
    data = {subject: subject_data(config, subject, section, target) for subject in subjects}
    by_fold = _common_folds(config, data)
    work = folder.parent / f".{folder.name}.training"
    seed = derive_seed(config.seed, *subjects, "decode", name)
    fits, predicted = {}, {subject: _Parts() for subject in subjects}
    n_repeats = {s: usual_repeats(d.trials, folds(d.trials)) for s, d in data.items()}
    for fold_name, fold in by_fold.items():
        fits[fold_name] = fit_fold(section, data, fold, seed, work / fold_name.replace("/", "_"))
        for subject, parts in predicted.items():
            fitted = fits[fold_name]
            parts.add(data[subject], fold[subject], fitted, subject, n_repeats[subject], seed)
    final = fits[next(iter(fits))]
    if len(by_fold) > 1:
        final = fit_fold(section, data, _all_trials(by_fold), seed, work / "all")
    saved = SavedDecoder(
        final.decoder,
        final.standardizers,
        {subject: units_sha(d.units) for subject, d in data.items()},
        {"name": section.target, **target.sidecar},
        {fold_name: fitted.train_mean for fold_name, fitted in fits.items()},
        {"name": name, "section": section.model_dump(mode="json"), "seed": seed},
    )
    save_decoder(folder, saved, *decoder_card(config, name, {s: d.trials for s, d in data.items()}))
    for subject, parts in predicted.items():
        told = {
            "model": f"decoder-{name}",
            "target": section.target,
            "kind": section.kind,
            "units_sha": saved.units_shas[subject],
            "subjects": list(subjects),
            "n_folds": len(by_fold),
            "n_repeats": n_repeats[subject],
            "n_without_target": data[subject].n_without_target,
            "seed": seed,
        }
        write_predictions(
            config.layout.prediction(subject, f"decoder-{name}"), parts.predictions(told)
        )


def _section(config: Config, name: str, whom: str) -> DecoderSection:
    names = [n for n, d in config.decode.items() if d.subjects == whom]
    if name not in names:
        raise CalcarineError(
            f"the configuration has no decoder {name!r} with `subjects: {whom}`; it has {names}."
        )
    return config.decode[name]


def subject_data(
    config: Config, subject: str, section: DecoderSection, target: Embeddings
) -> SubjectData:
    """Read one subject's responses and look up the target of every trial.

    Raises
    ------
    CalcarineError
        No stimulus has a target.
    """
    responses = read_responses(config.layout, subject)
    targets = np.asarray(target.flat[target.rows(responses.trials["stimulus_id"])])
    known = np.isfinite(targets).all(axis=1)
    if not known.any():
        raise CalcarineError(
            f"sub-{subject}: no stimulus has a row in the embedding {section.target!r}: all are "
            "NaN because stimuli.tsv names no picture. Choose another target."
        )
    trials = responses.trials[known].reset_index(drop=True)
    by_session = section.standardize == "session"
    return SubjectData(
        trials,
        responses.values if known.all() else np.asarray(responses.values[known]),
        targets[known],
        trials["session"].astype(str).to_numpy() if by_session else None,
        penalty_groups(trials, config.split),
        responses.units,
        int((~known).sum()),
    )


def _common_folds(config: Config, data: dict[str, SubjectData]) -> dict[str, dict[str, Fold]]:
    """List the folds by name, each with its rows in every subject; refuse leaks between them."""
    of_subject = {s: {f.name: f for f in folds(d.trials)} for s, d in data.items()}
    first = next(iter(of_subject))
    for subject, own in of_subject.items():
        if list(own) != list(of_subject[first]):
            raise CalcarineError(
                f"sub-{first} has the folds {list(of_subject[first])[:5]} and sub-{subject} "
                f"{list(own)[:5]}; a decoder of all subjects needs the same. Split by stimulus or "
                "concept, or write `subjects: each`."
            )
    by_name = {name: {s: of_subject[s][name] for s in data} for name in of_subject[first]}
    for unit, column in (("stimulus", "stimulus_sha"), ("concept", "concept")):
        if unit in config.split.disjoint:
            for fold in by_name.values():
                _check_shared(data, fold, unit, column)
    return by_name


def _check_shared(
    data: dict[str, SubjectData], fold: dict[str, Fold], unit: str, column: str
) -> None:
    values = {s: d.trials[column].astype(str).to_numpy() for s, d in data.items()}
    tested = set().union(*(values[s][f.test] for s, f in fold.items()))
    for subject, own in fold.items():
        leaks = sorted(tested & set(values[subject][own.fit]) - {"n/a"})
        if leaks:
            raise CalcarineError(
                f"{len(leaks)} {unit} values, the first {leaks[0]!r}, are training data of "
                f"sub-{subject} and test data of another subject: a shared decoder would know "
                "them. Give all subjects the same split."
            )


def fit_fold(
    section: DecoderSection,
    data: Mapping[str, SubjectData],
    fold: Mapping[str, Fold],
    seed: int,
    checkpoint: Path,
) -> FittedFold:
    """Standardise and fit on the training trials of one fold.

    Parameters
    ----------
    section
        Which decoder.
    data, fold
        Trials and rows, by subject.
    seed
        Seed of all subjects' decoders of this name; the fold's own is derived from it.
    checkpoint
        Folder from which an interrupted training goes on.
    """
    name = next(iter(fold.values())).name
    decoder = make_decoder(section, derive_seed(seed, name), checkpoint)
    standardizers, trials = {}, {}
    for subject, own in fold.items():
        subject_trials = data[subject]
        # where validation trials choose, they must not shape the z-scores either
        rows = own.train if decoder.uses_validation else own.fit
        standardizers[subject] = Standardizer.fit(
            subject_trials.values[rows], _at(subject_trials.sessions, rows)
        )
        trials[subject] = training_trials(subject_trials, own, standardizers[subject])
    targets = np.concatenate([t.targets for t in trials.values()])
    mean = targets.mean(axis=0, dtype=np.float64).astype(np.float32)
    return FittedFold(decoder.fit(trials), standardizers, mean)


def training_trials(data: SubjectData, fold: Fold, standardizer: Standardizer) -> DecodingTrials:
    """Take the training and validation trials of a fold."""
    rows = fold.fit
    return DecodingTrials(
        standardizer.transform(data.values[rows], _at(data.sessions, rows)),
        data.targets[rows],
        data.trials["stimulus_sha"].iloc[rows].to_numpy(dtype=str),
        data.groups[rows],
        np.isin(rows, fold.validation),
    )


def _at(sessions: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if sessions is None else sessions[rows]


def _all_trials(by_fold: dict[str, dict[str, Fold]]) -> dict[str, Fold]:
    """Make the fold of the final model: nothing is tested, the first fold's group validates."""
    out = {}
    for subject, first in next(iter(by_fold.values())).items():
        rows = np.unique(np.concatenate([f[subject].test for f in by_fold.values()]))
        rest = np.setdiff1d(rows, first.validation)
        out[subject] = Fold("all", rest, first.validation, np.array([], dtype=int))
    return out


class _Parts:
    """Predictions of one subject, gathered fold by fold."""

    def __init__(self) -> None:
        self.values: list[np.ndarray] = []
        self.items: list[pd.DataFrame] = []
        self.n_items = 0

    def add(
        self,
        data: SubjectData,
        fold: Fold,
        fitted: FittedFold,
        subject: str,
        n_repeats: int,
        seed: int,
    ) -> None:
        """Predict the test items of a fold: every brain, number of repeats and way of averaging."""
        trials = data.trials.iloc[fold.test].reset_index(drop=True)
        responses = fitted.standardizers[subject].transform(
            data.values[fold.test], _at(data.sessions, fold.test)
        )
        where = (trials, fold.name, self.n_items)
        for brain in BRAINS:
            for level in range(1, n_repeats + 1):
                items = averaged_items(responses, *where, level, brain, seed)
                self._keep(fitted.decoder.predict(items.responses, subject), items)
        single = single_items(responses, *where)
        predicted = fitted.decoder.predict(single.responses, subject)
        self._keep(predicted, single)
        for level in range(1, n_repeats + 1):
            averaged = average_predictions(predicted, *where, level)
            self._keep(averaged.responses, averaged)
        self.n_items += trials["stimulus_id"].nunique()

    def _keep(self, values: np.ndarray, items: BrainItems) -> None:
        self.values.append(values)
        self.items.append(items.table)

    def predictions(self, sidecar: dict[str, object]) -> Predictions:
        """Put the parts together."""
        table = pd.concat(self.items, ignore_index=True)
        return Predictions(np.concatenate(self.values).astype(np.float32), table, sidecar)
