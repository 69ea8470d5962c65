"""The phantom's fMRI as raw BIDS, with regions and truth as derivatives."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from tqdm import tqdm

from calcarine.data.atomic import new_file, new_folder, write_json, write_text
from calcarine.data.phantom.bold import bold_image, label_image, simulate_run
from calcarine.data.phantom.ceilings import true_ceilings
from calcarine.data.phantom.cortex import Cortex, plant_cortex
from calcarine.data.phantom.dataset import TASK, write_dataset
from calcarine.data.phantom.experiment import (
    Experiment,
    PlannedRun,
    ShownScenes,
    draw_scenes,
    plan_runs,
)
from calcarine.data.phantom.film import film_ceilings, plan_film
from calcarine.data.phantom.regions import ALL_REGIONS
from calcarine.data.phantom.truth import write_truth
from calcarine.data.seeds import derive_seed
from calcarine.data.tables import write_tsv


def write_shared(bids: Path, experiment: Experiment, subjects: list[str]) -> None:
    """Write what all subjects share: description, participants, stimuli, names of regions.

    Parameters
    ----------
    bids
        Root of the data set.
    experiment
        What is shown.
    subjects
        Labels.

    Raises
    ------
    CalcarineError
        The experiment is impossible, or the folder cannot be written.
    """
    titles = {"truth": "planted truth", "rois": "planted regions"}
    write_dataset(bids, "calcarine phantom", titles, draw_scenes(experiment), subjects)
    # derived files that lie beside raw ones, where a small lab keeps them
    write_text(bids / ".bidsignore", "*_desc-*\n")
    # one sidecar for all runs, by the inheritance principle
    sidecar = {"RepetitionTime": experiment.tr_s, "TaskName": TASK}
    write_json(bids / f"task-{TASK}_bold.json", sidecar)
    regions = "".join(f"{row}\t{region.name}\n" for row, region in enumerate(ALL_REGIONS, start=1))
    write_text(bids / "derivatives" / "rois" / "rois.tsv", f"index\tname\n{regions}")


def write_subject(bids: Path, experiment: Experiment, subject: str) -> None:
    """Simulate one subject and write the recording, the regions and the truth.

    The recording's folder appears last and whole: where it is, all else is there.

    Parameters
    ----------
    bids
        Root of the data set.
    experiment
        What is shown.
    subject
        Label.

    Raises
    ------
    CalcarineError
        The experiment is impossible, or the folder cannot be written.
    """
    scenes = draw_scenes(experiment)
    runs = _planned(experiment, subject, scenes.table)
    cortex = plant_cortex(subject, experiment.n_voxels, experiment.seed)
    drive = experiment.amplitude * cortex.drive(scenes.pictures, scenes.table)
    ceilings = _ceilings(cortex, drive, scenes, runs, experiment)
    number = {region.name: row for row, region in enumerate(ALL_REGIONS, start=1)}
    labels = np.array([number.get(roi, 0) for roi in cortex.voxels["roi"]])
    regions = bids / "derivatives" / "rois" / f"sub-{subject}_rois.nii.gz"
    with new_file(regions) as temporary:
        _write_image(temporary, label_image(cortex, labels))
    write_truth(bids, subject, cortex, ceilings, experiment.n_test_repeats)
    with new_folder(bids / f"sub-{subject}") as folder:
        mask = label_image(cortex, np.ones(len(labels)))
        _write_image(folder / f"sub-{subject}_desc-brain_mask.nii.gz", mask)
        for run in tqdm(runs, desc=f"sub-{subject}: simulate", disable=None):
            _write_run(folder, subject, experiment, scenes, cortex, drive, run)


def _planned(experiment: Experiment, subject: str, table: pd.DataFrame) -> list[PlannedRun]:
    if experiment.shot_frames:
        return plan_film(experiment, table)
    return plan_runs(experiment, subject, table)


def _ceilings(
    cortex: Cortex,
    drive: np.ndarray,
    scenes: ShownScenes,
    runs: list[PlannedRun],
    experiment: Experiment,
) -> pd.DataFrame:
    tested = [run for run in runs if run.phase == "test"]
    timing = experiment.duration_s, experiment.tr_s, experiment.n_test_repeats
    if experiment.shot_frames:
        frames = drive[scenes.rows(tested[0].stimulus_ids)]
        return film_ceilings(cortex, frames, tested[0], *timing)
    return true_ceilings(
        cortex, drive[(scenes.table["phase"] == "test").to_numpy()], tested, *timing
    )


def _write_run(
    folder: Path,
    subject: str,
    experiment: Experiment,
    scenes: ShownScenes,
    cortex: Cortex,
    drive: np.ndarray,
    run: PlannedRun,
) -> None:
    rows = scenes.rows(run.stimulus_ids)
    seed = derive_seed(experiment.seed, "phantom", subject, "noise", run.session, run.run)
    simulated = simulate_run(
        cortex,
        drive[rows],
        run.onsets_s,
        experiment.duration_s,
        run.n_volumes,
        experiment.tr_s,
        np.random.default_rng(seed),
    )
    stem = f"sub-{subject}_ses-{run.session}_task-{TASK}_run-{run.run}"
    func = folder / f"ses-{run.session}" / "func"
    func.mkdir(parents=True, exist_ok=True)
    image = bold_image(cortex, simulated.bold, experiment.tr_s)
    _write_image(func / f"{stem}_bold.nii.gz", image)
    shown = scenes.table.iloc[rows]
    events = pd.DataFrame(
        {
            "onset": run.onsets_s,
            "duration": experiment.duration_s,
            "trial_type": shown["category"].to_numpy(),
            "stim_file": shown["file"].to_numpy(),
            "phase": run.phase,
            "combination": shown["combination"].to_numpy(),
        }
    )
    write_tsv(func / f"{stem}_events.tsv", events)
    write_tsv(func / f"{stem}_desc-confounds_timeseries.tsv", simulated.confounds)


def _write_image(path: Path, image: nibabel.Nifti1Image) -> None:
    """Write `.nii.gz` without time and name, so that equal images give equal bytes."""
    with (
        path.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=1) as packed,
    ):
        packed.write(image.to_bytes())
