"""Score one subject's predictions and pictures: the only step that sees the truth."""

import gzip
from pathlib import Path

import pandas as pd

from calcarine.data.atomic import new_file
from calcarine.data.phantom.truth import read_truth
from calcarine.data.predictions import Predictions, read_predictions
from calcarine.data.responses import read_responses
from calcarine.data.scores import Score, write_scores
from calcarine.data.stimuli import read_stimuli
from calcarine.decoders.decoding_scores import ITEM_COLUMNS
from calcarine.encoders.band_metrics import band_scores
from calcarine.encoders.encoding_metrics import encoder_scores
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import PhantomSource
from calcarine.pipelines.evaluate_decoders import decoder_results
from calcarine.pipelines.evaluate_reconstructions import reconstruction_results
from calcarine.pipelines.phantom_truth import truth_scores


def run(config: Config, subject: str) -> None:
    """Score everything that was predicted or reconstructed for one subject.

    Writes `metrics.tsv`, `items.tsv.gz` (scores of single items) and `units_scores.tsv` (the units
    table with each encoder's scores).

    Raises
    ------
    CalcarineError
        A prediction or a reconstruction that the configuration names is not there.
    """
    split = split_name(config)
    layout = config.layout
    scores: list[Score] = []
    items = [pd.DataFrame(columns=list(ITEM_COLUMNS))]
    encoder_rows, units = _encoders(config, subject, split)
    scores += encoder_rows
    for name in config.decode:
        rows, table = decoder_results(config, subject, name, split)
        scores += rows
        items.append(table)
    for name in config.reconstruct:
        rows, table = reconstruction_results(config, subject, name, split)
        scores += rows
        items.append(table)
    write_scores(layout.metrics(subject), scores)
    _write_gzip(layout.item_scores(subject), pd.concat(items, ignore_index=True))
    with new_file(layout.unit_scores(subject)) as temporary:
        temporary.write_text(_tsv(units), encoding="utf-8")


def split_name(config: Config) -> str:
    """Name the trials that are scored: `test`, or `leave-one-run-out` and the like."""
    if config.split.scheme == "holdout":
        return "test"
    by_column = config.split.by == "declared"
    return f"leave-one-{config.split.column if by_column else config.split.by}-out"


def _encoders(config: Config, subject: str, split: str) -> tuple[list[Score], pd.DataFrame]:
    """Score every encoder, and lay the units' scores beside the units table."""
    units = read_responses(config.layout, subject).units
    scores: list[Score] = []
    columns = [units]
    for name in config.encode:
        predictions = read_predictions(config.layout.prediction(subject, f"encoder-{name}"))
        rows, table = encoder_scores(
            predictions,
            units,
            subject,
            split,
            config.seed,
            config.evaluate.n_bootstrap,
            config.evaluate.ceiling_floor,
        )
        scores += rows + _planted(config, subject, split, predictions, units)
        columns.append(table.set_axis([f"{c}_{name}" for c in table.columns], axis=1))
        of_bands, parts = band_scores(
            predictions, units, subject, split, config.seed, config.evaluate.n_bootstrap
        )
        scores += of_bands
        columns.append(parts.set_axis([f"{c}_{name}" for c in parts.columns], axis=1))
    return scores, pd.concat(columns, axis=1)


def _planted(
    config: Config, subject: str, split: str, predictions: Predictions, units: pd.DataFrame
) -> list[Score]:
    """Compare an encoder with the planted truth, where there is one."""
    if not isinstance(config.source, PhantomSource):
        return []
    return truth_scores(
        predictions,
        units,
        read_truth(config.bids, subject),
        read_stimuli(config.stimuli),
        subject,
        split,
        config.seed,
        config.evaluate.n_bootstrap,
        config.evaluate.ceiling_floor,
    )


def _tsv(table: pd.DataFrame) -> str:
    return str(
        table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g", lineterminator="\n")
    )


def _write_gzip(path: Path, table: pd.DataFrame) -> None:
    """Write a compressed table without name and time, so that equal tables give equal bytes."""
    with (
        new_file(path) as temporary,
        temporary.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed,
    ):
        packed.write(_tsv(table).encode())
