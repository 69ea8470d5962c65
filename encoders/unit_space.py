"""From one value a unit to a picture of the brain: volumes and surfaces."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from calcarine.data.errors import CalcarineError
from calcarine.data.responses import units_sha

if TYPE_CHECKING:
    from nibabel import Nifti1Image
    from nilearn.surface import SurfaceImage

SPACE_KEYS = ("space", "affine", "volume_shape", "n_vertices", "template")
# vertices of a hemisphere, by mesh
_MESHES = {642: "fsaverage3", 2562: "fsaverage4", 10242: "fsaverage5", 40962: "fsaverage6"}
_RADIUS_MM = 5.0
_SIDES = {"L": "left", "R": "right"}


def unit_volume(values: np.ndarray, units: pd.DataFrame, space: dict[str, Any]) -> "Nifti1Image":
    """Write values of voxels into a volume.

    Parameters
    ----------
    values
        Shape (n_units,), or (n_items, n_units) for a volume an item.
    units
        Units table with voxel indices `i j k`.
    space
        `affine` (4 × 4, voxel to mm) and `volume_shape`.

    Returns
    -------
    nibabel.Nifti1Image
        float32, shape volume_shape or volume_shape + (n_items,); NaN where there is no unit.

    Raises
    ------
    CalcarineError
        The units are no voxels, the grid is not known, or the number of values differs.
    """
    import nibabel

    rows = _rows(values, units)
    if not {"i", "j", "k"} <= set(units.columns):
        raise CalcarineError(
            f"the units have the columns {list(units.columns)} and are no voxels; use to_surface."
        )
    if "affine" not in space or "volume_shape" not in space:
        raise CalcarineError(
            "this encoder does not know the grid of its voxels (no `affine` and `volume_shape` in "
            "config.json); fit it again with this version, or build the volume from `units`."
        )
    index = units[["i", "j", "k"]].to_numpy(dtype=int)
    shape = tuple(int(n) for n in space["volume_shape"])
    volume = np.full((*shape, len(rows)), np.nan, dtype=np.float32)
    volume[index[:, 0], index[:, 1], index[:, 2]] = rows.T
    if np.ndim(values) == 1:
        volume = volume[..., 0]
    return nibabel.Nifti1Image(volume, np.asarray(space["affine"], dtype=np.float64))


def unit_surface(
    values: np.ndarray,
    units: pd.DataFrame,
    space: dict[str, Any],
    mesh: str = "fsaverage5",
    radius_mm: float = _RADIUS_MM,
) -> "SurfaceImage":
    """Write values of units onto the cortical surface.

    Vertices take their own value; voxels in a template's space give each vertex of the mesh (midway
    between white matter and pia) the value of the nearest voxel. Nothing is smoothed.

    Parameters
    ----------
    values
        Shape (n_units,), or (n_items, n_units).
    units
        Units table: `hemisphere vertex`, or `x y z` in mm.
    space
        `space` and `n_vertices` of vertices; `template` says that mm are those of MNI or fsaverage.
    mesh
        Mesh for voxels, by nilearn's name; vertices have their own.
    radius_mm
        Vertices without a voxel within this distance are NaN.

    Returns
    -------
    nilearn.surface.SurfaceImage
        One value a vertex (and item) of both hemispheres, NaN where there is none.

    Raises
    ------
    CalcarineError
        Voxels lie in native space, or the mesh of the vertices is unknown.
    """
    rows = _rows(values, units)
    if {"hemisphere", "vertex"} <= set(units.columns):
        mesh, data = _vertex_data(rows, units, space)
    else:
        data = _nearest_data(rows, units, space, mesh, radius_mm)
    from nilearn.datasets import load_fsaverage
    from nilearn.surface import SurfaceImage

    if np.ndim(values) == 1:
        data = {side: part[:, 0] for side, part in data.items()}
    return SurfaceImage(mesh=load_fsaverage(mesh)["pial"], data=data)


def _rows(values: np.ndarray, units: pd.DataFrame) -> np.ndarray:
    rows = np.atleast_2d(np.asarray(values, dtype=np.float32))
    if rows.ndim != 2 or rows.shape[1] != len(units):
        raise CalcarineError(
            f"the values have the shape {np.shape(values)}; expected one a unit, ({len(units)},) "
            f"or (n_items, {len(units)})."
        )
    return rows


def _vertex_data(
    rows: np.ndarray, units: pd.DataFrame, space: dict[str, Any]
) -> tuple[str, dict[str, np.ndarray]]:
    counts = {str(h): int(n) for h, n in dict(space.get("n_vertices", {})).items()}
    if set(counts.values()) - set(_MESHES) or len(set(counts.values())) != 1:
        raise CalcarineError(
            f"the surfaces have {counts} vertices; known meshes have {sorted(_MESHES)} a "
            "hemisphere. Draw `units` on your own mesh."
        )
    data = {}
    for name, n_vertices in counts.items():
        own = (units["hemisphere"] == name).to_numpy()
        part = np.full((n_vertices, len(rows)), np.nan, dtype=np.float32)
        part[units.loc[own, "vertex"].to_numpy(dtype=int)] = rows[:, own].T
        data[_SIDES.get(name[:1].upper(), name)] = part
    return _MESHES[next(iter(counts.values()))], data


def _nearest_data(
    rows: np.ndarray, units: pd.DataFrame, space: dict[str, Any], mesh: str, radius_mm: float
) -> dict[str, np.ndarray]:
    if not space.get("template"):
        raise CalcarineError(
            f"the voxels lie in the space {space.get('space')!r}, not on a template, so that no "
            "surface of a template belongs to them; use to_volume, or your own surfaces."
        )
    from nilearn.datasets import load_fsaverage

    found = load_fsaverage(mesh)
    tree = cKDTree(units[["x", "y", "z"]].to_numpy(dtype=np.float64))
    data = {}
    for side in ("left", "right"):
        ends = [found[kind].parts[side].coordinates for kind in ("white_matter", "pial")]
        distance, unit = tree.query((ends[0] + ends[1]) / 2, distance_upper_bound=radius_mm)
        part = np.full((len(unit), len(rows)), np.nan, dtype=np.float32)
        near = np.isfinite(distance)
        part[near] = rows[:, unit[near]].T
        data[side] = part
    return data


class InSpace:
    """What every encoder with a units table knows: which units they are and where they lie.

    Attributes
    ----------
    units
        Units table, one row a unit.
    space
        Space of the units, see `unit_volume` and `unit_surface`; empty where it is not known.
    """

    units: pd.DataFrame
    space: dict[str, Any]
    _nowhere: ClassVar[dict[str, Any]] = {}

    def __repr__(self) -> str:
        """Say what the encoder predicts, of how many units, from which embeddings."""
        embedding = getattr(self, "embedding", None)
        sidecars = [embedding] if embedding else getattr(self, "embeddings", [])
        origin = ", ".join(str(sidecar.get("model")) for sidecar in sidecars) or "embeddings"
        return (
            f"{type(self).__name__}({origin} -> {len(self.units)} units, "
            f"mask {self.units_sha[:12]})"
        )

    @property
    def units_sha(self) -> str:
        """Hash of which units stand in which order (the voxel-mask hash)."""
        return units_sha(self.units)

    def check_units(self, units: pd.DataFrame) -> None:
        """Refuse units other than those of the encoder.

        Raises
        ------
        CalcarineError
            Number, place or order of the units differ.
        """
        if units_sha(units) != self.units_sha:
            raise CalcarineError(
                f"this encoder predicts {len(self.units)} units of the mask "
                f"{self.units_sha[:12]}; the {len(units)} units given have the mask "
                f"{units_sha(units)[:12]}. Prepare the responses with the mask of the encoder, or "
                "fit a new one."
            )

    def to_volume(self, values: np.ndarray) -> "Nifti1Image":
        """Write one value a voxel, shape (n_units,) or (n_items, n_units), into a volume."""
        return unit_volume(values, self.units, getattr(self, "space", self._nowhere))

    def to_surface(self, values: np.ndarray, mesh: str = "fsaverage5") -> "SurfaceImage":
        """Write one value a unit, shape (n_units,) or (n_items, n_units), onto the surface."""
        return unit_surface(values, self.units, getattr(self, "space", self._nowhere), mesh)
