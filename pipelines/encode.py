"""Step `encode`: fit one encoder on one subject and predict the responses to the test trials."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.checkpoints import checkpoint_of, remove_checkpoint
from calcarine.data.digests import frame_sha
from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import add_to_config
from calcarine.data.predictions import Predictions, write_predictions
from calcarine.data.repeats import average_rows, repeat_rows
from calcarine.data.responses import read_responses, units_sha
from calcarine.data.seeds import derive_seed
from calcarine.data.splits import Fold, folds
from calcarine.data.stored_rows import take_rows
from calcarine.encoders.delays import step_s
from calcarine.encoders.encoding_trials import EncodingTask, FittedEncoder, PredictsBands
from calcarine.encoders.unit_space import SPACE_KEYS
from calcarine.pipelines.config import Config
from calcarine.pipelines.config import Encoder as EncoderSection
from calcarine.pipelines.config_data import PhantomSource
from calcarine.pipelines.encoder_sections import fit_encoder
from calcarine.pipelines.encoding_data import EncodingData, encoding_data

STRETCH_S = 20.0
"""Length of the pieces of a film that are drawn together: a response and the noise's memory."""


def run(config: Config, subject: str, name: str) -> None:
    """Fit and predict with one encoder of the `encode` section.

    Writes `models/encoder-<name>` and `predictions/encoder-<name>`. In a cross-validation
    predictions come from the fold that was left out, and the model that is saved is fitted on all
    trials.

    Raises
    ------
    CalcarineError
        There is no such encoder, or an embedding has no row for a stimulus.
    """
    if name not in config.encode:
        raise CalcarineError(
            f"the configuration has no encoder {name!r}; it has {list(config.encode)}."
        )
    section = config.encode[name]
    responses = read_responses(config.layout, subject)
    read = [read_embeddings(config.layout.embedding(n)) for n in section.reads]
    data = encoding_data(responses, read, section, config.split)
    folder = config.layout.model(subject, f"encoder-{name}")
    work = folder.parent / f".{folder.name}.training"
    seed = derive_seed(config.seed, subject, "encode", name)
    final, predictions = encode(data, name, section, config.evaluate.repeat_curve, seed, work)
    final.save(folder, _card(config, section, data, seed))
    add_to_config(folder, unit_space(config, responses.sidecar))
    write_predictions(config.layout.prediction(subject, f"encoder-{name}"), predictions)
    remove_checkpoint(work)


def unit_space(config: Config, sidecar: dict[str, Any]) -> dict[str, Any]:
    """Say where units lie, for the model folder: grid, and whether mm are those of a template."""
    found = {key: sidecar[key] for key in SPACE_KEYS if key in sidecar}
    standard = str(found.get("space", "")).startswith(("MNI", "fsaverage"))
    # the phantom is planted in MNI space and read as a raw recording
    return {**found, "template": standard or isinstance(config.source, PhantomSource)}


def encode(
    data: EncodingData,
    name: str,
    section: EncoderSection,
    repeat_curve: bool,
    seed: int,
    checkpoint: Path,
) -> tuple[FittedEncoder, Predictions]:
    """Fit an encoder in every fold, predict its test trials, and fit the encoder that is kept.

    Parameters
    ----------
    data
        Trials, responses and embeddings.
    name
        Name of the encoder.
    section
        How to fit.
    repeat_curve
        Give measured responses of 1 … n averaged repeats; otherwise of n alone, where n is the
        median number of repeats of a test stimulus.
    seed
        Seed of this encoder; each fold's own is derived from it.
    checkpoint
        Folder from which an interrupted training goes on.

    Returns
    -------
    tuple
        The encoder of the only fold, or one of all trials where there are several folds; and the
        predictions, one row a test stimulus and number of repeats.
    """
    all_folds = folds(data.trials)
    n_repeats = usual_repeats(data.trials, all_folds)
    levels = range(1, n_repeats + 1) if repeat_curve else [n_repeats]
    parts: list[_Predicted] = []
    first_item = 0
    for fold in all_folds:
        trials, work = data.at(fold.fit, fold.validation), checkpoint_of(checkpoint, fold.name)
        fold_seed = derive_seed(seed, fold.name)
        encoder = fit_encoder(
            section, EncodingTask(data.embeddings, data.units, trials, fold_seed, work)
        )
        parts += _predict(data, fold, encoder, levels, first_item)
        first_item += data.trials["stimulus_id"].iloc[fold.test].nunique()
    if len(all_folds) > 1:
        tested = np.unique(np.concatenate([f.test for f in all_folds]))
        trials = data.at(tested, np.array([], dtype=np.int64))
        work, fold_seed = checkpoint / "all", derive_seed(seed, "all")
        encoder = fit_encoder(
            section, EncodingTask(data.embeddings, data.units, trials, fold_seed, work)
        )
    sidecar = {
        "model": f"encoder-{name}",
        "target": "responses",
        "kind": section.kind,
        "embeddings": list(section.reads),
        "units_sha": units_sha(data.units),
        "n_folds": len(all_folds),
        "n_repeats": n_repeats,
        "n_without_embedding": data.n_without_embedding,
        "n_in_stretch": _stretch(data),
    }
    by_band = [part.by_band for part in parts if part.by_band is not None]
    if isinstance(encoder, PredictsBands):
        sidecar["bands"] = list(encoder.band_names)
    predictions = Predictions(
        np.concatenate([part.predicted for part in parts]),
        pd.concat([part.items for part in parts], ignore_index=True),
        sidecar,
        np.concatenate([part.measured for part in parts]),
        np.concatenate(by_band, axis=1) if by_band else None,
    )
    return encoder, predictions


def _stretch(data: EncodingData) -> int:
    """Give how many test items in a row are drawn together: 1, or what a film's response spans."""
    if not data.follows:
        return 1
    return math.ceil(STRETCH_S / step_s(data.trials))


@dataclass(frozen=True)
class _Predicted:
    """Predicted and measured responses of the test stimuli of a fold."""

    predicted: np.ndarray
    measured: np.ndarray
    items: pd.DataFrame
    by_band: np.ndarray | None


def usual_repeats(trials: pd.DataFrame, all_folds: list[Fold]) -> int:
    """Give the median number of repeats of a test stimulus, over all folds."""
    counts = [trials["stimulus_id"].iloc[fold.test].value_counts() for fold in all_folds]
    return int(np.median(np.concatenate(counts)))


def _predict(
    data: EncodingData,
    fold: Fold,
    encoder: FittedEncoder,
    levels: Sequence[int],
    first_item: int,
) -> Iterator[_Predicted]:
    """Give predicted and measured responses of the test stimuli, for every number of repeats."""
    trials = data.trials.iloc[fold.test].reset_index(drop=True)
    sessions = None if data.sessions is None else data.sessions[fold.test]
    measured = encoder.standardizer_.transform(take_rows(data.values, fold.test), sessions)
    names, first, number = np.unique(
        trials["stimulus_id"].to_numpy(dtype=str), return_index=True, return_inverse=True
    )
    of_trials = data.features[fold.test]
    once = None if data.varies else _of_items(encoder, of_trials[first])
    for n_repeats in levels:
        groups = repeat_rows(trials, np.arange(len(trials)), n_repeats)
        if not groups:
            continue
        if data.follows:  # the order of the film, which a bootstrap of stretches needs
            groups = sorted(groups, key=lambda rows: int(rows[0]))
        stimulus = number[[rows[0] for rows in groups]]
        if once is None:
            # a linear encoder of mean features predicts the mean of the trials' predictions
            predicted, by_band = _of_items(encoder, average_rows(of_trials, groups))
        else:
            predicted = once[0][stimulus]
            by_band = None if once[1] is None else once[1][:, stimulus]
        items = pd.DataFrame(
            {
                "item": first_item + stimulus,
                "stimulus_id": names[stimulus],
                "concept": trials["concept"].to_numpy()[first[stimulus]],
                "fold": fold.name,
                "brain": "measured",
                "n_repeats": n_repeats,
                "averaging": "signal",
            }
        )
        yield _Predicted(
            predicted,
            average_rows(measured, groups),
            items,
            by_band,
        )


def _of_items(encoder: FittedEncoder, features: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Predict, as a whole and band by band where the encoder has bands."""
    by_band = encoder.predict_bands(features) if isinstance(encoder, PredictsBands) else None
    return encoder.predict(features), by_band


def _card(config: Config, section: EncoderSection, data: EncodingData, seed: int) -> dict[str, str]:
    split, trials = config.split, data.trials
    split_hash = frame_sha(trials[["trial_id", "split"]])
    n_folds = len(folds(trials))
    fitted = "on all trials" if n_folds > 1 else "on the training and validation trials"
    return {
        **data_set_fields(config),
        "split": f"{split.scheme} by {split.by}, {n_folds} folds, hash {split_hash}; this model is "
        f"fitted {fitted}",
        "preprocessing": f"`{config.recording.preprocessing}`, responses z-scored "
        f"by training trials ({section.standardize})",
        "seed": f"{seed}, from the configuration's {config.seed}",
    }


def data_set_fields(config: Config) -> dict[str, str]:
    """Give the fields `data` and `licence` of a model card."""
    path = config.bids / "dataset_description.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    return {
        "data": str(found.get("Name") or config.source.kind),
        "licence": str(found.get("License") or "that of the data; none is stated"),
    }
