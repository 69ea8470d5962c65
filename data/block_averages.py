"""Responses of block designs: the average of a block's volumes, or its single volumes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError

REST = "rest"
_EDGE_S = 1e-3


@dataclass(frozen=True)
class BlockModel:
    """How blocks become responses; the fields are those of the configuration.

    Attributes
    ----------
    average
        One response a block, or one a volume.
    shift_s
        Delay of a block's window in seconds.
    detrend
        Remove a linear trend from each run.
    standardize
        z-score each run by its rest volumes, by all of them, or not at all.
    include_rest
        Keep periods of rest as trials of stimulus and concept `rest`.
    high_pass_hz
        Remove slower drift by cosines, together with confounds, in place of the linear trend; None
        removes neither.
    """

    average: bool = True
    shift_s: float = 0.0
    detrend: bool = True
    standardize: Literal["rest", "run", "none"] = "rest"
    include_rest: bool = False
    high_pass_hz: float | None = None


def merge_blocks(events: pd.DataFrame, tr_s: float) -> pd.DataFrame:
    """Join rows of the same stimulus that are less than a volume apart into one block.

    Some data sets list every picture of a block.

    Parameters
    ----------
    events
        Columns `onset`, `duration`, `stimulus_id`, sorted by onset.
    tr_s
        Time between volumes in seconds.

    Returns
    -------
    pandas.DataFrame
        One row a block: its first event's row, with the duration of all.
    """
    end = (events["onset"] + events["duration"]).to_numpy()
    onset = events["onset"].to_numpy()
    same = (events["stimulus_id"] == events["stimulus_id"].shift()).to_numpy()
    near = np.r_[False, onset[1:] - end[:-1] < tr_s] if len(onset) else np.zeros(0, dtype=bool)
    block = np.cumsum(~(same & near)) - 1
    first = np.r_[True, np.diff(block) > 0] if len(block) else np.zeros(0, dtype=bool)
    out = events[first].copy()
    last_end = pd.Series(end).groupby(block).max().to_numpy()
    out["duration"] = last_end - out["onset"].to_numpy()
    return out.reset_index(drop=True)


def block_of_volumes(
    onsets_s: np.ndarray, durations_s: np.ndarray, frame_times_s: np.ndarray, shift_s: float
) -> np.ndarray:
    """Say to which block each volume belongs.

    Parameters
    ----------
    onsets_s, durations_s
        Blocks, shape (n_blocks,).
    frame_times_s
        Shape (n_volumes,).
    shift_s
        Delay of the window in seconds.

    Returns
    -------
    numpy.ndarray
        int, shape (n_volumes,); -1 is rest.
    """
    begin = onsets_s + shift_s
    times = frame_times_s[:, None] + _EDGE_S
    inside = (times >= begin) & (times < begin + durations_s)
    return np.where(inside.any(axis=1), inside.argmax(axis=1), -1)


@dataclass(frozen=True)
class BlockRows:
    """Trials of a run with their volumes.

    Attributes
    ----------
    table
        Like the events, one row a trial.
    volumes
        Volume numbers that each trial averages.
    is_rest
        bool, shape (n_volumes,): volumes in no block.
    """

    table: pd.DataFrame
    volumes: list[np.ndarray]
    is_rest: np.ndarray


def block_rows(
    events: pd.DataFrame, frame_times_s: np.ndarray, tr_s: float, model: BlockModel, where: str
) -> BlockRows:
    """List the trials of a run and the volumes that each of them averages.

    Parameters
    ----------
    events
        Events that show a stimulus, sorted by onset.
    frame_times_s, tr_s
        Timing of the run.
    model
        How blocks become responses.
    where
        The events file, for messages.

    Returns
    -------
    BlockRows
        Sorted by onset.

    Raises
    ------
    CalcarineError
        A block holds no volume.
    """
    blocks = merge_blocks(events, tr_s)
    owner = block_of_volumes(
        blocks["onset"].to_numpy(), blocks["duration"].to_numpy(), frame_times_s, model.shift_s
    )
    volumes = [np.flatnonzero(owner == b) for b in range(len(blocks))]
    empty = [b for b, v in enumerate(volumes) if not len(v)]
    if empty:
        row = blocks.iloc[empty[0]]
        raise CalcarineError(
            f"{where}, row {int(row['row'])}: the block from {row['onset']:g} s "
            f"({row['duration']:g} s, shifted by {model.shift_s:g} s) holds no volume. "
            "Mend its duration or remove the row."
        )
    source = list(range(len(blocks)))
    if model.include_rest:
        rest = _rest_periods(owner)
        volumes += rest
        source += [-1] * len(rest)
    if not model.average:
        source = [s for s, v in zip(source, volumes, strict=True) for _ in v]
        volumes = [v[i : i + 1] for v in volumes for i in range(len(v))]
    order = np.argsort([v[0] for v in volumes], kind="stable")
    table = _trial_table(blocks, [source[i] for i in order])
    ordered = [volumes[i] for i in order]
    if not model.average or model.include_rest:
        table["onset"] = [float(frame_times_s[v[0]]) for v in ordered]
        table["duration"] = [len(v) * tr_s for v in ordered]
    return BlockRows(table, ordered, owner < 0)


def _rest_periods(owner: np.ndarray) -> list[np.ndarray]:
    rest = np.flatnonzero(owner < 0)
    return [p for p in np.split(rest, np.flatnonzero(np.diff(rest) > 1) + 1) if len(p)]


def _trial_table(blocks: pd.DataFrame, source: list[int]) -> pd.DataFrame:
    rest: dict[str, str | int] = {str(name): "n/a" for name in blocks.columns}
    rest |= {"stimulus_id": REST, "concept": REST, "trial_type": REST, "row": -1}
    rows = [blocks.iloc[s].to_dict() if s >= 0 else rest for s in source]
    return pd.DataFrame(rows, columns=blocks.columns)


def standardize_run(
    series: np.ndarray,
    is_rest: np.ndarray,
    model: BlockModel,
    nuisance: np.ndarray | None = None,
) -> np.ndarray:
    """Detrend and z-score the time series of a run.

    The statistics come from the run itself and know nothing of what was shown, but which
    volumes are rest.

    Parameters
    ----------
    series
        Shape (n_volumes, n_voxels).
    is_rest
        bool, shape (n_volumes,).
    model
        What to do.
    nuisance
        Regressors that are taken out of the series, an intercept among them, shape (n_volumes,
        n_regressors); without it the linear trend is, if the model says so.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_volumes, n_voxels).

    Raises
    ------
    CalcarineError
        The run is to be scaled by rest and has less than two volumes of it.
    """
    values = np.asarray(series, dtype=np.float64)
    if nuisance is not None:
        basis, _ = np.linalg.qr(nuisance)
        values = values - basis @ (basis.T @ values)
    elif model.detrend:
        time = np.linspace(-1, 1, len(values))
        slope = time @ (values - values.mean(axis=0)) / (time @ time)
        values = values - time[:, None] * slope
    if model.standardize == "none":
        return values
    chosen = is_rest if model.standardize == "rest" else np.ones(len(values), dtype=bool)
    if chosen.sum() < 2:
        raise CalcarineError(
            f"the run has {chosen.sum()} volumes of rest to scale by; at least 2 are needed. "
            "Choose `standardize: run`."
        )
    spread = values[chosen].std(axis=0)
    return (values - values[chosen].mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def block_responses(
    series: np.ndarray, rows: BlockRows, model: BlockModel, nuisance: np.ndarray | None = None
) -> np.ndarray:
    """Average the standardised volumes of each trial.

    Parameters
    ----------
    series
        Shape (n_volumes, n_voxels).
    rows
        Trials of the run, from `block_rows`.
    model, nuisance
        How to standardise, see `standardize_run`.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_trials, n_voxels).
    """
    values = standardize_run(series, rows.is_rest, model, nuisance)
    return np.stack([values[v].mean(axis=0) for v in rows.volumes]).astype(np.float32)
