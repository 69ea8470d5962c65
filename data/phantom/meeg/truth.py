"""The planted truth of EEG and MEG on disk: what a perfect analysis would find."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder, write_json, write_npy
from calcarine.data.digests import array_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.meeg.brain import MOMENT_NAM, SensorBrain
from calcarine.data.phantom.meeg.ceilings import BAND_HZ, BASELINE_S
from calcarine.data.phantom.truth import truth_folder
from calcarine.data.tables import write_tsv

DIPOLE_COLUMNS = {
    "x_m": "Surface coordinate of fsaverage in metres",
    "y_m": "Surface coordinate of fsaverage in metres",
    "z_m": "Surface coordinate of fsaverage in metres",
    "hemisphere": "L or R",
    "vertex": "Vertex of fsaverage5 in that hemisphere",
    "roi": "Patch",
    "tuned_to": "pixels, category, colour, position, mixed or paired (a category with a colour or "
    "place)",
    "preferred": "Preferred category or colour, or n/a",
    "linear": "Whether the response is a weighted sum of the factor codes, without interactions",
    "latency_s": "Peak of the response in seconds from the picture's onset",
    "width_s": "Standard deviation of the response's Gaussian course in seconds",
    "evoked": "Mean response to a picture, percent signal change",
    "signal_sd": "Standard deviation of the response over scenes, percent signal change",
}
CARRIERS = {
    "face": "FFA",
    "house": "PPA",
    "body": "EBA",
    "word": "VWFA",
    "food": "food",
    "tool": "pMTG",
    "colour": "V4",
    "position": "LOC",
}
"""The patch that carries each factor."""


@dataclass(frozen=True)
class SensorTruth:
    """What was planted in one subject.

    Attributes
    ----------
    patches
        `roi tuned_to latency_s width_s n_dipoles`.
    ceilings
        `channel time_s signal_sd noise_sd ncsnr noise_ceiling_1 noise_ceiling_n`.
    information
        `code time_s r`, of the mean over the repeats of a test scene.
    artefacts
        `session run kind onset_s duration_s channel size`.
    facts
        Device, head position, bad channel, hash of the leadfield, band.
    """

    patches: pd.DataFrame
    ceilings: pd.DataFrame
    information: pd.DataFrame
    artefacts: pd.DataFrame
    facts: dict[str, Any]


_TABLES = ("patches", "ceilings", "information", "artefacts")


def facts_of(brain: SensorBrain, amplitude: float, n_repeats: int) -> dict[str, Any]:
    """Collect what is one value a subject."""
    trans = brain.device.info["dev_head_t"]
    moved = None if brain.device.datatype == "eeg" else np.round(trans["trans"], 6).tolist()
    return {
        "datatype": brain.device.datatype,
        "montage": brain.device.montage,
        "device_to_head": moved,
        "bad_channels": [brain.device.channels[brain.artefacts.bad_channel]],
        "leadfield_sha": array_sha(brain.leadfield.astype(np.float32)),
        "amplitude": amplitude,
        "moment_nAm_per_percent": MOMENT_NAM,
        "carriers": CARRIERS,
        "ceilings": {
            "band_hz": list(BAND_HZ),
            "baseline_s": list(BASELINE_S),
            "n_repeats": n_repeats,
            "assume": "artefacts removed, bad channel dropped, EEG against the average of the rest",
        },
        "dipole_columns": DIPOLE_COLUMNS,
    }


def write_sensor_truth(bids: Path, subject: str, brain: SensorBrain, truth: SensorTruth) -> None:
    """Write tables, facts, leadfield and noise covariance of one subject.

    Parameters
    ----------
    bids
        Root of the raw data set.
    subject, brain
        Label, and what is planted.
    truth
        The tables and facts.
    """
    with new_folder(truth_folder(bids, subject)) as folder:
        for name in _TABLES:
            write_tsv(folder / f"sub-{subject}_{name}.tsv", getattr(truth, name))
        dipoles = brain.dipoles[list(DIPOLE_COLUMNS)]
        write_tsv(folder / f"sub-{subject}_dipoles.tsv", dipoles)
        write_npy(folder / f"sub-{subject}_leadfield.npy", brain.leadfield.astype(np.float32))
        write_json(folder / f"sub-{subject}_truth.json", truth.facts)


def read_sensor_truth(bids: Path, subject: str) -> SensorTruth:
    """Read what was planted in a subject.

    Raises
    ------
    CalcarineError
        There is no truth: the data set is no EEG or MEG phantom, or was not written yet.
    """
    folder = truth_folder(bids, subject)
    labels = {"session": "str", "run": "str"}
    try:
        tables = {
            name: pd.read_csv(folder / f"sub-{subject}_{name}.tsv", sep="\t", dtype=labels)
            for name in _TABLES
        }
        facts = json.loads((folder / f"sub-{subject}_truth.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CalcarineError(
            f"{error.filename} is not there: only a phantom has a known truth. Run the `source` "
            "step."
        ) from error
    return SensorTruth(**tables, facts=facts)
