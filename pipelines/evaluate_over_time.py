"""Scores of one subject over the time of a trial."""

from calcarine.data.embeddings import read_embeddings
from calcarine.data.predictions import read_predictions
from calcarine.data.scores import Score
from calcarine.data.time_scores import TimeScore
from calcarine.decoders.meeg.time_metrics import TimeScoring, time_scores
from calcarine.pipelines.config import Config


def over_time_results(
    config: Config, subject: str, name: str, split: str
) -> tuple[list[Score], list[TimeScore]]:
    """Score one entry of the section `over_time`.

    Parameters
    ----------
    config, subject, name
        Whose, and the name in the section `over_time`.
    split
        Name of the test split.

    Returns
    -------
    tuple
        Rows of `metrics.tsv` and of `over_time.tsv`.
    """
    section, layout = config.over_time[name], config.layout
    return time_scores(
        read_predictions(layout.prediction(subject, f"over-time-{name}")),
        read_embeddings(layout.embedding(section.target)),
        TimeScoring(subject, name, section.target, split, config.seed, config.evaluate.n_bootstrap),
    )
