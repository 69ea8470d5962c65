"""Score one subject's predictions and pictures: the only step that sees the truth."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_file
from calcarine.data.digests import read_picture
from calcarine.data.phantom.truth import read_truth, read_weights
from calcarine.data.predictions import Predictions
from calcarine.data.responses import read_responses
from calcarine.data.scores import Score, write_scores
from calcarine.data.stimuli import read_stimuli
from calcarine.data.tables import tsv_text, write_tsv
from calcarine.data.time_scores import TimeScore, write_time_scores
from calcarine.decoders.decoding_scores import ITEM_COLUMNS
from calcarine.encoders.band_metrics import band_scores
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import PhantomSource
from calcarine.pipelines.evaluate_captions import caption_results, write_selectivity
from calcarine.pipelines.evaluate_comparisons import comparison_results
from calcarine.pipelines.evaluate_decoders import decoder_results
from calcarine.pipelines.evaluate_encoders import encoder_results, sensor_ceilings
from calcarine.pipelines.evaluate_few_pictures import few_pictures_results
from calcarine.pipelines.evaluate_films import kernel_scores
from calcarine.pipelines.evaluate_geometry import geometry_results
from calcarine.pipelines.evaluate_integration import integration_results
from calcarine.pipelines.evaluate_over_time import over_time_results
from calcarine.pipelines.evaluate_sensor_phantom import sensor_phantom_results
from calcarine.pipelines.phantom_truth import truth_scores
from calcarine.pipelines.planted_tuning import band_place_scores, tuning_scores


def run(config: Config, subject: str) -> None:
    """Score everything that was predicted or reconstructed for one subject.

    Writes `metrics.tsv`, `items.tsv.gz` (scores of single items), `units_scores.tsv` (the units
    table with each encoder's scores) and `over_time.tsv` (scores over the time of a trial).

    Raises
    ------
    CalcarineError
        A prediction or a reconstruction that the configuration names is not there.
    """
    split = split_name(config)
    layout = config.layout
    items = [pd.DataFrame(columns=list(ITEM_COLUMNS))]
    scores, units, over_time = _encoders(config, subject, split)
    for name in config.decode:
        rows, table = decoder_results(config, subject, name, split)
        scores += rows
        items.append(table)
    for name in config.reconstruct:
        # networks that judge pictures take seconds to load
        from calcarine.pipelines.evaluate_reconstructions import reconstruction_results

        rows, table = reconstruction_results(config, subject, name, split)
        scores += rows
        items.append(table)
    for name in config.over_time:
        rows_over_time = over_time_results(config, subject, name, split)
        scores += rows_over_time[0]
        over_time += rows_over_time[1]
    scores += sensor_phantom_results(config, subject, split)
    for name in config.geometry:
        scores += geometry_results(config, subject, name)
    for name in config.few_pictures:
        responses = read_responses(layout, subject)
        scores += few_pictures_results(config, subject, name, split, responses)
    for name in config.comparisons:
        scores += comparison_results(config, subject, name, split, units)
    for name in config.integration:
        rows, table = integration_results(config, subject, name, split, units)
        scores += rows
        units = pd.concat([units, table], axis=1)
    tables = []
    for name in config.caption:
        rows, table = caption_results(config, subject, name, split)
        scores += rows
        tables.append(table)
    write_selectivity(config, subject, tables)
    write_scores(layout.metrics(subject), scores)
    write_time_scores(layout.over_time(subject), over_time)
    _write_gzip(layout.item_scores(subject), pd.concat(items, ignore_index=True))
    write_tsv(layout.unit_scores(subject), units)


def split_name(config: Config) -> str:
    """Name the trials that are scored: `test`, or `leave-one-run-out` and the like."""
    by_column = config.split.by == "declared"
    left_out = config.split.column if by_column else config.split.by
    names = {"holdout": "test", "none": "all", "leave-one-out": f"leave-one-{left_out}-out"}
    return names[config.split.scheme]


def _encoders(
    config: Config, subject: str, split: str
) -> tuple[list[Score], pd.DataFrame, list[TimeScore]]:
    """Score every encoder, and lay the units' scores beside the units table."""
    responses = read_responses(config.layout, subject)
    units = responses.units
    ceilings = sensor_ceilings(responses) if config.encode else None
    scores: list[Score] = []
    over_time: list[TimeScore] = []
    columns = [units]
    for name in config.encode:
        rows, table, courses, predictions = encoder_results(
            config, subject, name, split, responses, ceilings
        )
        over_time += courses
        follows = bool(config.encode[name].at_delays_s)
        scores += rows + kernel_scores(config, subject, name, split, predictions, units)
        # a volume of a film holds many frames: what was planted for single pictures is not asked
        scores += [] if follows else _planted(config, subject, split, predictions, units)
        columns.append(table.set_axis([f"{c}_{name}" for c in table.columns], axis=1))
        if ceilings is None:
            of_bands, parts = band_scores(
                predictions, units, subject, split, config.seed, config.evaluate.n_bootstrap
            )
            scores += of_bands + _planted_bands(config, subject, parts, of_bands, units)
            columns.append(parts.set_axis([f"{c}_{name}" for c in parts.columns], axis=1))
    return scores, pd.concat(columns, axis=1), over_time


def _planted(
    config: Config, subject: str, split: str, predictions: Predictions, units: pd.DataFrame
) -> list[Score]:
    """Compare an encoder with the planted truth, where there is one."""
    if not isinstance(config.source, PhantomSource):
        return []
    stimuli = read_stimuli(config.stimuli)
    files = stimuli.set_index("stimulus_id")["file"]
    shown = predictions.most_repeats().items["stimulus_id"]
    pictures = [np.asarray(read_picture(config.stimuli.parent / files[s])) for s in shown]
    truth, n_draws = read_truth(config.bids, subject), config.evaluate.n_bootstrap
    maps = truth_scores(
        predictions,
        units,
        truth,
        stimuli,
        np.stack(pictures),
        subject,
        split,
        config.seed,
        n_draws,
        config.evaluate.ceiling_floor,
    )
    weights = read_weights(config.bids, subject)
    return maps + tuning_scores(
        predictions, units, truth, weights, stimuli, subject, split, config.seed, n_draws
    )


def _planted_bands(
    config: Config, subject: str, parts: pd.DataFrame, rows: list[Score], units: pd.DataFrame
) -> list[Score]:
    """Say whether bands are found where they were planted."""
    if not isinstance(config.source, PhantomSource) or not rows:
        return []
    truth = read_truth(config.bids, subject)
    return band_place_scores(parts, units, truth, rows[0], config.seed, config.evaluate.n_bootstrap)


def _write_gzip(path: Path, table: pd.DataFrame) -> None:
    """Write a compressed table without name and time, so that equal tables give equal bytes."""
    with (
        new_file(path) as temporary,
        temporary.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed,
    ):
        packed.write(tsv_text(table).encode())
