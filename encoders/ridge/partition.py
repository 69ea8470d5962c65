"""Variance partitioning: what each family of features explains alone, and what they share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.banded import DEFAULT, BandedSettings, solve_banded
from calcarine.encoders.ridge.folds import Folds, grouped_folds

_MOST_BANDS = 5
Subset = tuple[str, ...]


@dataclass(frozen=True)
class VariancePartition:
    """Two ways of splitting the cross-validated R² of the model with all bands.

    Attributes
    ----------
    scores
        Cross-validated R² of the model with the bands of each subset, shape (n_targets,).
    parts
        Commonality analysis (Mood 1971; Newton & Spurrell 1967): for one band what only it
        explains, for several what they share and no other band has. All parts add up to the score
        of all bands. A shared part is negative where bands suppress each other, or by chance.
    product
        Split by the product measure (see `explained_squares`): one part a band, which add up too.
    """

    scores: dict[Subset, np.ndarray]
    parts: dict[Subset, np.ndarray]
    product: dict[str, np.ndarray]


def commonality(scores: dict[Subset, np.ndarray], names: Sequence[str]) -> dict[Subset, np.ndarray]:
    """Turn scores of all subsets of bands into what each subset alone holds in common.

    Part(T) = Σ_{S ⊆ T} (−1)^{|S|+1} R²(all others than T, and S).

    Parameters
    ----------
    scores
        R² of every subset that is not empty, keys in the order of `names`.
    names
        All bands.

    Examples
    --------
    >>> r2 = {("a",): 0.5, ("b",): 0.4, ("a", "b"): 0.6}
    >>> {k: round(float(v), 3) for k, v in commonality(r2, ["a", "b"]).items()}
    {('a',): 0.2, ('b',): 0.1, ('a', 'b'): 0.3}
    """
    parts = {}
    for chosen in _subsets(names):
        others = [name for name in names if name not in chosen]
        total = 0.0 * np.asarray(scores[tuple(names)])
        for size in range(len(chosen) + 1):
            for some in combinations(chosen, size):
                key = tuple(name for name in names if name in others or name in some)
                if key:
                    total = total + (-1) ** (size + 1) * np.asarray(scores[key])
        parts[chosen] = total
    return parts


def partition_variance(
    features: np.ndarray,
    responses: np.ndarray,
    bands: Sequence[str] | np.ndarray,
    groups: np.ndarray | None = None,
    n_folds: int | None = 5,
    folds: Folds | None = None,
    settings: BandedSettings = DEFAULT,
) -> VariancePartition:
    """Fit banded ridge to every subset of bands and say what they explain alone and together.

    Parameters
    ----------
    features
        Shape (n_samples, n_features).
    responses
        Shape (n_samples, n_targets).
    bands
        Name of each feature's band, shape (n_features,); at most five bands, since n bands make
        2ⁿ − 1 models.
    groups, n_folds, folds
        Cross-validation, the same for every model; see `solve_ridge`.
    settings
        See `solve_banded`.

    Raises
    ------
    CalcarineError
        There are too many bands, or as `solve_banded`.
    """
    labels = np.asarray(bands).astype(str)
    first = np.unique(labels, return_index=True)[1]
    names = [str(labels[k]) for k in np.sort(first)]
    if len(names) > _MOST_BANDS:
        raise CalcarineError(
            f"{len(names)} bands make {2 ** len(names) - 1} models; expected at most {_MOST_BANDS} "
            "bands. Join some, or read the `band_scores` of `solve_banded`."
        )
    if folds is None:
        folds = Folds.held_out(grouped_folds(len(features), groups, n_folds))
    if settings.shares is not None:
        settings = replace(settings, shares=None)  # they are of all bands, not of a subset
    scores: dict[Subset, np.ndarray] = {}
    for subset in _subsets(names):
        own = np.isin(labels, subset)
        found = solve_banded(
            features[:, own], responses, labels[own], folds=folds, settings=settings
        )
        scores[subset] = found.cv_score
    product = dict(zip(names, found.band_scores, strict=True))  # the last subset holds all bands
    return VariancePartition(scores, commonality(scores, names), product)


def _subsets(names: Sequence[str]) -> list[Subset]:
    return [s for size in range(1, len(names) + 1) for s in combinations(names, size)]
