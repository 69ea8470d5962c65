"""Scores of one subject's reconstructions, by protocol and by the judge."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from calcarine.data.digests import read_picture
from calcarine.data.reconstructions import read_reconstructions
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.data.stimuli import read_stimuli
from calcarine.decoders.decoding_scores import combination_subsets
from calcarine.decoders.picture_metrics import Pictures
from calcarine.decoders.picture_views import View, judge_view, network_views, pixel_view
from calcarine.decoders.reconstruction_scores import item_scores, item_table, score_rows
from calcarine.encoders.embedding_models import SHIPPED, load_embedding_model
from calcarine.encoders.factor_probes import read_probes
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_models import EmbeddingSection
from calcarine.pipelines.reconstruct import single_pictures

PROBED = ("category", "colour")


def reconstruction_results(
    config: Config, subject: str, name: str, split: str
) -> tuple[list[Score], pd.DataFrame]:
    """Score one reconstruction of one subject by all its protocols.

    Parameters
    ----------
    config, subject, name
        Whose, and the name in the section `reconstruct`.
    split
        Name of the test split.

    Returns
    -------
    tuple
        Rows of `metrics.tsv`, and the table of single items.
    """
    section = config.reconstruct[name]
    made = read_reconstructions(config.layout.reconstruction(subject, name))
    files = single_pictures(config.stimuli)
    shown = [np.asarray(read_picture(files[s])) for s in made.items["stimulus_id"]]
    height, width = made.targets.shape[1:3]
    views: dict[str, Iterable[View]] = {}
    for protocol in section.presets:
        views[protocol] = [pixel_view(protocol, (height, width))]
        if protocol == "phantom":
            views[protocol] = [*views[protocol], *_judge_views(config, section.judge)]
        else:
            views[protocol] = _and_then(views[protocol], network_views(protocol))
    scores = item_scores(made, shown, views)
    splits = _splits(config, made.items["stimulus_id"], split)
    seed = derive_seed(config.seed, subject, "evaluate", name)
    rows = score_rows(subject, name, made, scores, splits, seed, config.evaluate.n_bootstrap)
    return rows, item_table(subject, name, made, scores)


def _and_then(first: Iterable[View], rest: Iterable[View]) -> Iterable[View]:
    yield from first
    yield from rest


def _splits(config: Config, stimulus_ids: pd.Series, split: str) -> dict[str, np.ndarray]:
    """Give all items, and those of each kind of combination of factors."""
    splits = {split: np.ones(len(stimulus_ids), dtype=bool)}
    for name, stimuli in combination_subsets(read_stimuli(config.stimuli)).items():
        chosen = stimulus_ids.isin(list(stimuli)).to_numpy()
        if chosen.any():
            splits[f"{split}-{name}"] = chosen
    return splits


def _judge_views(config: Config, judge: str) -> list[View]:
    """Look with the judge, and read its probes off where it has some."""
    section = config.embeddings[judge]
    model = load_embedding_model(section.model, section.layer, section.pooling)

    def embed(pictures: Pictures) -> np.ndarray:
        images = [Image.fromarray(np.asarray(picture)) for picture in pictures]
        return model.embed_pictures(images, section.batch_size).reshape(len(images), -1)

    probes = read_probes(probe_folder(section))
    views = [judge_view(judge, embed, probes)]
    for factor in PROBED:
        if factor not in probes:
            note = f"not computed: the judge {section.model} has no probe of {factor}"
            views.append(View(judge, (f"{factor}_agreement_judge",), note=note))
    return views


def probe_folder(section: EmbeddingSection) -> Path | None:
    """Name the folder of a model that lies on this machine; None for one that does not."""
    family, _, rest = section.model.partition(":")
    folders = {"calcarine": SHIPPED / rest, "local-dir": Path(rest).expanduser()}
    return folders.get(family)
