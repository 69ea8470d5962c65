"""Scores of one subject against the planted truth of the EEG or MEG phantom."""

import numpy as np

from calcarine.data.embeddings import read_embeddings
from calcarine.data.meeg.sensor_scaling import SensorScaler
from calcarine.data.phantom.meeg.truth import read_sensor_truth
from calcarine.data.predictions import read_predictions
from calcarine.data.responses import read_responses
from calcarine.data.scaling import fit_scaler
from calcarine.data.scores import Score
from calcarine.data.splits import folds
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import PhantomMeegSource
from calcarine.pipelines.decoding import scaling_plan
from calcarine.pipelines.phantom_sensor_truth import (
    Whitened,
    factor_courses,
    latency_scores,
    whitening_scores,
)


def sensor_phantom_results(config: Config, subject: str, split: str) -> list[Score]:
    """Compare latencies and whitening with what was planted, where there is such a truth.

    Parameters
    ----------
    config, subject, split
        Whose, and the name of the test split.

    Returns
    -------
    list of Score
        Rows of `metrics.tsv`; none for other sources.
    """
    if not isinstance(config.source, PhantomMeegSource):
        return []
    truth = read_sensor_truth(config.bids, subject)
    rows: list[Score] = []
    draws = (config.seed, config.evaluate.n_bootstrap)
    for name, section in config.over_time.items():
        if config.embeddings[section.target].input != "concepts":
            continue
        courses = factor_courses(
            read_predictions(config.layout.prediction(subject, f"over-time-{name}")),
            read_embeddings(config.layout.embedding(section.target)),
        )
        template = Score(subject, "over-time", name, "", "", "", split, 0, 0, np.nan)
        rows += latency_scores(courses, truth, template, *draws)
    return rows + _whitening(config, subject, split)


def _whitening(config: Config, subject: str, split: str) -> list[Score]:
    plan = scaling_plan(config)
    if plan.mvnn_dim is None:
        return []
    responses = read_responses(config.layout, subject)
    sessions = responses.trials["session"].to_numpy(dtype=str)
    shown = responses.trials["stimulus_sha"].to_numpy(dtype=str)
    fold = folds(responses.trials)[0]
    values, train, test = np.asarray(responses.values), fold.train, fold.test
    scaler = fit_scaler(plan, values[train], sessions[train], shown[train])
    assert isinstance(scaler, SensorScaler)
    found = []
    for session in scaler.groups:
        own = [rows[sessions[rows] == session] for rows in (train, test)]
        white = [scaler.transform(values[rows], sessions[rows]) for rows in own]
        found.append(Whitened(white[0], shown[own[0]], white[1], shown[own[1]]))
    template = Score(subject, "", "", "", "", "", split, 0, 0, np.nan)
    return whitening_scores(found, template, config.seed, config.evaluate.n_bootstrap)
