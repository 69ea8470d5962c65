"""Captions of trials: from predicted embeddings to sentences, with every control brain."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from calcarine.data.banks import Bank
from calcarine.data.captions import TRIAL_COLUMNS
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import read_predictions
from calcarine.decoders.retrieval import cosines
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_captions import CaptionSection

NEAREST, PREFIX = "nearest-caption", "prefix-decoder"
BRAINS = ("measured", "shuffled", "noise")


def trial_captions(
    config: Config, subject: str, section: CaptionSection, banks: Mapping[str, Bank]
) -> pd.DataFrame:
    """Write what a brain saw in words, on every route that the section names.

    `nearest-caption`: the caption of the training stimulus whose caption embedding is nearest to
    the decoded one, by train-centred cosine. `prefix-decoder`: a sentence from the decoded picture
    embedding. Columns as in `TRIAL_COLUMNS`.

    Parameters
    ----------
    config, subject, section
        Whose.
    banks
        Bank of each fold, by its name: training stimuli, or a folder.
    """
    parts = []
    if section.nearest is not None:
        parts.append(_route(config, subject, section.nearest, NEAREST, _nearest(banks)))
    if section.trials is not None:
        # torch and the sentence model are needed here alone
        from calcarine.decoders.prefix_decoder import load_prefix_decoder

        decoder = load_prefix_decoder(section.prefix_decoder)
        parts.append(
            _route(
                config, subject, section.trials, PREFIX, lambda values, _: decoder.sentences(values)
            )
        )
    if not parts:
        return pd.DataFrame(columns=list(TRIAL_COLUMNS))
    return pd.concat(parts, ignore_index=True)


def _route(
    config: Config,
    subject: str,
    decoder: str,
    route: str,
    say: Callable[[np.ndarray, str], Sequence[str]],
) -> pd.DataFrame:
    predictions = read_predictions(config.layout.prediction(subject, f"decoder-{decoder}"))
    parts = []
    for brain in BRAINS:
        chosen = predictions.select(brain, None, "signal")
        if not len(chosen.items):
            continue
        table = chosen.items[["brain", "item", "stimulus_id", "concept", "n_repeats"]]
        table = table.reset_index(drop=True)
        table.insert(0, "route", route)
        values = np.asarray(chosen.values, dtype=np.float32)
        table["text"] = ""
        for fold in chosen.items["fold"].unique():
            own = (chosen.items["fold"] == fold).to_numpy()
            table.loc[own, "text"] = list(say(values[own], str(fold)))
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _nearest(banks: Mapping[str, Bank]) -> Callable[[np.ndarray, str], Sequence[str]]:
    """Look up the nearest captions of a fold's bank."""
    if any(bank.texts is None for bank in banks.values()):
        raise CalcarineError(
            "the nearest captions need caption embeddings: name the embedding of captions in "
            "`caption.texts`, or build the bank with a model that has a text tower."
        )

    def say(embeddings: np.ndarray, fold: str) -> Sequence[str]:
        bank = banks[fold] if len(banks) > 1 else next(iter(banks.values()))
        assert bank.texts is not None
        there = np.flatnonzero(np.isfinite(bank.texts).all(axis=1))
        texts = np.asarray(bank.texts[there], dtype=np.float32)
        captions = bank.entries["captions"].tolist()
        found = cosines(embeddings, texts, texts.mean(axis=0)).argmax(axis=1)
        return [captions[there[row]][0] for row in found]

    return say
