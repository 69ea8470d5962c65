import numpy as np
import pytest
from mne.decoding import ReceptiveField

from calcarine.data.errors import CalcarineError
from calcarine.encoders.temporal_response import TemporalResponse, lagged

RATE = 50.0
SEGMENTS = np.repeat(np.arange(4), 150)


def planted(seed, noise=0.3):
    """Two features; channel 0 follows the first by 100 ms, channel 1 the second by 40 ms."""
    rng = np.random.default_rng(seed)
    stimulus = rng.standard_normal((600, 2))
    kernels = np.zeros((2, 11, 2))
    kernels[0, 5, 0], kernels[1, 2, 1], kernels[0, 3, 1] = 1.0, 1.0, -0.5
    clean = lagged(stimulus, range(11), SEGMENTS).reshape(600, 2, 11)
    responses = np.einsum("nfl,flc->nc", clean, kernels) + 2
    return stimulus, responses + noise * rng.standard_normal(responses.shape), kernels


def test_planted_kernels_are_recovered():
    stimulus, responses, kernels = planted(0)
    model = TemporalResponse(0.0, 0.2, RATE).fit(stimulus, responses, SEGMENTS)
    assert model.lags_s_[np.abs(model.kernels_[0, :, 0]).argmax()] == pytest.approx(0.1)
    np.testing.assert_allclose(model.kernels_, kernels, atol=0.08)
    np.testing.assert_allclose(model.intercept_, 2, atol=0.1)
    other = planted(1)
    assert (model.score(*other[:2], SEGMENTS) > 0.9).all()


def test_it_is_mnes_receptive_field():
    stimulus, responses, _ = planted(0)
    ours = TemporalResponse(-0.04, 0.2, RATE).fit(stimulus, responses, np.repeat([0, 1], 300))
    # MNE lays all in one piece and centres; ours with the penalty of channel 0, in one piece
    one = np.zeros(600)
    features = lagged(stimulus, ours.lags, one)
    centred = features - features.mean(axis=0)
    gram = centred.T @ centred + ours.alpha_[0] * np.eye(features.shape[1])
    direct = np.linalg.solve(gram, centred.T @ (responses[:, 0] - responses[:, 0].mean()))
    theirs = ReceptiveField(
        -0.04, 0.2, RATE, estimator=float(ours.alpha_[0]), fit_intercept=True, edge_correction=False
    )
    theirs.fit(stimulus, responses[:, :1])
    np.testing.assert_allclose(theirs.coef_.ravel(), direct, atol=0.02)
    np.testing.assert_allclose(ours.kernels_[:, :, 0].ravel(), direct, atol=0.02)


def test_segments_do_not_reach_into_each_other():
    stimulus = np.arange(6.0)[:, None]
    found = lagged(stimulus, [-1, 0, 2], np.array([0, 0, 0, 1, 1, 1]))
    expected = [[1, 0, 0], [2, 1, 0], [0, 2, 0], [4, 3, 0], [5, 4, 0], [0, 5, 3]]
    np.testing.assert_array_equal(found, expected)


def test_what_cannot_be_fitted_is_refused():
    stimulus, responses, _ = planted(0)
    with pytest.raises(CalcarineError, match="one segment"):
        TemporalResponse(0, 0.2, RATE).fit(stimulus, responses, np.zeros(600))
    with pytest.raises(CalcarineError, match=r"shapes \(600, 2\), \(599, 2\)"):
        TemporalResponse(0, 0.2, RATE).fit(stimulus, responses[1:], SEGMENTS)
    with pytest.raises(CalcarineError, match="tmin_s ≤ tmax_s"):
        TemporalResponse(0.3, 0.2, RATE)
    model = TemporalResponse(0, 0.2, RATE).fit(stimulus, responses, SEGMENTS)
    with pytest.raises(CalcarineError, match="fitted on 2 features"):
        model.predict(stimulus[:, :1], SEGMENTS)
