"""Converter of one subject of Haxby et al. 2001 (OpenfMRI layout, one slice) into BIDS."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder, write_json, write_text
from calcarine.data.dataset_description import (
    dataset_description,
    write_description,
    write_participants,
)
from calcarine.data.digests import pictures_of
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import NO_PICTURE, write_stimuli
from calcarine.data.tables import read_table

TASK = "objectviewing"
SUBJECT = "01"
TR_S = 2.5
CATEGORIES = {
    "bottle": "a bottle",
    "cat": "a cat",
    "chair": "a chair",
    "face": "a face",
    "house": "a house",
    "scissors": "a pair of scissors",
    "scrambledpix": "a scrambled picture",
    "shoe": "a shoe",
}
_PICTURES = {"face": "faces", "house": "houses"}
# MCFLIRT writes rotations (radians) first, then translations (mm)
_MOTION = ("rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z")


def convert_haxby2001(source: Path, pictures: Path, destination: Path) -> None:
    """Write the recording as raw BIDS, whole or not at all.

    Which picture was shown when was not recorded: a block's stimulus is its category, and the
    pictures of faces and houses are all that were used (a folder each).

    Parameters
    ----------
    source
        Folder with `haxby2001/sub001` and `mask.nii.gz`.
    pictures
        Folder with `face_house/faces` and `face_house/houses`.
    destination
        Root of the BIDS data set; what is there is replaced.

    Raises
    ------
    CalcarineError
        A run or a folder of pictures is not there.
    """
    bold = source / "haxby2001" / "sub001" / "BOLD"
    folders = sorted(bold.glob("task001_run*"))
    if not folders:
        raise CalcarineError(
            f"{bold} has no folder task001_run001 and so on. Correct `source.path`: the folder "
            "that holds haxby2001/."
        )
    with new_folder(destination) as root:
        _write_description(root)
        _write_stimuli(root / "stimuli", pictures)
        func = root / f"sub-{SUBJECT}" / "func"
        func.mkdir(parents=True)
        for number, folder in enumerate(folders, start=1):
            _write_run(folder, func / f"sub-{SUBJECT}_task-{TASK}_run-{number:02d}")
        _copy(source / "mask.nii.gz", func / f"sub-{SUBJECT}_task-{TASK}_desc-brain_mask.nii.gz")


def _copy(source: Path, destination: Path) -> None:
    if not source.is_file():
        raise CalcarineError(f"{source} is not there. Get the release again, whole.")
    shutil.copyfile(source, destination)


def _write_description(root: Path) -> None:
    about = dataset_description(
        "Haxby et al. 2001, subject 1, one slice",
        "raw",
        "CC BY-SA 3.0",
        "https://doi.org/10.1126/science.1063736",
        ("Haxby", "Gobbini", "Furey", "Ishai", "Schouten", "Pietrini"),
    )
    write_description(root, about)
    write_participants(root, [SUBJECT])
    write_text(root / ".bidsignore", "*_desc-*\nstimuli/\n")
    write_json(
        root / f"task-{TASK}_bold.json", {"RepetitionTime": TR_S, "TaskName": "object viewing"}
    )


def _write_stimuli(folder: Path, pictures: Path) -> None:
    rows = []
    for category, caption in CATEGORIES.items():
        file = NO_PICTURE
        if category in _PICTURES:
            file = category
            shown = pictures / "face_house" / _PICTURES[category]
            if not shown.is_dir():
                raise CalcarineError(
                    f"the folder of pictures {shown} is not there. Correct `source.pictures`."
                )
            (folder / category).mkdir(parents=True)
            for picture in pictures_of(shown):
                _copy(picture, folder / category / picture.name)
        rows.append(
            {"stimulus_id": category, "file": file, "concept": category, "captions": [caption]}
        )
    write_stimuli(folder / "stimuli.tsv", pd.DataFrame(rows))


def _write_run(folder: Path, stem: Path) -> None:
    def named(ending: str) -> Path:
        return stem.with_name(stem.name + ending)

    _copy(folder / "bold_1slice.nii.gz", named("_bold.nii.gz"))
    events = read_table(folder / "bold_events.tsv", "events table")
    unknown = sorted(set(events["trial_type"]) - set(CATEGORIES))
    if unknown:
        raise CalcarineError(
            f"{folder}/bold_events.tsv names {unknown}; expected {list(CATEGORIES)}."
        )
    _write_tsv(named("_events.tsv"), events)
    moved = folder / "bold_moest.txt"
    if not moved.is_file():
        raise CalcarineError(f"{moved} is not there. Get the release again, whole.")
    motion = np.loadtxt(moved, ndmin=2)
    if motion.shape[1] != len(_MOTION):
        raise CalcarineError(
            f"{folder}/bold_moest.txt has {motion.shape[1]} columns; expected {len(_MOTION)}."
        )
    _write_tsv(named("_desc-confounds_timeseries.tsv"), pd.DataFrame(motion, columns=list(_MOTION)))


def _write_tsv(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", lineterminator="\n")
