"""Two-way identification: how often a match scores higher than a distractor, in both directions.

The field uses both under one name, so each function is named by the protocol that defines it.
"""

import numpy as np

from calcarine.data.errors import CalcarineError


def correlations(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Correlate every true vector with every predicted one.

    Parameters
    ----------
    truth, predicted
        Feature vectors, shape (n_items, n_features). A constant vector has no correlation.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_items, n_items): rows are true items, columns predictions; NaN where one
        of the two is constant.

    Raises
    ------
    CalcarineError
        The shapes differ.
    """
    if truth.shape != predicted.shape or truth.ndim != 2:
        raise CalcarineError(
            f"identification compares arrays of one shape (n_items, n_features); got "
            f"{truth.shape} and {predicted.shape}."
        )
    return _unit_rows(truth) @ _unit_rows(predicted).T


def _unit_rows(values: np.ndarray) -> np.ndarray:
    """Centre and scale rows to length 1; constant rows become NaN."""
    values = np.asarray(values, dtype=np.float64)
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    # rounding leaves a constant row of large values slightly off zero
    tiny = 1e-10 * (np.linalg.norm(values, axis=1, keepdims=True) + 1e-300)
    return np.where(length > tiny, centred / np.maximum(length, tiny), np.nan)


def two_way_shares(similarity: np.ndarray) -> np.ndarray:
    """Give, for each column, the share of other rows that score lower than the matching row.

    Parameters
    ----------
    similarity
        Shape (n_items, n_items); the match of column j is row j. Rows that are NaN are no
        distractors; a column whose match is NaN has no share.

    Returns
    -------
    numpy.ndarray
        Shape (n_items,), between 0 and 1: lower distractors divided by their number (n_items − 1
        where none is NaN). Ties count as failures. NaN where there is no distractor.
    """
    match = np.diag(similarity)
    others = np.isfinite(similarity) & ~np.eye(len(similarity), dtype=bool)
    n_others = others.sum(axis=0).astype(np.float64)
    n_lower = (others & (similarity < match)).sum(axis=0)
    valid = np.isfinite(match) & (n_others > 0)
    return np.where(valid, n_lower / np.where(valid, n_others, 1), np.nan)


def two_way_identification(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Identify by the `mindeye` and `brain-diffuser` rule: distractors are ground-truth items.

    For prediction j, count true items i ≠ j with corr(truth_i, predicted_j) below
    corr(truth_j, predicted_j).

    Parameters
    ----------
    truth, predicted
        Feature vectors, shape (n_items, n_features).

    Returns
    -------
    numpy.ndarray
        Share of distractors beaten by each item, shape (n_items,); chance 0.5. NaN for a constant
        prediction and where there is one item only.

    References
    ----------
    Ozcelik & VanRullen 2023, doi:10.1038/s41598-023-42891-8; Scotti 2023,
    doi:10.48550/arXiv.2305.18274.

    Examples
    --------
    >>> truth = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> two_way_identification(truth, truth)
    array([1., 1., 1.])
    """
    return two_way_shares(correlations(truth, predicted))


def two_way_identification_takagi(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Identify by the `takagi` rule: distractors are the predictions for other items.

    For true item i, count predictions j ≠ i with corr(truth_i, predicted_j) below
    corr(truth_i, predicted_i).

    Parameters
    ----------
    truth, predicted
        Feature vectors, shape (n_items, n_features).

    Returns
    -------
    numpy.ndarray
        As `two_way_identification`.

    References
    ----------
    Takagi & Nishimoto 2023, doi:10.1109/CVPR52729.2023.01389.
    """
    return two_way_shares(correlations(truth, predicted).T)
