"""What is shown when: scenes, runs and onsets of the phantom's experiment."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.data.digests import array_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.scene_captions import scene_captions
from calcarine.data.phantom.scenes import (
    Combinations,
    Scene,
    factor_table,
    render_scene,
    sample_scenes,
    shot,
)
from calcarine.data.seeds import derive_seed

LEAD_S = 6.0
TAIL_S = 16.0
DURATION_SHARE = 0.5
"""Share of the mean time between onsets for which a picture stays."""

N_CAPTIONS = 3
# intervals between onsets, in units of the mean one: mostly short, sometimes a rest
_INTERVALS = ((0.75, 0.6), (1.0, 0.2), (1.75, 0.2))


@dataclass(frozen=True)
class Experiment:
    """Size of the experiment; fields as in the configuration's `source`.

    Attributes
    ----------
    n_train, n_test, n_held_out
        Training scenes, each shown once; test scenes, and how many of them show combinations of
        factors that no training scene has.
    n_test_repeats
        Times that each test scene is shown.
    n_sessions, trials_per_run
        Sessions that runs are spread over, and trials in a run.
    n_voxels
        Voxels of each subject.
    tr_s, soa_s
        Repetition time, and mean time between onsets.
    shot_frames
        Frames of a shot, where scenes are shots of a film (see `calcarine.data.phantom.film`); 0
        where they are pictures.
    amplitude
        Scale of all planted signal.
    seed
        The configuration's seed.
    """

    n_train: int = 960
    n_test: int = 60
    n_held_out: int = 12
    n_test_repeats: int = 6
    n_sessions: int = 2
    trials_per_run: int = 60
    n_voxels: int = 900
    tr_s: float = 1.5
    soa_s: float = 4.0
    amplitude: float = 1.0
    shot_frames: int = 0
    seed: int = 0

    @property
    def n_frames(self) -> int:
        """Pictures that a scene becomes: the frames of its shot, or one."""
        return max(self.shot_frames, 1)

    @property
    def duration_s(self) -> float:
        """How long a picture, or a frame, stays."""
        return self.tr_s if self.shot_frames else DURATION_SHARE * self.soa_s


@dataclass(frozen=True)
class ShownScenes:
    """The stimuli, shared by all subjects.

    Attributes
    ----------
    table
        Stimulus table: `stimulus_id file concept captions`, the factors, `phase` (train or test)
        and `combination` (seen or held-out).
    pictures
        uint8, shape (n_scenes, height, width, 3), in the order of the table.
    """

    table: pd.DataFrame
    pictures: np.ndarray

    def rows(self, stimulus_ids: list[str]) -> np.ndarray:
        """Find the row number of each stimulus."""
        position = {s: i for i, s in enumerate(self.table["stimulus_id"])}
        return np.array([position[s] for s in stimulus_ids], dtype=int)


@dataclass(frozen=True)
class PlannedRun:
    """One run: its labels, what is shown in which order, and when."""

    session: str
    run: str
    phase: str
    stimulus_ids: list[str]
    onsets_s: np.ndarray
    n_volumes: int

    @property
    def n_trials(self) -> int:
        """Pictures in the run."""
        return len(self.stimulus_ids)


def draw_scenes(experiment: Experiment) -> ShownScenes:
    """Draw and render all scenes; no picture is among the training and the test scenes.

    Raises
    ------
    CalcarineError
        More held-out scenes are asked for than there are test scenes.
    """
    if experiment.n_held_out > experiment.n_test:
        raise CalcarineError(
            f"source.n_held_out is {experiment.n_held_out}, but there are only "
            f"{experiment.n_test} test scenes (source.n_test). Ask for fewer."
        )
    groups: list[tuple[str, Combinations, int]] = [
        ("train", "seen", experiment.n_train),
        ("test", "seen", experiment.n_test - experiment.n_held_out),
        ("test", "held-out", experiment.n_held_out),
    ]
    scenes: list[Scene] = []
    pictures: dict[str, np.ndarray] = {}
    labels = []
    for phase, combination, n_scenes in groups:
        labels += [(phase, combination)] * n_scenes * experiment.n_frames
        scenes += _distinct_scenes(experiment, phase, combination, n_scenes, pictures)
    table = factor_table(scenes)
    width = max(4, len(str(len(scenes))))
    ids = [f"scene-{i + 1:0{width}d}" for i in range(len(scenes))]
    table.insert(0, "stimulus_id", ids)
    table.insert(1, "file", [f"{name}.png" for name in ids])
    table.insert(2, "concept", table["category"])
    captions = derive_seed(experiment.seed, "phantom", "captions")
    table.insert(3, "captions", [scene_captions(s, N_CAPTIONS, captions) for s in scenes])
    table["phase"] = [phase for phase, _ in labels]
    table["combination"] = [combination for _, combination in labels]
    if experiment.shot_frames:
        table["shot"] = np.arange(len(table)) // experiment.n_frames + 1
    return ShownScenes(table, np.stack(list(pictures.values())))


def _distinct_scenes(
    experiment: Experiment,
    phase: str,
    combination: Combinations,
    n_scenes: int,
    pictures: dict[str, np.ndarray],
) -> list[Scene]:
    """Draw scenes whose pictures are not among those that are there; add theirs by hash.

    In a film all frames of a scene follow it.
    """
    chosen: list[Scene] = []
    n_frames = experiment.n_frames
    attempt = 0
    while len(chosen) < n_scenes * n_frames:
        own = derive_seed(experiment.seed, "phantom", phase, combination, str(attempt))
        for scene in sample_scenes(n_scenes - len(chosen) // n_frames, own, combination):
            frames = shot(scene, n_frames)
            drawn = {array_sha(p): p for p in map(render_scene, frames)}
            if len(drawn) == n_frames and not drawn.keys() & pictures.keys():
                pictures |= drawn
                chosen += frames
        attempt += 1
    return chosen


def plan_runs(experiment: Experiment, subject: str, table: pd.DataFrame) -> list[PlannedRun]:
    """Plan the runs of one subject.

    All subjects see the same scenes, in orders of their own. Training and test scenes have runs
    of their own, spread over all sessions; runs are numbered within their session.

    Parameters
    ----------
    experiment
        Size of the experiment.
    subject
        Label.
    table
        Stimulus table with `stimulus_id` and `phase`.

    Returns
    -------
    list of PlannedRun
        In the order of recording.

    Raises
    ------
    CalcarineError
        There are more sessions than training runs.
    """
    rng = np.random.default_rng(derive_seed(experiment.seed, "phantom", subject, "runs"))
    orders = {
        "train": repeated_order(phase_ids(table, "train"), 1, rng),
        "test": repeated_order(phase_ids(table, "test"), experiment.n_test_repeats, rng),
    }
    planned = []
    sessions = spread_runs(orders, experiment.n_sessions, experiment.trials_per_run)
    for session, run, phase, ids in order_runs(sessions, rng):
        onsets = draw_onsets(len(ids), experiment.soa_s, rng)
        n_volumes = int(np.ceil((onsets[-1] + TAIL_S + experiment.duration_s) / experiment.tr_s))
        planned.append(PlannedRun(session, run, phase, ids, onsets, n_volumes))
    return planned


def phase_ids(table: pd.DataFrame, phase: str) -> np.ndarray:
    """List the `stimulus_id` of one phase's scenes."""
    return table.loc[table["phase"] == phase, "stimulus_id"].to_numpy()


def spread_runs(
    orders: dict[str, np.ndarray], n_sessions: int, trials_per_run: int
) -> list[dict[str, list[np.ndarray]]]:
    """Cut each phase's trials into runs, and deal these out to the sessions.

    Parameters
    ----------
    orders
        `stimulus_id` of all trials of each phase (`train`, `test`), in order.
    n_sessions, trials_per_run
        Sessions, and most trials in a run.

    Returns
    -------
    list of dict
        For each session the runs of each phase.

    Raises
    ------
    CalcarineError
        There are more sessions than training runs.
    """
    runs = {phase: cut_runs(order, trials_per_run) for phase, order in orders.items()}
    if n_sessions > len(runs["train"]):
        raise CalcarineError(
            f"source.n_sessions is {n_sessions}, but {len(orders['train'])} training trials fill "
            f"{len(runs['train'])} runs of {trials_per_run}, and every session needs one. Ask for "
            "fewer sessions or shorter runs."
        )
    return [
        {phase: own[session::n_sessions] for phase, own in runs.items()}
        for session in range(n_sessions)
    ]


def order_runs(
    sessions: list[dict[str, list[np.ndarray]]], rng: np.random.Generator
) -> Iterator[tuple[str, str, str, list[str]]]:
    """Say what is shown in which run of which session, in the order of recording.

    Parameters
    ----------
    sessions
        For each session the runs of each phase, a run as the `stimulus_id` of its trials.
    rng
        Of the subject. Whoever takes the runs may draw from it between two of them.

    Yields
    ------
    tuple
        Labels of session and run, the phase, and the `stimulus_id` of each trial.
    """
    for session, runs in enumerate(sessions, start=1):
        own = [(phase, run) for phase in runs for run in runs[phase]]
        for number, place in enumerate(rng.permutation(len(own)), start=1):
            phase, ids = own[place]
            yield f"{session:02d}", f"{number:02d}", phase, [str(i) for i in ids]


def cut_runs(order: np.ndarray, trials_per_run: int) -> list[np.ndarray]:
    """Cut an order of trials into runs of nearly equal length."""
    return np.array_split(order, -(-len(order) // trials_per_run))


def repeated_order(names: np.ndarray, n_repeats: int, rng: np.random.Generator) -> np.ndarray:
    """Repeat all scenes, each time in another order, never one twice in a row."""
    rounds: list[np.ndarray] = []
    while len(rounds) < n_repeats:
        order = rng.permutation(names)
        if not rounds or rounds[-1][-1] != order[0]:
            rounds.append(order)
    return np.concatenate(rounds)


def draw_onsets(n_trials: int, soa_s: float, rng: np.random.Generator) -> np.ndarray:
    """Draw onsets in seconds, to milliseconds, with `soa_s` as the mean of the intervals.

    Runs with as many trials are equally long: the intervals are the same, in another order.
    """
    counts = [round(share * (n_trials - 1)) for _, share in _INTERVALS]
    intervals = np.repeat([length for length, _ in _INTERVALS], counts)
    intervals = np.resize(intervals, n_trials - 1)
    if n_trials > 1:
        intervals *= soa_s / intervals.mean()
    return np.round(LEAD_S + np.r_[0.0, np.cumsum(rng.permutation(intervals))], 3)
