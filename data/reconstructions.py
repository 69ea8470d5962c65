"""Reconstructed pictures: an array of conditions by items, their targets, and what made them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder, reserve
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json

RECONSTRUCTION_COLUMNS = ("item", "stimulus_id", "concept", "fold", "n_repeats", "seed", "controls")
_TYPES = {n: "str" for n in ("stimulus_id", "concept", "fold")}


@dataclass(frozen=True)
class Reconstructions:
    """Pictures of one reconstruction of one subject.

    Attributes
    ----------
    pictures
        uint8, shape (n_conditions, n_items, height, width, 3); memory-mapped when read. Black
        where a control was not made for an item.
    targets
        uint8, shape (n_items, height, width, 3): what was shown, at the pictures' size.
    items
        Table with `item stimulus_id concept fold n_repeats seed controls`; `controls` is 1 for
        items that have all controls.
    sidecar
        `conditions`: names in the order of `pictures`; `paths`: the path (`semantic`, `low-level`,
        `combined`) that each condition is or is a control of; `controls`: name of the control by
        condition; and what says how pictures were made.
    """

    pictures: np.ndarray
    targets: np.ndarray
    items: pd.DataFrame
    sidecar: dict[str, Any]

    def made(self, condition: str) -> np.ndarray:
        """List the items that a condition has pictures of, as row numbers."""
        if condition in self.sidecar["controls"]:
            return np.flatnonzero(self.items["controls"])
        return np.arange(len(self.items))

    def of(self, condition: str) -> np.ndarray:
        """Give the pictures of a condition, those of `made` only."""
        row = self.sidecar["conditions"].index(condition)
        return np.asarray(self.pictures[row][self.made(condition)])


def write_reconstructions(
    folder: Path,
    targets: np.ndarray,
    items: pd.DataFrame,
    sidecar: dict[str, Any],
    pictures: Iterable[np.ndarray],
) -> None:
    """Write a reconstruction folder, whole or not at all, one condition after the other.

    Parameters
    ----------
    folder
        Where.
    targets, items, sidecar
        See `Reconstructions`.
    pictures
        For each condition, in order, the pictures of those items that it is made for.
    """
    conditions = sidecar["conditions"]
    with new_folder(folder) as temporary:
        out = np.lib.format.open_memmap(
            temporary / "pictures.npy", "w+", np.uint8, (len(conditions), *targets.shape)
        )
        reserve(temporary / "pictures.npy")
        written = Reconstructions(out, targets, items, sidecar)
        for row, (name, drawn) in enumerate(zip(conditions, pictures, strict=True)):
            out[row, written.made(name)] = drawn
        out.flush()
        np.save(temporary / "targets.npy", targets)
        items.to_csv(temporary / "items.tsv", sep="\t", index=False, lineterminator="\n")
        text = json.dumps(sidecar, indent=2, sort_keys=True)
        (temporary / "pictures.json").write_text(text + "\n", encoding="utf-8")


def read_reconstructions(folder: Path) -> Reconstructions:
    """Read a reconstruction folder.

    Raises
    ------
    CalcarineError
        The folder is not there or is not whole.
    """
    try:
        pictures = np.load(folder / "pictures.npy", mmap_mode="r", allow_pickle=False)
        targets = np.load(folder / "targets.npy", mmap_mode="r", allow_pickle=False)
        items = pd.read_csv(folder / "items.tsv", sep="\t", dtype=_TYPES, keep_default_na=False)
        sidecar = read_json(folder / "pictures.json")
    except (OSError, ValueError) as error:
        raise CalcarineError(
            f"{folder} is not a reconstruction folder ({error}). Run the `reconstruct` step."
        ) from error
    return Reconstructions(pictures, targets, items, sidecar)
