"""The phantom's head: where sources lie, and what each of them gives in each sensor.

Everything is made from files that MNE and nilearn ship: the inner skull of fsaverage, its
transformation to head coordinates, and the white surface of fsaverage5.
"""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mne
import nibabel
import numpy as np
from nilearn.datasets import fetch_surf_fsaverage
from scipy.spatial import cKDTree

from calcarine.data.errors import CalcarineError

SHELLS = {"inner_skull": 1.0, "outer_skull": 1.08, "outer_skin": 1.18}
"""The other shells are the inner skull, scaled about its centre: moving it along its normals
gives surfaces that cross each other."""

CONDUCTIVITY_S_PER_M = {"eeg": (0.3, 0.006, 0.3), "meg": (0.3,)}
_ICO = 2
"""Triangles of the shells. 320 instead of 1280: topographies correlate at 0.998 (median)."""

_SIDES = {"L": "left", "R": "right"}
_BLINK_MM = ((-28.0, 62.0, -18.0), (28.0, 62.0, -18.0))
_HEART_MM = (0.0, -20.0, -62.0)
_INSIDE_MM = 16.0


@dataclass(frozen=True)
class Dipoles:
    """Places and directions of current dipoles, in surface coordinates of fsaverage.

    Attributes
    ----------
    positions_m, directions
        Metres, and unit vectors; each of shape (n_dipoles, 3).
    """

    positions_m: np.ndarray
    directions: np.ndarray

    def __len__(self) -> int:
        """Count the dipoles."""
        return len(self.positions_m)

    def __add__(self, other: "Dipoles") -> "Dipoles":
        """Put further dipoles behind these."""
        return Dipoles(
            np.concatenate([self.positions_m, other.positions_m]),
            np.concatenate([self.directions, other.directions]),
        )


def shipped(name: str) -> Path:
    """Find a file of fsaverage that MNE ships."""
    return Path(mne.__file__).parent / "data" / "fsaverage" / name


@cache
def inner_skull() -> tuple[np.ndarray, np.ndarray]:
    """Read the inner skull: vertices (n, 3) in metres, and triangles (m, 3)."""
    surface = mne.read_bem_surfaces(shipped("fsaverage-inner_skull-bem.fif"), verbose="ERROR")[0]
    return surface["rr"], surface["tris"]


def shell(name: str) -> np.ndarray:
    """Give the vertices of one of `SHELLS` in metres, shape (n, 3)."""
    vertices, _ = inner_skull()
    centre = vertices.mean(axis=0)
    return centre + SHELLS[name] * (vertices - centre)


@cache
def head_model(datatype: str) -> mne.bem.ConductorModel:
    """Solve the boundary element model: three shells for `eeg`, one for `meg`."""
    _, triangles = inner_skull()
    with tempfile.TemporaryDirectory() as folder:
        surfaces = Path(folder) / "phantom" / "bem"
        surfaces.mkdir(parents=True)
        for name in SHELLS:
            mne.write_surface(surfaces / f"{name}.surf", 1000 * shell(name), triangles)
        model = mne.make_bem_model(
            "phantom", _ICO, CONDUCTIVITY_S_PER_M[datatype], folder, verbose="ERROR"
        )
        return mne.make_bem_solution(model, verbose="ERROR")


def head_to_mri() -> mne.transforms.Transform:
    """Read the transformation from head to surface coordinates."""
    return mne.read_trans(shipped("fsaverage-trans.fif"))


@cache
def white_surface(hemisphere: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the white surface of fsaverage5.

    Parameters
    ----------
    hemisphere
        `L` or `R`.

    Returns
    -------
    tuple of numpy.ndarray
        Vertices in mm and outward unit normals, each of shape (n_vertices, 3), float64.
    """
    path = fetch_surf_fsaverage("fsaverage5")[f"white_{_SIDES[hemisphere]}"]
    vertices, triangles = (array.data for array in nibabel.load(path).darrays[:2])
    vertices = vertices.astype(np.float64)
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], np.cross(b - a, c - a))
    return vertices, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def cortical_dipoles(hemispheres: np.ndarray, vertices: np.ndarray) -> Dipoles:
    """Place dipoles at vertices of fsaverage5, perpendicular to the cortex.

    Parameters
    ----------
    hemispheres, vertices
        `L` or `R`, and vertex number, each of shape (n_dipoles,).
    """
    positions, normals = np.empty((2, len(vertices), 3))
    for hemisphere in _SIDES:
        own = hemispheres == hemisphere
        place, direction = white_surface(hemisphere)
        positions[own], normals[own] = place[vertices[own]], direction[vertices[own]]
    return Dipoles(positions / 1000, normals)


def artefact_dipoles() -> Dipoles:
    """Place the dipoles of blinks (two, upward and forward) and of the heart (one, last).

    Eyes and heart lie outside the model's inner skull; the dipoles lie inside, where they are
    nearest.
    """
    tree, skull = cKDTree(inner_skull()[0]), inner_skull()[0]
    wanted = np.array([*_BLINK_MM, _HEART_MM]) / 1000
    centre = skull.mean(axis=0)
    out = []
    for place in wanted:
        nearest = skull[tree.query(place)[1]]
        inward = (centre - nearest) / np.linalg.norm(centre - nearest)
        out.append(nearest + _INSIDE_MM / 1000 * inward)
    directions = np.array([(0.0, 0.6, 0.8), (0.0, 0.6, 0.8), (0.5, 0.7, 0.5)])
    return Dipoles(np.array(out), directions / np.linalg.norm(directions, axis=1, keepdims=True))


def leadfield(info: mne.Info, dipoles: Dipoles, datatype: str) -> np.ndarray:
    """Compute what one ampere metre in each dipole gives in each sensor.

    Parameters
    ----------
    info
        EEG or MEG sensors with positions; for EEG potentials against infinity come out.
    dipoles
        Sources inside the inner skull.
    datatype
        `eeg` or `meg`.

    Returns
    -------
    numpy.ndarray
        V/(A m), T/(A m) or T/m/(A m), float64, shape (n_channels, n_dipoles).

    Raises
    ------
    CalcarineError
        A dipole lies outside the inner skull.
    """
    bem = head_model(datatype)
    skull, tree = inner_skull()[0], cKDTree(inner_skull()[0])
    centre = skull.mean(axis=0)
    nearest = skull[tree.query(dipoles.positions_m)[1]]
    outside = np.linalg.norm(dipoles.positions_m - centre, axis=1) >= np.linalg.norm(
        nearest - centre, axis=1
    )
    if outside.any():
        raise CalcarineError(
            f"{int(outside.sum())} of {len(dipoles)} dipoles lie outside the inner skull, where "
            "the head model knows no field. Move them inward."
        )
    sources = mne.setup_volume_source_space(
        pos={"rr": dipoles.positions_m, "nn": dipoles.directions},
        bem=bem,
        mindist=0.0,
        verbose="ERROR",
    )
    forward = mne.make_forward_solution(
        info,
        head_to_mri(),
        sources,
        bem,
        meg=datatype == "meg",
        eeg=datatype == "eeg",
        mindist=0.0,
        verbose="ERROR",
    )
    fixed = mne.convert_forward_solution(forward, force_fixed=True, verbose="ERROR")
    return np.asarray(fixed["sol"]["data"], dtype=np.float64)
