import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.time_scores import TimeScore, read_time_scores, write_time_scores
from calcarine.data.time_windows import Window, samples_of, sliding_windows, window_means

TIMES_S = np.round(-0.2 + 0.01 * np.arange(100), 6)


def test_windows_lie_in_the_trial_and_on_one_side_of_the_onset():
    windows = sliding_windows(TIMES_S, 0.05, 0.025)
    assert windows[0] == (-0.2, -0.15)
    assert windows[-1] == (0.75, 0.8)
    assert all(w.stop_s <= 0 or w.start_s >= 0 for w in windows)
    assert Window(0.0, 0.05) in windows
    assert Window(-0.05, 0.0) in windows
    assert Window(-0.025, 0.025) not in windows


def test_a_sample_belongs_to_one_of_two_windows_that_touch():
    first, second = samples_of(TIMES_S, Window(0.0, 0.05)), samples_of(TIMES_S, Window(0.05, 0.1))
    assert TIMES_S[first].tolist() == [0.0, 0.01, 0.02, 0.03, 0.04]
    assert not (first & second).any()


def test_means_are_means_of_the_samples():
    values = np.random.default_rng(0).standard_normal((4, 3, 100)).astype(np.float32)
    windows = sliding_windows(TIMES_S, 0.05, 0.025)
    means = window_means(values, TIMES_S, windows)
    for i, window in enumerate(windows):
        expected = values[:, :, samples_of(TIMES_S, window)].mean(axis=2)
        np.testing.assert_allclose(means[:, :, i], expected, atol=1e-6)


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(CalcarineError, match=r"no window of 2 s .* from -0\.2 to 0\.8 s"):
        sliding_windows(TIMES_S, 2.0, 0.1)


def test_time_scores_come_back(tmp_path):
    row = TimeScore("01", "over-time", "clip", "clip", "m", "test", 3, 2, "full", -1, 1, -1, 1, 0.5)
    write_time_scores(tmp_path / "t.tsv", [row])
    table = read_time_scores(tmp_path / "t.tsv")
    assert table.loc[0, "subject"] == "01"
    assert table.loc[0, "value"] == 0.5
    assert np.isnan(table.loc[0, "ci_low"])
    write_time_scores(tmp_path / "none.tsv", [])
    assert read_time_scores(tmp_path / "none.tsv").empty
