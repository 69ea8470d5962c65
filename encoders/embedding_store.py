"""Embed every stimulus once: batched, resumable, pictures decoded while the network runs."""

import json
import shutil
from collections import deque
from collections.abc import Callable, Container, Hashable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from calcarine.data.digests import (
    array_sha,
    code_digest,
    picture_sha,
    pictures_of,
    read_picture,
    text_sha,
)
from calcarine.data.embeddings import Embeddings, read_embeddings, write_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import NO_PICTURE, stimulus_shas
from calcarine.encoders.embedding_models import EmbeddingModel
from calcarine.encoders.partial_vectors import PartialVectors, Prepared

Input = Literal["pictures", "captions"]
ROW_RULES: dict[Input, str] = {
    "pictures": "the picture's embedding; of a folder, the mean over its pictures",
    "captions": "each caption's embedding divided by its length, then their mean",
}


# What a row is computed by: when one of these changes, no earlier row is taken over.
CODE = (
    "calcarine.encoders.diffusers_vae",
    "calcarine.encoders.embedding_models",
    "calcarine.encoders.embedding_store",
    "calcarine.encoders.layer_output",
    "calcarine.encoders.mobilenet",
    "calcarine.encoders.network_folders",
    "calcarine.encoders.open_clip_models",
    "calcarine.encoders.picture_network",
    "calcarine.encoders.timm_models",
)


def embedding_sidecar(model: EmbeddingModel, source: Input) -> dict[str, Any]:
    """Describe an embedding; `key` hashes all that it depends on beside the stimuli."""
    told = {
        "model": model.name,
        "revision": model.revision,
        "layer": model.layer,
        "pooling": model.pooling,
        "input": source,
        "transform_sha": model.transform_sha,
        "code": code_digest(*CODE),
    }
    return told | {
        "key": text_sha(json.dumps(told, sort_keys=True)),
        "transform": model.transform_text,
        "row": ROW_RULES[source],
        "row_shape": list(model.latent_shape or model.row_shape),
    }


def embed_stimuli(
    model: EmbeddingModel,
    table: pd.DataFrame,
    folder: Path,
    destination: Path,
    source: Input = "pictures",
    batch_size: int = 64,
) -> Embeddings:
    """Embed all stimuli of a table and write the embedding folder.

    A run that was killed goes on where it stopped. Where `destination` holds the same embedding
    (by its key), stimuli that are there already (by their content) are not computed again.

    Parameters
    ----------
    model
        Embeds pictures or captions.
    table
        Stimulus table, as `read_stimuli` returns it.
    folder
        The folder that its column `file` is relative to.
    destination
        Embedding folder to write; partial results lie beside it until it is complete.
    source
        What is embedded.
    batch_size
        Pictures or captions at a time.

    Returns
    -------
    Embeddings
        One row a stimulus; NaN where it has no picture (or no caption). The stimulus table has
        the column `content_sha` too, the hash of what was embedded.

    Raises
    ------
    CalcarineError
        A picture is missing or broken, no stimulus has anything to embed, or the network puts out
        numbers that are not finite.
    """
    sidecar = embedding_sidecar(model, source)
    job = _JOBS[source](model, table, folder)
    if not any(job.items):
        raise CalcarineError(
            f"none of the {len(table)} stimuli has {source} to embed. Fill the column "
            f"`{'file' if source == 'pictures' else 'captions'}` of stimuli.tsv."
        )
    work = destination.parent / f".{destination.name}.partial-{sidecar['key'][:16]}"
    known = _known_rows(destination, sidecar["key"])
    contents, rows = _embed(job, known, work, batch_size, f"{model.name}, {source}")

    stimuli = table[["stimulus_id", "concept"]].copy()
    shas = contents if source == "pictures" else list(stimulus_shas(table, folder))
    stimuli.insert(1, "stimulus_sha", shas)
    stimuli["content_sha"] = contents
    nothing = np.full(model.row_shape, np.nan, dtype=np.float32)
    values = np.stack([nothing if row is None else row for row in rows])
    embeddings = Embeddings(values, stimuli, sidecar)
    write_embeddings(destination, embeddings)
    for left in destination.parent.glob(f".{destination.name}.partial-*"):
        shutil.rmtree(left)
    return embeddings


def _known_rows(destination: Path, key: str) -> dict[str, np.ndarray]:
    """Find the rows of an earlier run of the same embedding, by the hash of what was embedded."""
    if not (destination / "embeddings.json").is_file():
        return {}
    old = read_embeddings(destination)
    if old.sidecar.get("key") != key:
        return {}
    there = np.isfinite(old.flat).all(axis=1)
    contents = old.stimuli["content_sha"]
    return {sha: np.array(old.values[i]) for i, sha in enumerate(contents) if there[i]}


@dataclass(frozen=True)
class _Job:
    """What is to be embedded, stimulus by stimulus.

    `items` are paths or captions; `is_group` says that a stimulus may have several, `sha` hashes
    one, `prepare` reads one (and does no more than hash it where it is known), `embed` maps a
    batch of prepared ones to vectors.
    """

    ids: list[str]
    items: list[list[Hashable]]
    is_group: list[bool]
    sha: Callable[[Any], str]
    prepare: Callable[[Any, Container[str]], Prepared]
    embed: Callable[[list[Any]], np.ndarray]

    def content(self, row: int, shas: list[str]) -> str:
        """Hash a stimulus by the hashes of its items, as `stimulus_shas` does."""
        if not shas:
            return text_sha(self.ids[row])
        return text_sha("\n".join(sorted(shas))) if self.is_group[row] else shas[0]


def _picture_job(model: EmbeddingModel, table: pd.DataFrame, folder: Path) -> _Job:
    def prepare(path: Path, known: Container[str]) -> Prepared:
        picture = read_picture(path)
        sha = array_sha(np.asarray(picture))
        return Prepared(sha, None if sha in known else model.transform(picture))

    files = [None if name == NO_PICTURE else folder / name for name in table["file"]]
    missing = [i for i, file in enumerate(files) if file is not None and not file.exists()]
    if missing:
        first = missing[0]
        raise CalcarineError(
            f"{len(missing)} of {len(files)} stimuli have a picture that is not there; the first "
            f"is {table['stimulus_id'].iloc[first]!r} (row {first + 2} of stimuli.tsv): "
            f"{files[first]}. Correct the column `file`, put the picture in its place, or write "
            f"{NO_PICTURE} where no picture is known."
        )
    return _Job(
        ids=list(table["stimulus_id"]),
        items=[[] if file is None else list(pictures_of(file)) for file in files],
        is_group=[file is not None and file.is_dir() for file in files],
        sha=picture_sha,
        prepare=prepare,
        embed=model.embed_transformed,
    )


def _caption_job(model: EmbeddingModel, table: pd.DataFrame, folder: Path) -> _Job:
    def prepare(caption: str, known: Container[str]) -> Prepared:
        sha = text_sha(caption)
        return Prepared(sha, None if sha in known else caption)

    def embed(captions: list[str]) -> np.ndarray:
        vectors = model.embed_texts(captions, batch_size=len(captions))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    captions = [list(own) for own in table["captions"]]
    return _Job(list(table["stimulus_id"]), captions, [True] * len(table), text_sha, prepare, embed)


_JOBS: dict[Input, Callable[[EmbeddingModel, pd.DataFrame, Path], _Job]] = {
    "pictures": _picture_job,
    "captions": _caption_job,
}


def _embed(
    job: _Job, known: dict[str, np.ndarray], work: Path, batch_size: int, title: str
) -> tuple[list[str], list[np.ndarray | None]]:
    """Give the content hash and the row of each stimulus; None where there is nothing to embed."""
    # as many as the network itself may use: a job keeps to the processors that it asked for
    n_threads = torch.get_num_threads()
    with PartialVectors(work) as partial, ThreadPoolExecutor(n_threads) as pool:
        # a folder's row is kept, its pictures' vectors are not: hash it before it is taken apart
        groups = [i for i, yes in enumerate(job.is_group) if yes and known]
        contents = {i: job.content(i, list(pool.map(job.sha, job.items[i]))) for i in groups}
        wanted = (own for i, own in enumerate(job.items) if contents.get(i) not in known)
        items = list(dict.fromkeys(item for own in wanted for item in own))
        stream = _ahead(
            pool, lambda item: job.prepare(item, _Either(known, partial.vectors)), items, batch_size
        )
        shas = partial.compute(stream, job.embed, batch_size, len(items), title)
    sha_of = dict(zip(items, shas, strict=True))
    vectors = known | partial.vectors
    rows: list[np.ndarray | None] = []
    for i, own in enumerate(job.items):
        if i not in contents:
            contents[i] = job.content(i, [sha_of[item] for item in own])
        if not own:
            rows.append(None)
        elif contents[i] in vectors:
            rows.append(vectors[contents[i]])
        else:
            parts = np.stack([vectors[sha_of[item]] for item in own])
            rows.append(parts.mean(axis=0, dtype=np.float64).astype(np.float32))
    return [contents[i] for i in range(len(job.items))], rows


@dataclass(frozen=True)
class _Either:
    """Two growing tables, asked as one."""

    first: Container[str]
    second: Container[str]

    def __contains__(self, sha: object) -> bool:
        return sha in self.first or sha in self.second


def _ahead(
    pool: Executor,
    prepare: Callable[[Any], Prepared],
    items: list[Hashable],
    batch_size: int,
) -> Iterator[Prepared]:
    """Prepare items in threads, in their order, at most two batches ahead of the network."""
    waiting: deque[Future[Prepared]] = deque()
    for item in items:
        waiting.append(pool.submit(prepare, item))
        if len(waiting) > 2 * batch_size:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
