"""Rasterise a surface once, colour it many times.

The views of an inflated cortex never change; only the values on it do. So each view is turned
into pixels once (which three vertices, with which weights, and how bright), and a map is a
look-up.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from nilearn import datasets

HEMISPHERES = ("left", "right")
_LIGHT = np.array([-0.3, 0.5, -0.81])


@dataclass(frozen=True)
class Hemisphere:
    """One hemisphere of fsaverage5.

    Attributes
    ----------
    points
        Inflated surface in mm, shape (n_vertices, 3).
    faces
        Shape (n_faces, 3).
    sulcal_depth
        Positive in sulci, shape (n_vertices,).
    middle
        Halfway between white and pial surface, in mm: where the grey matter is.
    """

    points: np.ndarray
    faces: np.ndarray
    sulcal_depth: np.ndarray
    middle: np.ndarray


@dataclass(frozen=True)
class Raster:
    """Pixels of one view.

    Attributes
    ----------
    vertices
        Vertex numbers under each pixel, shape (height, width, 3); -1 outside of the surface.
    weights
        Barycentric weights, float32, same shape.
    shade
        Brightness between 0 and 1, shape (height, width).
    """

    vertices: np.ndarray
    weights: np.ndarray
    shade: np.ndarray


@cache
def load_hemisphere(side: str) -> Hemisphere:
    """Load one hemisphere of fsaverage5 from nilearn's wheel; nothing is downloaded."""
    meshes = {
        name: datasets.load_fsaverage("fsaverage5")[name].parts[side]
        for name in ("inflated", "white_matter", "pial")
    }
    depth = datasets.load_fsaverage_data(mesh="fsaverage5", data_type="sulcal").data.parts[side]
    inflated = meshes["inflated"]
    middle = (meshes["white_matter"].coordinates + meshes["pial"].coordinates) / 2
    return Hemisphere(
        np.asarray(inflated.coordinates, dtype=np.float64),
        np.asarray(inflated.faces, dtype=np.int64),
        np.asarray(depth, dtype=np.float64).ravel(),
        np.asarray(middle, dtype=np.float64),
    )


def rasterise(
    points: np.ndarray,
    faces: np.ndarray,
    forward: np.ndarray,
    up: np.ndarray,
    pixels_per_mm: float,
) -> Raster:
    """Project a triangle mesh orthographically and keep the nearest face under each pixel.

    Parameters
    ----------
    points
        Shape (n_vertices, 3), in mm.
    faces
        Shape (n_faces, 3), outward by the right-hand rule.
    forward, up
        Direction of sight and upward direction of the picture: orthogonal unit vectors.
    pixels_per_mm
        Resolution.

    Returns
    -------
    Raster
        As large as the projected surface.
    """
    camera = np.stack([np.cross(forward, up), -up, forward])
    seen = points @ camera.T
    seen[:, :2] = (seen[:, :2] - seen[:, :2].min(axis=0)) * pixels_per_mm
    width, height = np.ceil(seen[:, :2].max(axis=0)).astype(int) + 1
    normals = _vertex_normals(points, faces) @ camera.T
    facing = faces[(normals[faces, 2].mean(axis=1)) < 0]
    pixel, face, weights = _covered(seen[facing], int(width), int(height))
    depth = (seen[facing][face, :, 2] * weights).sum(axis=1)
    order = np.argsort(-depth, kind="stable")  # the nearest is written last
    vertices = np.full((height * width, 3), -1, dtype=np.int64)
    kept = np.zeros((height * width, 3), dtype=np.float32)
    vertices[pixel[order]] = facing[face[order]]
    kept[pixel[order]] = weights[order]
    shape = (int(height), int(width), 3)
    vertices, kept = vertices.reshape(shape), kept.reshape(shape)
    return Raster(vertices, kept, _shade(normals, vertices, kept))


def _vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    corners = points[faces]
    of_faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], of_faces)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.where(length > 0, length, 1.0)
    outward = (normals * (points - points.mean(axis=0))).sum(axis=1)
    return normals if outward.mean() > 0 else -normals


def _covered(
    corners: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List pixels under each face, faces of like size together: pixel, face, weights."""
    low = np.floor(corners[:, :, :2].min(axis=1)).astype(int)
    size = np.ceil(corners[:, :, :2].max(axis=1)).astype(int) - low + 1
    extent = 2 ** np.ceil(np.log2(size.max(axis=1))).astype(int)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for side in np.unique(extent):
        rows = np.flatnonzero(extent == side)
        step = np.arange(side)
        offsets = np.stack(np.meshgrid(step, step), axis=-1).reshape(-1, 2)
        at = low[rows, None] + offsets[None]
        weights = _barycentric(corners[rows, :, :2], at.astype(np.float64))
        inside = (weights >= -1e-9).all(axis=-1)
        inside &= (at >= 0).all(axis=-1) & (at[..., 0] < width) & (at[..., 1] < height)
        face, place = np.nonzero(inside)
        spot = at[face, place]
        found.append((spot[:, 1] * width + spot[:, 0], rows[face], weights[face, place]))
    pixel, face, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return pixel, face, weights


def _barycentric(corners: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Give weights of each point in its triangle; (n, 3, 2) and (n, m, 2) to (n, m, 3)."""
    a, b, c = corners[:, None, 0], corners[:, None, 1], corners[:, None, 2]
    u, v, w = b - a, c - a, at - a
    area = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    area = np.where(np.abs(area) > 1e-12, area, np.nan)
    second = (w[..., 0] * v[..., 1] - w[..., 1] * v[..., 0]) / area
    third = (u[..., 0] * w[..., 1] - u[..., 1] * w[..., 0]) / area
    return np.stack([1 - second - third, second, third], axis=-1)


def _shade(normals: np.ndarray, vertices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    pixel_normals = (normals[vertices] * weights[..., None]).sum(axis=2)
    length = np.linalg.norm(pixel_normals, axis=-1)
    light = _LIGHT * np.array([1, -1, 1]) / np.linalg.norm(_LIGHT)
    cosine = (pixel_normals @ light) / np.where(length > 0, length, 1.0)
    return np.clip(0.5 + 0.5 * cosine, 0, 1).astype(np.float32)
