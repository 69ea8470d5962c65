"""What the card of a network encoder says."""

from typing import Any

import numpy as np

from calcarine import __version__
from calcarine.encoders.training import History


def card_fields(
    n_units: int,
    mask: str,
    embedding: dict[str, Any],
    history: History,
    validation_r: np.ndarray,
) -> dict[str, str]:
    """Write the fields of the model card that the encoder knows itself.

    Parameters
    ----------
    n_units, mask
        Number of units, and the hash of which they are.
    embedding
        Sidecar of the embedding.
    history
        Of the training.
    validation_r
        r of each unit over validation trials, NaN where there were none.
    """
    known = validation_r[np.isfinite(validation_r)]
    chosen = (
        f"median r over the validation trials {np.median(known):.3f}, on which epoch "
        f"{history.best_epoch} was chosen"
        if len(known)
        else "without validation trials the last epoch was kept"
    )
    return {
        "units": f"{n_units} units, mask {mask}",
        "target": f"responses, from {embedding['model']} (revision "
        f"{str(embedding.get('revision'))[:12]}, layer {embedding.get('layer')})",
        "scores": f"{chosen}; scores of test trials stand with their noise ceilings in metrics.tsv",
        "version": f"calcarine {__version__}",
    }
