"""One small phantom that the tests of this folder share."""

import pytest

from calcarine.data.phantom.bids_fmri import write_shared, write_subject
from calcarine.data.phantom.cortex import plant_cortex
from calcarine.data.phantom.experiment import Experiment, draw_scenes

N_VOXELS = 150


@pytest.fixture(scope="session")
def experiment():
    return Experiment(
        n_train=60,
        n_test=12,
        n_held_out=5,
        n_test_repeats=2,
        n_sessions=2,
        trials_per_run=21,
        n_voxels=N_VOXELS,
        tr_s=2.0,
        seed=3,
    )


@pytest.fixture(scope="session")
def scenes(experiment):
    return draw_scenes(experiment)


@pytest.fixture(scope="session")
def cortex(experiment):
    return plant_cortex("01", N_VOXELS, experiment.seed)


@pytest.fixture(scope="session")
def drive(cortex, scenes):
    return cortex.drive(scenes.pictures, scenes.table)


@pytest.fixture(scope="session")
def dataset(experiment, tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom") / "bids"
    write_shared(root, experiment, ["01"])
    write_subject(root, experiment, "01")
    return root


@pytest.fixture(scope="session")
def many_scenes():
    """More scenes than regressors, for fits."""
    return draw_scenes(Experiment(n_train=300, n_test=12, n_held_out=0, seed=8))
