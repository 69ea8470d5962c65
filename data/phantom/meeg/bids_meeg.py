"""The phantom's EEG or MEG as raw BIDS, with its truth as a derivative."""

import os
import shutil
import tempfile
from pathlib import Path

import mne
import mne_bids
import numpy as np
import pandas as pd
from tqdm import tqdm

from calcarine.data.atomic import new_folder
from calcarine.data.phantom.dataset import EVENT_COLUMNS, TASK, write_dataset
from calcarine.data.phantom.experiment import ShownScenes, draw_scenes
from calcarine.data.phantom.meeg.brain import SensorBrain, plant_brain
from calcarine.data.phantom.meeg.ceilings import ideal_epoch, true_ceilings, true_information
from calcarine.data.phantom.meeg.devices import LINE_HZ
from calcarine.data.phantom.meeg.experiment import (
    PlannedRecording,
    SensorExperiment,
    plan_recordings,
)
from calcarine.data.phantom.meeg.recording import WATCHERS, simulate_recording
from calcarine.data.phantom.meeg.truth import SensorTruth, facts_of, write_sensor_truth
from calcarine.data.seeds import derive_seed

_EXTRAS = ("stim_file", "phase", "combination")


def write_shared(bids: Path, experiment: SensorExperiment, subjects: list[str]) -> None:
    """Write what all subjects share: description, participants, stimuli.

    Raises
    ------
    CalcarineError
        The experiment is impossible, or the folder cannot be written.
    """
    name, titles = "calcarine phantom, EEG or MEG", {"truth": "planted truth"}
    write_dataset(bids, name, titles, draw_scenes(experiment.scenes), subjects)


def write_subject(bids: Path, datatype: str, experiment: SensorExperiment, subject: str) -> None:
    """Simulate one subject and write the recording and the truth.

    The recording's folder appears last and whole: where it is, the truth is there.

    Parameters
    ----------
    bids
        Root of the data set.
    datatype
        `eeg` (BrainVision) or `meg` (FIF).
    experiment
        What is shown.
    subject
        Label.

    Raises
    ------
    CalcarineError
        The experiment is impossible, or the folder cannot be written.
    """
    scenes = draw_scenes(experiment.scenes)
    planned = plan_recordings(experiment, subject, scenes)
    brain = plant_brain(datatype, experiment, subject)
    drive = experiment.amplitude * brain.cortex.drive(scenes.pictures, scenes.table)
    fields = brain.topographies(drive)
    artefacts = []
    with new_folder(bids / f"sub-{subject}") as folder:
        root = folder / ".bids"
        for run in tqdm(planned, desc=f"sub-{subject}: simulate", disable=None):
            rows = scenes.rows(run.stimulus_ids)
            rng = np.random.default_rng(
                derive_seed(experiment.seed, "phantom-meeg", subject, "noise", run.session, run.run)
            )
            simulated = simulate_recording(
                brain,
                fields[rows],
                run,
                experiment.sampling_rate_hz,
                experiment.artefacts,
                rng,
            )
            artefacts.append(simulated.artefacts.assign(session=run.session, run=run.run))
            raw = raw_of(brain, simulated.data, events_of(experiment, scenes, run))
            _write_run(root, subject, datatype, run, raw)
        truth = _truth(experiment, scenes, brain, fields, pd.concat(artefacts, ignore_index=True))
        write_sensor_truth(bids, subject, brain, truth)
        for path in (root / f"sub-{subject}").iterdir():
            os.replace(path, folder / path.name)
        shutil.rmtree(root)


def events_of(
    experiment: SensorExperiment, scenes: ShownScenes, run: PlannedRecording
) -> pd.DataFrame:
    """List the events of a run, columns as in `EVENT_COLUMNS`."""
    shown = scenes.table.iloc[scenes.rows(run.stimulus_ids)]
    return pd.DataFrame(
        {
            "onset": run.onset_samples / experiment.sampling_rate_hz,
            "duration": experiment.duration_s,
            "trial_type": shown["category"].to_numpy(),
            "stim_file": shown["file"].to_numpy(),
            "phase": run.phase,
            "combination": shown["combination"].to_numpy(),
        }
    )


def raw_of(brain: SensorBrain, data: np.ndarray, events: pd.DataFrame) -> mne.io.RawArray:
    """Make MNE's object of a simulated run.

    Parameters
    ----------
    brain
        The subject.
    data
        As `SimulatedRecording.data`.
    events
        As `events_of` gives them; all but times and type become extras of the annotations.
    """
    n_channels = len(brain.device.channels)
    raw = mne.io.RawArray(data[:n_channels], brain.device.info.copy(), verbose="ERROR")
    info = mne.create_info(list(WATCHERS), raw.info["sfreq"], list(WATCHERS.values()))
    watchers = mne.io.RawArray(data[n_channels:], info, verbose="ERROR")
    raw.add_channels([watchers], force_update_info=True)
    raw.info["line_freq"] = LINE_HZ
    raw.info["bads"] = [brain.device.channels[brain.artefacts.bad_channel]]
    raw.set_annotations(
        mne.Annotations(
            events["onset"].to_numpy(),
            events["duration"].to_numpy(),
            events["trial_type"].to_numpy(),
            extras=events[list(_EXTRAS)].to_dict("records"),
        )
    )
    return raw


def _write_run(
    root: Path, subject: str, datatype: str, run: PlannedRecording, raw: mne.io.RawArray
) -> None:
    path = mne_bids.BIDSPath(
        subject=subject,
        session=run.session,
        task=TASK,
        run=run.run,
        datatype=datatype,
        root=root,
    )
    columns = {name: EVENT_COLUMNS[name] for name in _EXTRAS}
    WRITERS[datatype](raw, path, columns)


def _write_eeg(raw: mne.io.RawArray, path: mne_bids.BIDSPath, columns: dict[str, str]) -> None:
    mne_bids.write_raw_bids(
        raw,
        path,
        extra_columns_descriptions=columns,
        allow_preload=True,
        format="BrainVision",
        overwrite=True,
        verbose="ERROR",
    )


def _write_meg(raw: mne.io.RawArray, path: mne_bids.BIDSPath, columns: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory(dir=path.root.parent) as folder:
        # written twice: arrays in memory would become float64 on disk
        file = Path(folder) / "phantom_raw.fif"
        raw.save(file, fmt="single", verbose="ERROR")
        saved = mne.io.read_raw_fif(file, verbose="ERROR")
        saved.set_annotations(raw.annotations)  # FIF has rounded them to single precision
        mne_bids.write_raw_bids(
            saved,
            path,
            extra_columns_descriptions=columns,
            overwrite=True,
            verbose="ERROR",
        )


WRITERS = {"eeg": _write_eeg, "meg": _write_meg}


def _truth(
    experiment: SensorExperiment,
    scenes: ShownScenes,
    brain: SensorBrain,
    fields: np.ndarray,
    artefacts: pd.DataFrame,
) -> SensorTruth:
    test = (scenes.table["phase"] == "test").to_numpy()
    rate, n_repeats = experiment.sampling_rate_hz, experiment.n_test_repeats
    order = ["session", "run", "kind", "onset_s", "duration_s", "channel", "size"]
    return SensorTruth(
        brain.patches,
        true_ceilings(ideal_epoch(brain, fields[test], rate), n_repeats),
        true_information(ideal_epoch(brain, fields, rate), scenes.table, n_repeats),
        artefacts[order],
        facts_of(brain, experiment.amplitude, n_repeats),
    )
