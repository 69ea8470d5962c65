import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.summing import (
    add_responses,
    block_rows,
    block_statistics,
    feature_statistics,
)


@pytest.fixture
def data(rng):
    features = rng.standard_normal((37, 6)).astype(np.float32) + 0.5
    responses = rng.standard_normal((37, 11)).astype(np.float32) - 0.3
    blocks = rng.permutation(np.arange(37) % 4)
    return features, responses, blocks


def test_sums_equal_the_plain_formulas(data):
    features, responses, blocks = data
    found = block_statistics(features, responses, blocks, chunk_size=4)
    x, y = features.astype(np.float64), responses.astype(np.float64)
    for block in range(4):
        rows = blocks == block
        assert found.n_samples[block] == rows.sum()
        np.testing.assert_allclose(found.sum_x[block], x[rows].sum(0), rtol=1e-6)
        np.testing.assert_allclose(found.gram[block], x[rows].T @ x[rows], rtol=1e-12)
        np.testing.assert_allclose(found.sum_y[block], y[rows].sum(0), rtol=1e-5)
        np.testing.assert_allclose(found.sum_yy[block], (y[rows] ** 2).sum(0), rtol=1e-5)
        np.testing.assert_allclose(found.xty[block], x[rows].T @ y[rows], atol=1e-5)


def test_moments_are_those_of_data_centred_by_the_training_mean(data):
    features, responses, blocks = data
    found = block_statistics(features, responses, blocks)
    x, y = features.astype(np.float64), responses.astype(np.float64)
    test, tested = blocks == 2, np.arange(4) == 2
    x, y = x - x[~test].mean(0), y - y[~test].mean(0)
    of_features = found.feature_moments(~tested, tested)
    np.testing.assert_allclose(of_features.train_gram, x[~test].T @ x[~test], atol=1e-10)
    np.testing.assert_allclose(of_features.test_gram, x[test].T @ x[test], atol=1e-10)
    of_targets = found.target_moments(~tested, tested, found.xty.sum(axis=0))
    np.testing.assert_allclose(of_targets.train_cross, x[~test].T @ y[~test], atol=2e-5)
    np.testing.assert_allclose(of_targets.test_cross, x[test].T @ y[test], atol=2e-5)
    np.testing.assert_allclose(of_targets.test_squares, (y[test] ** 2).sum(0), rtol=1e-5)


def test_chunks_and_selections_give_the_same_as_all_targets(data):
    features, responses, blocks = data
    whole = block_statistics(features, responses, blocks)
    part = add_responses(feature_statistics(features, blocks), features, responses[:, 3:7], blocks)
    chosen = whole.select(slice(3, 7))
    for name in ("n_samples", "sum_x", "gram"):
        np.testing.assert_array_equal(getattr(part, name), getattr(chosen, name))
    for name in ("sum_y", "sum_yy", "xty"):
        np.testing.assert_allclose(getattr(part, name), getattr(chosen, name), atol=1e-5)
    assert whole.select(np.array([1, 5])).n_targets == 2


def test_reads_a_memory_map(data, tmp_path):
    features, responses, blocks = data
    np.save(tmp_path / "y.npy", responses)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    found = block_statistics(features, mapped, blocks, chunk_size=5)
    whole = block_statistics(features, responses, blocks, chunk_size=5)
    np.testing.assert_array_equal(found.xty, whole.xty)


def test_rows_of_consecutive_blocks_are_slices():
    assert block_rows(np.array([0, 0, 1, 2, 2])) == [slice(0, 2), slice(2, 3), slice(3, 5)]
    scattered = block_rows(np.array([1, 0, 1]))
    np.testing.assert_array_equal(scattered[0], [1])
    np.testing.assert_array_equal(scattered[1], [0, 2])


def test_wrong_input_is_named(data):
    features, responses, blocks = data
    with pytest.raises(CalcarineError, match=r"blocks \[1\] hold no sample"):
        feature_statistics(features, np.where(blocks == 1, 0, blocks))
    with pytest.raises(CalcarineError, match="37 samples of features came with 36"):
        feature_statistics(features, blocks[1:])
    with pytest.raises(CalcarineError, match="responses have 36 samples, the features 37"):
        add_responses(feature_statistics(features, blocks), features, responses[1:], blocks)
