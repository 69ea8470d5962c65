import numpy as np
import pytest
from nilearn.glm.first_level import spm_hrf

from calcarine.data.errors import CalcarineError
from calcarine.data.hrf import (
    HrfShape,
    double_gamma,
    hrf_library,
    hrf_shapes,
    trial_design,
    trial_response,
)


def test_the_library_holds_the_shapes_it_names():
    times = np.arange(0, 32, 0.01)
    for shape in hrf_library():
        values = double_gamma(times, shape.peak_s, shape.width)
        assert times[values.argmax()] == pytest.approx(shape.peak_s, abs=0.15)
        assert values.max() == pytest.approx(1, abs=1e-6)
    widths = [
        (double_gamma(times, 5.0, w) > 0.5).sum() for w in sorted({s.width for s in hrf_library()})
    ]
    assert widths == sorted(widths)
    assert len({s.name for s in hrf_library()}) == len(hrf_library()) == 21


def test_spm_is_a_member_of_the_family():
    # SPM: gamma densities of shape 6 and 16, scale 1: modes at 5 and 15 s, ratio 1/6
    times = np.arange(0, 32, 0.01)
    expected = spm_hrf(0.5, oversampling=50)
    found = double_gamma(times[: len(expected)], 5.0, 1.0)
    assert np.corrcoef(found, expected)[0, 1] > 0.9999


@pytest.mark.parametrize("duration", [0.0, 0.5, 3.0, 30.0])
@pytest.mark.parametrize("shape", [HrfShape("glover"), hrf_library()[7]])
def test_the_response_to_any_trial_peaks_at_1(shape, duration):
    times, values = trial_response(shape, duration)
    assert values.max() == 1
    assert times[0] == 0
    assert abs(values[-1]) < 0.01


def test_a_regressor_begins_at_its_onset():
    frames = 0.5 * np.arange(100)
    design = trial_design(np.array([10.0, 20.2]), np.array([1.0, 4.0]), frames, HrfShape("spm"))
    assert design.shape == (100, 2)
    assert not design[frames < 10, 0].any()
    assert not design[frames < 20.2, 1].any()
    shifted = trial_design(np.array([10.5]), np.array([1.0]), frames, HrfShape("spm"))
    np.testing.assert_allclose(shifted[1:, 0], design[:-1, 0], atol=1e-12)


def test_words_for_shapes():
    assert [s.name for s in hrf_shapes("glover")] == ["glover"]
    assert len(hrf_shapes("library")) == 21
    with pytest.raises(CalcarineError, match="expected glover, spm or library"):
        hrf_shapes("fir")
