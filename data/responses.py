"""Responses: an array, its sidecar and its units; the order of the trial table is checked."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_file, write_json, write_npy
from calcarine.data.digests import frame_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json
from calcarine.data.layout import Layout
from calcarine.data.stored_rows import row_blocks
from calcarine.data.trials import read_trials, trial_order_sha, write_trials


@dataclass(frozen=True)
class Responses:
    """Single-trial responses of one subject.

    Attributes
    ----------
    values
        float32, shape (n_trials, n_units) or (n_trials, n_units, n_times); memory-mapped when read.
    trials
        Trial table, one row a trial, in the order of `values`.
    units
        Unit table, one row a unit: for voxels `i j k x y z roi noise_ceiling …` (x, y, z in mm),
        for sensors `channel type x y z layout_x layout_y` (metres in the head frame; layout: see
        `calcarine.data.meeg.channels`).
    sidecar
        `space`, `affine` and `volume_shape` (or `montage`, `times_s`, `sampling_rate_hz`), `unit`
        of the values, `provenance`.
    """

    values: np.ndarray
    trials: pd.DataFrame
    units: pd.DataFrame
    sidecar: dict[str, Any]


def units_sha(units: pd.DataFrame) -> str:
    """Hash which units stand in which order (the voxel-mask hash of model cards)."""
    names = [n for n in ("hemisphere", "vertex", "i", "j", "k", "channel") if n in units.columns]
    if not names:
        raise CalcarineError(
            f"the units table has the columns {list(units.columns)}; it needs voxel indices "
            "(i, j, k), vertices (hemisphere, vertex) or channels (channel)."
        )
    return frame_sha(units[names])


def write_responses(
    layout: Layout, subject: str, responses: Responses, written: Path | None = None
) -> None:
    """Write trials, units, array and sidecar, all or none.

    Parameters
    ----------
    layout, subject
        Where.
    responses
        What.
    written
        A file beside the array's place that holds exactly `responses.values` already: it is moved
        there, not copied.

    Raises
    ------
    CalcarineError
        Shapes disagree, or a value is not finite.
    """
    values = responses.values
    expected = (len(responses.trials), len(responses.units))
    if values.shape[:2] != expected:
        raise CalcarineError(
            f"sub-{subject}: the responses have shape {values.shape}; expected {expected} from "
            "the trial table and the units table."
        )
    _refuse_non_finite(responses, subject)
    array = layout.responses(subject)
    with (
        # they take their places in reverse order, after all of them are on disk: sidecar last
        new_file(array.with_suffix(".json")) as sidecar_file,
        new_file(array) as array_file,
        new_file(layout.units(subject)) as units_file,
        new_file(layout.trials(subject)) as trials_file,
    ):
        write_trials(trials_file, responses.trials)
        responses.units.to_csv(units_file, sep="\t", index=False, na_rep="n/a", lineterminator="\n")
        if written is None:
            write_npy(array_file, np.ascontiguousarray(values, dtype=np.float32))
        else:
            os.replace(written, array_file)
        sidecar = {
            **responses.sidecar,
            "shape": list(values.shape),
            "trial_order_sha": trial_order_sha(read_trials(trials_file)),
            "units_sha": units_sha(responses.units),
        }
        write_json(sidecar_file, sidecar)


def _refuse_non_finite(responses: Responses, subject: str) -> None:
    for rows, block in row_blocks(responses.values):
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            trial = responses.trials.iloc[rows.start + bad[0][0]]
            unit = responses.units.iloc[bad[0][1]]
            raise CalcarineError(
                f"sub-{subject}: {len(bad)} response values are not finite, the first in trial "
                f"{trial['trial_id']}, unit {unit.to_dict()}. Leave that unit out of the mask."
            )


def read_responses(layout: Layout, subject: str) -> Responses:
    """Read one subject's responses, memory-mapped.

    Raises
    ------
    CalcarineError
        A file is missing, or array, trials and units do not belong together.
    """
    path = layout.responses(subject)
    try:
        sidecar = read_json(path.with_suffix(".json"))
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        units = pd.read_csv(
            layout.units(subject),
            sep="\t",
            na_values=["n/a"],
            keep_default_na=False,
            dtype={"channel": "str"},
        )
    except FileNotFoundError as error:
        raise CalcarineError(
            f"{error.filename} is not there. Run the `prepare` step for sub-{subject} first."
        ) from error
    except (ValueError, EOFError) as error:
        raise CalcarineError(
            f"{path} cannot be read ({error}). Delete it and run `prepare` again."
        ) from error
    for name in (n for n in ("roi", "hemisphere", "channel", "type") if n in units.columns):
        units[name] = units[name].fillna("n/a").astype("str")
    trials = read_trials(layout.trials(subject))
    if list(values.shape) != sidecar["shape"] or values.shape[:2] != (len(trials), len(units)):
        raise CalcarineError(
            f"{path} has shape {values.shape}; its sidecar says {sidecar['shape']}, the tables "
            f"{(len(trials), len(units))}. Run `prepare` again."
        )
    if trial_order_sha(trials) != sidecar["trial_order_sha"]:
        raise CalcarineError(
            f"{layout.trials(subject)} was changed after {path} was written: the order of trials "
            "is not the same any more. Run `prepare` again."
        )
    return Responses(values, trials, units, sidecar)
