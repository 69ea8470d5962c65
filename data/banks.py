"""Banks: embeddings of many natural pictures, with captions, that units are compared with."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json
from calcarine.data.stimuli import NO_PICTURE, parse_captions

ENTRY_COLUMNS = ("entry", "file", "concept", "captions")


@dataclass(frozen=True)
class Bank:
    """Pictures as an embedding model sees them.

    Attributes
    ----------
    shards
        Embeddings, not normalised, each shape (n_entries, embed_dim), float16 or float32;
        memory-mapped where they come from a folder.
    entries
        Table with `entry file concept captions`, one row an entry through all shards; `captions`
        holds lists of sentences, `file` is a path below `pictures` or `n/a`.
    sidecar
        `model revision layer pooling input transform_sha`, as in an embedding's sidecar.
    texts
        Mean of each entry's caption embeddings at unit length, shape (n_entries, embed_dim); NaN
        rows where there is no caption; None where the model has no text tower.
    families
        Words by family and value, e.g. `{"colour": {"red": ["red"]}}`; may be empty.
    pictures
        Folder that `file` is relative to, where it is known.
    """

    shards: tuple[np.ndarray, ...]
    entries: pd.DataFrame
    sidecar: dict[str, Any]
    texts: np.ndarray | None = None
    families: dict[str, dict[str, list[str]]] | None = None
    pictures: Path | None = None

    def __post_init__(self) -> None:
        n_rows = sum(len(shard) for shard in self.shards)
        if n_rows != len(self.entries) or (self.texts is not None and len(self.texts) != n_rows):
            n_texts = "no" if self.texts is None else len(self.texts)
            raise CalcarineError(
                f"a bank of {len(self.entries)} entries has {n_rows} embeddings and {n_texts} "
                "caption embeddings; they must agree. Build it again."
            )

    @property
    def embed_dim(self) -> int:
        """Length of an embedding."""
        return int(self.shards[0].shape[1])

    def rows(self, entries: np.ndarray) -> np.ndarray:
        """Read some embeddings, float32, shape (len(entries), embed_dim)."""
        starts = np.cumsum([0, *(len(shard) for shard in self.shards)])
        shard = np.searchsorted(starts, entries, side="right") - 1
        out = np.empty((len(entries), self.embed_dim), dtype=np.float32)
        for number in np.unique(shard):
            own = shard == number
            out[own] = self.shards[number][np.asarray(entries)[own] - starts[number]]
        return out

    def check_embedding(self, embedding: dict[str, Any]) -> None:
        """Refuse an encoder or decoder whose embedding is not the bank's.

        Parameters
        ----------
        embedding
            Sidecar of its embedding.

        Raises
        ------
        CalcarineError
            Weights, layer, pooling or evaluation transform differ.
        """
        for name in ("revision", "layer", "pooling", "transform_sha"):
            if embedding.get(name) != self.sidecar.get(name):
                raise CalcarineError(
                    f"the bank was embedded by {self.sidecar.get('model')} and the model was "
                    f"fitted on {embedding.get('model')}: {name} is {self.sidecar.get(name)!r} "
                    f"and {embedding.get(name)!r}. Build the bank with the model's embedding."
                )


def write_bank(folder: Path, bank: Bank) -> None:
    """Write a bank folder, whole or not at all.

    It holds `bank.json`, `entries.tsv`, `shard-00000.npy` and so on, and `texts.npy` where there
    are caption embeddings.
    """
    entries = bank.entries[list(ENTRY_COLUMNS)].copy()
    entries["captions"] = [json.dumps(list(c), ensure_ascii=False) for c in entries["captions"]]
    facts = {
        **bank.sidecar,
        "n_shards": len(bank.shards),
        "families": bank.families or {},
        "pictures": None if bank.pictures is None else str(bank.pictures),
    }
    with new_folder(folder) as temporary:
        for number, shard in enumerate(bank.shards):
            np.save(temporary / f"shard-{number:05d}.npy", shard)
        if bank.texts is not None:
            np.save(temporary / "texts.npy", bank.texts)
        entries.to_csv(temporary / "entries.tsv", sep="\t", index=False, lineterminator="\n")
        (temporary / "bank.json").write_text(
            json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )


def read_bank(folder: Path) -> Bank:
    """Read a bank folder; embeddings are memory-mapped.

    Raises
    ------
    CalcarineError
        The folder is not there or is not whole.
    """
    try:
        facts = read_json(folder / "bank.json")
        entries = pd.read_csv(folder / "entries.tsv", sep="\t", dtype="str", keep_default_na=False)
        shards = tuple(_arrays(folder, facts.pop("n_shards")))
        texts = folder / "texts.npy"
        text_rows = np.load(texts, mmap_mode="r", allow_pickle=False) if texts.exists() else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError) as error:
        raise CalcarineError(
            f"{folder} is not a bank ({error}). Build one with `calcarine bank build`."
        ) from error
    for row, name in enumerate(entries["file"]):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise CalcarineError(
                f"{folder / 'entries.tsv'}, row {row + 2}: `file` is {name!r}; expected a path "
                "below the folder of the bank's pictures. Build the bank again."
            )
    entries["captions"] = [
        parse_captions(text, f"{folder / 'entries.tsv'}, row {i + 2}")
        for i, text in enumerate(entries["captions"])
    ]
    families, pictures = facts.pop("families"), facts.pop("pictures")
    return Bank(shards, entries, facts, text_rows, families, Path(pictures) if pictures else None)


def _arrays(folder: Path, n_shards: int) -> Iterator[np.ndarray]:
    for number in range(n_shards):
        yield np.load(folder / f"shard-{number:05d}.npy", mmap_mode="r", allow_pickle=False)


def entry_table(
    names: Iterable[str],
    files: Iterable[str],
    concepts: Iterable[str],
    captions: Iterable[list[str]],
) -> pd.DataFrame:
    """Put entries into a table with the columns `entry file concept captions`."""
    columns = dict(zip(ENTRY_COLUMNS, (names, files, concepts, captions), strict=True))
    return pd.DataFrame({name: list(values) for name, values in columns.items()})


def picture_file(bank: Bank, entry: int) -> Path | None:
    """Name the file of an entry's picture; None where no picture is known."""
    name = str(bank.entries["file"].iloc[entry])
    if name == NO_PICTURE or bank.pictures is None:
        return None
    return bank.pictures / name
