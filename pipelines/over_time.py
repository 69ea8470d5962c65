"""Step `over-time`: decode one subject in windows that slide, grow, and are tested crosswise."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions, write_predictions
from calcarine.data.responses import units_sha
from calcarine.data.scaling import fit_scaler
from calcarine.data.seeds import derive_seed
from calcarine.data.splits import Fold, folds
from calcarine.decoders.brain_items import averaged_items
from calcarine.decoders.meeg.time_items import TimePlan, decode_over_time
from calcarine.pipelines.config import Config
from calcarine.pipelines.decoding import scaling_plan, training_trials
from calcarine.pipelines.decoding_data import SubjectData, at_rows, subject_data
from calcarine.pipelines.encode import usual_repeats

BRAINS = ("measured", "shuffled")  # crosswise windows take the first one


def run(config: Config, subject: str, name: str) -> None:
    """Decode over time with one entry of the `over_time` section.

    Writes `predictions/over-time-<name>`: as many rows a test item as there are windows.

    Raises
    ------
    CalcarineError
        There is no such entry, or the responses are no time courses.
    """
    if name not in config.over_time:
        raise CalcarineError(
            f"the section `over_time` has no entry {name!r}; it has {list(config.over_time)}."
        )
    section = config.over_time[name]
    target = read_embeddings(config.layout.embedding(section.target))
    data = subject_data(config, subject, section, target)
    if data.sensors is None:
        raise CalcarineError(
            f"over_time.{name}: the responses of sub-{subject} have the shape {data.values.shape}, "
            "without time. The section is for EEG and MEG; remove it."
        )
    all_folds = folds(data.trials)
    n_repeats = usual_repeats(data.trials, all_folds)
    seed = derive_seed(config.seed, subject, "over-time", name)
    values, tables = [], []
    means: dict[str, list[float]] = {}
    first_item = 0
    for fold in all_folds:
        for predicted, table in _decode_fold(config, data, name, fold, first_item, n_repeats, seed):
            values.append(predicted)
            tables.append(table)
        first_item += data.trials["stimulus_id"].iloc[fold.test].nunique()
        means[fold.name] = data.targets[fold.fit].mean(axis=0, dtype=np.float64).tolist()
    sidecar = {
        "model": f"over-time-{name}",
        "target": section.target,
        "kind": section.kind,
        "section": section.model_dump(mode="json"),
        "units_sha": units_sha(data.units),
        "n_folds": len(all_folds),
        "n_repeats": n_repeats,
        "n_without_target": data.n_without_target,
        "train_means": means,
        "seed": seed,
    }
    predictions = Predictions(
        np.concatenate(values).astype(np.float32), pd.concat(tables, ignore_index=True), sidecar
    )
    write_predictions(config.layout.prediction(subject, f"over-time-{name}"), predictions)


def _decode_fold(
    config: Config,
    data: SubjectData,
    name: str,
    fold: Fold,
    first_item: int,
    n_repeats: int,
    seed: int,
) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
    section, rows = config.over_time[name], fold.fit
    scaler = fit_scaler(
        scaling_plan(config),
        data.values[rows],
        at_rows(data.sessions, rows),
        data.trials["stimulus_sha"].iloc[rows].to_numpy(dtype=str),
    )
    responses = scaler.transform(data.values[fold.test], at_rows(data.sessions, fold.test))
    trials = data.trials.iloc[fold.test].reset_index(drop=True)
    where = (trials, fold.name, first_item, n_repeats)
    items = [averaged_items(responses, *where, brain, seed) for brain in BRAINS]
    plan = TimePlan(
        section.kind,
        section.window_s,
        section.step_s,
        section.generalisation_step_s,
        section.n_folds,
    )
    return decode_over_time(training_trials(data, fold, scaler), items, plan)
