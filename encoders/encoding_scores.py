"""How well responses are predicted, unit by unit, beside what could be reached at all."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError

CEILING_FLOOR = 0.3
_DRAWS_AT_A_TIME = 64
_UNITS_AT_A_TIME = 8192


def correlation(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Correlate measured and predicted responses over items (`r`).

    Parameters
    ----------
    measured, predicted
        Shape (n_items, n_units).

    Returns
    -------
    numpy.ndarray
        Pearson r, float64, shape (n_units,). 0 where the prediction is constant, as the mean
        predictor's is; NaN where the measured responses are.

    Raises
    ------
    CalcarineError
        The shapes differ, or there are fewer than two items.

    Examples
    --------
    >>> correlation(np.array([[1.0], [2.0], [4.0]]), np.array([[2.0], [4.0], [8.0]]))
    array([1.])
    """
    measured, predicted = _checked(measured, predicted)
    return _pearson(np.ones((1, len(measured))), measured, predicted)[0]


def r2(
    measured: np.ndarray, predicted: np.ndarray, training_mean: np.ndarray | float = 0.0
) -> np.ndarray:
    """Give the share of squared deviation from the mean predictor that is predicted (`r2`).

    Parameters
    ----------
    measured, predicted
        Shape (n_items, n_units).
    training_mean
        What the mean predictor says: mean of the training responses, shape (n_units,); 0 for
        responses that were standardised by training trials.

    Returns
    -------
    numpy.ndarray
        1 − Σ(y − ŷ)² / Σ(y − training mean)², float64, shape (n_units,): at most 1, 0 for the mean
        predictor, negative for worse. NaN where the mean predictor makes no error.
    """
    measured, predicted = _checked(measured, predicted)
    error = ((measured - predicted) ** 2).sum(axis=0)
    baseline = ((measured - training_mean) ** 2).sum(axis=0)
    ratio = np.divide(error, baseline, out=np.full(len(error), np.nan), where=baseline > 0)
    return 1.0 - ratio


def r_over_ceiling(r: np.ndarray, ceiling: np.ndarray, floor: float = CEILING_FLOOR) -> np.ndarray:
    """Divide correlations by their noise ceilings (`r_over_ceiling`).

    Parameters
    ----------
    r
        Correlations, shape (…, n_units).
    ceiling
        Largest correlation that noise leaves possible, √NC for as many repeats as were averaged,
        0 … 1, shape (n_units,).
    floor
        Units with a lower ceiling get NaN: the ratio would be noise over noise.

    Returns
    -------
    numpy.ndarray
        float64, the shape of `r`. Values above 1 are left as they are: they are sampling error.

    Examples
    --------
    >>> r_over_ceiling(np.array([0.4, 0.4]), np.array([0.8, 0.1]))
    array([0.5, nan])
    """
    ceiling = np.asarray(ceiling, dtype=np.float64)
    if not 0 < floor < 1:
        raise CalcarineError(f"the floor of the noise ceiling is {floor}; expected 0 < floor < 1.")
    if ceiling.shape != np.shape(r)[-1:]:
        raise CalcarineError(
            f"{ceiling.shape} noise ceilings came with correlations of shape {np.shape(r)}; "
            "expected one a unit."
        )
    return np.asarray(r) / np.where(ceiling >= floor, ceiling, np.nan)


def encoding_scores(
    measured: np.ndarray,
    predicted: np.ndarray,
    ceiling: np.ndarray | None = None,
    floor: float = CEILING_FLOOR,
) -> pd.DataFrame:
    """Score every unit.

    Parameters
    ----------
    measured, predicted
        Standardised responses of test items, shape (n_items, n_units).
    ceiling
        Noise ceiling in r, shape (n_units,); without it the ratio is NaN.
    floor
        No ratio to a ceiling below this.

    Returns
    -------
    pandas.DataFrame
        Columns `r`, `r2`, `r_over_ceiling`; one row a unit.
    """
    r = correlation(measured, predicted)
    known = np.full(len(r), np.nan) if ceiling is None else ceiling
    return pd.DataFrame(
        {
            "r": r,
            "r2": r2(measured, predicted),
            "r_over_ceiling": r_over_ceiling(r, known, floor),
        }
    )


def unit_intervals(
    measured: np.ndarray,
    predicted: np.ndarray,
    seed: int,
    n_draws: int = 2000,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Give the bootstrap interval of every unit's r, items drawn with replacement.

    Parameters
    ----------
    measured, predicted
        Shape (n_items, n_units).
    seed
        Seed of the draws, which all units share.
    n_draws
        Number of bootstrap samples.
    level
        Coverage, between 0 and 1.

    Returns
    -------
    tuple of numpy.ndarray
        Lower and upper bounds, shape (n_units,).
    """
    measured, predicted = _checked(measured, predicted)
    bounds = np.empty((2, measured.shape[1]))
    for start in range(0, measured.shape[1], 512):
        units = slice(start, start + 512)
        drawn = np.concatenate(
            list(_bootstrap(measured[:, units], predicted[:, units], seed, n_draws))
        )
        bounds[:, units] = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return bounds[0], bounds[1]


def bootstrap_correlations(
    measured: np.ndarray, predicted: np.ndarray, seed: int, n_draws: int = 2000
) -> np.ndarray:
    """Correlate in bootstrap samples of items: float64, shape (n_draws, n_units).

    Parameters
    ----------
    measured, predicted
        Shape (n_items, n_units).
    seed, n_draws
        Of the draws, which are the same for every prediction of the same items.
    """
    measured, predicted = _checked(measured, predicted)
    return np.concatenate(list(_bootstrap(measured, predicted, seed, n_draws)))


def summary_interval(
    measured: np.ndarray,
    predicted: np.ndarray,
    summary: Callable[[np.ndarray], np.ndarray],
    seed: int,
    n_draws: int = 2000,
    level: float = 0.95,
    n_in_stretch: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Give the bootstrap interval of summaries over units, items drawn with replacement.

    Parameters
    ----------
    measured, predicted
        Shape (n_items, n_units).
    summary
        Correlations (n_draws, n_units) to one number a draw or (n_draws, n_summaries), e.g.
        ``lambda r: np.nanmedian(r / ceiling, axis=1)``.
    seed
        Seed of the draws.
    n_draws
        Number of bootstrap samples.
    level
        Coverage, between 0 and 1.
    n_in_stretch
        Items in a row that are drawn together, for those that are not independent (circular block
        bootstrap, Politis & Romano 1992).

    Returns
    -------
    tuple of numpy.ndarray
        Lower and upper bounds, shape () or (n_summaries,).
    """
    measured, predicted = _checked(measured, predicted)
    samples = _bootstrap(measured, predicted, seed, n_draws, n_in_stretch)
    values = [summary(r) for r in samples]
    tails = [(1 - level) / 2, (1 + level) / 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a summary without units stays NaN
        low, high = np.nanquantile(np.concatenate(values), tails, axis=0)
    return low, high


def _checked(measured: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if measured.ndim != 2 or measured.shape != predicted.shape or len(measured) < 2:
        raise CalcarineError(
            f"measured responses have shape {measured.shape}, predicted {predicted.shape}; "
            "expected the same (n_items, n_units) with at least two items."
        )
    return measured.astype(np.float64), predicted.astype(np.float64)


def _bootstrap(
    measured: np.ndarray, predicted: np.ndarray, seed: int, n_draws: int, n_in_stretch: int = 1
) -> Iterator[np.ndarray]:
    n_items = len(measured)
    n_in_stretch = min(n_in_stretch, n_items)
    within = np.arange(n_in_stretch)
    rng = np.random.default_rng(seed)
    for start in range(0, n_draws, _DRAWS_AT_A_TIME):
        n_now = min(_DRAWS_AT_A_TIME, n_draws - start)
        first = rng.integers(0, n_items, (n_now, -(-n_items // n_in_stretch)))
        drawn = ((first[:, :, None] + within) % n_items).reshape(n_now, -1)[:, :n_items]
        counts = np.stack([np.bincount(row, minlength=n_items) for row in drawn])
        yield _pearson(counts.astype(np.float64), measured, predicted)


def _pearson(counts: np.ndarray, measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Correlate with every item counted some times, shape (n_draws, n_units)."""
    n_units = measured.shape[1]
    if n_units > _UNITS_AT_A_TIME:  # products of all units would be six copies of the responses
        starts = range(0, n_units, _UNITS_AT_A_TIME)
        parts = [slice(start, start + _UNITS_AT_A_TIME) for start in starts]
        return np.concatenate(
            [_pearson(counts, measured[:, units], predicted[:, units]) for units in parts], axis=1
        )
    share = counts / counts.sum(axis=1, keepdims=True)
    # about the means of all items, so that no digits are lost to an offset
    y, x = measured - measured.mean(axis=0), predicted - predicted.mean(axis=0)
    y_mean, x_mean = share @ y, share @ x
    covariance = share @ (y * x) - y_mean * x_mean
    y_variance, x_variance = share @ y**2 - y_mean**2, share @ x**2 - x_mean**2
    tiny = 64 * np.finfo(np.float64).eps
    y_varies = y_variance > tiny * np.maximum(share @ measured**2, np.finfo(np.float64).tiny)
    x_varies = x_variance > tiny * np.maximum(share @ predicted**2, np.finfo(np.float64).tiny)
    product = np.sqrt(np.where(y_varies & x_varies, y_variance * x_variance, 1.0))
    r = np.where(x_varies, covariance / product, 0.0)
    return np.where(y_varies, np.clip(r, -1.0, 1.0), np.nan)
