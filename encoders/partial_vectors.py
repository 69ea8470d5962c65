"""Vectors computed so far, on disk: a run that was killed goes on where it stopped."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from tqdm import tqdm

from calcarine.data.atomic import make_folder, new_file
from calcarine.data.errors import CalcarineError


@dataclass(frozen=True)
class Prepared:
    """One picture or caption on its way to the network.

    Attributes
    ----------
    sha
        Hash of its content.
    ready
        What the network takes; None where the vector is known already.
    """

    sha: str
    ready: Any


class PartialVectors:
    """Vectors by content hash, each batch in a file of its own.

    A context manager: at its end everything is on disk. Batches are written in the background,
    in their order, whole or not at all.

    Parameters
    ----------
    folder
        Work folder. Its name holds the embedding's key, so that nothing else is taken for it.

    Attributes
    ----------
    vectors
        float32 vectors by hash.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = make_folder(folder)
        self.vectors: dict[str, np.ndarray] = {}
        self._n_files = 0
        for file in sorted(folder.glob("[0-9]*.npz")):
            with np.load(file, allow_pickle=False) as batch:
                self.vectors.update(zip(batch["shas"].tolist(), batch["values"], strict=True))
            self._n_files += 1
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._written: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.shutdown()
        if error is None:
            for written in self._written:
                written.result()

    def add(self, shas: Sequence[str], values: np.ndarray) -> None:
        """Keep a batch: values of shape (n, …), one row a hash."""
        self.vectors.update(zip(shas, values, strict=True))
        path = self.folder / f"{self._n_files:08d}.npz"
        self._n_files += 1
        self._written.append(self._writer.submit(_write_batch, path, list(shas), values))

    def compute(
        self,
        stream: Iterable[Prepared],
        embed: Callable[[list[Any]], np.ndarray],
        batch_size: int,
        n_items: int,
        title: str,
    ) -> list[str]:
        """Embed what a stream brings, each content once.

        Parameters
        ----------
        stream
            Pictures or captions, some of them known already.
        embed
            A list of `ready` values to vectors, one row each.
        batch_size
            Values at a time.
        n_items, title
            Length and name of the progress bar.

        Returns
        -------
        list of str
            Hashes in the order of the stream.

        Raises
        ------
        CalcarineError
            The network put out something that is not finite.
        """
        shas: list[str] = []
        batch: dict[str, Any] = {}
        with tqdm(total=n_items, desc=title, disable=None) as bar:
            for item in stream:
                shas.append(item.sha)
                if item.ready is not None and item.sha not in self.vectors:
                    batch.setdefault(item.sha, item.ready)
                if len(batch) == batch_size:
                    self._embed_batch(batch, embed, title)
                bar.update()
            if batch:
                self._embed_batch(batch, embed, title)
        return shas

    def _embed_batch(
        self, batch: dict[str, Any], embed: Callable[[list[Any]], np.ndarray], title: str
    ) -> None:
        values = embed(list(batch.values()))
        bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if bad.any():
            raise CalcarineError(
                f"{title}: {int(bad.sum())} of {len(bad)} embeddings are not finite. "
                "Check the weights; a network saved in half precision may overflow."
            )
        self.add(list(batch), values)
        batch.clear()


def _write_batch(path: Path, shas: list[str], values: np.ndarray) -> None:
    with new_file(path) as temporary:
        np.savez(temporary, shas=np.array(shas), values=values)
