"""Captions on disk: of units, and of trials, with the pictures that speak for them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json
from calcarine.data.tables import write_tsv

UNIT_COLUMNS = (
    "kind",
    "unit",
    "region",
    "against",
    "n_units",
    "text",
    "keywords",
    "score",
    "agreement",
    "weight_cosine",
    "evidence",
    "cooccurring",
    "fold_texts",
    "fold_agreement",
)
TRIAL_COLUMNS = ("route", "brain", "item", "stimulus_id", "concept", "n_repeats", "text")
LISTS = ("keywords", "evidence", "cooccurring", "fold_texts")


@dataclass(frozen=True)
class Captions:
    """What one encoder's units respond to, and what a brain saw, in words; not scored yet.

    Attributes
    ----------
    units
        One row a unit, region, contrast or population; columns `UNIT_COLUMNS`. `keywords`,
        `evidence` (bank entries, best first), `cooccurring` and `fold_texts` (captions of the
        encoders of a cross-validation's folds, else empty) hold lists.
    trials
        One row an item, route and brain; columns `TRIAL_COLUMNS`.
    sidecar
        Encoder, embedding model, bank, judge, settings.
    arrays
        By name: `mixing` (n_sets, n_units), what each set is made of; and pictures, uint8.
    images
        By name: volumes, written as `<name>.nii.gz` for other programs; they are not read again.
    """

    units: pd.DataFrame
    trials: pd.DataFrame
    sidecar: dict[str, Any]
    arrays: dict[str, np.ndarray]
    images: dict[str, nibabel.Nifti1Image] = field(default_factory=dict)


def write_captions(folder: Path, captions: Captions) -> None:
    """Write a caption folder, whole or not at all."""
    units = captions.units[list(UNIT_COLUMNS)].copy()
    for name in LISTS:
        units[name] = [json.dumps(list(own), ensure_ascii=False) for own in units[name]]
    with new_folder(folder) as temporary:
        write_tsv(temporary / "units.tsv", units)
        write_tsv(temporary / "trials.tsv", captions.trials[list(TRIAL_COLUMNS)])
        for name, array in sorted(captions.arrays.items()):
            np.save(temporary / f"{name}.npy", array)
        for name, image in sorted(captions.images.items()):
            nibabel.save(image, temporary / f"{name}.nii.gz")
        facts = captions.sidecar | {"arrays": sorted(captions.arrays)}
        (temporary / "captions.json").write_text(
            json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )


def read_captions(folder: Path) -> Captions:
    """Read a caption folder; arrays are memory-mapped.

    Raises
    ------
    CalcarineError
        The folder is not there or is not whole.
    """
    text = {n: "str" for n in ("kind", "unit", "region", "against", "text", *LISTS)}
    words = {n: "str" for n in ("route", "brain", "stimulus_id", "concept", "text")}
    try:
        sidecar = read_json(folder / "captions.json")
        units = _read(
            folder / "units.tsv", text, ("score", "agreement", "weight_cosine", "fold_agreement")
        )
        trials = _read(folder / "trials.tsv", words, ())
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in sidecar.pop("arrays")
        }
    except (OSError, ValueError, KeyError) as error:
        raise CalcarineError(
            f"{folder} is not a caption folder ({error}). Run the `caption` step."
        ) from error
    for name in LISTS:
        units[name] = [json.loads(own) for own in units[name]]
    return Captions(units, trials, sidecar, arrays)


def _read(path: Path, types: dict[str, str], numbers: tuple[str, ...]) -> pd.DataFrame:
    table = pd.read_csv(path, sep="\t", dtype=types, keep_default_na=False)
    for name in numbers:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table
