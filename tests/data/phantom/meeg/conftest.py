"""One small EEG and one small MEG phantom that the tests of this folder share."""

import pytest

from calcarine.data.phantom.experiment import draw_scenes
from calcarine.data.phantom.meeg.bids_meeg import write_shared, write_subject
from calcarine.data.phantom.meeg.brain import plant_brain
from calcarine.data.phantom.meeg.experiment import SensorExperiment

RATE_HZ = 200.0


@pytest.fixture(scope="session")
def sensor_experiment():
    return SensorExperiment(
        n_train=60,
        n_train_again=12,
        n_test=12,
        n_held_out=5,
        n_test_repeats=3,
        n_sessions=2,
        trials_per_run=30,
        n_voxels=200,
        soa_s=0.7,
        sampling_rate_hz=RATE_HZ,
        montage="biosemi32",
        montages={"02": "biosemi16"},
        amplitude=8.0,
        seed=3,
    )


@pytest.fixture(scope="session")
def sensor_scenes(sensor_experiment):
    return draw_scenes(sensor_experiment.scenes)


@pytest.fixture(scope="session", params=["eeg", "meg"])
def datatype(request):
    return request.param


@pytest.fixture(scope="session")
def brain(datatype, sensor_experiment):
    return plant_brain(datatype, sensor_experiment, "01")


@pytest.fixture(scope="session")
def fields(brain, sensor_experiment, sensor_scenes):
    drive = brain.cortex.drive(sensor_scenes.pictures, sensor_scenes.table)
    return brain.topographies(sensor_experiment.amplitude * drive)


@pytest.fixture(scope="session")
def recorded(datatype, sensor_experiment, tmp_path_factory):
    root = tmp_path_factory.mktemp(datatype) / "bids"
    write_shared(root, sensor_experiment, ["01"])
    write_subject(root, datatype, sensor_experiment, "01")
    return root
