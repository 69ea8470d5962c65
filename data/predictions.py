"""What a model predicted for items that it was not trained on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json

ITEM_COLUMNS = ("item", "stimulus_id", "concept", "fold", "brain", "n_repeats", "averaging")
_TYPES = {n: "str" for n in ("stimulus_id", "concept", "fold", "brain", "averaging")}


@dataclass(frozen=True)
class Predictions:
    """Predicted embeddings or responses, one row an item.

    Attributes
    ----------
    values
        float32, shape (n_items, n_outputs).
    items
        Table with `item stimulus_id concept fold brain n_repeats averaging`, in the same order.
        `brain` is `measured`, `shuffled`, `noise`, or `shuffled-labels` (then `permutation` numbers
        the refits); `averaging` is `signal`, `embedding` or `single`.
    sidecar
        `model`, `target` (name of the embedding, or `responses`), `kind` and what else says how
        the numbers were made.
    measured
        For encoders: the measured, standardised, repeat-averaged responses of the same items.
    parts
        For encoders of several bands: what each band predicts, shape (n_bands, n_items, n_outputs);
        `bands` of the sidecar names them.
    """

    values: np.ndarray
    items: pd.DataFrame
    sidecar: dict[str, Any]
    measured: np.ndarray | None = None
    parts: np.ndarray | None = None

    def select(self, brain: str, n_repeats: int | None, averaging: str) -> "Predictions":
        """Take the items of one brain, number of repeats and way of averaging.

        Parameters
        ----------
        brain, averaging
            See `items`.
        n_repeats
            Number of repeats; without it the largest that is there.
        """
        of_kind = (self.items["brain"] == brain) & (self.items["averaging"] == averaging)
        if n_repeats is None and of_kind.any():
            n_repeats = int(self.items.loc[of_kind, "n_repeats"].max())
        rows = np.flatnonzero(of_kind & (self.items["n_repeats"] == n_repeats))
        return Predictions(
            self.values[rows],
            self.items.iloc[rows].reset_index(drop=True),
            self.sidecar,
            None if self.measured is None else self.measured[rows],
            None if self.parts is None else self.parts[:, rows],
        )

    def most_repeats(self) -> "Predictions":
        """Take the measured items with the most repeats, averaged in signal: what is compared."""
        return self.select("measured", None, "signal")


def write_predictions(folder: Path, predictions: Predictions) -> None:
    """Write a prediction folder, whole or not at all."""
    missing = [n for n in ITEM_COLUMNS if n not in predictions.items.columns]
    if missing or len(predictions.items) != len(predictions.values):
        raise CalcarineError(
            f"predictions of {predictions.sidecar.get('model')}: {len(predictions.values)} rows, "
            f"{len(predictions.items)} items, missing columns {missing}."
        )
    with new_folder(folder) as temporary:
        np.save(temporary / "predictions.npy", np.asarray(predictions.values, np.float32))
        if predictions.measured is not None:
            np.save(temporary / "measured.npy", np.asarray(predictions.measured, np.float32))
        if predictions.parts is not None:
            np.save(temporary / "parts.npy", np.asarray(predictions.parts, np.float32))
        predictions.items.to_csv(
            temporary / "items.tsv", sep="\t", index=False, na_rep="n/a", lineterminator="\n"
        )
        (temporary / "predictions.json").write_text(
            json.dumps(predictions.sidecar, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


def read_predictions(folder: Path) -> Predictions:
    """Read a prediction folder.

    Raises
    ------
    CalcarineError
        The folder is not there or is not whole.
    """
    try:
        values = np.load(folder / "predictions.npy", mmap_mode="r", allow_pickle=False)
        measured, parts = (
            np.load(path, mmap_mode="r", allow_pickle=False) if path.exists() else None
            for path in (folder / "measured.npy", folder / "parts.npy")
        )
        items = pd.read_csv(folder / "items.tsv", sep="\t", dtype=_TYPES, keep_default_na=False)
        sidecar = read_json(folder / "predictions.json")
    except (OSError, ValueError) as error:
        raise CalcarineError(
            f"{folder} is not a prediction folder ({error}). Run the step that makes it."
        ) from error
    if len(values) != len(items) or (measured is not None and measured.shape != values.shape):
        raise CalcarineError(
            f"{folder} has {len(values)} predictions, {len(items)} items and measured values of "
            f"the shape {None if measured is None else measured.shape}. Delete it and run again."
        )
    return Predictions(values, items, sidecar, measured, parts)
