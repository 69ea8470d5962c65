"""The phantom's film: scenes become shots in which the object moves, one frame a volume."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from calcarine.data.phantom.bold import evoked_signal
from calcarine.data.phantom.ceilings import slow_nuisance
from calcarine.data.phantom.cortex import Cortex
from calcarine.data.phantom.experiment import LEAD_S, TAIL_S, Experiment, PlannedRun
from calcarine.data.seeds import derive_seed


def plan_film(experiment: Experiment, table: pd.DataFrame) -> list[PlannedRun]:
    """Plan the runs of a film, which is the same for all subjects.

    Training shots are shown once, in runs of about `trials_per_run` frames; the test film comes
    whole `n_test_repeats` times, in runs of its own. Every volume shows one frame.

    Parameters
    ----------
    experiment
        Size of the experiment.
    table
        Stimulus table with `stimulus_id`, `phase` and `shot`.
    """
    rng = np.random.default_rng(derive_seed(experiment.seed, "phantom", "film"))
    train = _in_shots(table, "train", rng)
    n_runs = -(-len(train) * experiment.shot_frames // experiment.trials_per_run)
    cuts = np.linspace(0, len(train), n_runs + 1).round().astype(int)
    pieces = [("train", train[a:b]) for a, b in pairwise(cuts)]
    pieces += [("test", _in_shots(table, "test", rng))] * experiment.n_test_repeats
    order = rng.permutation(len(pieces))
    runs, number = [], dict.fromkeys(range(experiment.n_sessions), 0)
    for place, piece in enumerate(order):
        phase, shots = pieces[piece]
        session = place % experiment.n_sessions
        number[session] += 1
        names = [name for own in shots for name in own]
        runs.append(_run(experiment, f"{session + 1:02d}", f"{number[session]:02d}", phase, names))
    return sorted(runs, key=lambda run: (run.session, run.run))


def _in_shots(table: pd.DataFrame, phase: str, rng: np.random.Generator) -> list[list[str]]:
    own = table[table["phase"] == phase]
    shots = [list(group) for _, group in own.groupby("shot", sort=True)["stimulus_id"]]
    return [shots[i] for i in rng.permutation(len(shots))]


def _run(
    experiment: Experiment, session: str, run: str, phase: str, names: Sequence[str]
) -> PlannedRun:
    tr_s = experiment.tr_s
    n_before, n_after = (int(np.ceil(seconds / tr_s)) for seconds in (LEAD_S, TAIL_S))
    onsets = np.round(tr_s * (n_before + np.arange(len(names))), 3)
    return PlannedRun(session, run, phase, list(names), onsets, n_before + len(names) + n_after)


def film_ceilings(
    cortex: Cortex,
    drive: np.ndarray,
    run: PlannedRun,
    duration_s: float,
    tr_s: float,
    n_repeats: int,
) -> pd.DataFrame:
    """Compute the noise ceilings of the test film's volumes.

    The signal is what the film evokes after the slow drift is taken out, the noise what is left of
    the autocorrelated noise. Movement counts as removed.

    Parameters
    ----------
    cortex
        The subject.
    drive
        Of the run's frames, in percent signal change, shape (n_frames, n_voxels).
    run
        One showing of the test film.
    duration_s, tr_s
        How long a frame stays, and repetition time.
    n_repeats
        Showings that are averaged.

    Returns
    -------
    pandas.DataFrame
        As `true_ceilings` gives it.
    """
    times = tr_s * np.arange(run.n_volumes)
    nuisance = slow_nuisance(times)
    basis, _ = np.linalg.qr(nuisance)
    signal = evoked_signal(cortex, drive, run.onsets_s, duration_s, times)
    signal -= basis @ (basis.T @ signal)
    shown = np.isin(np.round(times, 3), run.onsets_s)
    kept = 1 - nuisance.shape[1] / run.n_volumes
    noise = cortex.voxels["noise_sd"].to_numpy() * np.sqrt(kept)
    ncsnr = signal[shown].std(axis=0, ddof=1) / noise
    return pd.DataFrame(
        {
            "ncsnr": ncsnr,
            "noise_ceiling_1": ncsnr / np.sqrt(ncsnr**2 + 1),
            "noise_ceiling_n": ncsnr / np.sqrt(ncsnr**2 + 1 / n_repeats),
        }
    )
