"""BOLD on the cortical surface: time series of both hemispheres from GIFTI."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import nibabel
import numpy as np
import pandas as pd
from nibabel.filebasedimages import ImageFileError
from nilearn.datasets import load_fsaverage

from calcarine.data.bids import RunFiles
from calcarine.data.bold import Timing, timing_of
from calcarine.data.errors import CalcarineError

_UNREADABLE = (OSError, EOFError, ValueError, zlib.error, MemoryError)
HEMISPHERES = ("L", "R")
_FSAVERAGE5_VERTICES = 10242


def read_gifti(path: Path) -> nibabel.GiftiImage:
    """Read a GIFTI file; raise `CalcarineError` where that fails."""
    try:
        image = nibabel.load(path)
    except FileNotFoundError as error:
        raise CalcarineError(f"the surface file {path} is not there.") from error
    except (
        ImageFileError,
        ExpatError,
        LookupError,
        TypeError,
        AttributeError,
        *_UNREADABLE,
    ) as error:
        raise CalcarineError(
            f"{path} is no GIFTI file or is truncated ({error}). Copy it again."
        ) from error
    if not isinstance(image, nibabel.GiftiImage) or not image.darrays:
        raise CalcarineError(f"{path} holds no GIFTI data array. Copy it again.")
    return image


def read_hemisphere(path: Path) -> np.ndarray:
    """Read the time series of one hemisphere: float32, shape (n_volumes, n_vertices).

    Raises
    ------
    CalcarineError
        The file is damaged or holds one time point.
    """
    arrays = [array.data for array in read_gifti(path).darrays]
    if len(arrays) == 1 and arrays[0].ndim == 2:
        series = arrays[0].T
    elif len({a.shape for a in arrays}) == 1 and arrays[0].ndim == 1:
        series = np.stack(arrays)
    else:
        raise CalcarineError(
            f"{path} has arrays of the shapes {sorted({a.shape for a in arrays})}; expected one "
            "array of a vertex each a volume."
        )
    if len(series) < 2:
        raise CalcarineError(f"{path} has {len(series)} time point; expected a time series.")
    return np.ascontiguousarray(series, dtype=np.float32)


@dataclass(frozen=True)
class SurfaceSpace:
    """Vertices of both hemispheres that are read.

    Attributes
    ----------
    masks
        bool, shape (n_vertices,), for the hemispheres L and R.
    coordinates
        mm, shape (n_vertices, 3) for L and R; NaN where no surface is known.
    name
        BIDS space, for instance `fsaverage5`.
    """

    masks: tuple[np.ndarray, np.ndarray]
    coordinates: tuple[np.ndarray, np.ndarray]
    name: str

    @property
    def n_units(self) -> int:
        """Number of vertices that are read."""
        return int(sum(m.sum() for m in self.masks))

    def timing(self, run: RunFiles) -> Timing:
        """Read the timing of a run from its sidecar and files."""
        return surface_timing(run)

    def read(self, run: RunFiles) -> np.ndarray:
        """Read the time series of all chosen vertices, left hemisphere first.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_volumes, n_vertices).
        """
        series = [read_hemisphere(path) for path in run.bold]
        for path, values, mask in zip(run.bold, series, self.masks, strict=True):
            if values.shape[1] != len(mask):
                raise CalcarineError(
                    f"{path} has {values.shape[1]} vertices; the first run has {len(mask)}. "
                    "All runs must be on one surface."
                )
        if len(series[0]) != len(series[1]):
            raise CalcarineError(
                f"{run.bold[0]} has {len(series[0])} volumes, {run.bold[1].name} has "
                f"{len(series[1])}; expected as many."
            )
        chosen = [v[:, m] for v, m in zip(series, self.masks, strict=True)]
        return np.concatenate(chosen, axis=1)

    def keep(self, kept: np.ndarray) -> "SurfaceSpace":
        """Leave vertices out; `kept` is bool, shape (n_vertices of both hemispheres,)."""
        masks = []
        parts = np.split(kept, [int(self.masks[0].sum())])
        for mask, part in zip(self.masks, parts, strict=True):
            chosen = np.zeros_like(mask)
            chosen[mask] = part
            masks.append(chosen)
        return SurfaceSpace((masks[0], masks[1]), self.coordinates, self.name)

    def units(self) -> pd.DataFrame:
        """List the vertices: `hemisphere vertex` and `x y z` in mm."""
        tables = []
        for hemi, mask, place in zip(HEMISPHERES, self.masks, self.coordinates, strict=True):
            vertex = np.flatnonzero(mask)
            table = pd.DataFrame({"hemisphere": hemi, "vertex": vertex})
            xyz = pd.DataFrame(np.round(place[vertex], 3), columns=["x", "y", "z"])
            tables.append(table.join(xyz))
        return pd.concat(tables, ignore_index=True)

    def describe(self, unit: int) -> str:
        """Name a vertex in a message."""
        row = self.units().iloc[unit]
        return f"vertex {row['vertex']} of hemisphere {row['hemisphere']}"

    def sidecar(self) -> dict[str, Any]:
        """Give what the sidecar of responses says about the space."""
        return {
            "space": self.name,
            "n_vertices": {h: len(m) for h, m in zip(HEMISPHERES, self.masks, strict=True)},
        }


def surface_timing(run: RunFiles) -> Timing:
    """Read the timing of a surface run; the repetition time stands in the sidecar only."""
    return timing_of(run, len(read_hemisphere(run.bold[0])), None)


def surface_space(runs: Sequence[RunFiles], space: str) -> SurfaceSpace:
    """Choose the vertices that are read: all that are not NaN throughout the first run.

    Vertices of the medial wall are NaN where fMRIPrep was told so, and 0 elsewhere; the latter
    are left out as constant later.
    """
    masks, places = [], []
    for hemi, path in zip(HEMISPHERES, runs[0].bold, strict=True):
        series = read_hemisphere(path)
        masks.append(~np.isnan(series).all(axis=0))
        places.append(_coordinates(hemi, series.shape[1], space))
    return SurfaceSpace((masks[0], masks[1]), (places[0], places[1]), space)


def _coordinates(hemi: str, n_vertices: int, space: str) -> np.ndarray:
    """Give the pial coordinates of fsaverage5, which nilearn ships; NaN for other surfaces."""
    if space.startswith("fsaverage5") and n_vertices == _FSAVERAGE5_VERTICES:
        part = {"L": "left", "R": "right"}[hemi]
        return np.asarray(load_fsaverage("fsaverage5")["pial"].parts[part].coordinates)
    return np.full((n_vertices, 3), np.nan)
