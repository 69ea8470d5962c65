import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest, bootstrap

from calcarine.data.scores import (
    SCORE_COLUMNS,
    Score,
    bootstrap_interval,
    read_scores,
    row_medians,
    share_interval,
    write_scores,
)

SCORE = Score("01", "decode", "ridge", "clip", "top1", "calcarine", "test", 60, 6, 1 / 3)


def test_a_round_trip(tmp_path):
    missing = Score(
        "01",
        "reconstruct",
        "u",
        "clip",
        "fid",
        "mindeye",
        "test",
        60,
        6,
        np.nan,
        note="not computed: weights of X not found",
    )
    write_scores(tmp_path / "metrics.tsv", [SCORE, missing])
    table = read_scores(tmp_path / "metrics.tsv")
    assert list(table.columns) == list(SCORE_COLUMNS)
    assert table["subject"].tolist() == ["01", "01"]
    assert table["value"][0] == pytest.approx(1 / 3, abs=1e-6)
    assert np.isnan(table["value"][1])
    assert table["note"].tolist() == ["", "not computed: weights of X not found"]


def test_noise_below_six_digits_does_not_change_the_bytes(tmp_path):
    write_scores(tmp_path / "a.tsv", [SCORE])
    write_scores(tmp_path / "b.tsv", [Score(*list(vars(SCORE).values())[:9], 1 / 3 + 1e-9)])
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()


def test_no_scores_are_a_header(tmp_path):
    write_scores(tmp_path / "a.tsv", [])
    assert len(read_scores(tmp_path / "a.tsv")) == 0


def test_the_interval_is_scipys_percentile_bootstrap(rng):
    values = rng.exponential(size=80)
    low, high = bootstrap_interval(values, seed=1, n_draws=20000)
    expected = bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", rng=rng
    ).confidence_interval
    assert low == pytest.approx(expected.low, abs=0.01)
    assert high == pytest.approx(expected.high, abs=0.01)


def test_intervals_cover_at_their_rate(rng):
    inside = 0
    for seed in range(300):
        low, high = bootstrap_interval(rng.normal(size=60), seed, n_draws=400)
        inside += low <= 0 <= high
    assert inside / 300 == pytest.approx(0.94, abs=0.03)


def test_missing_items_are_left_out_and_seeds_decide(rng):
    values = rng.normal(size=30)
    holed = np.r_[values[:10], np.nan, values[10:]]
    assert bootstrap_interval(holed, 4) == bootstrap_interval(values, 4)
    assert bootstrap_interval(values, 4) != bootstrap_interval(values, 5)
    assert np.isnan(bootstrap_interval(np.array([1.0, np.nan]), 0)).all()


def test_clusters_widen_the_interval_of_items_that_go_together(rng):
    of_cluster = rng.normal(size=40)
    values = np.repeat(of_cluster, 5)
    clusters = np.repeat(np.arange(40), 5)
    alone = np.subtract(*bootstrap_interval(of_cluster, 0)[::-1])
    together = np.subtract(*bootstrap_interval(values, 0, clusters=clusters)[::-1])
    taken_as_independent = np.subtract(*bootstrap_interval(values, 0)[::-1])
    wider = np.sqrt(40 / 39) * stats.t.ppf(0.975, 39) / stats.norm.ppf(0.975)
    assert together == pytest.approx(wider * alone)
    assert taken_as_independent < 0.6 * together


def test_clusters_of_unequal_size_average_items_and_not_clusters():
    values, clusters = np.array([1.0, 1.0, 1.0, 0.0]), np.array(["a", "a", "a", "b"])
    low, high = bootstrap_interval(values, 0, n_draws=4000, clusters=clusters)
    assert low < 0 < 1 < high
    assert share_interval(values, 0, clusters=clusters) == (0.0, 1.0)
    assert bootstrap_interval(values, 0, clusters=np.full(4, "a")) == pytest.approx(
        (np.nan, np.nan), nan_ok=True
    )


def test_intervals_of_few_clusters_cover_at_their_nominal_rate(rng):
    clusters = np.repeat(np.arange(5), 4)
    covered = []
    for _ in range(400):
        values = np.repeat(rng.normal(size=5), 4)
        low, high = bootstrap_interval(values, 0, n_draws=400, clusters=clusters)
        covered.append(low <= 0 <= high)
    assert np.mean(covered) >= 0.92  # 0.83 without the correction


def test_the_interval_of_hits_is_the_exact_binomial_one():
    hits = np.repeat([1.0, 0.0], [7, 53])
    exact = binomtest(7, 60).proportion_ci(0.95, method="exact")
    assert share_interval(hits, 0) == pytest.approx((exact.low, exact.high))


def test_the_interval_of_hits_covers_a_small_chance_at_its_nominal_rate(rng):
    covered = [
        low <= 1 / 60 <= high
        for low, high in (share_interval(rng.random(60) < 1 / 60, 0) for _ in range(400))
    ]
    assert np.mean(covered) >= 0.95


def test_clusters_that_all_agree_count_once():
    exact = binomtest(12, 12).proportion_ci(0.95, method="exact")
    interval = share_interval(np.ones(24), 0, clusters=np.repeat(np.arange(12), 2))
    assert interval == pytest.approx((exact.low, 1.0))


@pytest.mark.parametrize("n_values", [1, 2, 7, 8, 700])
def test_row_medians_are_those_of_numpy(n_values):
    rng = np.random.default_rng(n_values)
    values = rng.normal(size=(40, n_values))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[0], values[1] = np.nan, 1.5
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(RuntimeWarning)
        expected = np.nanmedian(values, axis=1)
    np.testing.assert_array_equal(row_medians(values), expected)
