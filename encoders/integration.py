"""Which units need both modalities at once: a test in the manner of Subramaniam et al. 2024.

A unit integrates where the joint model beats picture, caption and their concatenation on stimuli
that no model was fitted on (doi:10.48550/arXiv.2406.14481).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

from calcarine.data.errors import CalcarineError
from calcarine.encoders.encoding_scores import bootstrap_correlations, correlation


def integration_table(
    measured: np.ndarray,
    joint: np.ndarray,
    rivals: Mapping[str, np.ndarray],
    seed: int,
    n_draws: int = 2000,
    level: float = 0.05,
) -> pd.DataFrame:
    """Test every unit.

    Parameters
    ----------
    measured
        Responses to test items, shape (n_items, n_units).
    joint
        What the joint model predicts, of the same shape.
    rivals
        What each rival predicts, likewise: picture, caption and both side by side.
    seed, n_draws
        Of the bootstrap over items, which all models and units share.
    level
        False discovery rate.

    Returns
    -------
    pandas.DataFrame
        One row a unit: `r_joint`; `gain_<rival>`, by how much r of the joint model is larger;
        `gain`, over the best rival; `p`, one-sided and the largest over rivals (all must be beaten:
        an intersection–union test), from each gain and its bootstrap deviation; `q`, adjusted over
        units by Benjamini & Hochberg (1995); and `integrates`, q ≤ `level`. A unit whose responses
        are constant has NaN and does not integrate.

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
    drawn_joint = bootstrap_correlations(measured, joint, seed, n_draws)
    table = {"r_joint": r_joint}
    p = np.zeros(len(r_joint))
    for name, predicted in rivals.items():
        gain = r_joint - correlation(measured, predicted)
        drawn = drawn_joint - bootstrap_correlations(measured, predicted, seed, n_draws)
        deviation = np.nanstd(drawn, axis=0)
        z = np.divide(gain, deviation, out=np.zeros(len(gain)), where=deviation > 0)
        table[f"gain_{name}"] = gain
        p = np.maximum(p, norm.sf(z))
    known = np.isfinite(r_joint)
    q = np.full(len(p), np.nan)
    q[known] = false_discovery_control(p[known]) if known.any() else []
    gains = np.stack([values for name, values in table.items() if name.startswith("gain_")])
    return pd.DataFrame(
        {
            **table,
            "gain": gains.min(axis=0),
            "p": np.where(known, p, np.nan),
            "q": q,
            "integrates": known & (q <= level),
        }
    )
