"""Step `encode`: fit a voxelwise encoder on every named embedding and predict the test trials."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.data.digests import frame_sha
from calcarine.data.embeddings import Embeddings, read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions, write_predictions
from calcarine.data.repeats import average_rows, repeat_rows
from calcarine.data.responses import Responses, read_responses, units_sha
from calcarine.data.splits import Fold, folds
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import SplitSection
from calcarine.pipelines.config_models import EncodeSection


def run(config: Config, subject: str) -> None:
    """Fit and predict with every embedding of the `encode` section.

    Writes `models/encoder-<embedding>` and `predictions/encoder-<embedding>`. In a
    cross-validation predictions come from the fold that was left out, and the model that is saved
    is fitted on all trials.

    Raises
    ------
    CalcarineError
        There is no `encode` section, or an embedding has no row for a stimulus.
    """
    if config.encode is None:
        raise CalcarineError("the configuration has no section `encode`; add one to run this step.")
    responses = read_responses(config.layout, subject)
    for name in config.encode.embeddings:
        embeddings = read_embeddings(config.layout.embedding(name))
        data = _training_data(responses, embeddings, config.encode, config.split)
        final, predictions = encode(data, name, config.encode, config.evaluate.repeat_curve)
        final.save(config.layout.model(subject, f"encoder-{name}"), _card(config, data))
        write_predictions(config.layout.prediction(subject, f"encoder-{name}"), predictions)


@dataclass(frozen=True)
class EncodingData:
    """Trials of one subject beside the embedding of their stimuli.

    Attributes
    ----------
    trials
        Trial table, one row a trial; only trials whose stimulus has an embedding.
    values
        Responses, not standardised, shape (n_trials, n_units).
    features
        Embedding of each trial's stimulus, shape (n_trials, n_features).
    sessions
        Session of each trial, where responses are standardised within session.
    groups
        What must not straddle the folds of the search for penalties, shape (n_trials,).
    units, embedding
        Units table, and sidecar of the embedding.
    n_without_embedding
        Number of trials that were left out.
    """

    trials: pd.DataFrame
    values: np.ndarray
    features: np.ndarray
    sessions: np.ndarray | None
    groups: np.ndarray
    units: pd.DataFrame
    embedding: dict[str, object]
    n_without_embedding: int


def _training_data(
    responses: Responses, embeddings: Embeddings, section: EncodeSection, split: SplitSection
) -> EncodingData:
    features = embeddings.flat[embeddings.rows(responses.trials["stimulus_id"])]
    known = np.isfinite(features).all(axis=1)
    if not known.any():
        raise CalcarineError(
            f"no stimulus has an embedding by {embeddings.sidecar['model']}: all rows are NaN "
            "because stimuli.tsv names no picture. Leave this embedding out of `encode`."
        )
    trials = responses.trials[known].reset_index(drop=True)
    sessions = (
        trials["session"].astype(str).to_numpy() if section.standardize == "session" else None
    )
    return EncodingData(
        trials,
        responses.values if known.all() else np.asarray(responses.values[known]),
        features[known],
        sessions,
        penalty_groups(trials, split),
        responses.units,
        embeddings.sidecar,
        int((~known).sum()),
    )


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


def encode(
    data: EncodingData, name: str, section: EncodeSection, repeat_curve: bool
) -> tuple[VoxelEncoder, Predictions]:
    """Fit an encoder in every fold, predict its test trials, and fit the encoder that is kept.

    Parameters
    ----------
    data
        Trials, responses and embeddings.
    name
        Name of the embedding.
    section
        How to fit.
    repeat_curve
        Give measured responses of 1 … n averaged repeats; otherwise of n alone, where n is the
        median number of repeats of a test stimulus.

    Returns
    -------
    tuple
        The encoder of the only fold, or one of all trials where there are several folds; and the
        predictions, one row a test stimulus and number of repeats.
    """
    all_folds = folds(data.trials)
    n_repeats = usual_repeats(data.trials, all_folds)
    levels = range(1, n_repeats + 1) if repeat_curve else [n_repeats]
    parts: list[tuple[np.ndarray, np.ndarray, pd.DataFrame]] = []
    first_item = 0
    for fold in all_folds:
        encoder = _fit(data, fold.fit, section)
        parts += _predict(data, fold, encoder, levels, first_item)
        first_item += data.trials["stimulus_id"].iloc[fold.test].nunique()
    if len(all_folds) > 1:
        encoder = _fit(data, np.unique(np.concatenate([f.test for f in all_folds])), section)
    sidecar = {
        "model": f"encoder-{name}",
        "target": "responses",
        "kind": "voxel-encoder",
        "embedding": name,
        "method": section.method,
        "units_sha": units_sha(data.units),
        "n_folds": len(all_folds),
        "n_repeats": n_repeats,
        "n_without_embedding": data.n_without_embedding,
    }
    predicted, measured, items = zip(*parts, strict=True)
    table = pd.concat(items, ignore_index=True)
    return encoder, Predictions(np.concatenate(predicted), table, sidecar, np.concatenate(measured))


def usual_repeats(trials: pd.DataFrame, all_folds: list[Fold]) -> int:
    """Give the median number of repeats of a test stimulus, over all folds."""
    counts = [trials["stimulus_id"].iloc[fold.test].value_counts() for fold in all_folds]
    return int(np.median(np.concatenate(counts)))


def _fit(data: EncodingData, rows: np.ndarray, section: EncodeSection) -> VoxelEncoder:
    features, values, groups = data.features[rows], data.values[rows], data.groups[rows]
    sessions = None if data.sessions is None else data.sessions[rows]
    if section.method == "gcv":
        groups = data.trials["stimulus_sha"].iloc[rows].to_numpy(dtype=str)
    n_groups = len(np.unique(groups))
    n_folds = None if section.n_folds is None else min(section.n_folds, n_groups)
    encoder = VoxelEncoder(data.embedding, data.units, n_folds, section.method)
    return encoder.fit(features, values, groups, sessions)


def _predict(
    data: EncodingData,
    fold: Fold,
    encoder: VoxelEncoder,
    levels: Sequence[int],
    first_item: int,
) -> Iterator[tuple[np.ndarray, np.ndarray, pd.DataFrame]]:
    """Give predicted and measured responses of the test stimuli, for every number of repeats."""
    trials = data.trials.iloc[fold.test].reset_index(drop=True)
    sessions = None if data.sessions is None else data.sessions[fold.test]
    measured = encoder.standardizer_.transform(data.values[fold.test], sessions)
    names, first, number = np.unique(
        trials["stimulus_id"].to_numpy(dtype=str), return_index=True, return_inverse=True
    )
    predicted = encoder.predict(data.features[fold.test][first])
    for n_repeats in levels:
        groups = repeat_rows(trials, np.arange(len(trials)), n_repeats)
        if not groups:
            continue
        stimulus = number[[rows[0] for rows in groups]]
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
        yield predicted[stimulus], average_rows(measured, groups), items


def _card(config: Config, data: EncodingData) -> dict[str, str]:
    split, trials = config.split, data.trials
    split_hash = frame_sha(trials[["trial_id", "split"]])
    n_folds = len(folds(trials))
    fitted = "on all trials" if n_folds > 1 else "on the training and validation trials"
    return {
        **data_set_fields(config),
        "split": f"{split.scheme} by {split.by}, {n_folds} folds, hash {split_hash}; this model is "
        f"fitted {fitted}",
        "preprocessing": f"`{config.recording.responses.model_dump_json()}`, responses z-scored "
        f"by training trials ({config.encode.standardize if config.encode else ''})",
        "seed": f"{config.seed} (nothing in this model is random)",
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
