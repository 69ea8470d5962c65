"""What is shown when to EEG and MEG sensors: size of the experiment and plan of its runs."""

from dataclasses import dataclass, field

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.experiment import (
    Experiment,
    ShownScenes,
    cut_runs,
    order_runs,
    phase_ids,
    repeated_order,
)
from calcarine.data.seeds import derive_seed

LEAD_S = 4.0
TAIL_S = 4.0
_ATTEMPTS = 100


@dataclass(frozen=True)
class SensorExperiment:
    """Size of the experiment; fields as in the configuration's `source`.

    Attributes
    ----------
    n_train, n_train_again
        Training scenes, and how many of them are shown a second time: noise can be told from
        signal where something is repeated.
    n_test, n_held_out, n_test_repeats
        Test scenes, how many of them show combinations of factors that no training scene has, and
        times that each is shown.
    n_sessions, trials_per_run
        Sessions that runs are spread over, and trials in a run.
    n_voxels
        Voxels of each subject's cortex; those that are tuned are the dipoles.
    soa_s, soa_jitter_s, duration_s
        Mean time between onsets, largest deviation from it, and how long a picture stays.
    sampling_rate_hz
        Of the recording.
    sensors
        MEG sensors: `mag` (102 magnetometers) or `all` (with 204 planar gradiometers).
    montage, montages
        Names of the EEG electrodes: those of this montage of MNE, and exceptions by subject.
    amplitude, artefacts
        Scale of all planted signal, and of all artefacts.
    seed
        The configuration's seed.
    """

    n_train: int = 960
    n_train_again: int = 120
    n_test: int = 60
    n_held_out: int = 12
    n_test_repeats: int = 12
    n_sessions: int = 2
    trials_per_run: int = 120
    n_voxels: int = 900
    soa_s: float = 0.9
    soa_jitter_s: float = 0.1
    duration_s: float = 0.3
    sampling_rate_hz: float = 250.0
    sensors: str = "mag"
    montage: str = "biosemi64"
    montages: dict[str, str] = field(default_factory=dict)
    amplitude: float = 2.0
    artefacts: float = 1.0
    seed: int = 0

    @property
    def scenes(self) -> Experiment:
        """What is drawn as scenes: the same ones as for fMRI, where the numbers are the same."""
        return Experiment(
            n_train=self.n_train, n_test=self.n_test, n_held_out=self.n_held_out, seed=self.seed
        )


@dataclass(frozen=True)
class PlannedRecording:
    """One run: its labels, what is shown in which order, and at which sample."""

    session: str
    run: str
    phase: str
    stimulus_ids: list[str]
    onset_samples: np.ndarray
    n_samples: int


def plan_recordings(
    experiment: SensorExperiment, subject: str, scenes: ShownScenes
) -> list[PlannedRecording]:
    """Plan the runs of one subject.

    All subjects see the same scenes, in orders of their own. Training and test scenes have runs
    of their own, spread over all sessions; runs are numbered within their session. Onsets lie on
    samples, at a mean distance of `soa_s`.

    Raises
    ------
    CalcarineError
        There are more sessions than training scenes, the jitter is larger than the interval, or
        more scenes are to be shown again than there are.
    """
    if experiment.soa_jitter_s >= experiment.soa_s:
        raise CalcarineError(
            f"source.soa_jitter_s is {experiment.soa_jitter_s:g} s; it must be below "
            f"source.soa_s, {experiment.soa_s:g} s, so that pictures come one after the other."
        )
    if experiment.n_sessions > experiment.n_train:
        raise CalcarineError(
            f"source.n_sessions is {experiment.n_sessions}, but there are only "
            f"{experiment.n_train} training scenes (source.n_train). Ask for fewer."
        )
    if experiment.n_train_again > experiment.n_train:
        raise CalcarineError(
            f"source.n_train_again is {experiment.n_train_again}, but there are only "
            f"{experiment.n_train} training scenes (source.n_train). Ask for fewer."
        )
    rng = np.random.default_rng(derive_seed(experiment.seed, "phantom-meeg", subject, "runs"))
    test = repeated_order(phase_ids(scenes.table, "test"), experiment.n_test_repeats, rng)
    n_sessions, trials_per_run = experiment.n_sessions, experiment.trials_per_run
    parts = _train_parts(phase_ids(scenes.table, "train"), experiment, rng)
    sessions = [
        {
            "train": cut_runs(part, trials_per_run),
            "test": cut_runs(test, trials_per_run)[session::n_sessions],
        }
        for session, part in enumerate(parts)
    ]
    planned = []
    rate = experiment.sampling_rate_hz
    for session, run, phase, ids in order_runs(sessions, rng):
        jitter = experiment.soa_jitter_s * rng.uniform(-1, 1, len(ids))
        onsets_s = LEAD_S + np.r_[0.0, np.cumsum(experiment.soa_s + jitter[1:])]
        samples = np.round(onsets_s * rate).astype(int)
        n_samples = int(samples[-1] + np.ceil((experiment.duration_s + TAIL_S) * rate))
        planned.append(PlannedRecording(session, run, phase, ids, samples, n_samples))
    return planned


def _train_parts(
    names: np.ndarray, experiment: SensorExperiment, rng: np.random.Generator
) -> list[np.ndarray]:
    """Deal the training scenes out to the sessions; what is shown again is so in its session.

    Noise is normalised within sessions, and finds repeats there.
    """
    parts = np.array_split(rng.permutation(names), experiment.n_sessions)
    n_again = [len(a) for a in np.array_split(names[: experiment.n_train_again], len(parts))]
    return [
        _mixed(np.concatenate([part, part[:count]]), rng)
        for part, count in zip(parts, n_again, strict=True)
    ]


def _mixed(shown: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffle trials, no scene twice in a row where that can be had."""
    order = rng.permutation(shown)
    for _ in range(_ATTEMPTS):
        if not (order[1:] == order[:-1]).any():
            break
        order = rng.permutation(shown)
    return np.asarray(order)
