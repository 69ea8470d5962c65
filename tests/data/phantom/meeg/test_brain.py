from dataclasses import replace

import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.cortex import plant_cortex
from calcarine.data.phantom.meeg.brain import COURSES, MOMENT_NAM
from calcarine.data.phantom.meeg.experiment import SensorExperiment, plan_recordings
from calcarine.data.phantom.regions import ALL_REGIONS


def test_the_cortex_is_that_of_the_fmri_phantom(brain, sensor_experiment):
    same = plant_cortex("01", sensor_experiment.n_voxels, sensor_experiment.seed)
    np.testing.assert_array_equal(brain.cortex.tuning.linear, same.tuning.linear)
    assert brain.cortex.voxels.equals(same.voxels)
    tuned = same.voxels[same.is_tuned]
    assert brain.dipoles["vertex"].tolist() == tuned["vertex"].tolist()


def test_every_patch_has_a_latency():
    assert set(COURSES) == {region.name for region in ALL_REGIONS}


def test_latencies_stand_near_the_group_s(brain):
    patches = brain.patches.set_index("roi")
    for roi, (peak, width) in COURSES.items():
        assert patches.loc[roi, "latency_s"] == pytest.approx(peak, abs=0.02)
        assert patches.loc[roi, "width_s"] == width
    assert patches["n_dipoles"].sum() == brain.leadfield.shape[1]


def test_fields_are_the_naive_sum_over_dipoles(brain, sensor_experiment, sensor_scenes, fields):
    amplitude = sensor_experiment.amplitude
    drive = amplitude * brain.cortex.drive(sensor_scenes.pictures, sensor_scenes.table)
    times = np.arange(0, 0.4, 0.01)
    found = np.einsum("pc,pt->ct", fields[7], brain.courses(times))
    expected = np.zeros_like(found)
    for row, dipole in brain.dipoles.iterrows():
        moment = 1e-9 * MOMENT_NAM * drive[7, dipole["voxel"]]
        shifted = (times - dipole["latency_s"]) / dipole["width_s"]
        expected += np.outer(brain.leadfield[:, row] * moment, np.exp(-(shifted**2) / 2))
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())


def test_nothing_is_planted_before_the_onset(brain):
    courses = brain.courses(np.arange(-0.3, 0.001, 0.01))
    assert courses.max() < 1e-5


def test_early_areas_are_seen_at_the_back_of_the_head(brain):
    early = brain.dipoles["roi"].isin(["V1", "V2"]).to_numpy()
    strength = np.abs(brain.leadfield[:, early]).sum(axis=1)
    behind = brain.device.positions_m[:, 1]
    front, back = strength[behind > 0.03], strength[behind < -0.03]
    assert back.mean() > 2 * front.mean()


def test_onsets_keep_their_distance_and_lie_on_samples(sensor_experiment, sensor_scenes):
    planned = plan_recordings(sensor_experiment, "01", sensor_scenes)
    assert sum(len(run.stimulus_ids) for run in planned) == 60 + 12 + 12 * 3
    for run in planned:
        distance = np.diff(run.onset_samples) / sensor_experiment.sampling_rate_hz
        assert distance.min() >= 0.6 - 0.0051
        assert distance.max() <= 0.8 + 0.0051
        phases = sensor_scenes.table["phase"].iloc[sensor_scenes.rows(run.stimulus_ids)]
        assert set(phases) == {run.phase}
        assert run.n_samples > run.onset_samples[-1]


def test_too_much_jitter_is_refused(sensor_scenes):
    with pytest.raises(CalcarineError, match="soa_jitter_s is 0.9 s; it must be below"):
        plan_recordings(SensorExperiment(soa_jitter_s=0.9), "01", sensor_scenes)


def test_some_training_scenes_are_shown_again(sensor_experiment, sensor_scenes):
    planned = plan_recordings(sensor_experiment, "01", sensor_scenes)
    shown = [i for run in planned if run.phase == "train" for i in run.stimulus_ids]
    counts = np.unique(shown, return_counts=True)[1]
    assert np.bincount(counts).tolist() == [0, 48, 12]
    for session in ("01", "02"):
        own = [run for run in planned if run.session == session and run.phase == "train"]
        counts = np.unique([i for r in own for i in r.stimulus_ids], return_counts=True)[1]
        assert np.bincount(counts).tolist() == [0, 24, 6]  # a scene comes again in its session
    with pytest.raises(CalcarineError, match="n_train_again is 61, but there are only 60"):
        plan_recordings(replace(sensor_experiment, n_train_again=61), "01", sensor_scenes)
