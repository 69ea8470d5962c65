"""Generic Object Decoding as released for Python: one bdpy file a subject. Nothing is fetched.

A file holds a matrix, one row a sample and one column a voxel or a label, and a table that says
what each column is. A sample is one picture (its block of volumes averaged by the publisher).

References
----------
Horikawa & Kamitani 2017, doi:10.1038/ncomms15037.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder
from calcarine.data.betas.ready_betas import ReadyBetas
from calcarine.data.dataset_description import (
    dataset_description,
    write_description,
    write_participants,
)
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import write_stimuli

SUBJECTS = ("01", "02", "03", "04", "05")
PHASES = {1: "train", 2: "test", 3: "unused"}  # 3: imagery
N_TRAIN, N_TEST = 1200, 50
SHOWN_S = 9.0
_AXES = ("i", "j", "k", "x", "y", "z")


@dataclass(frozen=True)
class _Columns:
    """What the columns of a subject's matrix are."""

    keys: list[str]
    values: np.ndarray
    n_rows: int

    def where(self, key: str) -> np.ndarray:
        """Find the columns that a key marks by 1."""
        return np.flatnonzero(self.row(key) == 1)

    def row(self, key: str) -> np.ndarray:
        """Give what a key says of each column; NaN where it says nothing."""
        if key not in self.keys:
            raise CalcarineError(
                f"the file has no metadata {key!r}; it has {self.keys[:12]} … . Use the files of "
                "the release for Python."
            )
        return np.asarray(self.values[self.keys.index(key)], dtype=np.float64)


def subject_file(path: Path, subject: str) -> Path:
    """Give the place of a subject's file."""
    if subject not in SUBJECTS:
        raise CalcarineError(
            f"Generic Object Decoding has the subjects {list(SUBJECTS)}; got {subject!r}."
        )
    return path / f"Subject{int(subject)}.h5"


@contextmanager
def _opened(file: Path) -> Iterator[tuple[h5py.Dataset, _Columns]]:
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise CalcarineError(
            f"{file} cannot be read ({error}). Correct `source.path`, or fetch it again."
        ) from error
    with opened:
        # older files of the same publisher spell the two names with a capital
        data = opened.get("dataset", opened.get("dataSet"))
        told = opened.get("metadata", opened.get("metaData"))
        if data is None or told is None or {"key", "value"} - set(told):
            raise CalcarineError(
                f"{file} holds {sorted(opened)}; expected `dataset` and `metadata` with `key` and "
                "`value`, as bdpy writes them."
            )
        keys = [k.decode() if isinstance(k, bytes) else str(k) for k in told["key"][()]]
        values = told["value"][()]
        if values.shape != (len(keys), data.shape[1]):
            raise CalcarineError(
                f"{file}: metadata of the shape {values.shape}; expected {len(keys)} keys × "
                f"{data.shape[1]} columns."
            )
        yield data, _Columns(keys, values, data.shape[0])


def picture_key(number: float) -> str:
    """Write a picture's number (synset.picture) so that two files agree on it."""
    return f"{float(number):.6f}"


def read_pictures(folder: Path) -> pd.DataFrame:
    """Read both lists of pictures: `key file phase`.

    Raises
    ------
    CalcarineError
        A list is absent, or has another number of pictures than the release.
    """
    parts = []
    for phase, name, place, expected in (
        ("train", "image_training_id.csv", "training", N_TRAIN),
        ("test", "image_test_id.csv", "test", N_TEST),
    ):
        file = folder / name
        try:
            table = pd.read_csv(file, header=None, names=["number", "file"])
            keys = [picture_key(n) for n in table["number"]]
        except (OSError, ValueError) as error:
            raise CalcarineError(
                f"{file} cannot be read ({error}). Correct `source.pictures`: the folder with "
                "training/, test/ and both lists."
            ) from error
        if len(table) != expected:
            raise CalcarineError(f"{file} lists {len(table)} pictures; expected {expected}.")
        files = [f"{place}/{str(name).strip()}" for name in table["file"]]
        parts.append(pd.DataFrame({"key": keys, "file": files, "phase": phase}))
    return pd.concat(parts, ignore_index=True)


def open_generic_object_decoding(path: Path, pictures: Path, subject: str, roi: str) -> ReadyBetas:
    """Look at everything that will be read of a subject, without reading voxels.

    Parameters
    ----------
    path, pictures
        Folders of `Subject1.h5` … and of the pictures.
    subject
        `01` … `05`.
    roi
        Region whose voxels are read, without `ROI_`.

    Returns
    -------
    ReadyBetas
        Imagery is `unused`. The release does not give onsets: they count samples within a run.

    Raises
    ------
    CalcarineError
        A file is absent or is not laid out as released.
    """
    file = subject_file(path, subject)
    names = dict(zip(*read_pictures(pictures)[["key", "file"]].to_numpy().T, strict=True))
    with _opened(file) as (data, columns):
        voxels = columns.where("VoxelData")
        is_known = f"ROI_{roi}" in columns.keys
        voxels = np.intersect1d(voxels, columns.where(f"ROI_{roi}") if is_known else [])
        if not len(voxels):
            regions = [k.removeprefix("ROI_") for k in columns.keys if k.startswith("ROI_")]
            raise CalcarineError(f"source.roi is {roi!r}; {file} has voxels of {regions}.")
        labels = {
            name: data[:, int(columns.where(name)[0])]
            for name in ("DataType", "Run", "stimulus_id")
            if len(columns.where(name))
        }
        lost = {"DataType", "Run", "stimulus_id"} - set(labels)
        if lost:
            raise CalcarineError(f"{file} has no column for {sorted(lost)}.")
        units = _units(columns, voxels)
    events = _events(file, labels, names)
    sidecar = {
        "space": "native",
        "unit": "as published",
        "publisher": "Generic Object Decoding",
        "steps": ["block averages as published"],
        "provenance": {"betas": [file.name]},
    }
    readers: list[Callable[[], np.ndarray]] = [
        partial(_read, file, np.flatnonzero(events["session"] == session), voxels)
        for session in events["session"].unique()
    ]
    notes = ("onsets are not part of the release; they count samples within a run",)
    return ReadyBetas(events, units, sidecar, readers, notes)


def _units(columns: _Columns, voxels: np.ndarray) -> pd.DataFrame:
    places = {a: columns.row(f"voxel_{a}")[voxels] for a in _AXES if f"voxel_{a}" in columns.keys}
    units = pd.DataFrame(places)
    if not {"i", "j", "k"} <= set(units):  # older files: only mm
        units["i"], units["j"], units["k"] = voxels, 0, 0
    units[["i", "j", "k"]] = units[["i", "j", "k"]].fillna(-1).astype(int)
    for axis in ("x", "y", "z"):
        units[axis] = units.get(axis, np.nan)
    small = [k for k in columns.keys if k in {f"ROI_{n}" for n in _REGIONS}]
    names: list[list[str]] = [[] for _ in voxels]
    for key in small:
        for unit in np.flatnonzero(np.isin(voxels, columns.where(key))):
            names[unit].append(key.removeprefix("ROI_"))
    return units[list(_AXES)].assign(roi=["+".join(own) or "n/a" for own in names])


_REGIONS = ("V1", "V2", "V3", "V4", "LOC", "FFA", "PPA")


def _events(file: Path, labels: dict[str, np.ndarray], names: dict[str, str]) -> pd.DataFrame:
    kinds = labels["DataType"].astype(int)
    if set(kinds.tolist()) - set(PHASES):
        raise CalcarineError(
            f"{file}: DataType is {sorted(set(kinds.tolist()))}; expected 1, 2, 3."
        )
    keys = [picture_key(n) for n in labels["stimulus_id"]]
    unknown = sorted({k for k in keys if k not in names})
    if unknown:
        raise CalcarineError(
            f"{file} shows {len(unknown)} pictures that no list has, the first {unknown[0]}. Use "
            "the lists that came with the pictures."
        )
    changes = np.append(True, (np.diff(kinds) != 0) | (np.diff(labels["Run"]) != 0))
    run = np.cumsum(changes)
    table = pd.DataFrame({"session": [PHASES[k] for k in kinds], "run": [f"{r:03d}" for r in run]})
    within = table.groupby("run").cumcount()
    stretches = 1 + int((table["session"] != table["session"].shift()).iloc[1:].sum())
    if stretches != table["session"].nunique():
        raise CalcarineError(f"{file}: training, test and imagery samples alternate.")
    return table.assign(
        session=table["session"].replace({"unused": "imagery"}),
        onset=SHOWN_S * within,
        duration=SHOWN_S,
        stimulus_id=[Path(names[k]).stem for k in keys],
        phase=[PHASES[k] for k in kinds],
    )


def _read(file: Path, rows: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    with _opened(file) as (data, _):
        first, last = int(voxels.min()), int(voxels.max()) + 1
        part = data[int(rows[0]) : int(rows[-1]) + 1, first:last]
    return np.asarray(part[:, voxels - first], dtype=np.float32)


def convert_generic_object_decoding(
    pictures: Path, subjects: tuple[str, ...], destination: Path
) -> None:
    """Write the table of pictures; the pictures stay where they are, behind links.

    Parameters
    ----------
    pictures
        See `read_pictures`.
    subjects
        BIDS labels.
    destination
        Root of the data set.
    """
    table = read_pictures(pictures)
    stems = [Path(name).stem for name in table["file"]]
    with new_folder(destination) as root:
        (root / "stimuli").mkdir()
        for place in ("training", "test"):
            (root / "stimuli" / place).symlink_to((pictures / place).resolve())
        write_stimuli(
            root / "stimuli" / "stimuli.tsv",
            pd.DataFrame(
                {
                    "stimulus_id": stems,
                    "file": table["file"],
                    "concept": [stem.split("_")[0] for stem in stems],
                    "captions": [[] for _ in stems],
                    "phase": table["phase"],
                }
            ),
        )
        about = dataset_description(
            "Generic Object Decoding",
            "derivative",
            "of the figshare item; pictures under ImageNet's terms of access",
            "https://doi.org/10.1038/ncomms15037",
        )
        write_description(root, about)
        write_participants(root, subjects)
