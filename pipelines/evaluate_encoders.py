"""Scores of one subject's encoders: voxels once a stimulus, sensors at every sample."""

from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.noise_ceiling import unit_ceilings
from calcarine.data.predictions import Predictions, read_predictions
from calcarine.data.responses import Responses
from calcarine.data.scores import Score
from calcarine.data.time_scores import TimeScore
from calcarine.encoders.encoding_metrics import encoder_scores
from calcarine.encoders.sensor_metrics import sensor_scores
from calcarine.pipelines.config import Config
from calcarine.pipelines.leak_check import check_items


def sensor_ceilings(responses: Responses) -> np.ndarray | None:
    """Estimate the noise ceiling of every channel at every sample.

    Returns
    -------
    numpy.ndarray or None
        ncsnr, shape (n_channels, n_times); None for responses without time.
    """
    if responses.values.ndim == 2:
        return None
    flat = np.asarray(responses.values).reshape(len(responses.values), -1)
    table, _ = unit_ceilings(flat, responses.trials)
    return table["ncsnr"].to_numpy(dtype=np.float64).reshape(responses.values.shape[1:])


def encoder_results(
    config: Config,
    subject: str,
    name: str,
    split: str,
    responses: Responses,
    ceilings: np.ndarray | None,
) -> tuple[list[Score], pd.DataFrame, list[TimeScore], Predictions]:
    """Score one encoder of one subject.

    Parameters
    ----------
    config, subject, name, split
        Whose, the name in the section `encode`, and that of the test split.
    responses
        Of the subject.
    ceilings
        From `sensor_ceilings`.

    Returns
    -------
    tuple
        Rows of `metrics.tsv`, the units' scores, rows of `over_time.tsv`, and the predictions.
    """
    predictions = read_predictions(config.layout.prediction(subject, f"encoder-{name}"))
    check_items(predictions.items, responses.trials, f"encoder-{name}")
    draws: tuple[Any, ...] = (
        config.seed,
        config.evaluate.n_bootstrap,
        config.evaluate.ceiling_floor,
    )
    if ceilings is None:
        rows, table = encoder_scores(predictions, responses.units, subject, split, *draws)
        return rows, table, [], predictions
    template = Score(subject, "encode", f"encoder-{name}", "", "", "", split, 0, 0, np.nan)
    times_s = np.asarray(responses.sidecar["times_s"], dtype=np.float64)
    found = sensor_scores(predictions, ceilings, times_s, template, *draws)
    return found.scores, found.channels, found.over_time, predictions
