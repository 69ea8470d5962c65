"""Rows that stay on disk are the rows of the array, whatever is asked of them."""

import numpy as np
import pytest

from calcarine.data.digests import array_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.noise_ceiling import repeat_variance
from calcarine.data.repeats import average_rows
from calcarine.data.standardize import Standardizer
from calcarine.data.stored_rows import StoredRows, can_stay, row_blocks, take_rows, times


@pytest.fixture
def stored(tmp_path, rng):
    values = rng.standard_normal((23, 7)).astype(np.float32) * 3 + 5
    np.save(tmp_path / "r.npy", values)
    return values, np.load(tmp_path / "r.npy", mmap_mode="r")


@pytest.fixture
def rows() -> np.ndarray:
    return np.array([4, 5, 6, 22, 0, 1, 9, 9, 3])


@pytest.mark.parametrize("columns", [slice(None), slice(2, 5), slice(6, 7), slice(0, 0)])
def test_parts_are_those_of_the_array(stored, rows, columns):
    values, mapped = stored
    lazy = StoredRows(mapped, rows)
    some = np.array([8, 0, 1, 2])
    assert lazy.shape == (9, 7)
    assert lazy.nbytes == values[rows].nbytes
    assert np.array_equal(lazy[:, columns], values[rows][:, columns])
    assert np.array_equal(lazy[some, columns], values[rows][some, columns])
    assert np.array_equal(lazy[2:5], values[rows][2:5])
    assert np.array_equal(lazy.take(some)[:, columns], values[rows][some][:, columns])


@pytest.mark.parametrize("by_session", [False, True])
def test_standardised_as_in_memory(stored, rows, by_session):
    values, mapped = stored
    groups = np.array(["a", "b"])[rows % 2] if by_session else None
    lazy = StoredRows(mapped, rows)
    plain = Standardizer.fit(values[rows], groups)
    found = Standardizer.fit(lazy, groups)
    np.testing.assert_allclose(found.mean, plain.mean, rtol=1e-6)
    np.testing.assert_allclose(found.std, plain.std, rtol=1e-5)
    wanted = plain.transform(values[rows], groups)
    scaled = plain.transform(lazy, groups)
    assert isinstance(scaled, StoredRows)
    assert np.array_equal(scaled[:, 1:4], wanted[:, 1:4])
    assert np.array_equal(scaled.take(np.array([3, 0]))[:], wanted[[3, 0]])
    assert np.array_equal(np.concatenate([b for _, b in scaled.blocks()]), wanted)


def test_factors_multiply_what_was_standardised(stored, rows, rng):
    values, mapped = stored
    first, second = rng.uniform(0.2, 2, (2, 7)).astype(np.float32)
    scaler = Standardizer.fit(values[rows])
    lazy = times(times(scaler.transform(StoredRows(mapped, rows)), first), second)
    wanted = scaler.transform(values[rows]) * (first * second)
    assert isinstance(lazy, StoredRows)
    np.testing.assert_allclose(lazy[:, 1:4], wanted[:, 1:4], rtol=1e-6)
    np.testing.assert_allclose(lazy.take(np.array([3, 0]))[:], wanted[[3, 0]], rtol=1e-6)
    assert np.array_equal(times(values, first), values * first)


def test_transform_by_hand_and_input_is_left_alone(rng):
    values = rng.standard_normal((6, 3)).astype(np.float32)
    kept, groups = values.copy(), np.array(["a", "a", "b", "b", "c", "a"])
    scaler = Standardizer.fit(values[:4], groups[:4])
    out = scaler.transform(values, groups)
    mean = {"a": values[:2].mean(axis=0), "b": values[2:4].mean(axis=0)}
    std = {"a": values[:2].std(axis=0), "b": values[2:4].std(axis=0)}
    mean["c"], std["c"] = (mean["a"] + mean["b"]) / 2, (std["a"] + std["b"]) / 2
    for row, group in enumerate(groups):
        np.testing.assert_allclose(out[row], (values[row] - mean[group]) / std[group], rtol=1e-4)
    assert np.array_equal(values, kept)


def test_functions_of_rows_take_them(stored, rows):
    values, mapped = stored
    lazy = StoredRows(mapped, rows)
    groups = [np.array([0, 3]), np.array([5])]
    assert np.array_equal(average_rows(lazy, groups), average_rows(values[rows], groups))
    assert array_sha(lazy) == array_sha(values[rows])
    stimuli = np.array(list("aabbccddd"))
    plain, found = (repeat_variance(v, stimuli) for v in (values[rows], lazy))
    assert np.array_equal(plain.noise, found.noise)
    assert np.array_equal(plain.signal, found.signal)


def test_few_rows_go_to_memory_and_many_stay(stored, rows):
    values, mapped = stored
    size = values[rows].nbytes
    assert type(take_rows(mapped, rows, size)) is np.ndarray
    assert isinstance(take_rows(mapped, rows, size - 1), StoredRows)
    # what is in memory already is no file
    assert type(take_rows(values, rows, 0)) is np.ndarray
    again = take_rows(take_rows(mapped, rows, 0), np.array([1, 2]), 0)
    assert np.array_equal(again[:], values[rows][[1, 2]])


def test_views_and_other_types_cannot_stay(stored, tmp_path):
    values, mapped = stored
    assert can_stay(mapped)
    np.save(tmp_path / "d.npy", values.astype(np.float64))
    for other in (values, mapped[2:], mapped[:, :3], mapped.T):
        assert not can_stay(other)
    assert not can_stay(np.load(tmp_path / "d.npy", mmap_mode="r"))
    with pytest.raises(CalcarineError, match="cannot stay on disk"):
        StoredRows(values, np.array([0]))


def test_nobody_gets_everything_by_accident(stored, rows):
    lazy = StoredRows(stored[1], rows)
    with pytest.raises(CalcarineError, match="asked for at once"):
        np.asarray(lazy)
    with pytest.raises(CalcarineError, match="one stretch of columns"):
        lazy[:, ::2]


def test_a_file_that_was_cut_is_named(stored, rows, tmp_path):
    lazy = StoredRows(stored[1], rows)
    with (tmp_path / "r.npy").open("r+b") as file:
        file.truncate(300)
    with pytest.raises(CalcarineError, match="ended before its last trial"):
        lazy[:]


def test_blocks_cover_an_array_once(rng, monkeypatch):
    monkeypatch.setattr("calcarine.data.stored_rows._BLOCK_BYTES", 100)
    values = rng.standard_normal((11, 4))
    parts = list(row_blocks(values))
    assert len(parts) == 4
    assert np.array_equal(np.concatenate([b for _, b in parts]), values)
