"""Sensors as units that can be captioned: one sample of each channel, channels in clusters."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.encoders.voxel_encoder import VoxelEncoder


def peak_sample(encoder: VoxelEncoder) -> int | None:
    """Find the sample that the encoder predicts best; None for responses without time.

    It is chosen by the median over channels of the cross-validated R² within training trials.
    """
    if encoder.n_times_ is None:
        return None
    by_channel = encoder.cv_score_.reshape(len(encoder.units), encoder.n_times_)
    return int(np.median(by_channel, axis=0).argmax())


def at_sample(encoder: VoxelEncoder, sample: int | None) -> VoxelEncoder:
    """Give the encoder of one sample of every channel: a column a channel, as voxels have.

    Parameters
    ----------
    encoder
        Ridge encoder with or without time.
    sample
        Number of the sample; None leaves the encoder as it is.
    """
    if sample is None:
        return encoder
    assert encoder.n_times_ is not None
    columns = np.arange(len(encoder.units)) * encoder.n_times_ + sample
    out = copy.copy(encoder)
    out.coef_, out.n_times_ = np.ascontiguousarray(encoder.coef_[:, columns]), None
    for name in ("intercept_", "alpha_", "cv_score_"):
        setattr(out, name, getattr(encoder, name)[columns])
    return out


def responses_at(responses: np.ndarray, n_units: int, sample: int | None) -> np.ndarray:
    """Take one sample of responses (n_items, n_units, n_times), flat or not."""
    values = np.asarray(responses)
    return values if sample is None else values.reshape(len(values), n_units, -1)[..., sample]


def clustered(units: pd.DataFrame, table: Path | None) -> pd.DataFrame:
    """Name the cluster of each channel in a column `roi`.

    Parameters
    ----------
    units
        Channels, with `channel`, and `x y z` in the head frame where they are known.
    table
        Table with `channel` and `cluster`; channels that it lacks belong to none. Without it
        channels are cut by their places: left or right, front or back of the middle of all.

    Raises
    ------
    CalcarineError
        The table has other columns or names no channel of these.
    """
    if table is not None:
        found = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
        if not {"channel", "cluster"} <= set(found):
            raise CalcarineError(
                f"{table} has the columns {list(found)}; clusters of sensors need `channel` and "
                "`cluster`."
            )
        by_channel = found.astype(str).set_index("channel")["cluster"]
        names = units["channel"].astype(str).map(by_channel)
        if names.isna().all():
            raise CalcarineError(
                f"{table} names none of the channels {units['channel'].tolist()[:8]}."
            )
        return units.assign(roi=names.fillna("n/a"))
    if "roi" in units or "channel" not in units or not {"x", "y"} <= set(units):
        return units
    place = units[["x", "y"]].to_numpy(dtype=float)
    middle = np.nanmedian(place, axis=0)
    side = np.where(place[:, 0] < middle[0], "left", "right")
    depth = np.where(place[:, 1] < middle[1], "back", "front")
    return units.assign(roi=[f"{s} {d}" for s, d in zip(side, depth, strict=True)])
