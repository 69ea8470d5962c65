"""Betas of NSD, a session at a time: HDF5 and NIfTI volumes, MGH surfaces."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import SpatialImage

from calcarine.data.errors import CalcarineError

SPACES = ("func1pt8mm", "func1mm", "fsaverage")
SCALE = 300
N_VERTICES = 163_842
_VOLUMES_AT_A_TIME = 32


def read_image(path: Path, key: str) -> SpatialImage:
    """Open a volume or an MGH file; its values are read when they are wanted.

    Parameters
    ----------
    path
        The file.
    key
        The configuration's key that leads to it, for the message.

    Raises
    ------
    CalcarineError
        The file is absent or damaged.
    """
    try:
        return nibabel.load(path, keep_file_open=True)
    except FileNotFoundError as error:
        raise CalcarineError(f"{path} is not there. Fetch it, or correct {key}.") from error
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise CalcarineError(f"{path} cannot be read ({error}). Fetch it again.") from error


def session_files(folder: Path, session: int, space: str) -> tuple[Path, ...]:
    """Find the file of a session: HDF5 before NIfTI; two hemispheres on the surface.

    Raises
    ------
    CalcarineError
        There is none.
    """
    stem = f"betas_session{session:02d}"
    if space == "fsaverage":
        choices: list[tuple[Path, ...]] = [(folder / f"lh.{stem}.mgh", folder / f"rh.{stem}.mgh")]
    else:
        choices = [(folder / f"{stem}.hdf5",), (folder / f"{stem}.nii.gz",)]
    for files in choices:
        if all(file.is_file() for file in files):
            return files
    names = " or ".join(" and ".join(file.name for file in files) for files in choices)
    raise CalcarineError(
        f"session {session}: {names} is not in {folder}. Fetch it from NSD, or leave the session "
        "out of `source.sessions`."
    )


def check_session(files: Sequence[Path], shape: tuple[int, ...], n_trials: int) -> None:
    """Hold a session's header against what is known of it, before hours are spent.

    Parameters
    ----------
    files
        From `session_files`.
    shape
        Of the mask.
    n_trials
        Of a session.

    Raises
    ------
    CalcarineError
        Number of trials, grid, type or scale are not those of the release.
    """
    for file in files:
        CHECKS[file.suffix](file, shape, n_trials)


def _check_hdf5(file: Path, shape: tuple[int, ...], n_trials: int) -> None:
    with _open_hdf5(file) as opened:
        found = opened.get("betas")
        # MATLAB writes (x, y, z, trials); HDF5 lists the axes from the slowest
        expected = (n_trials, *shape[::-1])
        if found is None or found.shape != expected or found.dtype != np.int16:
            got = None if found is None else (found.shape, str(found.dtype))
            raise CalcarineError(
                f"{file}: `betas` is {got}; expected {expected} (trials, z, y, x) of int16, which "
                f"is percent signal change × {SCALE}. Another space than the mask, or another file."
            )


def _open_hdf5(file: Path) -> h5py.File:
    try:
        return h5py.File(file, "r")
    except OSError as error:
        raise CalcarineError(f"{file} cannot be read ({error}). Fetch it again.") from error


def _check_nifti(file: Path, shape: tuple[int, ...], n_trials: int) -> None:
    image = read_image(file, "source.path")
    # nibabel empties the header's slope and keeps it with the data
    scaling = float(image.dataobj.slope), float(image.dataobj.inter)
    is_plain = scaling == (1.0, 0.0)
    expected = (*shape, n_trials)
    if image.shape != expected or image.get_data_dtype() != np.int16 or not is_plain:
        raise CalcarineError(
            f"{file}: shape {image.shape}, {image.get_data_dtype()}, slope and intercept "
            f"{scaling}; expected {expected} of int16 without a slope, which is percent signal "
            f"change × {SCALE}. Another space than the mask, or a file that was written again."
        )


def _check_mgh(file: Path, shape: tuple[int, ...], n_trials: int) -> None:
    image = read_image(file, "source.path")
    expected = (N_VERTICES, 1, 1, n_trials)
    if shape != expected[:1] or image.shape != expected or image.get_data_dtype().kind != "f":
        raise CalcarineError(
            f"{file}: shape {image.shape} of {image.get_data_dtype()}, mask of {shape}; expected "
            f"{expected} of float32 and a mask of {expected[:1]}: fsaverage has {N_VERTICES} "
            "vertices a hemisphere."
        )


CHECKS = {".hdf5": _check_hdf5, ".gz": _check_nifti, ".mgh": _check_mgh}


def read_session(files: Sequence[Path], masks: Sequence[np.ndarray], n_trials: int) -> np.ndarray:
    """Read the masked betas of a session, a slice or some volumes at a time.

    Parameters
    ----------
    files
        From `session_files`.
    masks
        bool, one for each file, in the order (x, y, z) or (vertex,).
    n_trials
        Of a session.

    Returns
    -------
    numpy.ndarray
        Percent signal change, float32, shape (n_trials, n_units), units in C order of the mask.
    """
    parts = [
        READERS[file.suffix](file, mask, n_trials) for file, mask in zip(files, masks, strict=True)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _read_hdf5(file: Path, mask: np.ndarray, n_trials: int) -> np.ndarray:
    i, j, k = np.nonzero(mask)
    out = np.empty((n_trials, len(i)), dtype=np.float32)
    rows, columns = slice(j.min(), j.max() + 1), slice(i.min(), i.max() + 1)
    with _open_hdf5(file) as opened:
        betas = opened["betas"]
        # chunks are (trials, 1, 1, 1): a box of voxels is read whole, its trials with it
        for z in np.unique(k):
            box = betas[:, int(z), rows, columns]
            own = np.flatnonzero(k == z)
            out[:, own] = box[:, j[own] - rows.start, i[own] - columns.start]
    return out / np.float32(SCALE)


def _read_frames(file: Path, mask: np.ndarray, n_trials: int) -> np.ndarray:
    """Read volumes one after the other: a compressed file can only be read forwards."""
    image = read_image(file, "source.path")
    out = np.empty((n_trials, int(mask.sum())), dtype=np.float32)
    for start in range(0, n_trials, _VOLUMES_AT_A_TIME):
        stop = min(start + _VOLUMES_AT_A_TIME, n_trials)
        try:
            frames = np.asarray(image.dataobj[..., start:stop])
        except (OSError, EOFError, ValueError) as error:
            raise CalcarineError(
                f"{file} ends before its last trial ({error}). Fetch it again."
            ) from error
        out[start:stop] = frames.reshape(*mask.shape, -1)[mask].T
    return out


def _read_nifti(file: Path, mask: np.ndarray, n_trials: int) -> np.ndarray:
    return _read_frames(file, mask, n_trials) / np.float32(SCALE)


READERS = {".hdf5": _read_hdf5, ".gz": _read_nifti, ".mgh": _read_frames}
