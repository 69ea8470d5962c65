"""How often the decoded category is the true one."""

import numpy as np

from calcarine.decoders.item_metrics import ItemMetric


def category_hits(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Give the probability that the highest score is the true category's, ties broken at random.

    Parameters
    ----------
    scores
        Score of each concept, shape (n_items, n_concepts).
    codes
        One-hot codes of the true concepts, the same shape.

    Returns
    -------
    numpy.ndarray
        Shape (n_items,), between 0 and 1.
    """
    is_highest = scores == scores.max(axis=1, keepdims=True)
    own = is_highest[np.arange(len(codes)), codes.argmax(axis=1)]
    return own / is_highest.sum(axis=1)


def category_auc(scores: np.ndarray, codes: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Give, for each item, the share of items of other concepts that score lower for its concept.

    Its mean over the items of a concept is the area under the ROC curve of that concept against
    all others (Mann & Whitney 1947, doi:10.1214/aoms/1177730491), ties counted half. Items are
    compared within their fold, because scores of different models have no common scale.

    Parameters
    ----------
    scores, codes
        See `category_hits`.
    folds
        Fold of each item, shape (n_items,).

    Returns
    -------
    numpy.ndarray
        Shape (n_items,), between 0 and 1; NaN where the fold shows one concept alone.
    """
    own = codes.argmax(axis=1)
    out = np.full(len(scores), np.nan)
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        for concept in np.unique(own[rows]):
            is_own = own[rows] == concept
            ranks = _ranks(scores[rows], concept)
            others = np.sort(ranks[~is_own])
            if len(others):
                lower = np.searchsorted(others, ranks[is_own], side="left")
                not_higher = np.searchsorted(others, ranks[is_own], side="right")
                out[rows[is_own]] = (lower + not_higher) / (2 * len(others))
    return out


def _ranks(scores: np.ndarray, concept: int) -> np.ndarray:
    """Rank items by the score of a concept, and where that is equal by the others' being low.

    A sure classifier's probabilities end at 1.0 in float32; what is left for the others does not.
    """
    given = scores[:, concept]
    rest = np.delete(scores, concept, axis=1).sum(axis=1, dtype=np.float64)
    order = np.lexsort((-rest, given))
    steps = (np.diff(given[order]) != 0) | (np.diff(rest[order]) != 0)
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[order] = np.concatenate([[0], np.cumsum(steps)])
    return ranks


def category_metrics(
    scores: np.ndarray,
    codes: np.ndarray,
    folds: np.ndarray | None = None,
    items: np.ndarray | None = None,
) -> list[ItemMetric]:
    """Measure category decoding.

    Parameters
    ----------
    scores, codes
        See `category_hits`.
    folds
        Fold of each row, shape (n_items,); without it all belong together.
    items
        Item of each row, where several rows (trials) are averaged into one; without it each row
        is its own.

    Returns
    -------
    list of ItemMetric
        `accuracy`, whose chance is what naming the most frequent concept would get, and
        `balanced_accuracy`, the mean over concepts of the accuracy within each, whose chance is
        one over the number of concepts shown. `auc`, the mean over items of the area under the ROC
        curve of their concept against the others, within folds.
    """
    hits = category_hits(scores, codes)
    counts = codes.sum(axis=0)
    n_shown = int((counts > 0).sum())
    own = codes.argmax(axis=1)
    numbers = np.arange(len(codes)) if items is None else np.asarray(items)
    _, first = np.unique(numbers, return_index=True)
    of_items = np.bincount(own[first], minlength=codes.shape[1])
    weights = len(first) / (n_shown * of_items[own])
    areas = category_auc(scores, codes, np.zeros(len(scores)) if folds is None else folds)
    return [
        ItemMetric("accuracy", hits, float(counts.max() / len(codes)), 1.0, is_share=True),
        ItemMetric("balanced_accuracy", hits * weights, 1 / n_shown, 1.0, limits=(0.0, 1.0)),
        ItemMetric("auc", areas, 0.5, 1.0, is_share=True),
    ]
