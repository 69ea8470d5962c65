"""Sets of dissimilarities between stimuli: an array, what each row is, and the stimuli."""

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
class Dissimilarities:
    """Representational dissimilarity matrices (RDMs) of the same stimuli.

    Attributes
    ----------
    values
        float32, shape (n_rdms, n_pairs): the upper triangle row by row, n_pairs = n (n − 1) / 2
        for n stimuli. NaN: not known.
    rdms
        Table, one row an RDM, in the order of `values`; column `name`, and what else tells them
        apart (`role`, `region`, `session`).
    stimuli
        Table with `stimulus_id` and `concept`, one row a stimulus.
    sidecar
        `unit` (which distance) and how the numbers were made.
    """

    values: np.ndarray
    rdms: pd.DataFrame
    stimuli: pd.DataFrame
    sidecar: dict[str, Any]

    def select(self, column: str, value: str) -> np.ndarray:
        """Take the RDMs whose column of `rdms` has a value: float64, shape (n_found, n_pairs)."""
        return np.asarray(self.values[(self.rdms[column] == value).to_numpy()], dtype=np.float64)


def _check(found: Dissimilarities, where: object) -> None:
    n = len(found.stimuli)
    expected = (len(found.rdms), n * (n - 1) // 2)
    if found.values.shape != expected:
        raise CalcarineError(
            f"{where}: dissimilarities have the shape {found.values.shape}; {len(found.rdms)} RDMs "
            f"of {n} stimuli need {expected}. Write or convert them again."
        )


def write_dissimilarities(folder: Path, found: Dissimilarities) -> None:
    """Write a folder of dissimilarities, whole or not at all."""
    _check(found, folder)
    with new_folder(folder) as temporary:
        np.save(temporary / "dissimilarities.npy", found.values.astype(np.float32))
        for name, table in (("rdms.tsv", found.rdms), ("stimuli.tsv", found.stimuli)):
            table.to_csv(temporary / name, sep="\t", index=False, na_rep="n/a", lineterminator="\n")
        text = json.dumps(found.sidecar, indent=2, sort_keys=True)
        (temporary / "dissimilarities.json").write_text(text + "\n", encoding="utf-8")


def read_dissimilarities(folder: Path) -> Dissimilarities:
    """Read a folder of dissimilarities.

    Raises
    ------
    CalcarineError
        The folder is not there or is not whole.
    """
    try:
        values = np.load(folder / "dissimilarities.npy", allow_pickle=False)
        rdms, stimuli = (
            pd.read_csv(folder / name, sep="\t", dtype="str", keep_default_na=False)
            for name in ("rdms.tsv", "stimuli.tsv")
        )
        sidecar = read_json(folder / "dissimilarities.json")
    except (OSError, ValueError) as error:
        raise CalcarineError(
            f"{folder} is no folder of dissimilarities ({error}). Run the step that makes it."
        ) from error
    found = Dissimilarities(values, rdms, stimuli, sidecar)
    _check(found, folder)
    return found
