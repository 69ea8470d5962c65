"""The published and measured figures of real data, from the pure functions."""

import numpy as np
import pytest

from calcarine.encoders.geometry.ceilings import geometry_ceilings
from calcarine.encoders.geometry.comparison import compare


@pytest.fixture(scope="module")
def release(shared_data):
    path = shared_data("kriegeskorte92") / "kriegeskorte92.npz"
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def test_monkey_and_human_it_agree_as_published(release):
    human = release["hIT_rdm_subject_session_upper"].astype(float).mean(axis=(0, 1))
    assert compare(release["monkeyIT_upper"], human, "pearson")[0, 0] == pytest.approx(
        0.491, abs=0.002
    )


def test_ceilings_and_models_have_their_documented_values(release):
    subjects = release["hIT_rdm_subject_session_upper"].astype(float).mean(axis=1)
    bounds = geometry_ceilings(subjects)
    assert bounds.lower.mean() == pytest.approx(0.379, abs=0.01)
    assert bounds.upper.mean() == pytest.approx(0.661, abs=0.01)
    found = compare(subjects, release["model_upper"].astype(float)).mean(axis=0)
    expected = {"animacy": 0.386, "monkeyIT": 0.296, "EVA": 0.245, "HMAX": 0.160, "RADON": 0.038}
    for name, value in expected.items():
        assert found[list(release["model_names"]).index(name)] == pytest.approx(value, abs=0.0006)
