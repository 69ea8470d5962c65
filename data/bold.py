"""BOLD volumes: timing, masks, and masked time series from NIfTI."""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from nibabel.affines import apply_affine
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nilearn.image import smooth_img
from nilearn.masking import compute_epi_mask

from calcarine.data.bids import RunFiles
from calcarine.data.errors import CalcarineError

_UNREADABLE = (OSError, EOFError, ValueError, zlib.error)


@dataclass(frozen=True)
class Timing:
    """When the volumes of a run were measured.

    Attributes
    ----------
    n_volumes, tr_s
        Number of volumes and time from one to the next.
    start_s
        Time to which the first volume belongs (`StartTime` of slice-time-corrected data).
    """

    n_volumes: int
    tr_s: float
    start_s: float = 0.0

    @property
    def scan_s(self) -> float:
        """Length of the scan."""
        return self.n_volumes * self.tr_s

    @property
    def frame_times_s(self) -> np.ndarray:
        """Time of each volume, shape (n_volumes,)."""
        return self.start_s + self.tr_s * np.arange(self.n_volumes)


def repetition_time(run: RunFiles, header_s: float | None) -> float:
    """Give the time between volumes in seconds, from the sidecar or else from the header.

    Raises
    ------
    CalcarineError
        Neither says it, or what it says is no time between 0 and 60 s.
    """
    tr_s = run.metadata.get("RepetitionTime", header_s)
    if not isinstance(tr_s, int | float) or isinstance(tr_s, bool) or not 0 < tr_s <= 60:
        raise CalcarineError(
            f"{run.bold[0]}: the repetition time is {tr_s!r}; expected seconds between 0 and 60. "
            "Write `RepetitionTime` into the JSON sidecar."
        )
    return float(tr_s)


def timing_of(run: RunFiles, n_volumes: int, header_s: float | None) -> Timing:
    """Put together the timing of a run."""
    start = run.metadata.get("StartTime", 0.0)
    if not isinstance(start, int | float) or isinstance(start, bool) or not np.isfinite(start):
        raise CalcarineError(
            f"{run.bold[0]}: StartTime is {start!r}; expected seconds. Mend the JSON sidecar."
        )
    return Timing(n_volumes, repetition_time(run, header_s), float(start))


def open_bold(path: Path) -> nibabel.Nifti1Image:
    """Open a four-dimensional NIfTI file without reading its data.

    Raises
    ------
    CalcarineError
        The file is absent, is no NIfTI, or has not four dimensions.
    """
    image = open_image(path)
    if len(image.shape) != 4 or image.shape[3] < 2:
        raise CalcarineError(
            f"{path} has the shape {image.shape}; expected four dimensions with several volumes."
        )
    return image


def open_image(path: Path) -> nibabel.Nifti1Image:
    """Open a NIfTI file without reading its data; raise `CalcarineError` where that fails."""
    try:
        image = nibabel.load(path)
        kind = image.get_data_dtype().kind
    except FileNotFoundError as error:
        raise CalcarineError(f"the image {path} is not there. Correct the path.") from error
    except (ImageFileError, HeaderDataError, AttributeError, *_UNREADABLE) as error:
        raise CalcarineError(
            f"{path} is no NIfTI image or is truncated ({error}). Copy it again."
        ) from error
    if kind not in "iuf":
        raise CalcarineError(
            f"{path} holds values of type {image.get_data_dtype()}; expected real numbers. Convert "
            "the image."
        )
    if not np.isfinite(image.affine).all():
        raise CalcarineError(
            f"{path} has the affine {image.affine.tolist()}; expected finite numbers. Mend its "
            "header."
        )
    return image


def read_data(image: nibabel.Nifti1Image, path: Path) -> np.ndarray:
    """Read all values of an image as stored, without scaling.

    Raises
    ------
    CalcarineError
        The file ends too early.
    """
    try:
        return np.asanyarray(image.dataobj.get_unscaled())
    except _UNREADABLE as error:
        raise CalcarineError(
            f"{path} is truncated or damaged: its header promises {image.shape} values of type "
            f"{image.get_data_dtype()}, but reading ended with: {error}. Copy the file again."
        ) from error


def check_whole(path: Path) -> None:
    """Read a compressed file to its end, where its checksum stands.

    Readers of volumes stop at the last value that they need, and never see that a byte is wrong.

    Raises
    ------
    CalcarineError
        The checksum is not that of the content, or the file ends too early.
    """
    if path.suffix != ".gz":
        return
    try:
        with gzip.open(path) as file:
            while file.read(1 << 22):
                pass
    except _UNREADABLE as error:
        raise CalcarineError(
            f"{path} is truncated or damaged ({error}). Copy the file again."
        ) from error


def header_tr_s(image: nibabel.Nifti1Image) -> float | None:
    """Give the repetition time that a NIfTI header states, in seconds, if it states one."""
    zooms = image.header.get_zooms()
    scale = {"msec": 1e-3, "usec": 1e-6}.get(image.header.get_xyzt_units()[1], 1.0)
    return float(zooms[3]) * scale or None


@dataclass(frozen=True)
class VolumeSpace:
    """Voxels of a volume that are read.

    Attributes
    ----------
    mask
        bool, shape (x, y, z).
    affine
        Voxel indices to mm, shape (4, 4).
    name
        BIDS space, `func` for the scan itself.
    smoothing_fwhm_mm
        Width of a Gaussian that volumes are smoothed with, or None.
    """

    mask: np.ndarray
    affine: np.ndarray
    name: str
    smoothing_fwhm_mm: float | None = None

    @property
    def n_units(self) -> int:
        """Number of voxels in the mask."""
        return int(self.mask.sum())

    def timing(self, run: RunFiles) -> Timing:
        """Read the timing of a run from its sidecar and header."""
        return volume_timing(run)

    def read(self, run: RunFiles) -> np.ndarray:
        """Read the time series of all voxels in the mask.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_volumes, n_voxels).

        Raises
        ------
        CalcarineError
            The image has another shape or affine than the mask, or ends too early.
        """
        path = run.bold[0]
        image = open_bold(path)
        check_same_grid(image, path, self.mask.shape, self.affine, "the mask")
        if self.smoothing_fwhm_mm is not None:
            read_data(image, path)
            data = smooth_img(image, self.smoothing_fwhm_mm).get_fdata(dtype=np.float32)
            return np.ascontiguousarray(data[self.mask].T)
        stored = read_data(image, path)[self.mask].T
        series = np.array(stored, dtype=np.float32, order="C")
        slope, intercept = image.dataobj.slope, image.dataobj.inter
        if slope != 1.0 or intercept != 0.0:
            series *= np.float32(slope)
            series += np.float32(intercept)
        return series

    def keep(self, kept: np.ndarray) -> "VolumeSpace":
        """Leave voxels out; `kept` is bool, shape (n_voxels,)."""
        mask = np.zeros_like(self.mask)
        mask[self.mask] = kept
        return VolumeSpace(mask, self.affine, self.name, self.smoothing_fwhm_mm)

    def units(self) -> pd.DataFrame:
        """List the voxels: `i j k` and `x y z` in mm."""
        index = np.argwhere(self.mask)
        place = apply_affine(self.affine, index)
        units = pd.DataFrame(index, columns=["i", "j", "k"])
        return units.join(pd.DataFrame(place.round(3), columns=["x", "y", "z"]))

    def describe(self, unit: int) -> str:
        """Name a voxel in a message."""
        return f"voxel {tuple(int(i) for i in np.argwhere(self.mask)[unit])}"

    def sidecar(self) -> dict[str, Any]:
        """Give what the sidecar of responses says about the space."""
        return {
            "space": self.name,
            "volume_shape": list(self.mask.shape),
            "affine": self.affine.tolist(),
        }


def volume_timing(run: RunFiles) -> Timing:
    """Read the timing of a volume run from its sidecar and header."""
    image = open_bold(run.bold[0])
    return timing_of(run, image.shape[3], header_tr_s(image))


def check_same_grid(
    image: nibabel.Nifti1Image,
    path: Path,
    shape: Sequence[int],
    affine: np.ndarray,
    other: str,
) -> None:
    """Refuse an image whose voxels are not those of another one."""
    if image.shape[:3] != tuple(shape):
        raise CalcarineError(
            f"{path} has the shape {image.shape[:3]}, {other} has {tuple(shape)}. "
            "Both must be on one grid; resample one of them to the other."
        )
    if not np.allclose(image.affine, affine, atol=1e-3):
        raise CalcarineError(
            f"{path} has the affine {np.round(image.affine, 3).tolist()}, {other} has "
            f"{np.round(affine, 3).tolist()}. Both must be on one grid; resample one to the other."
        )


def volume_space(
    runs: Sequence[RunFiles], space: str, mask: Path | None, smoothing_fwhm_mm: float | None
) -> VolumeSpace:
    """Choose the voxels that are read.

    The mask is the given one; else the brain masks that lie beside the runs, where all of them
    agree; else nilearn's EPI mask of the first run's mean volume.

    Raises
    ------
    CalcarineError
        The mask is on another grid, or empty.
    """
    path = runs[0].bold[0]
    image = open_bold(path)
    shape, affine = image.shape[:3], image.affine
    files = [mask] if mask is not None else sorted({r.mask for r in runs if r.mask is not None})
    if files:
        chosen = np.ones(shape, dtype=bool)
        for file in files:
            other = open_image(file)
            if len(other.shape) != 3:
                raise CalcarineError(
                    f"the mask {file} has the shape {other.shape}; expected three dimensions."
                )
            check_same_grid(other, file, shape, affine, f"the BOLD image {path}")
            values = read_data(other, file)
            chosen &= np.nan_to_num(values.reshape(shape)) > 0
    else:
        read_data(image, path)
        mean = np.asarray(image.dataobj, dtype=np.float32).mean(axis=3)
        chosen = compute_epi_mask(nibabel.Nifti1Image(mean, affine)).get_fdata() > 0
    if not chosen.any():
        source = [str(f) for f in files] or f"nilearn's EPI mask of {path}"
        raise CalcarineError(f"the mask holds no voxel ({source}). Give one as `recording.mask`.")
    return VolumeSpace(chosen, np.asarray(affine, dtype=float), space, smoothing_fwhm_mm)
