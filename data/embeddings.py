"""Embeddings of stimuli: an array, its sidecar, and the stimuli it belongs to."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json


@dataclass(frozen=True)
class Embeddings:
    """One embedding of all stimuli.

    Attributes
    ----------
    values
        float32, shape (n_stimuli, embed_dim) or (n_stimuli, n_tokens, embed_dim). NaN rows belong
        to stimuli without a picture.
    stimuli
        Table with `stimulus_id`, `stimulus_sha` and `concept`, in the order of `values`.
    sidecar
        `model revision layer pooling input transform transform_sha key`.
    """

    values: np.ndarray
    stimuli: pd.DataFrame
    sidecar: dict[str, Any]

    @property
    def flat(self) -> np.ndarray:
        """Tokens laid end to end: shape (n_stimuli, n_tokens × embed_dim)."""
        return self.values.reshape(len(self.values), -1)

    def rows(self, stimulus_ids: pd.Series | list[str]) -> np.ndarray:
        """Find the row number of each stimulus.

        Raises
        ------
        CalcarineError
            A stimulus was never embedded.
        """
        position = {s: i for i, s in enumerate(self.stimuli["stimulus_id"])}
        missing = sorted({s for s in stimulus_ids if s not in position})
        if missing:
            raise CalcarineError(
                f"{len(missing)} stimuli have no row in the embedding {self.sidecar['model']}, "
                f"the first {missing[0]!r}. Add them to stimuli.tsv and run `embed` again."
            )
        return np.array([position[s] for s in stimulus_ids], dtype=int)


def write_embeddings(folder: Path, embeddings: Embeddings) -> None:
    """Write an embedding folder, whole or not at all."""
    if len(embeddings.values) != len(embeddings.stimuli):
        raise CalcarineError(
            f"{len(embeddings.values)} embeddings came with {len(embeddings.stimuli)} stimuli."
        )
    with new_folder(folder) as temporary:
        np.save(temporary / "embeddings.npy", embeddings.values.astype(np.float32))
        embeddings.stimuli.to_csv(
            temporary / "stimuli.tsv", sep="\t", index=False, lineterminator="\n"
        )
        (temporary / "embeddings.json").write_text(
            json.dumps(embeddings.sidecar, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


def read_embeddings(folder: Path) -> Embeddings:
    """Read an embedding folder; the array is memory-mapped.

    Raises
    ------
    CalcarineError
        The folder is not there or is not whole.
    """
    try:
        values = np.load(folder / "embeddings.npy", mmap_mode="r", allow_pickle=False)
        stimuli = pd.read_csv(folder / "stimuli.tsv", sep="\t", dtype="str", keep_default_na=False)
        sidecar = read_json(folder / "embeddings.json")
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise CalcarineError(
            f"{folder} is not an embedding folder ({error}). Run the `embed` step."
        ) from error
    if values.ndim not in (2, 3) or values.dtype.kind != "f":
        raise CalcarineError(
            f"{folder} is not an embedding folder: it holds {values.dtype} of shape "
            f"{values.shape}; expected numbers, float32 of (n_stimuli, embed_dim) or (n_stimuli, "
            "n_tokens, embed_dim). Run the `embed` step again."
        )
    if "stimulus_id" not in stimuli.columns:
        raise CalcarineError(
            f"{folder} is not an embedding folder: stimuli.tsv has no column `stimulus_id`; it has "
            f"{list(stimuli.columns)}. Run the `embed` step again."
        )
    if len(values) != len(stimuli):
        raise CalcarineError(
            f"{folder} has {len(values)} embeddings and {len(stimuli)} stimuli. "
            "Delete it and run the `embed` step again."
        )
    return Embeddings(values, stimuli, sidecar)
