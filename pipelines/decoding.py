"""Fitting a decoder in every fold and predicting its test items, for one subject or several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.checkpoints import checkpoint_of, remove_checkpoint
from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions, write_predictions
from calcarine.data.responses import units_sha
from calcarine.data.scaling import Scaler, ScalingPlan, fit_scaler
from calcarine.data.seeds import derive_seed
from calcarine.data.splits import Fold, folds
from calcarine.data.stored_rows import take_rows
from calcarine.decoders.brain_items import (
    BRAINS,
    SHUFFLED_LABELS,
    BrainItems,
    average_predictions,
    averaged_items,
    single_items,
)
from calcarine.decoders.decoder_folder import SavedDecoder, save_decoder
from calcarine.decoders.decoding_trials import Decoder, DecodesOthers, DecodingTrials
from calcarine.decoders.meeg.sensors import Sensors
from calcarine.pipelines.config import Config
from calcarine.pipelines.config import Decoder as DecoderSection
from calcarine.pipelines.config_data import RobustScaling
from calcarine.pipelines.decoder_cards import decoder_card
from calcarine.pipelines.decoder_sections import make_decoder
from calcarine.pipelines.decoding_data import (
    SubjectData,
    all_trials,
    at_rows,
    check_strangers,
    common_folds,
    subject_data,
)
from calcarine.pipelines.encode import usual_repeats
from calcarine.pipelines.label_permutations import permuted_decoders


@dataclass(frozen=True)
class FittedFold:
    """A decoder fitted on the training trials of a fold, with its z-scores.

    Attributes
    ----------
    decoder
        The fitted decoder.
    standardizers
        Scales of the training trials (z-scores, or what `scaling` says), by subject.
    train_mean
        Mean target of the training trials, shape (embed_dim,).
    trained_on
        Subjects whose trials the decoder was fitted on; others have z-scores only.
    """

    decoder: Decoder
    standardizers: dict[str, Scaler]
    train_mean: np.ndarray
    trained_on: tuple[str, ...]

    def predict(self, responses: np.ndarray, subject: str, sensors: Sensors | None) -> np.ndarray:
        """Predict from standardised responses of a subject, known to the decoder or not.

        Raises
        ------
        CalcarineError
            The decoder was not trained on the subject, and cannot decode others.
        """
        if subject in self.trained_on:
            return self.decoder.predict(responses, subject)
        if not isinstance(self.decoder, DecodesOthers) or sensors is None:
            raise CalcarineError(
                f"sub-{subject} is held out, and a {self.decoder.kind} decoder of responses "
                f"{'without' if sensors is None else 'with'} time decodes its own subjects only. "
                "Use `kind: sensor-contrastive`, or hold nobody out."
            )
        return self.decoder.predict_unseen(responses, sensors)


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
    section, plan = _section(config, name, whom), scaling_plan(config)
    target = read_embeddings(config.layout.embedding(section.target))
    data = {subject: subject_data(config, subject, section, target) for subject in subjects}
    check_strangers(config, data, section.held_out_subjects)
    n_repeats = {s: usual_repeats(d.trials, folds(d.trials)) for s, d in data.items()}
    by_fold = common_folds(config, data)
    work = folder.parent / f".{folder.name}.training"
    seed = derive_seed(config.seed, *subjects, "decode", name)
    fits, predicted = {}, {subject: _Parts() for subject in subjects}
    for fold_name, fold in by_fold.items():
        checkpoint = checkpoint_of(work, fold_name)
        fitted = fit_fold(section, plan, data, fold, seed, checkpoint)
        trials = {
            s: training_trials(data[s], fold[s], fitted.standardizers[s]) for s in fitted.trained_on
        }
        refits = permuted_decoders(section, trials, data, fold, seed, checkpoint)
        permuted = [replace(fitted, decoder=decoder) for decoder in refits]
        for subject, parts in predicted.items():
            where = (data[subject], fold[subject])
            parts.add_permuted(*where, permuted, subject, n_repeats[subject])
            parts.add(*where, fitted, subject, n_repeats[subject], seed)
        fits[fold_name] = fitted
    final = fits[next(iter(fits))]
    if len(by_fold) > 1:
        final = fit_fold(section, plan, data, all_trials(by_fold), seed, work / "all")
    known = {s: d for s, d in data.items() if s in final.trained_on}
    saved = SavedDecoder(
        final.decoder,
        {subject: final.standardizers[subject] for subject in known},
        {subject: units_sha(d.units) for subject, d in known.items()},
        {"name": section.target, **target.sidecar},
        {fold_name: fitted.train_mean for fold_name, fitted in fits.items()},
        {"name": name, "section": section.model_dump(mode="json"), "seed": seed},
    )
    tables = {subject: d.trials for subject, d in known.items()}
    save_decoder(folder, saved, *decoder_card(config, name, tables))
    for subject, parts in predicted.items():
        told = _told(saved, data[subject], len(by_fold), n_repeats[subject])
        told["is_held_out"] = subject not in known
        told["n_without_target"] = data[subject].n_without_target
        place = config.layout.prediction(subject, f"decoder-{name}")
        write_predictions(place, parts.predictions(told))
    remove_checkpoint(work)


def _told(
    saved: SavedDecoder, data: SubjectData, n_folds: int, n_repeats: int
) -> dict[str, object]:
    return {
        "model": f"decoder-{saved.told['name']}",
        "target": saved.target["name"],
        "kind": saved.decoder.kind,
        "units_sha": units_sha(data.units),
        "subjects": list(saved.units_shas),
        "n_folds": n_folds,
        "n_repeats": n_repeats,
        "seed": saved.told["seed"],
    }


def _section(config: Config, name: str, whom: str) -> DecoderSection:
    names = [n for n, d in config.decode.items() if d.subjects == whom]
    if name not in names:
        raise CalcarineError(
            f"the configuration has no decoder {name!r} with `subjects: {whom}`; it has {names}."
        )
    return config.decode[name]


def fit_fold(
    section: DecoderSection,
    plan: ScalingPlan,
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
    plan
        How responses are scaled.
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
    for subject, own in fold.items():  # of people who are held out only the scale is learned
        subject_trials = data[subject]
        # where validation trials choose, they must not shape the z-scores either
        rows = own.train if decoder.uses_validation else own.fit
        standardizers[subject] = fit_scaler(
            plan,
            take_rows(subject_trials.values, rows),
            at_rows(subject_trials.sessions, rows),
            subject_trials.trials["stimulus_sha"].iloc[rows].to_numpy(dtype=str),
        )
        if subject not in section.held_out_subjects:
            trials[subject] = training_trials(subject_trials, own, standardizers[subject])
    targets = np.concatenate([t.targets for t in trials.values()])
    mean = targets.mean(axis=0, dtype=np.float64).astype(np.float32)
    return FittedFold(decoder.fit(trials), standardizers, mean, tuple(trials))


def training_trials(data: SubjectData, fold: Fold, standardizer: Scaler) -> DecodingTrials:
    """Take the training and validation trials of a fold."""
    rows = fold.fit
    return DecodingTrials(
        standardizer.transform(take_rows(data.values, rows), at_rows(data.sessions, rows)),
        data.targets[rows],
        data.trials["stimulus_sha"].iloc[rows].to_numpy(dtype=str),
        data.groups[rows],
        np.isin(rows, fold.validation),
        data.sensors,
    )


def scaling_plan(config: Config) -> ScalingPlan:
    """Say how the configuration wants responses to be scaled."""
    section = config.scaling
    if isinstance(section, RobustScaling):
        return ScalingPlan("robust", section.clamp, section.mvnn.dim if section.mvnn else None)
    return ScalingPlan()


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
            data.values[fold.test], at_rows(data.sessions, fold.test)
        )
        where = (trials, fold.name, self.n_items)
        for brain in BRAINS:
            for level in range(1, n_repeats + 1):
                items = averaged_items(responses, *where, level, brain, seed)
                self._keep(fitted.predict(items.responses, subject, data.sensors), items)
        single = single_items(responses, *where)
        predicted = fitted.predict(single.responses, subject, data.sensors)
        self._keep(predicted, single)
        for level in range(2, n_repeats + 1):  # one repeat is averaged nowhere
            averaged = average_predictions(predicted, *where, level)
            self._keep(averaged.responses, averaged)
        for brain in (b for b in BRAINS if b != "measured"):
            items = single_items(responses, *where, brain, seed)
            self._keep(fitted.predict(items.responses, subject, data.sensors), items)
        self.n_items += trials["stimulus_id"].nunique()

    def add_permuted(
        self,
        data: SubjectData,
        fold: Fold,
        permuted: Sequence[FittedFold],
        subject: str,
        n_repeats: int,
    ) -> None:
        """Predict the test items of a fold, to be added next, by decoders of shuffled labels."""
        if not permuted:
            return
        trials = data.trials.iloc[fold.test].reset_index(drop=True)
        responses = (
            permuted[0]
            .standardizers[subject]
            .transform(data.values[fold.test], at_rows(data.sessions, fold.test))
        )
        items = averaged_items(
            responses, trials, fold.name, self.n_items, n_repeats, "measured", seed=0
        )
        for number, fitted in enumerate(permuted, start=1):
            table = items.table.assign(brain=SHUFFLED_LABELS, permutation=number)
            predicted = fitted.predict(items.responses, subject, data.sensors)
            self._keep(predicted, BrainItems(items.responses, table))

    def _keep(self, values: np.ndarray, items: BrainItems) -> None:
        self.values.append(values)
        self.items.append(items.table)

    def predictions(self, sidecar: dict[str, object]) -> Predictions:
        """Put the parts together."""
        table = pd.concat(self.items, ignore_index=True)
        if "permutation" in table:  # 0: the labels as they are
            table["permutation"] = table["permutation"].fillna(0).astype(int)
        return Predictions(np.concatenate(self.values).astype(np.float32), table, sidecar)
