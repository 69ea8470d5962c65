"""Where in a picture a unit looks: its weights on the embeddings of places."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn import functional

from calcarine.data.errors import CalcarineError

SHIFTS = tuple((y, x) for y in (-8, -4, 0, 4, 8) for x in (-8, -4, 0, 4, 8))


def relevance_maps(
    embed: Callable[[torch.Tensor], torch.Tensor],
    pictures: torch.Tensor,
    weights: np.ndarray,
    shifts: Sequence[tuple[int, int]] = SHIFTS,
) -> np.ndarray:
    """Map how much each place of a picture drives units.

    The cosine of each place's embedding with a unit's weights, averaged over known shifts of the
    picture that are undone in the map: what sticks to the grid of places averages out, and maps
    are finer than the grid (Luo et al. 2024, arXiv:2410.05266).

    Parameters
    ----------
    embed
        Transformed pictures (n, 3, height, width) to embeddings of places (n, rows, columns,
        embed_dim), see `embed_places`.
    pictures
        Transformed, shape (n, 3, height, width).
    weights
        Shape (n_units, embed_dim).
    shifts
        Pixels down and to the right; borders are repeated.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_units, n, height, width), -1 to 1: the mean over the shifts under which a
        place was in the picture.

    Raises
    ------
    CalcarineError
        There is no shift, or a shift is as large as the picture.
    """
    height, width = pictures.shape[2:]
    if not shifts or any(abs(y) >= height or abs(x) >= width for y, x in shifts):
        raise CalcarineError(
            f"shifts are {list(shifts)}; expected at least one, smaller than {height} × {width}."
        )
    rows = torch.from_numpy(np.asarray(weights, dtype=np.float32)).to(pictures)
    rows = functional.normalize(rows, dim=1)
    total = torch.zeros(len(rows), len(pictures), height, width, device=pictures.device)
    counts = torch.zeros(height, width, device=pictures.device)
    with torch.inference_mode():
        for y, x in shifts:
            places = functional.normalize(embed(_shifted(pictures, y, x)).to(rows), dim=-1)
            grid = torch.einsum("nrcd,ud->unrc", places, rows)
            fine = functional.interpolate(
                grid, size=(height, width), mode="bilinear", align_corners=False
            )
            own, there = _overlap(height, y), _overlap(height, -y)
            across, back = _overlap(width, x), _overlap(width, -x)
            total[:, :, there, back] += fine[:, :, own, across]
            counts[there, back] += 1
    return (total / counts.clamp_min(1)).cpu().numpy()


def _shifted(pictures: torch.Tensor, y: int, x: int) -> torch.Tensor:
    """Move pictures down by y and right by x, repeating their borders."""
    height, width = pictures.shape[2:]
    rows = (torch.arange(height) - y).clamp(0, height - 1)
    columns = (torch.arange(width) - x).clamp(0, width - 1)
    return pictures[:, :, rows][:, :, :, columns]


def _overlap(size: int, shift: int) -> slice:
    """Give the part of a shifted axis that still shows the picture."""
    return slice(max(shift, 0), size + min(shift, 0))


def overlay(picture: np.ndarray, relevance: np.ndarray, strength: float = 0.6) -> np.ndarray:
    """Tint a picture where a unit looks, and dim it elsewhere.

    Parameters
    ----------
    picture
        uint8, shape (height, width, 3).
    relevance
        Shape (height, width); its range over the picture counts.
    strength
        How much is dimmed.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width, 3).
    """
    low, high = float(relevance.min()), float(relevance.max())
    share = (relevance - low) / max(high - low, 1e-9)
    kept = (1 - strength) + strength * share
    tinted = picture * kept[..., None]
    tinted[..., 0] += 80 * strength * share
    return np.clip(np.round(tinted), 0, 255).astype(np.uint8)
