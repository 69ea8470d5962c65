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


def category_metrics(scores: np.ndarray, codes: np.ndarray) -> list[ItemMetric]:
    """Measure category decoding.

    Parameters
    ----------
    scores, codes
        See `category_hits`.

    Returns
    -------
    list of ItemMetric
        `accuracy`, whose chance is what naming the most frequent concept would get, and
        `balanced_accuracy`, the mean over concepts of the accuracy within each, whose chance is
        one over the number of concepts shown.
    """
    hits = category_hits(scores, codes)
    counts = codes.sum(axis=0)
    n_shown = int((counts > 0).sum())
    weights = len(codes) / (n_shown * counts[codes.argmax(axis=1)])
    return [
        ItemMetric("accuracy", hits, float(counts.max() / len(codes)), 1.0, is_share=True),
        ItemMetric("balanced_accuracy", hits * weights, 1 / n_shown, 1.0),
    ]
