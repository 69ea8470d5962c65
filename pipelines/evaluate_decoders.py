"""Scores of one subject's decoders."""

import pandas as pd

from calcarine.data.embeddings import read_embeddings
from calcarine.data.predictions import read_predictions
from calcarine.data.scores import Score
from calcarine.data.stimuli import read_stimuli
from calcarine.data.trials import read_trials
from calcarine.decoders.decoder_folder import read_train_means
from calcarine.decoders.decoding_scores import Scoring, combination_subsets, decoder_scores
from calcarine.pipelines.config import Config
from calcarine.pipelines.leak_check import check_items


def decoder_results(
    config: Config, subject: str, name: str, split: str
) -> tuple[list[Score], pd.DataFrame]:
    """Score one decoder of one subject.

    Parameters
    ----------
    config, subject, name
        Whose, and the name in the section `decode`.
    split
        Name of the test split.

    Returns
    -------
    tuple
        Rows of `metrics.tsv`, and the table of single items.
    """
    section, layout = config.decode[name], config.layout
    if subject in section.held_out_subjects:
        split = f"{split}-unseen-subject"
    folder = layout.model(subject, f"decoder-{name}")
    if section.subjects == "all":
        folder = layout.group_model(f"decoder-{name}")
    predictions = read_predictions(layout.prediction(subject, f"decoder-{name}"))
    check_items(predictions.items, read_trials(layout.trials(subject)), f"decoder-{name}")
    return decoder_scores(
        predictions,
        read_embeddings(layout.embedding(section.target)),
        read_train_means(folder),
        Scoring(
            subject,
            name,
            section.target,
            split,
            config.seed,
            config.evaluate.n_bootstrap,
            config.evaluate.repeat_curve,
            combination_subsets(read_stimuli(config.stimuli)),
        ),
    )
