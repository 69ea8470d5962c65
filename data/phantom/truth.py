"""The planted truth on disk: what a perfect analysis would find."""

from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder, write_json
from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.cortex import Cortex
from calcarine.data.phantom.tuning import factor_code_names, interaction_code_names
from calcarine.data.phantom.wording import wording_code_names
from calcarine.data.tables import write_tsv

COLUMNS = {
    "i": "Voxel index",
    "j": "Voxel index",
    "k": "Voxel index",
    "x": "MNI coordinate in mm",
    "y": "MNI coordinate in mm",
    "z": "MNI coordinate in mm",
    "hemisphere": "L or R",
    "vertex": "Nearest vertex of fsaverage5 in that hemisphere",
    "roi": "Patch, or n/a",
    "tuned_to": "pixels, category, colour, position, mixed; part (of the object, wherever it is), "
    "multimodal (picture times wording of the captions), words (captions alone), detail (of the "
    "picture, which captions leave out), paired (a category with a colour or place, in which its "
    "neighbour differs); or none (noise only)",
    "preferred": "Preferred category, colour or product, or n/a",
    "linear": "Whether the response is a weighted sum of the factor codes, without interactions",
    "hrf_peak_s": "Time to peak of the response to a brief stimulus, in seconds",
    "hrf_width_s": "Scale of the response's gamma density, in seconds",
    "evoked": "Mean response to a picture, percent signal change",
    "signal_sd": "Standard deviation of the response over scenes, percent signal change",
    "noise_sd": "Standard deviation of the noise in the time series, percent signal change",
    "ar1": "Lag-1 autocorrelation of that noise",
    "baseline": "Mean image intensity in scanner units",
    "ncsnr": "Signal over noise of one estimated response (least squares separate) to test scenes",
    "noise_ceiling_1": "True noise ceiling, r, of one measurement",
    "noise_ceiling_n": "True noise ceiling, r, of the mean over the repeats of a test scene",
    "rf_x": "Receptive field centre, fraction of the picture from the left",
    "rf_y": "Receptive field centre, fraction of the picture from the top",
    "rf_sd": "Receptive field size, fraction of the picture",
    "orientation": "Of the Gabor filter, radians",
    "frequency": "Of the Gabor filter, cycles per picture",
    "part_x": "Part of the object that is looked at, -1 (left edge of its box) to 1",
    "part_y": "Part of the object that is looked at, -1 (upper edge of its box) to 1",
    "part_sd": "Size of the window on that part, in half widths of the object's box",
    "part_red": "Weight of red light in that window",
    "part_green": "Weight of green light in that window",
    "part_blue": "Weight of blue light in that window",
}


def truth_folder(bids: Path, subject: str) -> Path:
    """Name the folder of a subject's truth."""
    return bids / "derivatives" / "truth" / f"sub-{subject}"


def truth_table(cortex: Cortex, ceilings: pd.DataFrame) -> pd.DataFrame:
    """Lay all that is planted in a voxel side by side, columns as in `COLUMNS`."""
    rows = np.arange(len(cortex.voxels))
    fields = cortex.tuning.gabors.set_index("voxel").reindex(rows)
    parts = cortex.tuning.parts.set_index("voxel").reindex(rows)
    return pd.concat([cortex.voxels, ceilings, fields, parts], axis=1)[list(COLUMNS)]


def write_truth(
    bids: Path, subject: str, cortex: Cortex, ceilings: pd.DataFrame, n_repeats: int
) -> None:
    """Write `sub-XX_voxels.tsv`, `sub-XX_weights.tsv` and what their columns mean.

    Parameters
    ----------
    bids
        Root of the raw data set.
    subject, cortex
        Label, and what is planted.
    ceilings
        Columns `ncsnr`, `noise_ceiling_1` and `noise_ceiling_n`.
    n_repeats
        Repeats of `noise_ceiling_n`.
    """
    tuning = cortex.tuning
    names = [*factor_code_names(), *interaction_code_names()]
    groups = [tuning.linear, tuning.interactions]
    if tuning.wording is not None:
        names += wording_code_names()
        groups.append(tuning.wording)
    weights = np.hstack(groups)
    tables = {
        "voxels": truth_table(cortex, ceilings),
        "weights": pd.DataFrame(weights, columns=names),
    }
    with new_folder(truth_folder(bids, subject)) as folder:
        for name, table in tables.items():
            write_tsv(folder / f"sub-{subject}_{name}.tsv", table)
        write_json(
            folder / f"sub-{subject}_voxels.json",
            {
                **{name: {"Description": text} for name, text in COLUMNS.items()},
                "noise_ceiling_n_repeats": n_repeats,
            },
        )


def read_weights(bids: Path, subject: str) -> pd.DataFrame:
    """Read the planted weights of factor codes, one row a voxel in the order of `read_truth`.

    Columns of interactions and wording follow.
    """
    return pd.read_csv(truth_folder(bids, subject) / f"sub-{subject}_weights.tsv", sep="\t")


def read_truth(bids: Path, subject: str) -> pd.DataFrame:
    """Read what was planted in a subject's voxels.

    Parameters
    ----------
    bids
        Root of the raw data set.
    subject
        Label.

    Returns
    -------
    pandas.DataFrame
        Columns as in `COLUMNS`, one row a voxel, sorted by `i j k`: the order in which a mask
        reads them.

    Raises
    ------
    CalcarineError
        There is no truth: the data set is no phantom, or was not written yet.
    """
    path = truth_folder(bids, subject) / f"sub-{subject}_voxels.tsv"
    try:
        table = pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)
    except FileNotFoundError as error:
        raise CalcarineError(
            f"{path} is not there: only a phantom has a known truth. Run the `source` step."
        ) from error
    words = ["hemisphere", "roi", "tuned_to", "preferred"]
    table[words] = table[words].fillna("n/a")
    return table
