import numpy as np
import pandas as pd
import pytest
from scipy.signal import detrend

from calcarine.data.block_averages import (
    BlockModel,
    block_of_volumes,
    block_responses,
    block_rows,
    merge_blocks,
    standardize_run,
)
from calcarine.data.errors import CalcarineError

TIMES = 2.5 * np.arange(40)


def blocks(onsets=(10.0, 40.0, 70.0), durations=(12.5, 15.0, 10.0), names=("a", "b", "a")):
    return pd.DataFrame(
        {
            "onset": onsets,
            "duration": durations,
            "stimulus_id": names,
            "concept": names,
            "trial_type": names,
            "row": range(2, 2 + len(onsets)),
        }
    )


def test_volumes_belong_to_the_block_in_which_they_begin():
    owner = block_of_volumes(np.array([10.0, 40.0]), np.array([12.5, 15.0]), TIMES, 0.0)
    assert np.flatnonzero(owner == 0).tolist() == [4, 5, 6, 7, 8]
    assert np.flatnonzero(owner == 1).tolist() == [16, 17, 18, 19, 20, 21]
    assert (owner == -1).sum() == 29
    shifted = block_of_volumes(np.array([10.0, 40.0]), np.array([12.5, 15.0]), TIMES, 5.0)
    assert np.flatnonzero(shifted == 0).tolist() == [6, 7, 8, 9, 10]


def test_a_block_is_the_mean_of_its_volumes(rng):
    series = rng.normal(100, 5, size=(40, 6))
    model = BlockModel(detrend=False, standardize="none")
    rows = block_rows(blocks(), TIMES, 2.5, model, "e.tsv")
    found = block_responses(series, rows, model)
    np.testing.assert_allclose(found[1], series[16:22].mean(axis=0), rtol=1e-6)
    assert rows.table["stimulus_id"].tolist() == ["a", "b", "a"]
    assert rows.table["onset"].tolist() == [10, 40, 70]
    assert rows.is_rest.sum() == 40 - 5 - 6 - 4


def test_single_volumes_and_rest(rng):
    series = rng.normal(100, 5, size=(40, 6))
    model = BlockModel(average=False, detrend=False, standardize="none", include_rest=True)
    rows = block_rows(blocks(), TIMES, 2.5, model, "e.tsv")
    np.testing.assert_allclose(block_responses(series, rows, model), series, rtol=1e-6)
    assert rows.table["onset"].tolist() == TIMES.tolist()
    names = rows.table["stimulus_id"].to_numpy()
    assert (names == "rest").tolist() == rows.is_rest.tolist()
    assert names[4] == "a"
    assert (rows.table["duration"] == 2.5).all()


def test_rest_periods_are_trials_between_blocks(rng):
    model = BlockModel(include_rest=True)
    rows = block_rows(blocks(), TIMES, 2.5, model, "e.tsv")
    assert rows.table["concept"].tolist() == ["rest", "a", "rest", "b", "rest", "a", "rest"]
    assert rows.volumes[2].tolist() == list(range(9, 16))
    assert rows.table["duration"].tolist() == [10, 12.5, 17.5, 15, 15, 10, 20]


def test_rows_of_one_block_are_joined():
    onset = np.r_[12 + 2.0 * np.arange(5), 36 + 2.0 * np.arange(5), 48.0]
    names = ["shoe"] * 5 + ["cat"] * 5 + ["shoe"]
    joined = merge_blocks(blocks(onset, [0.5] * 11, names), tr_s=2.5)
    assert joined["onset"].tolist() == [12, 36, 48]
    assert joined["duration"].tolist() == [8.5, 8.5, 0.5]
    assert joined["stimulus_id"].tolist() == ["shoe", "cat", "shoe"]
    assert joined["row"].tolist() == [2, 7, 12]


def test_the_same_stimulus_after_a_pause_is_another_block():
    joined = merge_blocks(blocks((0.0, 20.0), (10.0, 10.0), ("a", "a")), tr_s=2.5)
    assert len(joined) == 2


def test_detrending_is_scipys(rng):
    series = rng.normal(size=(40, 3)) + np.arange(40)[:, None] * [1, -2, 0.5] + 100
    model = BlockModel(standardize="none")
    found = standardize_run(series, np.ones(40, dtype=bool), model)
    expected = detrend(series, axis=0)
    np.testing.assert_allclose(found - found.mean(axis=0), expected, atol=1e-9)


@pytest.mark.parametrize(("how", "rows"), [("rest", slice(0, 12)), ("run", slice(None))])
def test_scaling_is_by_the_rows_it_names(rng, how, rows):
    series = rng.normal(50, 4, size=(40, 3))
    is_rest = np.arange(40) < 12
    found = standardize_run(series, is_rest, BlockModel(detrend=False, standardize=how))
    np.testing.assert_allclose(found[rows].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found[rows].std(axis=0), 1)


def test_a_run_without_rest_cannot_be_scaled_by_it(rng):
    with pytest.raises(CalcarineError, match="0 volumes of rest"):
        standardize_run(rng.normal(size=(40, 3)), np.zeros(40, dtype=bool), BlockModel())


def test_a_block_without_a_volume_is_named():
    table = blocks((10.0, 41.0), (12.5, 1.0), ("a", "b"))
    with pytest.raises(CalcarineError, match=r"e\.tsv, row 3: the block from 41 s \(1 s"):
        block_rows(table, TIMES, 2.5, BlockModel(), "e.tsv")


def test_regressors_are_taken_out_in_place_of_the_trend(rng):
    time = np.linspace(0, 1, 60)
    nuisance = np.column_stack([np.ones(60), time, np.cos(6 * time)])
    signal = rng.standard_normal((60, 3))
    model = BlockModel(average=False, standardize="none", high_pass_hz=0.01)
    found = standardize_run(
        signal + nuisance @ rng.normal(0, 9, (3, 3)), TIMES < 0, model, nuisance
    )
    weights = np.linalg.lstsq(nuisance, signal, rcond=None)[0]
    np.testing.assert_allclose(found, signal - nuisance @ weights, atol=1e-9)
