"""How well a perfect model could match the subjects' dissimilarities, given how they differ."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from calcarine.data.errors import CalcarineError
from calcarine.encoders.geometry.comparison import compare


@dataclass(frozen=True)
class GeometryCeilings:
    """Bounds of every subject, each of shape (n_subjects,).

    Attributes
    ----------
    lower
        Match of a subject with the pooled RDM of the others: what a model must reach to be as good
        as other people.
    upper
        Match with the pooled RDM of all, the subject included: no model can do better on average.
    """

    lower: np.ndarray
    upper: np.ndarray


def pooled(rdms: np.ndarray, method: str = "spearman") -> np.ndarray:
    """Average RDMs so that the average matches them best by a measure.

    Parameters
    ----------
    rdms
        Shape (n_subjects, n_pairs).
    method
        Measure of comparison: for `spearman` and `kendall-a` ranks are averaged, for `pearson`
        z-scores, for `cosine` rows of length 1 (Nili et al. 2014,
        doi:10.1371/journal.pcbi.1003553).

    Returns
    -------
    numpy.ndarray
        Shape (n_pairs,).
    """
    return _scaled(rdms, method).mean(axis=0)


def _scaled(rdms: np.ndarray, method: str) -> np.ndarray:
    values = np.asarray(rdms, dtype=np.float64)
    if method in ("spearman", "kendall-a"):
        return rankdata(values, axis=1, nan_policy="omit")
    if method == "cosine":
        return values / np.sqrt(np.nansum(values**2, axis=1, keepdims=True))
    centred = values - np.nanmean(values, axis=1, keepdims=True)
    return centred / np.nanstd(values, axis=1, keepdims=True)


def geometry_ceilings(rdms: np.ndarray, method: str = "spearman") -> GeometryCeilings:
    """Bound what any model can reach.

    Parameters
    ----------
    rdms
        One RDM a subject, shape (n_subjects, n_pairs), at least two.
    method
        Measure of comparison.

    Raises
    ------
    CalcarineError
        There is one subject only.
    """
    values = np.asarray(rdms, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise CalcarineError(
            f"noise ceilings came with RDMs of the shape {values.shape}; they compare subjects and "
            "need at least two."
        )
    scaled = _scaled(values, method)
    total = scaled.sum(axis=0)
    everyone = compare(values, total, method)[:, 0]
    others = (total - scaled) / (len(values) - 1)
    lower = [
        float(compare(own, rest, method)[0, 0]) for own, rest in zip(values, others, strict=True)
    ]
    return GeometryCeilings(np.array(lower), everyone)
