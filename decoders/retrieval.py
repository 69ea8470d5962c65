"""Retrieval: ranking pictures for a brain response, and brain responses for a picture.

Directions are named by what is ranked: `brain_to_image` ranks images for each brain response.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from calcarine.data.errors import CalcarineError

_SAME = 1e-12  # equal vectors may differ by rounding in a matrix product


@dataclass(frozen=True)
class Ranks:
    """Where the match stands, for each item.

    Attributes
    ----------
    n_better, n_equal
        Number of distractors that score higher than the match, and exactly as high; shape
        (n_items,). NaN for an item that could not be scored.
    n_candidates
        Size of the gallery of each item, match included; shape (n_items,).
    """

    n_better: np.ndarray
    n_equal: np.ndarray
    n_candidates: np.ndarray

    def top(self, k: int) -> np.ndarray:
        """Give the probability that the match is among the first k, ties broken at random.

        Returns
        -------
        numpy.ndarray
            Shape (n_items,), between 0 and 1.
        """
        return np.clip((k - self.n_better) / (self.n_equal + 1), 0.0, 1.0)

    @property
    def relative(self) -> np.ndarray:
        """Rank divided by the number of distractors, ties averaged; 0 is best, chance is 0.5.

        NaN where an item has no distractor.
        """
        n_others = self.n_candidates - 1.0
        rank = self.n_better + self.n_equal / 2
        return np.where(n_others > 0, rank / np.maximum(n_others, 1), np.nan)

    def chance(self, k: int) -> float:
        """Give the mean share that guessing puts among the first k."""
        return float(np.mean(np.minimum(k / self.n_candidates, 1.0)))


def cosines(
    predicted: np.ndarray, gallery: np.ndarray, centre: np.ndarray | None = None
) -> np.ndarray:
    """Compute cosines between predictions and a gallery.

    Parameters
    ----------
    predicted
        Shape (n_items, embed_dim).
    gallery
        Shape (n_images, embed_dim).
    centre
        Mean of the training targets, subtracted from both: shape (embed_dim,), or
        (n_items, embed_dim) where the items come from different folds.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_items, n_images). NaN where a vector is zero.

    Raises
    ------
    CalcarineError
        Embedding dimensions differ.
    """
    if predicted.shape[-1] != gallery.shape[-1]:
        raise CalcarineError(
            f"predictions have {predicted.shape[-1]} dimensions and the gallery "
            f"{gallery.shape[-1]}; take the embedding that the decoder was trained on."
        )
    p, g = np.asarray(predicted, dtype=np.float64), np.asarray(gallery, dtype=np.float64)
    if centre is None or centre.ndim == 1:
        shift = 0.0 if centre is None else np.asarray(centre, dtype=np.float64)
        return _unit(p - shift) @ _unit(g - shift).T
    out = np.empty((len(p), len(g)))
    for value in np.unique(centre, axis=0):
        rows = (centre == value).all(axis=1)
        out[rows] = cosines(p[rows], g, value)
    return out


def _unit(values: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.where(length > 0, values / np.where(length > 0, length, 1), np.nan)


def brain_to_image(similarity: np.ndarray, match: np.ndarray) -> Ranks:
    """Rank images for each brain response.

    Parameters
    ----------
    similarity
        Shape (n_items, n_images): rows are brain responses.
    match
        Column of the image that each response belongs to, shape (n_items,).

    Returns
    -------
    Ranks
        One row a brain response; its gallery is all images.
    """
    _check(similarity, match)
    own = similarity[np.arange(len(match)), match]
    is_other = np.arange(similarity.shape[1])[None] != match[:, None]
    return _ranks(own, similarity, is_other)


def image_to_brain(similarity: np.ndarray, match: np.ndarray) -> Ranks:
    """Rank brain responses for the image of each response.

    Parameters
    ----------
    similarity
        Shape (n_items, n_images): rows are brain responses.
    match
        Column of the image that each response belongs to, shape (n_items,).

    Returns
    -------
    Ranks
        One row a brain response: its image ranks it among the responses to other images. Other
        responses to the same image are neither matches nor distractors.
    """
    _check(similarity, match)
    own = similarity[np.arange(len(match)), match]
    is_other = match[None] != match[:, None]
    return _ranks(own, similarity[:, match].T, is_other)


def _check(similarity: np.ndarray, match: np.ndarray) -> None:
    if len(similarity) != len(match) or len(match) == 0 or match.max() >= similarity.shape[1]:
        raise CalcarineError(
            f"retrieval got similarities of shape {similarity.shape} and {len(match)} matches; "
            "expected one row an item and one column an image."
        )


def _ranks(own: np.ndarray, scores: np.ndarray, is_other: np.ndarray) -> Ranks:
    """Count distractors above and level with the match; scores that are NaN lose to all."""
    lead = np.where(is_other & np.isfinite(scores), scores - own[:, None], -np.inf)
    n_better = (lead > _SAME).sum(axis=1).astype(np.float64)
    n_equal = (np.abs(lead) <= _SAME).sum(axis=1).astype(np.float64)
    missing = ~np.isfinite(own)
    n_better[missing] = np.nan
    n_equal[missing] = np.nan
    return Ranks(n_better, n_equal, is_other.sum(axis=1) + 1)


def d_prime(relative_rank: float, n_pairs: float) -> float:
    """Convert a mean relative rank to the d′ of equal-variance Gaussian scores.

    Unlike top-k accuracy it does not depend on the size of the gallery.

    Parameters
    ----------
    relative_rank
        Mean of `Ranks.relative`, between 0 and 1.
    n_pairs
        Number of comparisons behind it. The rank is kept half a comparison away from 0 and 1, so
        that the result is finite.

    Returns
    -------
    float
        √2 Φ⁻¹(1 − relative_rank); 0 is chance. NaN where nothing could be compared.

    Examples
    --------
    >>> round(d_prime(0.24, n_pairs=1000), 2)
    1.0
    """
    if not np.isfinite(relative_rank) or n_pairs < 1:
        return float("nan")
    share = min(max(1 - relative_rank, 0.5 / n_pairs), 1 - 0.5 / n_pairs)
    return float(np.sqrt(2) * NormalDist().inv_cdf(share))
