"""Embeddings that somebody else has computed: for pictures that may not travel."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.digests import array_sha, text_sha
from calcarine.data.embeddings import Embeddings, read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import stimulus_shas
from calcarine.pipelines.config_models import EmbeddingSection

GIVEN = "given:"


@dataclass(frozen=True)
class GivenRows:
    """Embeddings with the names of their rows.

    Attributes
    ----------
    names
        `stimulus_id` of each row.
    values
        float32, shape (n_rows, embed_dim) or (n_rows, n_tokens, embed_dim).
    """

    names: list[str]
    values: np.ndarray


def read_given(section: EmbeddingSection, name: str) -> GivenRows:
    """Read the embeddings that a section names.

    Parameters
    ----------
    section
        With the model `given:PATH`: an embedding folder that calcarine wrote, or a `.npy` array
        whose rows the table `rows` names in its column `stimulus_id`, or as pictures in `file`.
    name
        Of the section, for messages.

    Raises
    ------
    CalcarineError
        A file is not there or no plain array, or rows and names do not belong together.
    """
    path = Path(section.model.removeprefix(GIVEN))
    if path.is_dir():
        found = read_embeddings(path)
        names = found.stimuli["stimulus_id"].tolist()
        return GivenRows(names, np.asarray(found.values, dtype=np.float32))
    where = f"embeddings.{name}"
    if section.rows is None:
        raise CalcarineError(
            f"{where}: {path} is no folder that calcarine wrote, and nothing says which stimulus "
            "each row belongs to. Name a table in `rows`, with the column `stimulus_id` or `file`."
        )
    try:
        values = np.load(path, allow_pickle=False)
        table = pd.read_csv(section.rows, sep="\t", dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise CalcarineError(
            f"{where}: cannot read {path} with {section.rows}: {error}. Expected a plain .npy "
            "array of numbers and a table with tabs."
        ) from error
    return GivenRows(_names(table, section.rows, where), _values(values, len(table), path, where))


def _names(table: pd.DataFrame, path: Path, where: str) -> list[str]:
    if "stimulus_id" in table.columns:
        names = table["stimulus_id"].tolist()
    elif "file" in table.columns:
        names = [Path(file).stem for file in table["file"]]
    else:
        raise CalcarineError(
            f"{where}: {path} has the columns {list(table.columns)}; expected `stimulus_id`, or "
            "`file` with the names of pictures."
        )
    twice = sorted(n for n, count in pd.Series(names).value_counts().items() if count > 1)
    if twice:
        raise CalcarineError(
            f"{where}: {path} names {len(twice)} stimuli more than once, the first {twice[0]!r}. "
            "Give each stimulus one row."
        )
    return names


def _values(values: np.ndarray, n_rows: int, path: Path, where: str) -> np.ndarray:
    if values.ndim == 3 and values.shape[1] == 1:
        values = values[:, 0]  # one token a picture, as NICE publishes its features
    if values.ndim not in (2, 3) or len(values) != n_rows or values.dtype.kind not in "fiu":
        raise CalcarineError(
            f"{where}: {path} has the shape {values.shape} and the type {values.dtype}; expected "
            f"numbers (n_rows, embed_dim) with the {n_rows} rows of the table."
        )
    return values.astype(np.float32)


def given_embeddings(
    section: EmbeddingSection, name: str, stimuli: pd.DataFrame, folder: Path
) -> Embeddings:
    """Give every stimulus its row; NaN where it has none.

    Parameters
    ----------
    section, name
        As for `read_given`.
    stimuli
        Stimulus table.
    folder
        Where it lies.

    Raises
    ------
    CalcarineError
        As `read_given`, or no stimulus has a row.
    """
    given = read_given(section, name)
    row = {n: i for i, n in enumerate(given.names)}
    known = np.array([s in row for s in stimuli["stimulus_id"]])
    if not known.any():
        raise CalcarineError(
            f"embeddings.{name}: no stimulus has a row. Rows are called {given.names[0]!r}, "
            f"stimuli {stimuli['stimulus_id'].iloc[0]!r}; names must be the same."
        )
    values = np.full((len(stimuli), *given.values.shape[1:]), np.nan, dtype=np.float32)
    own = stimuli.loc[known, "stimulus_id"]
    values[known] = given.values[[row[s] for s in own]]
    told = {"model": section.model, "input": section.input, "revision": array_sha(given.values)}
    sidecar = told | {
        "key": text_sha(json.dumps(told, sort_keys=True)),
        "layer": None,
        "pooling": "pooled" if values.ndim == 2 else "tokens",
        "transform": "not known: computed elsewhere",
        "transform_sha": text_sha("not known"),
        "row_shape": list(values.shape[1:]),
        "n_without_row": int((~known).sum()),
    }
    table = stimuli[["stimulus_id", "concept"]].copy()
    table.insert(1, "stimulus_sha", list(stimulus_shas(stimuli, folder)))
    return Embeddings(values, table, sidecar)
