"""The Natural Scenes Dataset: betas of a subject, pictures of several. Nothing is fetched."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from calcarine.data.atomic import new_folder
from calcarine.data.betas.nsd_release import (
    N_PICTURES,
    N_TRIALS,
    NsdReading,
    nsd_events,
    read_stimulus_info,
    stimulus_id,
)
from calcarine.data.betas.nsd_units import nsd_units
from calcarine.data.betas.nsd_values import SPACES, check_session, read_session, session_files
from calcarine.data.betas.ready_betas import ReadyBetas
from calcarine.data.dataset_description import (
    dataset_description,
    write_description,
    write_participants,
)
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import write_stimuli

PICTURE_SIDE = 425


def open_nsd(reading: NsdReading) -> ReadyBetas:
    """Look at everything that will be read of a subject, without reading values.

    Raises
    ------
    CalcarineError
        A file is missing (all that are missing are named), or breaks a known fact.
    """
    if reading.space not in SPACES:
        raise CalcarineError(f"source.space is {reading.space!r}; expected one of {SPACES}.")
    files = [session_files(reading.betas, n, reading.space) for n in reading.chosen_sessions]
    events = nsd_events(reading)
    space = nsd_units(reading)
    for file in files:
        check_session(file, space.shape, N_TRIALS)
    sidecar = {
        "space": space.name,
        "unit": "percent signal change",
        "publisher": "Natural Scenes Dataset",
        "betas": reading.version,
        "steps": [f"{reading.version} as published"],
        "provenance": {
            "betas": [str(p.relative_to(reading.path)) for file in files for p in file],
            "sessions": ", ".join(map(str, reading.chosen_sessions)),
        },
        **space.sidecar,
    }
    readers = [partial(read_session, file, space.masks, N_TRIALS) for file in files]
    return ReadyBetas(events, space.units, sidecar, readers, space.notes)


def pictures_file(path: Path) -> Path:
    """Give the place of the pictures."""
    return path / "nsddata_stimuli" / "stimuli" / "nsd" / "nsd_stimuli.hdf5"


def open_pictures(path: Path) -> h5py.File:
    """Open the pictures; `imgBrick` is uint8, shape (73000, 425, 425, 3).

    Raises
    ------
    CalcarineError
        The file is absent or holds something else.
    """
    file = pictures_file(path)
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise CalcarineError(f"{file} cannot be read ({error}). Correct `source.path`.") from error
    found = opened.get("imgBrick")
    shape = (N_PICTURES, PICTURE_SIDE, PICTURE_SIDE, 3)
    if found is None or found.shape != shape or found.dtype != np.uint8:
        got = None if found is None else (found.shape, str(found.dtype))
        opened.close()
        raise CalcarineError(f"{file}: imgBrick is {got}; expected {shape} of uint8.")
    return opened


def convert_nsd(readings: Sequence[NsdReading], destination: Path) -> None:
    """Write what the subjects saw as a data set: pictures, their table, a description.

    Pictures are read one by one and stored as PNG, about 0.35 MB each.

    Parameters
    ----------
    readings
        One a subject.
    destination
        Root of the data set.

    Raises
    ------
    CalcarineError
        A file of the release is absent or breaks a known fact.
    """
    path = readings[0].path
    info = read_stimulus_info(path)
    events = pd.concat([nsd_events(reading) for reading in readings], ignore_index=True)
    seen = np.unique(events["nsd_id"].to_numpy())
    with new_folder(destination) as root, open_pictures(path) as release:
        folder = root / "stimuli" / "pictures"
        folder.mkdir(parents=True)
        for number in tqdm(seen, desc="pictures", disable=None):
            pixels = release["imgBrick"][int(number)]
            Image.fromarray(pixels).save(folder / f"{stimulus_id(number)}.png", compress_level=1)
        own = info.iloc[seen]
        table = pd.DataFrame(
            {
                "stimulus_id": [stimulus_id(n) for n in seen],
                "file": [f"pictures/{stimulus_id(n)}.png" for n in seen],
                "concept": "n/a",
                "captions": [[] for _ in seen],
                "shared1000": own["shared1000"].astype(str).to_numpy(),
                "coco_id": own["cocoId"].astype(str).to_numpy(),
                "coco_split": own["cocoSplit"].astype(str).to_numpy(),
            }
        )
        write_stimuli(root / "stimuli" / "stimuli.tsv", table)
        about = dataset_description(
            "Natural Scenes Dataset",
            "derivative",
            "NSD Data Use Agreement; pictures of COCO under their own licences",
            "https://doi.org/10.1038/s41593-021-00962-x",
        )
        write_description(root, about)
        write_participants(root, [reading.subject for reading in readings])
