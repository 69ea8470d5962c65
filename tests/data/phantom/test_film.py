"""The phantom's film: shots, runs, and ceilings against simulation."""

import numpy as np

from calcarine.data.phantom.bold import ar1_noise, drift, evoked_signal
from calcarine.data.phantom.ceilings import slow_nuisance
from calcarine.data.phantom.cortex import plant_cortex
from calcarine.data.phantom.experiment import Experiment, draw_scenes
from calcarine.data.phantom.film import film_ceilings, plan_film

FILM = Experiment(
    n_train=60, n_test=12, n_held_out=2, n_test_repeats=3, n_voxels=120, trials_per_run=60,
    shot_frames=3, seed=5,
)  # fmt: skip


def test_every_frame_is_a_picture_of_its_own():
    scenes = draw_scenes(FILM)
    assert len(scenes.table) == len(scenes.pictures) == 3 * 72
    assert len({p.tobytes() for p in scenes.pictures}) == 3 * 72
    shots = scenes.table.groupby("shot")
    assert (shots.size() == 3).all()
    assert (shots[["category", "colour", "phase"]].nunique() == 1).all(axis=None)
    assert (shots["x"].nunique() == 3).all()


def test_runs_show_shots_whole_and_the_test_film_again_and_again():
    table = draw_scenes(FILM).table
    runs = plan_film(FILM, table)
    shot_of = table.set_index("stimulus_id")["shot"]
    tested = [run.stimulus_ids for run in runs if run.phase == "test"]
    assert len(tested) == 3
    assert tested[0] == tested[1] == tested[2]
    trained = [name for run in runs if run.phase == "train" for name in run.stimulus_ids]
    assert sorted(trained) == sorted(table.loc[table["phase"] == "train", "stimulus_id"])
    for run in runs:
        shots = shot_of.loc[run.stimulus_ids].to_numpy()
        assert (np.diff(np.flatnonzero(np.diff(shots))) == 3).all()
        np.testing.assert_allclose(np.diff(run.onsets_s), FILM.tr_s)
    labels = [(run.session, run.run) for run in runs]
    assert labels == sorted(set(labels))


def test_ceilings_are_those_of_simulated_showings():
    cortex = plant_cortex("01", FILM.n_voxels, FILM.seed)
    scenes = draw_scenes(FILM)
    run = next(run for run in plan_film(FILM, scenes.table) if run.phase == "test")
    rows = scenes.rows(run.stimulus_ids)
    drive = cortex.drive(scenes.pictures, scenes.table)[rows]
    expected = film_ceilings(cortex, drive, run, FILM.duration_s, FILM.tr_s, 3)
    times = FILM.tr_s * np.arange(run.n_volumes)
    basis, _ = np.linalg.qr(slow_nuisance(times))
    shown = np.isin(np.round(times, 3), run.onsets_s)
    signal = evoked_signal(cortex, drive, run.onsets_s, FILM.duration_s, times)
    seen = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        percent = signal + ar1_noise(cortex, run.n_volumes, rng)
        percent += drift(times, len(cortex.voxels), rng)
        seen.append((percent - basis @ (basis.T @ percent))[shown])
    values = np.stack(seen)
    noise = values.std(axis=0, ddof=1).mean(axis=0)
    spread = np.sqrt(np.maximum(values.mean(axis=0).var(axis=0, ddof=1) - noise**2 / 40, 0))
    ncsnr = expected["ncsnr"].to_numpy()
    strong = ncsnr > 0.3
    assert strong.sum() > 40
    ratio = (spread / noise)[strong] / ncsnr[strong]
    assert abs(np.median(ratio) - 1) < 0.1
    assert np.corrcoef((spread / noise)[strong], ncsnr[strong])[0, 1] > 0.95
