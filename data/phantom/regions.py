"""Where the phantom's patches lie: places on the cortex, and the voxels that belong to them."""

from dataclasses import dataclass

import nibabel
import numpy as np
import pandas as pd
from nibabel.affines import apply_affine
from nilearn.datasets import fetch_surf_fsaverage
from scipy.spatial import cKDTree

from calcarine.data.errors import CalcarineError

VOXEL_MM = 4.0
NO_REGION = "n/a"
HEMISPHERES = ("L", "R")
_ORIGIN_MM = (-70.0, -106.0, -34.0)
_SHAPE = (36, 19, 19)
_RIBBON_MM = 2.5
_JITTER_MM = 2.5


@dataclass(frozen=True)
class Region:
    """One patch of cortex, in both hemispheres or in one.

    Parameters
    ----------
    name
        As it stands in the label image.
    tuned_to
        `pixels`, `category`, `colour`, `position` or `mixed`; of the late patches `part`,
        `multimodal`, `words` or `detail`; of those cut out of others `paired`.
    preferred
        Category that the patch prefers, or `n/a`.
    centre_mm
        MNI coordinates of the right hemisphere's patch; the left one is its mirror image.
    left, right
        Size of the patch in each hemisphere, relative to the other patches.
    """

    name: str
    tuned_to: str
    preferred: str
    centre_mm: tuple[float, float, float]
    left: float
    right: float


# places as in the literature, moved by a few mm where 4 mm voxels could not tell them apart
REGIONS = (
    Region("V1", "pixels", "n/a", (10, -91, 0), 5, 5),
    Region("V2", "pixels", "n/a", (20, -94, 8), 4, 4),
    Region("V4", "colour", "n/a", (28, -76, -12), 4, 4),
    Region("LOC", "position", "n/a", (42, -78, 0), 4, 4),
    Region("V3A", "mixed", "n/a", (28, -84, 20), 5, 5),
    Region("OFA", "category", "face", (38, -82, -14), 1, 2),
    Region("FFA", "category", "face", (41, -50, -20), 2, 3),
    Region("PPA", "category", "house", (27, -45, -10), 3, 3),
    Region("RSC", "category", "house", (16, -54, 8), 1.5, 1.5),
    Region("EBA", "category", "body", (50, -68, 9), 2.5, 3.5),
    Region("VWFA", "category", "word", (46, -60, -14), 4, 0),
    Region("food", "category", "food", (32, -62, -14), 2.5, 2.5),
    Region("pMTG", "category", "tool", (52, -54, 0), 3.5, 1.5),
)

# planted after all others, into cortex that would be untuned, so that those stay as they are
LATE_REGIONS = (
    Region("aFus", "part", "n/a", (36, -38, -22), 2, 2),
    Region("pSTS", "multimodal", "n/a", (54, -44, 12), 1, 1),
    Region("AG", "words", "n/a", (44, -62, 32), 1, 1),
    Region("TOS", "detail", "n/a", (30, -76, 32), 1, 1),
)
# cut out of V4 and LOC after all else is drawn: see `calcarine.data.phantom.neighbours`
SPLIT_REGIONS = (
    Region("VO1", "paired", "body", (31, -72, -12), 1, 1),
    Region("VO2", "paired", "body", (25, -72, -12), 1, 1),
    Region("LO1", "paired", "word", (45, -74, 0), 1, 1),
    Region("LO2", "paired", "word", (39, -74, 0), 1, 1),
)
ALL_REGIONS = REGIONS + LATE_REGIONS + SPLIT_REGIONS
"""In the order of the label image's numbers."""


def volume_affine() -> np.ndarray:
    """Give the affine of the phantom's volumes: 4 mm voxels around occipito-temporal cortex."""
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = _ORIGIN_MM
    return affine


def volume_shape() -> tuple[int, int, int]:
    """Give the shape of the phantom's volumes."""
    return _SHAPE


def cortical_voxels() -> pd.DataFrame:
    """List the voxels of the volume that lie in the cortical ribbon of fsaverage5.

    Returns
    -------
    pandas.DataFrame
        `i j k`, `x y z` in mm, `hemisphere` (L or R) and `vertex`, the nearest one of that
        hemisphere's surface, which is the middle between white and pial surface as nilearn ships
        them.
    """
    surfaces = fetch_surf_fsaverage("fsaverage5")
    index = np.argwhere(np.ones(_SHAPE, dtype=bool))
    place = apply_affine(volume_affine(), index)
    distance, vertex = np.empty((2, len(place))), np.empty((2, len(place)), dtype=int)
    for row, side in enumerate(("left", "right")):
        pial, white = (
            nibabel.load(surfaces[f"{depth}_{side}"]).darrays[0].data for depth in ("pial", "white")
        )
        distance[row], vertex[row] = cKDTree((pial + white) / 2).query(place)
    side = distance.argmin(axis=0)
    kept = np.flatnonzero(distance.min(axis=0) <= _RIBBON_MM)
    table = pd.DataFrame(index[kept], columns=["i", "j", "k"])
    table[["x", "y", "z"]] = place[kept]
    table["hemisphere"] = np.array(HEMISPHERES)[side[kept]]
    table["vertex"] = vertex[side[kept], kept]
    return table


def _quotas(regions: tuple[Region, ...], n_tuned: int) -> dict[tuple[int, str], int]:
    """Share out voxels by largest remainder; every patch of some size gets at least one."""
    sizes = {
        (row, hemisphere): size
        for row, region in enumerate(regions)
        for hemisphere, size in zip(HEMISPHERES, (region.left, region.right), strict=True)
        if size
    }
    exact = {key: n_tuned * size / sum(sizes.values()) for key, size in sizes.items()}
    quotas = {key: max(1, int(share)) for key, share in exact.items()}
    by_remainder = sorted(exact, key=lambda key: exact[key] % 1, reverse=True)
    for key in by_remainder[: max(0, n_tuned - sum(quotas.values()))]:
        quotas[key] += 1
    return quotas


def _centres(
    regions: tuple[Region, ...], rng: np.random.Generator
) -> dict[tuple[int, str], np.ndarray]:
    """Place the patches of one subject: the group's centres, each moved a little."""
    out = {}
    for row, region in enumerate(regions):
        for hemisphere, sign in (("L", -1), ("R", 1)):
            centre = np.array(region.centre_mm) * (sign, 1, 1)
            out[row, hemisphere] = centre + rng.normal(0, _JITTER_MM, 3)
    return out


def choose_voxels(n_voxels: int, n_tuned: int, rng: np.random.Generator) -> pd.DataFrame:
    """Choose the voxels of one subject and say which patch each belongs to.

    Patches take the voxels nearest to their centre; the others are drawn from the rest of the
    ribbon and belong to none.

    Parameters
    ----------
    n_voxels, n_tuned
        Voxels in all, and in patches.
    rng
        Of the subject.

    Returns
    -------
    pandas.DataFrame
        As `cortical_voxels`, with `roi`, sorted by `i j k`.

    Raises
    ------
    CalcarineError
        The ribbon has fewer voxels.
    """
    ribbon = cortical_voxels()
    if n_voxels > len(ribbon):
        raise CalcarineError(
            f"source.n_voxels is {n_voxels}; the phantom's piece of cortex has {len(ribbon)} "
            f"voxels of {VOXEL_MM:g} mm. Ask for fewer."
        )
    roi = np.full(len(ribbon), NO_REGION, dtype=object)
    ribbon["roi"] = _patches(ribbon, roi, REGIONS, n_tuned, rng)
    patches = np.flatnonzero(ribbon["roi"] != NO_REGION)
    rest = rng.permutation(np.flatnonzero(ribbon["roi"] == NO_REGION))[: n_voxels - len(patches)]
    return ribbon.iloc[np.sort(np.concatenate([patches, rest]))].reset_index(drop=True)


def _patches(
    ribbon: pd.DataFrame,
    roi: np.ndarray,
    regions: tuple[Region, ...],
    n_tuned: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Give the free voxels of the ribbon that are nearest to a patch's centre to that patch."""
    quotas, centres = _quotas(regions, n_tuned), _centres(regions, rng)
    place, side = ribbon[["x", "y", "z"]].to_numpy(), ribbon["hemisphere"].to_numpy()
    keys = list(quotas)
    distance = np.stack([np.linalg.norm(place - centres[key], axis=1) for key in keys])
    distance[np.array([key[1] for key in keys])[:, None] != side[None, :]] = np.inf
    roi = roi.copy()
    for flat in np.argsort(distance, axis=None, kind="stable"):
        row, voxel = divmod(int(flat), len(ribbon))
        if quotas[keys[row]] and roi[voxel] == NO_REGION:
            quotas[keys[row]] -= 1
            roi[voxel] = regions[keys[row][0]].name
            if not any(quotas.values()):
                break
    return roi


def add_late_patches(
    voxels: pd.DataFrame, n_late: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """Put the late patches where no patch is, and leave out as many untuned voxels instead.

    Parameters
    ----------
    voxels
        As `choose_voxels` gives them.
    n_late
        Voxels of all late patches together.
    rng
        Of the late patches.

    Returns
    -------
    tuple
        Voxels as `choose_voxels` gives them, as many as before; and for each of them, the row of
        the voxel that it is or whose place it takes, shape (n_voxels,).

    Raises
    ------
    CalcarineError
        There are fewer untuned voxels than late ones.
    """
    place = ["i", "j", "k"]
    ribbon = cortical_voxels()
    known = voxels.reset_index(names="row").set_index(place)[["row", "roi"]]
    known = known.reindex(pd.MultiIndex.from_frame(ribbon[place]))
    early = known["roi"].fillna(NO_REGION).to_numpy(dtype=object)
    ribbon["roi"] = _patches(ribbon, early, LATE_REGIONS, n_late, rng)
    row = known["row"].fillna(-1).to_numpy(dtype=int)
    is_new = (ribbon["roi"].to_numpy() != early) & (row < 0)
    spare = np.flatnonzero((ribbon["roi"] == NO_REGION).to_numpy() & (row >= 0))
    n_new = int(is_new.sum())
    if n_new > len(spare):
        raise CalcarineError(
            f"the patches planted last need {n_new} untuned voxels to give way; of {len(voxels)} "
            f"voxels {len(spare)} can. Ask for more voxels (source.n_voxels)."
        )
    dropped = rng.permutation(spare)[:n_new]
    row[is_new], row[dropped] = row[dropped], -1
    return ribbon[row >= 0].reset_index(drop=True), row[row >= 0]
