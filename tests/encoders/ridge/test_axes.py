import numpy as np
import pytest

from calcarine.encoders.ridge.axes import principal_axes


@pytest.mark.parametrize("shape", [(50, 7), (9, 40)])
def test_axes_rebuild_the_features(rng, shape):
    features = rng.standard_normal(shape) + 3.0
    found = principal_axes(features)
    assert found.scores.shape[1] == min(shape[0] - 1, shape[1])
    np.testing.assert_allclose(found.scores @ found.axes.T + found.mean, features, atol=1e-5)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(len(found.variances)), atol=1e-5)
    singular = np.linalg.svd(features - features.mean(0), compute_uv=False)
    np.testing.assert_allclose(found.variances, singular[: len(found.variances)] ** 2, rtol=1e-8)


def test_repeated_and_constant_features_add_no_axis(rng):
    features = rng.standard_normal((40, 5)).astype(np.float32)
    padded = np.concatenate([features, features[:, :2], np.full((40, 1), 7.0)], axis=1)
    assert principal_axes(padded).scores.shape == (40, 5)
    assert principal_axes(np.full((6, 3), 2.0)).scores.shape == (6, 0)


def test_small_directions_keep_their_digits(rng):
    turn = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    lengths = 10.0 ** -np.linspace(0, 5, 30)
    features = rng.standard_normal((200, 30)) * lengths @ turn
    found = principal_axes(features)
    smallest = (features - features.mean(0)) @ np.linalg.svd(features - features.mean(0))[2][-1]
    ours = found.scores[:, -1].astype(np.float64)
    assert abs(np.corrcoef(ours, smallest)[0, 1]) > 1 - 1e-9
