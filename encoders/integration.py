"""Which units need both modalities at once: a test in the manner of Subramaniam et al. 2024.

A unit integrates where the joint model beats picture, caption and their concatenation on stimuli
that no model was fitted on (doi:10.48550/arXiv.2406.14481), whatever weights these are given.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

from calcarine.data.errors import CalcarineError
from calcarine.encoders.encoding_scores import correlation


def integration_table(
    measured: np.ndarray,
    joint: np.ndarray,
    rivals: Mapping[str, np.ndarray],
    seed: int,
    n_draws: int = 2000,
    level: float = 0.05,
    candidates: np.ndarray | None = None,
    added: np.ndarray | None = None,
) -> pd.DataFrame:
    """Test every unit.

    A unit's responses and what products of both modalities predict are freed of what any weighted
    sum of the rivals' predictions, and of the rest of the joint model's, says; where what is left
    goes together, products are needed. The difference of two correlations asks the same of nested
    models with less power (Clark & West 2007, doi:10.1016/j.jeconom.2006.05.023). The rest of the
    joint model is taken out because a second noisy estimate of what rivals know helps as well.

    Parameters
    ----------
    measured
        Responses to test items, shape (n_items, n_units).
    joint
        What the joint model predicts, of the same shape.
    rivals
        What each rival predicts, likewise: picture, caption, both side by side, and best also both
        with products of the axes of either, since else a curved response to one alone passes for
        integration.
    seed, n_draws
        Of the bootstrap over items, which all units share.
    level
        False discovery rate.
    candidates
        Units that are tested, bool, shape (n_units,), chosen without test items; all by default.
    added
        The part of `joint` that products of both modalities predict, of the same shape; all of it
        by default.

    Returns
    -------
    pandas.DataFrame
        One row a unit: `r_joint`; `gain_<rival>`, by how much r of the joint model is larger;
        `gain`, over the best rival; `p`, one-sided, that what is left does not go together, from
        its bootstrap deviation; `q`, adjusted over candidates by Benjamini & Yekutieli
        (2001, doi:10.1214/aos/1013699998), since units share noise and stimuli; and
        `integrates`, q ≤ `level` and every gain above 0. A unit whose responses are constant, or
        that is no candidate, has NaN and does not integrate.

    Raises
    ------
    CalcarineError
        There is no rival.
    """
    if not rivals:
        raise CalcarineError(
            "the joint model needs rivals: picture, caption and both side by side."
        )
    r_joint = correlation(measured, joint)
    table = {"r_joint": r_joint}
    for name, predicted in rivals.items():
        table[f"gain_{name}"] = r_joint - correlation(measured, predicted)
    gain = np.stack([table[f"gain_{name}"] for name in rivals]).min(axis=0)
    known = list(rivals.values())
    if added is not None:
        known.append(joint - added)
    p = _p_beyond(measured, joint if added is None else added, known, seed, n_draws)
    tested = np.isfinite(r_joint) & (True if candidates is None else candidates)
    q = np.full(len(p), np.nan)
    q[tested] = false_discovery_control(p[tested], method="by") if tested.any() else []
    return pd.DataFrame(
        {
            **table,
            "gain": gain,
            "p": np.where(tested, p, np.nan),
            "q": q,
            "integrates": tested & (q <= level) & (gain > 0),
        }
    )


def _p_beyond(
    measured: np.ndarray, added: np.ndarray, others: list[np.ndarray], seed: int, n_draws: int
) -> np.ndarray:
    """Give each unit's p that a prediction adds nothing to a weighted sum of others."""
    n_items, n_units = measured.shape
    product = np.empty((n_items, n_units))
    for unit in range(n_units):
        known = np.column_stack([np.ones(n_items), *(r[:, unit] for r in others)])
        axes = np.linalg.qr(known.astype(np.float64))[0]
        pair = np.stack([measured[:, unit], added[:, unit]], axis=1).astype(np.float64)
        left = pair - axes @ (axes.T @ pair)
        product[:, unit] = left[:, 0] * left[:, 1]
    counts = np.random.default_rng(seed).multinomial(
        n_items, np.full(n_items, 1 / n_items), size=n_draws
    )
    deviation = (counts @ product / n_items).std(axis=0)
    # the others' weights and the mean were fitted to the same items
    deviation *= np.sqrt(n_items / max(n_items - len(others) - 1, 1))
    mean = product.mean(axis=0)
    tiny = 1e-9 * measured.var(axis=0)
    z = np.divide(mean, deviation, out=np.zeros(n_units), where=deviation > tiny)
    return np.asarray(norm.sf(z))
