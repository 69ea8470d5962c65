"""Step `embed`: every stimulus becomes a row of one embedding, once for all subjects."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.data.digests import text_sha
from calcarine.data.embeddings import Embeddings, write_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import read_stimuli, stimulus_shas
from calcarine.encoders.word_counts import word_counts
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_models import EmbeddingSection
from calcarine.pipelines.data_links import check_data_set_links
from calcarine.pipelines.given_embeddings import GIVEN, given_embeddings
from calcarine.pipelines.table_codes import column_codes, concept_codes

CONCEPT_CODES = "concept-codes"
WORD_COUNTS = "word-counts"
COLUMN_CODES = "column-codes"


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
    check_data_set_links(config)
    section, stimuli = config.embeddings[name], read_stimuli(config.stimuli)
    if section.model.startswith(GIVEN):
        given = given_embeddings(section, name, stimuli, config.stimuli.parent)
        write_embeddings(config.layout.embedding(name), given)
    elif section.model in CODES or section.input == "concepts":
        _by_codes(config, name, section, stimuli)
    else:
        _by_model(config, name, section, stimuli)


def _by_model(config: Config, name: str, section: EmbeddingSection, stimuli: pd.DataFrame) -> None:
    # codes need no network, whose libraries take seconds to load
    from calcarine.encoders.embedding_models import load_embedding_model
    from calcarine.encoders.embedding_store import embed_stimuli

    assert section.input != "concepts"  # codes are made of those
    model = load_embedding_model(section.model, section.layer, section.pooling)
    embed_stimuli(
        model,
        stimuli,
        config.stimuli.parent,
        config.layout.embedding(name),
        section.input,
        section.batch_size,
    )


def _by_codes(config: Config, name: str, section: EmbeddingSection, stimuli: pd.DataFrame) -> None:
    known = CODES.get(section.model)
    if known is None or known.input != section.input:
        pairs = [f"{model} with input {codes.input}" for model, codes in CODES.items()]
        raise CalcarineError(
            f"embeddings.{name}: got model {section.model!r} with input {section.input!r}; what "
            f"needs no network is {pairs}."
        )
    if section.column not in stimuli.columns:
        raise CalcarineError(
            f"embeddings.{name}: stimuli.tsv has no column {section.column!r}; it has "
            f"{list(stimuli.columns)}."
        )
    codes, names = known.make(stimuli, section)
    told = {"model": section.model, "input": section.input, known.names: names}
    told |= {} if section.column == "concept" else {"column": section.column}
    told |= {"columns": list(section.columns)} if section.columns else {}
    key = text_sha(json.dumps(told, sort_keys=True))
    sidecar = told | {
        "key": key,
        "revision": key,
        "layer": None,
        "pooling": "pooled",
        "transform": known.transform,
        "transform_sha": text_sha(known.transform),
        "row_shape": [len(names)],
    }
    table = stimuli[["stimulus_id", "concept"]].copy()
    table.insert(1, "stimulus_sha", list(stimulus_shas(stimuli, config.stimuli.parent)))
    write_embeddings(config.layout.embedding(name), Embeddings(codes, table, sidecar))


@dataclass(frozen=True)
class Codes:
    """An embedding that needs no network.

    Attributes
    ----------
    input
        What it is made of: `concepts` or `captions`.
    make
        Stimulus table and section to rows and names of their columns.
    names
        What its sidecar calls those names.
    transform
        What its sidecar says of how it is made.
    """

    input: str
    make: Callable[[pd.DataFrame, EmbeddingSection], tuple[np.ndarray, list[str]]]
    names: str
    transform: str


CODES: dict[str, Codes] = {
    CONCEPT_CODES: Codes(
        "concepts",
        lambda table, section: concept_codes(table[section.column]),
        "concepts",
        "one-hot",
    ),
    COLUMN_CODES: Codes(
        "concepts",
        lambda table, section: column_codes(table, section.columns),
        "codes",
        "one-hot words, standardised numbers",
    ),
    WORD_COUNTS: Codes(
        "captions", lambda table, section: word_counts(table["captions"]), "words", "word counts"
    ),
}
