"""A functional parcellation of one encoder's units, each parcel with its caption."""

from typing import Any

import nibabel
import numpy as np
import pandas as pd

from calcarine.data.captions import Captions
from calcarine.decoders.selectivity.caption_chain import CaptionedBank, Chain, caption_units
from calcarine.decoders.selectivity.parcellation import parcellate
from calcarine.decoders.selectivity.projection import group_weights
from calcarine.encoders.unit_space import unit_volume
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.caption_training import TrainingTrials, evidence_of

NO_PARCEL = "n/a"


def parcels(
    encoder: VoxelEncoder,
    reliable: np.ndarray,
    captioned: CaptionedBank,
    chain: Chain,
    n_parcels: int,
    min_units: int,
    seed: int,
    fitted: TrainingTrials | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Cluster reliable units by the stimuli that tell them apart, and caption each cluster.

    Clusters are made of the encoder's predictions for the bank alone.

    Parameters
    ----------
    encoder
        Ridge encoder on one vector a picture.
    reliable
        Which units take part, bool, shape (n_units,).
    captioned, chain
        As units were captioned.
    n_parcels
        To begin with; clusters are split and merged. 0 is off.
    min_units
        Units of a parcel at least.
    seed
        Of the clustering.
    fitted
        What the encoder was fitted on, to bear out the words of captions.

    Returns
    -------
    arrays : dict
        `parcels`, int16, shape (n_units,): number of each unit's parcel, -1 for none.
    told : dict
        `names`, `texts`, `n_units` and most discriminative entry (`stimuli`) of each parcel, and
        the `objective`; empty where there are too few units.
    """
    rows = np.flatnonzero(reliable & (np.abs(encoder.coef_).max(axis=0) > 0))
    if n_parcels < 2 or len(rows) < n_parcels * min_units:
        return {}, {}
    natural = [np.asarray(s, np.float32) @ encoder.coef_[:, rows] for s in captioned.bank.shards]
    found = parcellate(np.concatenate(natural), n_parcels, seed, min_units=min_units)
    labels = np.full(encoder.coef_.shape[1], -1, dtype=np.int16)
    labels[rows] = found.labels
    members = [np.flatnonzero(labels == k) for k in range(found.n_clusters)]
    mixing = np.stack([(labels == k) / len(own) for k, own in enumerate(members)])
    words = None if fitted is None else fitted.words(captioned.terms, mixing)
    weights = group_weights(encoder.coef_.T, members)
    captions = caption_units(weights, captioned, chain, evidence_of(words))
    told = {
        "names": [f"p{k + 1}" for k in range(found.n_clusters)],
        "texts": [c.text for c in captions],
        "n_units": [len(own) for own in members],
        "stimuli": captioned.bank.entries["entry"].iloc[found.stimuli].tolist(),
        "objective": round(found.objective, 6),
    }
    return {"parcels": labels}, told


def parcel_image(
    labels: np.ndarray, units: pd.DataFrame, space: dict[str, Any]
) -> dict[str, nibabel.Nifti1Image]:
    """Make a label image of parcels of voxels.

    Parameters
    ----------
    labels
        From `parcels`: number of each unit's parcel, -1 for none, shape (n_units,).
    units
        Units table.
    space
        Sidecar of the responses: `affine` and `volume_shape` of voxels.

    Returns
    -------
    dict
        `parcels`: int16, k where parcel `p<k>` is and 0 elsewhere. Empty for units that are no
        voxels of a known grid.
    """
    if not ({"i", "j", "k"} <= set(units) and {"affine", "volume_shape"} <= set(space)):
        return {}
    volume = unit_volume(labels + 1, units, space)
    values = np.nan_to_num(volume.get_fdata(), nan=0).astype(np.int16)
    return {"parcels": nibabel.Nifti1Image(values, volume.affine)}


def parcel_column(captions: Captions, table: pd.DataFrame) -> list[str]:
    """Name the parcel of each single unit of a table of captions; `n/a` for all else."""
    told: dict[str, Any] = captions.sidecar.get("parcels", {})
    out = np.full(len(table), NO_PARCEL, dtype=object)
    if told:
        labels = np.asarray(captions.arrays["parcels"])
        names = np.array([*told["names"], NO_PARCEL], dtype=object)
        out[np.flatnonzero(table["kind"] == "unit")] = names[labels]
    return out.tolist()


def parcel_fit(measured: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlate each unit's measured responses with its parcel and with the other parcels.

    Parameters
    ----------
    measured
        Responses to held-out items, shape (n_items, n_units).
    labels
        Parcel of each unit, -1 for none, shape (n_units,).

    Returns
    -------
    tuple of numpy.ndarray
        For each unit that has a parcel: correlation with the mean of its parcel's other units,
        and the mean of the correlations with the means of all other parcels.
    """
    kept = labels >= 0
    spread = measured[:, kept].std(axis=0)
    values = (measured[:, kept] - measured[:, kept].mean(axis=0)) / np.where(spread, spread, 1)
    own = labels[kept]
    member = (own[:, None] == np.arange(own.max() + 1)[None]).astype(float)
    sums, sizes = values @ member, member.sum(axis=0)
    inside, outside = np.full(len(own), np.nan), np.full(len(own), np.nan)
    for unit, parcel in enumerate(own):
        means = sums / sizes
        means[:, parcel] = (sums[:, parcel] - values[:, unit]) / max(sizes[parcel] - 1, 1)
        size = np.linalg.norm(means - means.mean(axis=0), axis=0) * np.sqrt(len(values))
        with np.errstate(invalid="ignore", divide="ignore"):
            r = values[:, unit] @ (means - means.mean(axis=0)) / size
        inside[unit], outside[unit] = r[parcel], np.delete(r, parcel).mean()
    return inside, outside
