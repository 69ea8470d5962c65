import numpy as np
import pytest
from sklearn.linear_model import Ridge

from calcarine.data.errors import CalcarineError
from calcarine.encoders.bootstrap_weights import block_draws, bootstrap_weights


@pytest.fixture
def data(rng):
    features = rng.standard_normal((60, 6)) + 2
    responses = features @ rng.standard_normal((6, 4)) + rng.standard_normal((60, 4))
    blocks = np.repeat(["b", "c", "a"], [25, 15, 20])
    return features, responses.astype(np.float32), blocks, np.array([0.5, 3.0, 20.0, 400.0])


def test_a_draw_is_a_ridge_on_the_repeated_blocks(data):
    features, responses, blocks, alpha = data
    draws = np.array([[2, 0, 1], [1, 1, 1], [0, 3, 0]])
    found = list(bootstrap_weights(features, responses, blocks, alpha, draws))
    for counts, weights in zip(draws, found, strict=True):
        rows = np.concatenate(
            [
                np.tile(np.flatnonzero(blocks == name), n)
                for name, n in zip(["a", "b", "c"], counts, strict=True)
            ]
        )
        oracle = Ridge(alpha * len(rows) / 60).fit(features[rows], responses[rows])
        np.testing.assert_allclose(weights, oracle.coef_.T, rtol=1e-3, atol=1e-4)


def test_draws_are_with_replacement():
    draws = block_draws(5, 200, seed=1)
    assert (draws.sum(axis=1) == 5).all()
    assert (draws == 0).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(draws, block_draws(5, 200, seed=1))


def test_one_block_cannot_be_resampled(data):
    features, responses, blocks, alpha = data
    with pytest.raises(CalcarineError, match="1 blocks"):
        next(bootstrap_weights(features, responses, blocks[:1].repeat(60), alpha, np.ones((1, 1))))
