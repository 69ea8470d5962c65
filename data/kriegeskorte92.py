"""Converter of the 92 pictures of Kriegeskorte et al. 2008 and their dissimilarities."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from calcarine.data.atomic import new_folder
from calcarine.data.dataset_description import (
    dataset_description,
    write_description,
    write_participants,
)
from calcarine.data.dissimilarities import Dissimilarities, write_dissimilarities
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import write_stimuli

FILE = "kriegeskorte92.npz"
_FLAGS = ("human", "face", "animal", "natural")
# name in the release, name here
_MODELS = {
    "animacy": "animacy",
    "FaceBodyManmadeNatobj": "four-categories",
    "EVA": "eva",
    "HMAX": "hmax",
    "V1": "v1-model",
    "Silhouette": "silhouette",
    "RADON": "radon",
}


def convert_kriegeskorte92(source: Path, destination: Path) -> None:
    """Write pictures, every person's dissimilarities and what they are compared with.

    The folder has the form of a BIDS derivative: `stimuli/`, `sub-<label>/dissimilarities/` with an
    RDM a session, and `references/<name>/` (monkey IT, sixteen people's judgements, models).

    Parameters
    ----------
    source
        Folder that holds `kriegeskorte92.npz`.
    destination
        Where; what is there is replaced.

    Raises
    ------
    CalcarineError
        The release is not there or is not whole.
    """
    release = _read(source / FILE)
    with new_folder(destination) as root:
        _write_description(root)
        stimuli = _write_stimuli(root / "stimuli", release)
        names = [text.split(" | ") for text in release["hIT_rdm_names"][:, 0]]
        subjects = [parts[1] for parts in names]
        values = release["hIT_rdm_subject_session_upper"]
        for subject, own in zip(subjects, values, strict=True):
            rdms = pd.DataFrame(
                {
                    "name": [f"session-{i + 1}" for i in range(len(own))],
                    "session": [f"{i + 1}" for i in range(len(own))],
                    "region": "IT",
                }
            )
            found = Dissimilarities(own, rdms, stimuli, {"unit": "1 − Pearson r (fMRI patterns)"})
            write_dissimilarities(root / f"sub-{subject}" / "dissimilarities", found)
        _write_references(root / "references", release, stimuli)
        write_participants(root, subjects)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError) as error:
        raise CalcarineError(
            f"{path} cannot be read ({error}). Correct `source.path`: the folder that holds {FILE}."
        ) from error


def _write_description(root: Path) -> None:
    about = dataset_description(
        "Kriegeskorte et al. 2008, 92 pictures",
        "derivative",
        "MIT (rsatoolbox); the photographs carry no licence of their own",
        "https://doi.org/10.1016/j.neuron.2008.10.043",
        ("Kriegeskorte", "Mur", "Ruff", "Kiani", "Bodurka", "Esteky", "Bandettini"),
        ({"Name": "rsatoolbox", "Description": "demos/92imageData"},),
    )
    write_description(root, about)


def _write_stimuli(folder: Path, release: dict[str, np.ndarray]) -> pd.DataFrame:
    n = len(release["images"])
    names = [f"picture{i + 1:02d}" for i in range(n)]
    (folder / "pictures").mkdir(parents=True)
    for name, pixels in zip(names, release["images"], strict=True):
        Image.fromarray(pixels).save(folder / "pictures" / f"{name}.png")
    table = pd.DataFrame(
        {
            "stimulus_id": names,
            "file": [f"pictures/{name}.png" for name in names],
            "concept": [str(c) for c in release["category"]],
            "captions": [[] for _ in names],
            **{flag: release[flag].astype(int).astype(str) for flag in _FLAGS},
        }
    )
    write_stimuli(folder / "stimuli.tsv", table)
    return table[["stimulus_id", "concept"]]


def _write_references(folder: Path, release: dict[str, np.ndarray], stimuli: pd.DataFrame) -> None:
    models = dict(zip(release["model_names"].tolist(), release["model_upper"], strict=True))
    references = {
        "monkey-it": (release["monkeyIT_upper"][None], "674 neurons of two monkeys"),
        "behaviour": (release["behaviour_upper"], "similarity judgements of sixteen people"),
        **{name: (models[own][None], f"model {own}") for own, name in _MODELS.items()},
    }
    for name, (values, origin) in references.items():
        rdms = pd.DataFrame({"name": [f"{name}-{i + 1}" for i in range(len(values))]})
        found = Dissimilarities(values, rdms, stimuli, {"unit": "as released", "origin": origin})
        write_dissimilarities(folder / name, found)
