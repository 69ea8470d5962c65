import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calcarine.data.errors import CalcarineError
from calcarine.decoders.selectivity.projection import group_weights, project


def naive(weights, bank, temperature):
    """Write the published formula out, in double precision."""
    w = weights.astype(np.float64)
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    e = bank.astype(np.float64)
    n = np.linalg.norm(e, axis=1)
    u = e / n[:, None]
    logits = w @ u.T / temperature
    s = np.exp(logits - logits.max(axis=1, keepdims=True))
    s /= s.sum(axis=1, keepdims=True)
    direction = s @ u
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return direction * (s @ n)[:, None], w @ u.T, w @ e.T


def row_error(found, expected):
    """Give the largest error of a row as a share of the row's length."""
    size = np.linalg.norm(expected, axis=1)
    return (np.linalg.norm(found - expected, axis=1) / size).max()


@pytest.fixture
def data(rng):
    weights = rng.standard_normal((37, 24)).astype(np.float32) * 0.03
    bank = rng.standard_normal((311, 24)).astype(np.float32) + 0.8
    bank *= rng.uniform(0.5, 3, (311, 1)).astype(np.float32)
    return weights, bank


@pytest.mark.parametrize("temperature", [1 / 150, 1 / 100, 0.5])
def test_projection_is_the_published_formula(data, temperature):
    weights, bank = data
    expected, _, _ = naive(weights, bank, temperature)
    found = project(weights, [bank], temperature, n_top=5, unit_block=10, bank_block=32)
    assert row_error(found.embedding, expected) < 1e-5
    np.testing.assert_allclose(np.linalg.norm(found.direction, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("rank_by", ["response", "cosine"])
def test_best_entries_are_those_of_a_full_sort(data, rank_by):
    weights, bank = data
    _, cosine, response = naive(weights, bank, 1.0)
    scores = cosine if rank_by == "cosine" else response
    found = project(weights, [bank], n_top=9, rank_by=rank_by, unit_block=8, bank_block=50)
    np.testing.assert_array_equal(found.top_entries, np.argsort(-scores, axis=1)[:, :9])
    if rank_by == "response":
        best = np.take_along_axis(weights @ bank.T, found.top_entries, axis=1)
        np.testing.assert_allclose(found.top_scores, best, rtol=1e-4, atol=1e-6)


def test_of_equal_scores_the_earlier_entry_stays():
    bank = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (7, 1))
    found = project(np.array([[1.0, 0.0]]), [bank], n_top=3, bank_block=2)
    assert found.top_entries.tolist() == [[0, 1, 2]]


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(1, 310), unit_block=st.integers(1, 40), bank_block=st.integers(1, 320))
def test_shards_and_blocks_change_nothing(cut, unit_block, bank_block):
    rng = np.random.default_rng(3)
    weights, bank = rng.standard_normal((9, 8)), rng.standard_normal((311, 8))
    whole = project(weights, [bank], n_top=4)
    parts = project(weights, [bank[:cut], bank[cut:]], 1 / 150, 4, "response", "cpu", unit_block,
                    bank_block)  # fmt: skip
    np.testing.assert_array_equal(whole.top_entries, parts.top_entries)
    assert row_error(whole.embedding, parts.embedding) < 1e-5


def test_a_unit_does_not_depend_on_the_others(data):
    weights, bank = data
    alone = project(weights[3:4], [bank], n_top=4)
    together = project(weights, [bank], n_top=4)
    assert row_error(alone.embedding, together.embedding[3:4]) < 1e-5
    np.testing.assert_array_equal(alone.top_entries[0], together.top_entries[3])


def test_direction_and_norm_are_decoupled(data):
    weights, bank = data
    scaled = project(weights * 7, [bank], n_top=2)
    plain = project(weights, [bank], n_top=2)
    assert row_error(scaled.embedding, plain.embedding) < 1e-5
    longer = project(weights, [bank * 3], n_top=2)
    assert row_error(longer.direction, plain.direction) < 1e-5
    np.testing.assert_allclose(longer.norm, 3 * plain.norm, rtol=1e-5)


def test_half_precision_shards_are_read(data):
    weights, bank = data
    half = bank.astype(np.float16)
    expected, _, _ = naive(weights, half.astype(np.float32), 1 / 150)
    assert row_error(project(weights, [half], n_top=2).embedding, expected) < 1e-5


def test_a_unit_without_weights_has_no_place(data):
    weights, bank = data
    weights[4] = 0
    found = project(weights, [bank], n_top=2)
    assert np.isnan(found.embedding[4]).all()
    assert (found.top_entries[4] == -1).all()
    assert np.isfinite(np.delete(found.embedding, 4, axis=0)).all()


def test_groups_respond_as_their_mean(data):
    weights, bank = data
    members = [np.array([0, 5]), np.array([2])]
    grouped = group_weights(weights, members)
    np.testing.assert_allclose(
        bank @ grouped[0], (bank @ weights[[0, 5]].T).mean(axis=1), rtol=1e-3
    )
    with pytest.raises(CalcarineError, match="group 1 has no unit"):
        group_weights(weights, [np.array([0]), np.array([], dtype=int)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones(3)}, "one row a unit"),
        ({"shards": [np.ones((4, 5))]}, r"shape \(4, 5\)"),
        ({"n_top": 400}, "has 311 entries"),
        ({"temperature": 0.0}, "positive temperature"),
        ({"rank_by": "length"}, "'response' or 'cosine'"),
        ({"shards": [np.full((4, 24), np.nan)]}, "row 0 of shard 0"),
    ],
)
def test_errors(data, change, message):
    weights, bank = data
    with pytest.raises(CalcarineError, match=message):
        project(**{"weights": weights, "shards": [bank], **change})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same(data):
    weights, bank = data
    here, there = project(weights, [bank]), project(weights, [bank], device="cuda")
    np.testing.assert_allclose(here.embedding, there.embedding, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(here.top_entries, there.top_entries)
