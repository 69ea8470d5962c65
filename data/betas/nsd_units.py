"""Voxels and vertices of NSD: masks, regions, published noise ceilings."""

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel
import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage

from calcarine.data.betas.nsd_release import NsdReading
from calcarine.data.betas.nsd_values import read_image
from calcarine.data.errors import CalcarineError
from calcarine.data.surface_bold import HEMISPHERES

CORTEX = "cortex"


@dataclass(frozen=True)
class NsdUnits:
    """What is read of a subject.

    Attributes
    ----------
    name
        Space, for the sidecar.
    masks
        One for a volume, two for the surfaces.
    shape
        Of a mask.
    units
        Units table without noise ceilings.
    sidecar
        Affine and shape, or numbers of vertices.
    notes
        What is missing.
    """

    name: str
    masks: list[np.ndarray]
    shape: tuple[int, ...]
    units: pd.DataFrame
    sidecar: dict[str, object]
    notes: tuple[str, ...]


def nsd_units(reading: NsdReading) -> NsdUnits:
    """Find the voxels or vertices that are read, their regions and published ncsnr.

    Raises
    ------
    CalcarineError
        A file is absent or on another grid, or the mask is empty.
    """
    is_surface = reading.space == "fsaverage"
    hemispheres = ("lh.", "rh.") if is_surface else ("",)
    images = [_roi_image(reading, reading.mask, hemi) for hemi in hemispheres]
    labels = [np.asarray(image.dataobj).squeeze() for image in images]
    masks = [values >= 0 if reading.mask == CORTEX else values > 0 for values in labels]
    if not any(mask.any() for mask in masks):
        raise CalcarineError(f"source.mask: {reading.mask} of {reading.space} marks nothing.")
    if is_surface:
        tables = [
            pd.DataFrame({"hemisphere": h, "vertex": np.flatnonzero(m)}).assign(
                x=np.nan, y=np.nan, z=np.nan
            )
            for h, m in zip(HEMISPHERES, masks, strict=True)
        ]
        sidecar: dict[str, object] = {
            "n_vertices": {h: len(m) for h, m in zip(HEMISPHERES, masks, strict=True)}
        }
    else:
        place = np.argwhere(masks[0])
        xyz = nibabel.affines.apply_affine(images[0].affine, place).round(3)
        tables = [pd.DataFrame(np.hstack([place, xyz]), columns=["i", "j", "k", "x", "y", "z"])]
        tables[0] = tables[0].astype({axis: int for axis in "ijk"})
        shape = [int(n) for n in masks[0].shape]
        sidecar = {"affine": images[0].affine.tolist(), "volume_shape": shape}
    units = pd.concat(tables, ignore_index=True)
    units["roi"] = _regions(reading, hemispheres, masks)
    published, notes = _published_ncsnr(reading, hemispheres, masks)
    if published is not None:
        units["ncsnr_published"] = published
    name = reading.space if is_surface else f"nsd-{reading.space}"
    return NsdUnits(name, masks, masks[0].shape, units, sidecar, notes)


def _roi_image(reading: NsdReading, name: str, hemi: str) -> SpatialImage:
    name = "nsdgeneral" if name == CORTEX else name
    if reading.space == "fsaverage":
        file = reading.path / "nsddata" / "freesurfer" / "fsaverage" / "label"
        return read_image(file / f"{hemi}{name}.mgz", "source.mask or source.rois")
    subject = reading.path / "nsddata" / "ppdata" / f"subj{reading.number:02d}"
    return read_image(subject / reading.space / "roi" / f"{name}.nii.gz", "source.mask or .rois")


def _regions(
    reading: NsdReading, hemispheres: Sequence[str], masks: Sequence[np.ndarray]
) -> list[str]:
    names: list[list[str]] = [[] for _ in range(sum(int(m.sum()) for m in masks))]
    for roi in reading.rois:
        labels = [np.asarray(_roi_image(reading, roi, h).dataobj).squeeze() for h in hemispheres]
        if any(own.shape != mask.shape for own, mask in zip(labels, masks, strict=True)):
            raise CalcarineError(f"source.rois: {roi} is on another grid than {reading.mask}.")
        of_code = _label_names(reading, roi)
        flat = np.concatenate([own[mask] for own, mask in zip(labels, masks, strict=True)])
        for unit in np.flatnonzero(flat > 0):
            names[unit].append(of_code.get(int(flat[unit]), f"{roi}-{int(flat[unit])}"))
    return ["+".join(own) or "n/a" for own in names]


def _label_names(reading: NsdReading, roi: str) -> dict[int, str]:
    """Read the names of labels (`1 V1v`), which stand beside the subject's surfaces."""
    folder = reading.path / "nsddata" / "freesurfer" / f"subj{reading.number:02d}" / "label"
    try:
        lines = (folder / f"{roi}.mgz.ctab").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    rows = [line.split() for line in lines]
    return {int(r[0]): r[1] for r in rows if len(r) >= 2 and r[0].isdigit() and r[0] != "0"}


def _published_ncsnr(
    reading: NsdReading, hemispheres: Sequence[str], masks: Sequence[np.ndarray]
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    ending = "mgh" if reading.space == "fsaverage" else "nii.gz"
    files = [reading.betas / f"{hemi}ncsnr.{ending}" for hemi in hemispheres]
    if not all(file.is_file() for file in files):
        return None, (f"{files[0].name} is not there: the published ncsnr is left out",)
    values = [np.asarray(read_image(f, "source.path").dataobj).squeeze() for f in files]
    if any(v.shape != m.shape for v, m in zip(values, masks, strict=True)):
        raise CalcarineError(f"{files[0]} is on another grid than {reading.mask}.")
    chosen = [v[m] for v, m in zip(values, masks, strict=True)]
    return np.concatenate(chosen).astype(np.float32), ()
