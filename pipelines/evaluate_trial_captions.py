"""Scores of trial captions against the reference captions of their stimuli."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.captions import Captions
from calcarine.data.scores import Score, bootstrap_interval, share_interval
from calcarine.data.seeds import derive_seed
from calcarine.data.stimuli import read_stimuli
from calcarine.decoders.caption_metrics import bleu, cider, names_concept, rouge_l
from calcarine.decoders.text_judges import TextJudge, similarity_to_items
from calcarine.pipelines.config import Config

REFERENCES = "captions-of-test-stimuli"
_SUFFIX = {"measured": "", "shuffled": "/shuffled-brain", "noise": "/noise-brain"}


def trial_caption_scores(
    config: Config, subject: str, name: str, captions: Captions, judge: TextJudge, split: str
) -> list[Score]:
    """Score every route and brain; the target of each row names the reference set."""
    if captions.trials.empty:
        return []
    stimuli = read_stimuli(config.stimuli).set_index("stimulus_id")
    words = concept_words(captions.sidecar["families"], sorted(set(stimuli["concept"]) - {"n/a"}))
    rows = []
    for (route, brain), own in captions.trials.groupby(["route", "brain"], sort=False):
        references = [list(stimuli["captions"][s]) for s in own["stimulus_id"]]
        there = np.flatnonzero([bool(r) for r in references])
        if not len(there):
            continue
        template = Score(
            subject, "caption", f"{name}/{route}{_SUFFIX[str(brain)]}", REFERENCES, "", "",
            split, len(there), int(own["n_repeats"].iloc[0]), np.nan,
        )  # fmt: skip
        own = own.iloc[there]
        seed = derive_seed(config.seed, subject, "evaluate", "caption", name, route, brain)
        rows += _scores(
            own,
            [references[i] for i in there],
            words,
            judge,
            template,
            (seed, config.evaluate.n_bootstrap),
        )
    return rows


def concept_words(
    families: dict[str, dict[str, list[str]]], concepts: list[str]
) -> dict[str, list[str]]:
    """Give the words that name each concept: those of the family that lists them, or their own."""
    for values in families.values():
        if set(concepts) <= set(values):
            return {c: values[c] for c in concepts}
    return {c: [c, f"{c}s"] for c in concepts}


def _scores(
    own: pd.DataFrame,
    references: list[list[str]],
    words: dict[str, list[str]],
    judge: TextJudge,
    template: Score,
    draws: tuple[int, int],
) -> list[Score]:
    said = own["text"].tolist()
    by_item: dict[str, tuple[str, np.ndarray]] = {
        "rouge_l": ("coco-caption", rouge_l(said, references)),
        "cider_d": ("coco-caption", cider(said, references)),
        f"similarity_{judge.name}_judge": ("calcarine", _to_own(judge, said, references)),
        "concept_named": ("calcarine", names_concept(said, own["concept"].tolist(), words)),
    }
    rows = [replace(template, metric="bleu_4", protocol="sacrebleu", value=bleu(said, references))]
    for metric, (protocol, values) in by_item.items():
        is_share = metric == "concept_named"
        interval: Callable[..., tuple[float, float]] = (
            share_interval if is_share else bootstrap_interval
        )
        low, high = interval(values, derive_seed(draws[0], metric), draws[1])
        row = replace(template, metric=metric, protocol=protocol, value=float(values.mean()))
        chance = 1 / len(words) if is_share and words else np.nan
        rows.append(replace(row, ci_low=low, ci_high=high, chance=chance))
    return rows


def _to_own(judge: TextJudge, said: list[str], references: list[list[str]]) -> np.ndarray:
    return similarity_to_items(judge, said, references).diagonal().copy()
