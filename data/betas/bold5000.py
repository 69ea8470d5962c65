"""BOLD5000, release 2 (GLMsingle betas) as published: one NIfTI a session. Nothing is fetched.

References
----------
Chang et al. 2019, doi:10.1038/s41597-019-0052-3.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder
from calcarine.data.betas.nsd_values import read_image
from calcarine.data.betas.ready_betas import ReadyBetas
from calcarine.data.dataset_description import (
    dataset_description,
    write_description,
    write_participants,
)
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import write_stimuli

N_SESSIONS = {"CSI1": 15, "CSI2": 15, "CSI3": 15, "CSI4": 9}
N_PER_RUN = 37
SLOT_S, SHOWN_S = 10.0, 1.0
_ENDINGS = {".jpg", ".jpeg", ".png", ".tif"}
_VOLUMES_AT_A_TIME = 32


@dataclass(frozen=True)
class Bold5000Reading:
    """What to read of one subject.

    Attributes
    ----------
    path
        Folder of betas, brain masks and lists of pictures.
    pictures
        Folder that holds the presented pictures at any depth.
    subject
        `CSI1` … `CSI4`.
    version
        Kind of the betas, as in the files' names.
    rois
        Folder of masks `…<subject>…mask-<region>.nii.gz` on the grid of the betas; None: none.
    """

    path: Path
    pictures: Path
    subject: str
    version: str = "TYPED-FITHRF-GLMDENOISE-RR"
    rois: Path | None = None

    @property
    def session_files(self) -> list[Path]:
        """All sessions that were released; refuses an incomplete folder."""
        if self.subject not in N_SESSIONS:
            raise CalcarineError(
                f"BOLD5000 has the subjects {list(N_SESSIONS)}; got {self.subject!r}."
            )
        numbers = range(1, N_SESSIONS[self.subject] + 1)
        stem = f"{self.subject}_GLMbetas-{self.version}"
        files = [self.path / f"{stem}_ses-{number:02d}.nii.gz" for number in numbers]
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise CalcarineError(
                f"{self.path} lacks {len(missing)} of {len(files)} sessions of {self.subject}, the "
                f"first {missing[0]}. The list of pictures is for all of them: fetch the rest."
            )
        return files


def read_names(reading: Bold5000Reading) -> list[str]:
    """Read which picture each trial showed, without folder, ending and the mark of repeats.

    Raises
    ------
    CalcarineError
        The list is absent.
    """
    file = reading.path / f"{reading.subject}_imgnames.txt"
    try:
        lines = file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise CalcarineError(f"{file} cannot be read ({error}). Correct `source.path`.") from error
    return [Path(line).stem.removeprefix("rep_") for line in lines]


def open_bold5000(reading: Bold5000Reading) -> ReadyBetas:
    """Look at everything that will be read of a subject, without reading values.

    Pictures that were shown more than once are `test`, as the release means them.

    Raises
    ------
    CalcarineError
        A file is missing, or list and betas disagree.
    """
    files = reading.session_files
    mask_file = reading.path / f"{reading.subject}_brainmask.nii.gz"
    mask_image = read_image(mask_file, "source.path")
    mask = np.asarray(mask_image.dataobj).squeeze() > 0
    sizes = [_session_size(file, mask.shape) for file in files]
    names = read_names(reading)
    if sum(sizes) != len(names):
        raise CalcarineError(
            f"{reading.subject}: the betas have {sum(sizes)} trials, its list of pictures "
            f"{len(names)}. Use list and betas of one release."
        )
    mask &= np.isfinite(_frames(files[0], slice(0, 1))[..., 0])
    units = _units(reading, mask, mask_image.affine)
    sidecar = {
        "space": "native",
        "affine": mask_image.affine.tolist(),
        "volume_shape": [int(n) for n in mask.shape],
        "unit": "as published",
        "publisher": "BOLD5000",
        "betas": reading.version,
        "steps": [f"{reading.version} as published"],
        "provenance": {"betas": [file.name for file in files]},
    }
    readers = [partial(_read, file, mask, size) for file, size in zip(files, sizes, strict=True)]
    notes = (
        "onsets count trials of 10 s within a run of 37; the release does not give them",
        "positions are the brain mask's: the affine of the betas is known to be wrong",
    )
    return ReadyBetas(_events(names, sizes), units, sidecar, readers, notes)


def _session_size(file: Path, shape: tuple[int, ...]) -> int:
    image = read_image(file, "source.path")
    n_trials = image.shape[-1] if len(image.shape) == 4 else 0
    if image.shape[:3] != shape or n_trials % N_PER_RUN or not n_trials:
        raise CalcarineError(
            f"{file} has the shape {image.shape}; expected {shape} and a multiple of {N_PER_RUN} "
            "trials (the pictures of a run)."
        )
    return int(n_trials)


def _events(names: list[str], sizes: list[int]) -> pd.DataFrame:
    number = np.concatenate([np.arange(size) for size in sizes])
    session = np.repeat(np.arange(len(sizes)) + 1, sizes)
    counts = pd.Series(names).map(pd.Series(names).value_counts())
    return pd.DataFrame(
        {
            "session": [f"{s:02d}" for s in session],
            "run": [f"{r + 1:02d}" for r in number // N_PER_RUN],
            "onset": SLOT_S * (number % N_PER_RUN),
            "duration": SHOWN_S,
            "stimulus_id": names,
            "phase": np.where(counts > 1, "test", "train"),
        }
    )


def _units(reading: Bold5000Reading, mask: np.ndarray, affine: np.ndarray) -> pd.DataFrame:
    place = np.argwhere(mask)
    xyz = nibabel.affines.apply_affine(affine, place).round(3)
    units = pd.DataFrame(np.hstack([place, xyz]), columns=["i", "j", "k", "x", "y", "z"])
    units = units.astype({axis: int for axis in "ijk"})
    names: list[list[str]] = [[] for _ in place]
    files = [] if reading.rois is None else sorted(reading.rois.rglob(f"*{reading.subject}*.nii*"))
    if reading.rois is not None and not files:
        raise CalcarineError(f"source.rois: {reading.rois} has no mask of {reading.subject}.")
    for file in files:
        region = file.name.split(".")[0].split("mask-")[-1]
        values = np.asarray(read_image(file, "source.rois").dataobj).squeeze()
        if values.shape != mask.shape:
            raise CalcarineError(
                f"{file} is on a grid of {values.shape}; the betas are on {mask.shape}. Resample "
                "the masks, or leave out `source.rois`."
            )
        for unit in np.flatnonzero(values[mask] > 0):
            names[unit].append(region)
    return units.assign(roi=["+".join(own) or "n/a" for own in names])


def _frames(file: Path, which: slice) -> np.ndarray:
    image = read_image(file, "source.path")
    try:
        return np.asarray(image.dataobj[..., which], dtype=np.float32)
    except (OSError, EOFError, ValueError) as error:
        raise CalcarineError(
            f"{file} ends before its last trial ({error}). Fetch it again."
        ) from error


def _read(file: Path, mask: np.ndarray, n_trials: int) -> np.ndarray:
    image = read_image(file, "source.path")
    out = np.empty((n_trials, int(mask.sum())), dtype=np.float32)
    for start in range(0, n_trials, _VOLUMES_AT_A_TIME):
        stop = min(start + _VOLUMES_AT_A_TIME, n_trials)
        try:
            out[start:stop] = np.asarray(image.dataobj[..., start:stop])[mask].T
        except (OSError, EOFError, ValueError) as error:
            raise CalcarineError(
                f"{file} ends before its last trial ({error}). Fetch it again."
            ) from error
    return out


def convert_bold5000(readings: list[Bold5000Reading], destination: Path) -> None:
    """Write the table of pictures; the pictures stay where they are, behind a link.

    Parameters
    ----------
    readings
        One a subject.
    destination
        Root of the data set.

    Raises
    ------
    CalcarineError
        A picture of a list is not in the folder of pictures.
    """
    folder = readings[0].pictures
    found = {p.stem: p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _ENDINGS}
    names = sorted({name for reading in readings for name in read_names(reading)})
    lost = [name for name in names if name not in found]
    if lost:
        raise CalcarineError(
            f"{folder} lacks {len(lost)} of {len(names)} pictures, the first {lost[0]!r}. Correct "
            "`source.pictures`."
        )
    files = [f"pictures/{found[name].relative_to(folder)}" for name in names]
    with new_folder(destination) as root:
        (root / "stimuli").mkdir()
        (root / "stimuli" / "pictures").symlink_to(folder.resolve())
        write_stimuli(
            root / "stimuli" / "stimuli.tsv",
            pd.DataFrame(
                {
                    "stimulus_id": names,
                    "file": files,
                    "concept": [_concept(name) for name in names],
                    "captions": [[] for _ in names],
                }
            ),
        )
        about = dataset_description(
            "BOLD5000",
            "derivative",
            "of the release; pictures of COCO, ImageNet and SUN under their own",
            "https://doi.org/10.1038/s41597-019-0052-3",
        )
        write_description(root, about)
        write_participants(root, [reading.subject for reading in readings])


def _concept(name: str) -> str:
    """Name an ImageNet picture's synset; other pictures show scenes that have no one name."""
    synset = name.split("_")[0]
    return synset if synset[:1] == "n" and synset[1:].isdigit() else "n/a"
