"""Regions of interest: a label image, or a folder of masks, becomes a name for each unit."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.bold import VolumeSpace, check_same_grid, open_image, read_data
from calcarine.data.errors import CalcarineError
from calcarine.data.surface_bold import HEMISPHERES, SurfaceSpace, read_gifti
from calcarine.data.tables import read_table

NO_ROI = "n/a"
_IMAGE_ENDINGS = (".nii", ".nii.gz")


def unit_rois(
    space: VolumeSpace | SurfaceSpace, rois: Path | None, subject: str, bids: Path
) -> list[str]:
    """Name the region of each unit.

    Parameters
    ----------
    space
        The units.
    rois
        Label image with a table of names beside it, or a folder of masks named after their
        region; `{subject}` and `{bids}` are replaced, `{hemi}` by L and R for GIFTI labels. None
        leaves all units without a region.
    subject, bids
        What they are replaced by.

    Returns
    -------
    list of str
        `n/a` for units without a region; names joined by `+` where masks overlap.

    Raises
    ------
    CalcarineError
        The file is absent or on another grid, or a label has no name.
    """
    if rois is None:
        return [NO_ROI] * space.n_units
    text = str(rois).replace("{subject}", subject).replace("{bids}", str(bids))
    if isinstance(space, SurfaceSpace):
        return _surface_rois(space, text)
    path = Path(text)
    if path.is_dir():
        return _folder_rois(space, path, subject)
    return _label_rois(space, path)


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.name.endswith(_IMAGE_ENDINGS))


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _folder_rois(space: VolumeSpace, folder: Path, subject: str) -> list[str]:
    images = _images(folder)
    own = [p for p in images if p.name.startswith(f"sub-{subject}_")]
    if len(own) == 1 and _lookup_file(own[0]) is not None:
        return _label_rois(space, own[0])
    if not images:
        raise CalcarineError(f"the folder of regions {folder} holds no NIfTI file.")
    names: list[list[str]] = [[] for _ in range(space.n_units)]
    for path in own or images:
        for unit in np.flatnonzero(_values(space, path) > 0):
            names[unit].append(_stem(path).removeprefix(f"sub-{subject}_"))
    return ["+".join(n) or NO_ROI for n in names]


def _values(space: VolumeSpace, path: Path) -> np.ndarray:
    image = open_image(path)
    check_same_grid(image, path, space.mask.shape, space.affine, "the BOLD image")
    return np.nan_to_num(read_data(image, path).reshape(space.mask.shape)[space.mask])


def _lookup_file(image: Path) -> Path | None:
    candidates = [image.with_name(f"{_stem(image)}.tsv"), image.with_name("rois.tsv")]
    return next((p for p in candidates if p.is_file()), None)


def _label_rois(space: VolumeSpace, path: Path) -> list[str]:
    labels = np.round(_values(space, path)).astype(int)
    lookup = _lookup_file(path)
    if lookup is None:
        raise CalcarineError(
            f"{path} has no table of names beside it. Write {_stem(path)}.tsv or rois.tsv with "
            "the columns `index` and `name`."
        )
    return _named(labels, _read_lookup(lookup), str(lookup))


def _read_lookup(path: Path) -> dict[int, str]:
    table = read_table(path, "table of regions")
    missing = [name for name in ("index", "name") if name not in table.columns]
    if missing:
        raise CalcarineError(f"{path} lacks the columns {missing}; it has {list(table.columns)}.")
    index = pd.to_numeric(table["index"], errors="coerce")
    if index.isna().any():
        raise CalcarineError(f"{path}, row {int(index.isna().idxmax()) + 2}: `index` is no number.")
    return dict(zip(index.astype(int), table["name"], strict=True))


def _named(labels: Sequence[int] | np.ndarray, names: dict[int, str], where: str) -> list[str]:
    unknown = sorted({int(v) for v in labels} - set(names) - {0, -1})
    if unknown:
        raise CalcarineError(f"{where} has no name for the labels {unknown[:10]}.")
    return [names.get(int(v), NO_ROI) if v > 0 else NO_ROI for v in labels]


def _surface_rois(space: SurfaceSpace, text: str) -> list[str]:
    out: list[str] = []
    for hemi, mask in zip(HEMISPHERES, space.masks, strict=True):
        path = Path(text.replace("{hemi}", hemi))
        image = read_gifti(path)
        labels = np.asarray(image.darrays[0].data)
        if labels.shape != mask.shape:
            raise CalcarineError(
                f"{path} has {labels.shape} vertices; hemisphere {hemi} has {mask.shape}. "
                "Use labels of the surface that the BOLD is on."
            )
        names = {label.key: label.label for label in image.labeltable.labels}
        out += _named(labels[mask], names, str(path))
    return out
