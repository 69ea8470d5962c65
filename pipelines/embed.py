"""Step `embed`: every stimulus becomes a row of one embedding, once for all subjects."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from calcarine.data.digests import text_sha
from calcarine.data.embeddings import Embeddings, write_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import read_stimuli, stimulus_shas
from calcarine.encoders.embedding_models import load_embedding_model
from calcarine.encoders.embedding_store import embed_stimuli
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_models import EmbeddingSection

CONCEPT_CODES = "concept-codes"
NO_CONCEPT = "n/a"


def run(config: Config, name: str) -> None:
    """Embed the stimuli of a configuration and write `<out>/embeddings/<name>/`.

    Parameters
    ----------
    config
        The configuration.
    name
        Name in its section `embeddings`.

    Raises
    ------
    CalcarineError
        There is no such embedding, its model cannot be loaded, or a stimulus cannot be read.
    """
    if name not in config.embeddings:
        raise CalcarineError(
            f"the configuration has no embedding {name!r}; it has {list(config.embeddings)}."
        )
    section = config.embeddings[name]
    INPUTS[section.input](config, name, section, read_stimuli(config.stimuli))


def _by_model(config: Config, name: str, section: EmbeddingSection, stimuli: pd.DataFrame) -> None:
    if section.model == CONCEPT_CODES or section.input == "concepts":
        raise CalcarineError(
            f"embeddings.{name}: {CONCEPT_CODES} and `input: concepts` belong together; "
            f"got model {section.model!r} with input {section.input!r}."
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_embedding_model(section.model, section.layer, section.pooling, device)
    embed_stimuli(
        model,
        stimuli,
        config.stimuli.parent,
        config.layout.embedding(name),
        section.input,
        section.batch_size,
    )


def _concepts(config: Config, name: str, section: EmbeddingSection, stimuli: pd.DataFrame) -> None:
    if section.model != CONCEPT_CODES:
        raise CalcarineError(
            f"embeddings.{name}: `input: concepts` needs no network; write `model: "
            f"{CONCEPT_CODES}` instead of {section.model!r}, or `input: pictures`."
        )
    if section.column not in stimuli.columns:
        raise CalcarineError(
            f"embeddings.{name}: stimuli.tsv has no column {section.column!r}; it has "
            f"{list(stimuli.columns)}."
        )
    codes, names = concept_codes(stimuli[section.column])
    told = {"model": CONCEPT_CODES, "input": "concepts", "concepts": names}
    told |= {} if section.column == "concept" else {"column": section.column}
    key = text_sha(json.dumps(told, sort_keys=True))
    sidecar = told | {
        "key": key,
        "revision": key,
        "layer": None,
        "pooling": "pooled",
        "transform": "one-hot",
        "transform_sha": text_sha("one-hot"),
        "row_shape": [len(names)],
    }
    table = stimuli[["stimulus_id", "concept"]].copy()
    table.insert(1, "stimulus_sha", list(stimulus_shas(stimuli, config.stimuli.parent)))
    write_embeddings(config.layout.embedding(name), Embeddings(codes, table, sidecar))


def concept_codes(concepts: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Write concepts as one-hot codes.

    Parameters
    ----------
    concepts
        Concept of each stimulus; `n/a` where it has none.

    Returns
    -------
    codes : numpy.ndarray
        float32, shape (n_stimuli, n_concepts); a row of NaN where there is no concept.
    names : list of str
        Concepts in the order of the columns, sorted.

    Raises
    ------
    CalcarineError
        There are fewer than two concepts.

    Examples
    --------
    >>> concept_codes(pd.Series(["house", "face", "house"]))[0].tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    """
    names = sorted(set(concepts) - {NO_CONCEPT})
    if len(names) < 2:
        raise CalcarineError(
            f"the stimuli have the concepts {names}; codes need two at least. "
            f"Fill the column `{concepts.name}` of stimuli.tsv."
        )
    column = np.asarray(concepts)[:, None]
    codes = (column == np.array(names)[None]).astype(np.float32)
    codes[column[:, 0] == NO_CONCEPT] = np.nan
    return codes, names


INPUTS: dict[str, Callable[[Config, str, EmbeddingSection, pd.DataFrame], None]] = {
    "pictures": _by_model,
    "captions": _by_model,
    "concepts": _concepts,
}
