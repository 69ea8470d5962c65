import numpy as np
import pytest
import torch
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_predict

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.folds import grouped_folds, purged_folds
from calcarine.encoders.ridge.solver import RidgeSettings, solve_ridge


def planted(rng, n_samples, n_features, n_targets, decay=0.6):
    """Make features with a falling spectrum and targets of very different noise."""
    spectrum = np.arange(1.0, n_features + 1) ** -decay
    turn = np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    x = rng.standard_normal((n_samples, n_features)) * spectrum @ turn + rng.standard_normal(
        n_features
    )
    signal = x @ rng.standard_normal((n_features, n_targets))
    noise = rng.standard_normal(signal.shape) * np.exp(rng.uniform(-1.0, 2.0, n_targets))
    y = signal / signal.std(axis=0) + noise + 5 * rng.standard_normal(n_targets)
    return x.astype(np.float32), y.astype(np.float32)


def negative_squares(y_true, y_pred):
    return -((y_true - y_pred) ** 2).sum(-2)


def mean_squares(y, folds):
    """Sum the squared errors of predicting every fold by the mean of the others."""
    means = {k: y[folds != k].mean(axis=0, dtype=np.float64) for k in np.unique(folds)}
    return sum(((y[folds == k] - mean) ** 2).sum(axis=0) for k, mean in means.items())


def himalaya(x, y, alphas, folds):
    return HimalayaRidgeCV(
        alphas=alphas,
        fit_intercept=True,
        cv=PredefinedSplit(folds),
        solver_params={"score_func": negative_squares, "warn": False},
    ).fit(x.astype(np.float64), y.astype(np.float64))


SHAPES = {"tall": (240, 30, 1000), "wide": (60, 150, 1000), "wide only in folds": (70, 60, 1000)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_kfold_equals_himalaya(rng, shape):
    x, y = planted(rng, *shape)
    groups = rng.integers(0, 19, len(x))
    folds = grouped_folds(len(x), groups, 5)
    alphas = np.logspace(-4, 4, 20) * ((x - x.mean(axis=0)) ** 2).sum() / shape[1]
    ours = solve_ridge(x, y, groups, alphas)
    theirs = himalaya(x, y, alphas, folds)
    same = np.isclose(ours.alpha, theirs.best_alphas_)
    assert same.mean() >= 0.999
    scale = np.abs(theirs.coef_).max(axis=0)
    assert (np.abs(ours.coef - theirs.coef_).max(axis=0) / scale)[same].max() < 1e-4
    np.testing.assert_allclose(ours.intercept[same], theirs.intercept_[same], atol=1e-4)
    score = 1 + 5 * np.asarray(theirs.cv_scores_, dtype=np.float64) / mean_squares(y, folds)
    assert np.abs(ours.cv_score - score).max() < 1e-5


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_constant_and_duplicate_features_and_constant_targets_equal_himalaya(rng, shape):
    x, y = planted(rng, *shape)
    x[:, 3], x[:, 5], y[:, 7] = 2.5, x[:, 4], -1.0
    alphas = np.logspace(-3, 3, 12) * ((x - x.mean(axis=0)) ** 2).sum() / shape[1]
    folds = grouped_folds(len(x), None, 5)
    ours, theirs = solve_ridge(x, y, alphas=alphas), himalaya(x, y, alphas, folds)
    varies = np.arange(shape[2]) != 7
    same = np.isclose(ours.alpha, theirs.best_alphas_) & varies
    assert same.sum() >= 0.999 * varies.sum()
    scale = np.abs(theirs.coef_).max(axis=0)
    assert (np.abs(ours.coef - theirs.coef_).max(axis=0)[same] / scale[same]).max() < 1e-4
    np.testing.assert_array_equal(ours.coef[:, 7], 0.0)
    np.testing.assert_allclose(ours.coef[4], ours.coef[5], atol=1e-6)
    score = (
        1
        + 5
        * np.asarray(theirs.cv_scores_, dtype=np.float64)[varies]
        / mean_squares(y, folds)[varies]
    )
    assert np.abs(ours.cv_score[varies] - score).max() < 1e-5


def test_extended_grid_loses_nothing_against_himalaya(rng):
    x, y = planted(rng, 60, 150, 300)
    ours = solve_ridge(x, y)
    folds = grouped_folds(60, None, 5)
    theirs = himalaya(x, y, ours.alphas, folds)
    score = 1 + 5 * np.asarray(theirs.cv_scores_, dtype=np.float64) / mean_squares(y, folds)
    assert len(ours.alphas) > 20
    assert np.abs(ours.cv_score - score).max() < 2e-6


@pytest.mark.parametrize("shape", [(90, 14, 5), (30, 70, 4)])
def test_leaving_pairs_out_equals_the_grid_search_of_scikit_learn(rng, shape):
    x, y = planted(rng, *shape)
    alphas, pairs = np.logspace(-2, 4, 13), np.arange(len(x)) // 2
    ours = solve_ridge(x, y, pairs, alphas, n_folds=None)
    for target in range(y.shape[1]):
        theirs = GridSearchCV(
            Ridge(), {"alpha": alphas}, scoring="neg_mean_squared_error", cv=PredefinedSplit(pairs)
        ).fit(x.astype(np.float64), y[:, target])
        assert ours.alpha[target] == pytest.approx(theirs.best_params_["alpha"])
        coef = theirs.best_estimator_.coef_
        np.testing.assert_allclose(ours.coef[:, target], coef, atol=1e-4 * np.abs(coef).max())


def test_one_sample_a_fold_is_refused(rng):
    x, y = planted(rng, 12, 3, 2)
    with pytest.raises(CalcarineError, match="fold 0 of 12 would be tested on 1 sample"):
        solve_ridge(x, y, np.arange(12), n_folds=None)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_bracket_chooses_as_the_whole_grid(rng, shape):
    x, y = planted(rng, *shape)
    groups = rng.integers(0, 19, len(x))
    grid = solve_ridge(x, y, groups)
    bracket = solve_ridge(x, y, groups, search="bracket")
    # with a dozen samples a fold some curves have two valleys, and the first one may be kept
    assert np.isclose(grid.alpha, bracket.alpha).mean() >= (0.999 if len(x) > 100 else 0.99)
    assert (grid.cv_score - bracket.cv_score).mean() < 1e-4
    assert bracket.edge_share == pytest.approx(grid.edge_share, abs=1e-3)


@pytest.mark.parametrize("method", ["kfold", "gcv"])
def test_continuous_penalties_are_never_worse_and_close_to_a_fine_grid(rng, method):
    x, y = planted(rng, 150, 20, 60)
    coarse = np.logspace(-2, 5, 15)
    grid = solve_ridge(x, y, alphas=coarse, method=method)
    free = solve_ridge(x, y, alphas=coarse, method=method, search="continuous")
    fine = solve_ridge(x, y, alphas=np.logspace(-2, 5, 701), method=method)
    assert (free.cv_score >= grid.cv_score - 1e-6).all()
    inner = (grid.alpha > coarse[0]) & (grid.alpha < coarse[-1]) & (free.cv_score > 0.01)
    assert inner.sum() > 20
    assert (fine.cv_score - free.cv_score)[inner].max() < 2e-4
    assert (grid.cv_score < fine.cv_score - 5e-4)[inner].any()


def test_torch_gives_the_same_as_numpy(rng):
    x, y = planted(rng, 80, 12, 40)
    for search in ("grid", "bracket", "continuous"):
        ours = solve_ridge(x, y, search=search)
        torch = solve_ridge(x, y, search=search, settings=RidgeSettings(device="cpu"))
        np.testing.assert_allclose(torch.cv_score, ours.cv_score, atol=2e-6)
        np.testing.assert_allclose(torch.coef, ours.coef, atol=1e-3 * np.abs(ours.coef).max())
    gcv = solve_ridge(x, y, method="gcv", settings=RidgeSettings(device="cpu"))
    np.testing.assert_allclose(gcv.coef, solve_ridge(x, y, method="gcv").coef, atol=1e-4)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    return request.param


def assert_same(found, expected):
    seen = ~expected.masked
    np.testing.assert_array_equal(found.masked, expected.masked)
    assert np.isclose(found.alpha, expected.alpha)[seen].mean() >= 0.999
    np.testing.assert_allclose(found.cv_score, expected.cv_score, atol=1e-5)
    np.testing.assert_allclose(
        found.coef, expected.coef, atol=1e-4 * np.abs(expected.coef[:, seen]).max()
    )
    np.testing.assert_allclose(found.intercept, expected.intercept, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("method", "shape"), [("gcv", "tall"), *(("kfold", shape) for shape in SHAPES)]
)
def test_every_device_finds_what_numpy_finds(rng, device, method, shape):
    x, y = planted(rng, *SHAPES[shape])
    folds = {"groups": rng.integers(0, 19, len(x))} if method == "kfold" else {}
    alphas = np.logspace(-4, 4, 20) * ((x - x.mean(axis=0)) ** 2).sum() / x.shape[1]
    found, expected = (
        solve_ridge(x, y, **folds, alphas=alphas, method=method, settings=RidgeSettings(device=d))
        for d in (device, None)
    )
    assert_same(found, expected)


@pytest.mark.parametrize("stored", ["int16", "float32", "float64", "uint8"])
def test_every_device_reads_responses_as_numpy_does(rng, device, stored):
    x, y = planted(rng, 200, 15, 60)
    counts = np.clip(np.round(100 + 20 * (y - y.mean(axis=0)) / y.std(axis=0)), 0, 255)
    y = counts.astype(stored)
    y[:, 7] = 113  # constant
    y[[0, -1], 11] = 5  # ends alike, yet varies
    if stored.startswith("float"):
        y[3, 2], y[9, 40] = np.nan, np.inf
    settings = {"chunk_size": 16, "nan_targets": "mask"}
    groups = rng.permutation(np.repeat(np.arange(10), 20))  # rows out of the folds' order
    found, expected = (
        solve_ridge(x, y, groups, settings=RidgeSettings(**settings, device=d))
        for d in (device, None)
    )
    assert expected.masked.sum() == (2 if stored.startswith("float") else 0)
    assert (found.coef[:, 7] == 0).all()
    assert found.intercept[7] == 113
    assert_same(found, expected)


def test_every_device_refuses_values_that_are_not_finite(rng, device):
    x, y = planted(rng, 60, 9, 12)
    y[3, 7] = np.nan
    with pytest.raises(CalcarineError, match=r"\(3, 7\)"):
        solve_ridge(x, y, settings=RidgeSettings(chunk_size=5, device=device))


@pytest.mark.parametrize("repeats", [False, True])
def test_every_device_takes_the_root_of_test_pictures(rng, device, repeats):
    x, y = planted(rng, 120, 8, 30)
    if repeats:
        x[:40] = x[0]  # a fold that shows one picture again and again
    groups = np.repeat(np.arange(3), 40)
    found, expected = (
        solve_ridge(x, y, groups, n_folds=3, settings=RidgeSettings(device=d))
        for d in (device, None)
    )
    assert_same(found, expected)


def test_masked_targets_are_nan_and_leave_the_others_alone(rng):
    x, y = planted(rng, 60, 9, 12)
    whole = solve_ridge(x, y, settings=RidgeSettings(chunk_size=5))
    broken = y.copy()
    broken[3, 7], broken[9, 2] = np.nan, np.inf
    found = solve_ridge(x, broken, settings=RidgeSettings(chunk_size=5, nan_targets="mask"))
    np.testing.assert_array_equal(np.flatnonzero(found.masked), [2, 7])
    assert np.isnan(found.coef[:, found.masked]).all()
    assert np.isnan(found.cv_score[found.masked]).all()
    np.testing.assert_array_equal(found.coef[:, ~found.masked], whole.coef[:, ~found.masked])


def test_scale_multiplies_the_responses(rng):
    x, y = planted(rng, 60, 8, 5)
    counts = np.round(300 * y).astype(np.int16)
    scaled = solve_ridge(x, counts, settings=RidgeSettings(scale=1 / 300))
    plain = solve_ridge(x, counts / 300.0)
    np.testing.assert_allclose(scaled.coef, plain.coef, atol=1e-4)
    np.testing.assert_allclose(scaled.intercept, plain.intercept, atol=1e-4)
    np.testing.assert_allclose(scaled.alpha, plain.alpha)


def test_threads_change_nothing(rng):
    x, y = planted(rng, 90, 14, 40)
    one, three = (
        solve_ridge(x, y, settings=RidgeSettings(chunk_size=7, n_threads=n)) for n in (1, 3)
    )
    np.testing.assert_array_equal(one.alpha, three.alpha)
    np.testing.assert_allclose(one.coef, three.coef, atol=1e-6)


def test_any_folds_equal_out_of_fold_predictions(rng):
    x, y = planted(rng, 60, 7, 3)
    folds = purged_folds(60, 4, gap=3)
    found = solve_ridge(x, y, alphas=[0.7], folds=folds)
    errors, baseline = np.zeros(3), np.zeros(3)
    for train, test in zip(folds.train, folds.test, strict=True):
        train, test = train[folds.blocks], test[folds.blocks]
        fitted = Ridge(0.7).fit(x[train].astype(np.float64), y[train])
        errors += ((y[test] - fitted.predict(x[test])) ** 2).sum(0)
        baseline += ((y[test] - y[train].mean(0, dtype=np.float64)) ** 2).sum(0)
    np.testing.assert_allclose(found.cv_score, 1 - errors / baseline, atol=1e-5)


def test_score_equals_out_of_fold_predictions_of_scikit_learn(rng):
    x, y = planted(rng, 83, 12, 3)
    groups = rng.integers(0, 11, 83)
    cv = PredefinedSplit(grouped_folds(83, groups, 4))
    ours = solve_ridge(x, y, groups, [0.7], n_folds=4)
    predicted = cross_val_predict(Ridge(0.7), x.astype(np.float64), y, cv=cv)
    mean = cross_val_predict(Ridge(1e14), x.astype(np.float64), y, cv=cv)
    expected = 1 - ((y - predicted) ** 2).sum(0) / ((y - mean) ** 2).sum(0)
    np.testing.assert_allclose(ours.cv_score, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(120, 20, 8), (25, 60, 8)])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e4])
def test_weights_equal_the_closed_form(rng, shape, alpha):
    x, y = planted(rng, *shape)
    ours = solve_ridge(x, y, alphas=[alpha])
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    xc, yc = x64 - x64.mean(0), y64 - y64.mean(0)
    coef = np.linalg.solve(xc.T @ xc + alpha * np.eye(x.shape[1]), xc.T @ yc)
    assert np.abs(ours.coef - coef).max() < 1e-4 * np.abs(coef).max()
    np.testing.assert_allclose(ours.intercept, y64.mean(0) - x64.mean(0) @ coef, atol=1e-4)


def test_gcv_equals_the_formula(rng):
    x, y = planted(rng, 70, 16, 40)
    alphas = np.logspace(-3, 3, 15)
    ours = solve_ridge(x, y, alphas=alphas, method="gcv")
    n = len(x)
    xc, yc = (x - x.mean(0)).astype(np.float64), (y - y.mean(0)).astype(np.float64)
    curve = []
    for alpha in alphas:
        hat = xc @ np.linalg.solve(xc.T @ xc + alpha * np.eye(16), xc.T) + 1.0 / n
        residual = yc - hat @ yc
        curve.append((residual**2).sum(0) / n / (1 - np.trace(hat) / n) ** 2)
    np.testing.assert_allclose(ours.alpha, alphas[np.argmin(curve, axis=0)])
    mean_only = (yc**2).sum(0) / n / (1 - 1 / n) ** 2
    np.testing.assert_allclose(ours.cv_score, 1 - np.min(curve, axis=0) / mean_only, atol=1e-5)


def test_targets_and_chunks_do_not_feel_each_other(rng):
    x, y = planted(rng, 100, 20, 150)
    whole = solve_ridge(x, y)
    chunked = solve_ridge(x, y, settings=RidgeSettings(chunk_size=7))
    order = rng.permutation(150)
    turned = solve_ridge(x, y[:, order])
    np.testing.assert_array_equal(chunked.alpha, whole.alpha)
    np.testing.assert_array_equal(turned.alpha, whole.alpha[order])
    np.testing.assert_allclose(chunked.coef, whole.coef, atol=1e-5)
    np.testing.assert_allclose(turned.coef, whole.coef[:, order], atol=1e-5)
    np.testing.assert_array_equal(chunked.alphas, whole.alphas)
    assert chunked.edge_share == pytest.approx(whole.edge_share)


def test_samples_in_another_order_change_nothing(rng):
    x, y = planted(rng, 90, 15, 30)
    groups = rng.integers(0, 12, 90)
    order = rng.permutation(90)
    first = solve_ridge(x, y, groups)
    second = solve_ridge(x[order], y[order], groups[order])
    np.testing.assert_allclose(second.alpha, first.alpha)
    np.testing.assert_allclose(second.coef, first.coef, atol=2e-5)


def test_repeats_in_one_group_are_never_on_both_sides(rng):
    x = np.repeat(rng.standard_normal((40, 60)).astype(np.float32), 3, axis=0)
    y = np.repeat(rng.standard_normal((40, 50)).astype(np.float32), 3, axis=0)
    order = rng.permutation(120)
    x, y, stimulus = x[order], y[order], np.repeat(np.arange(40), 3)[order]
    assert solve_ridge(x, y, stimulus).cv_score.max() < 0.35
    assert solve_ridge(x, y, np.arange(120)).cv_score.min() > 0.5


def test_duplicate_features_share_one_weight(rng):
    x, y = planted(rng, 80, 10, 6)
    doubled = np.concatenate([x, x], axis=1)
    single = solve_ridge(x, y, alphas=[2.0])
    double = solve_ridge(doubled, y, alphas=[4.0])
    np.testing.assert_allclose(double.coef[:10], double.coef[10:], atol=1e-6)
    np.testing.assert_allclose(2 * double.coef[:10], single.coef, atol=1e-5)


def test_constant_features_and_targets_get_zero_weights(rng):
    x, y = planted(rng, 60, 9, 5)
    x[:, 4] = 3.7
    y[:, 2] = 1234.567
    found = solve_ridge(x, y)
    assert np.isfinite(found.coef).all()
    np.testing.assert_allclose(found.coef[4], 0.0, atol=1e-6)
    np.testing.assert_array_equal(found.coef[:, 2], 0.0)
    assert found.intercept[2] == np.float32(1234.567)
    assert found.cv_score[2] == 0.0
    assert found.alpha[2] == found.alphas[found.alphas <= found.alpha[2]].max()
    only_constant = solve_ridge(np.ones((60, 3), np.float32), y)
    np.testing.assert_array_equal(only_constant.coef, 0.0)
    np.testing.assert_allclose(only_constant.intercept, y.mean(0), rtol=1e-5)


def test_feature_that_varies_in_one_fold_only(rng):
    x, y = planted(rng, 50, 4, 3)
    x[:40, 1] = 0.0
    found = solve_ridge(x, y)
    assert np.isfinite(found.coef).all()
    assert (found.cv_score > -5).all()


def test_equal_losses_go_to_the_larger_penalty(rng):
    x = rng.standard_normal((40, 3)).astype(np.float32)
    y = np.zeros((40, 2), np.float32)
    assert (solve_ridge(x, y, alphas=[1.0, 10.0, 100.0]).alpha == 100.0).all()


def test_grid_grows_for_targets_at_its_lower_end(rng):
    x = rng.standard_normal((200, 5)).astype(np.float32)
    x[:, 0] *= 1000  # one feature in other units drowns the mean variance
    clean = x[:, 1:] @ rng.standard_normal((4, 4)) + 0.1 * rng.standard_normal((200, 4))
    found = solve_ridge(x, clean)
    bottom = 1e-4 * ((x - x.mean(axis=0)) ** 2).sum() / 5
    assert (found.alpha < 0.01 * bottom).all()
    assert (found.cv_score > 0.9).all()
    assert (solve_ridge(x, clean, alphas=[bottom]).cv_score < 0.9).all()
    assert len(found.alphas) == 30
    np.testing.assert_allclose(np.diff(np.log10(found.alphas)), 8 / 19, rtol=1e-6)


def test_edge_share_counts_both_ends_and_no_constant_target(rng):
    x = rng.standard_normal((150, 6)).astype(np.float32)
    strong = x @ rng.standard_normal((6, 2))
    untuned = rng.standard_normal((150, 5))
    untuned -= x @ np.linalg.lstsq(x, untuned, rcond=None)[0]
    y = np.concatenate([strong, untuned, np.ones((150, 1))], axis=1)
    assert solve_ridge(x, y, alphas=[1.0, 30.0, 1e6]).edge_share == pytest.approx((2 / 7, 5 / 7))


def test_untuned_targets_score_nothing(rng):
    x, _ = planted(rng, 200, 20, 1)
    noise = rng.standard_normal((200, 300)).astype(np.float32)
    found = solve_ridge(x, noise)
    assert abs(found.cv_score.mean()) < 0.01


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("scale", [1e-13, 1e6])
def test_units_and_offsets_of_targets_do_not_matter(rng, scale, offset):
    x, y = planted(rng, 100, 12, 20)
    plain = solve_ridge(x, y)
    scaled = solve_ridge(x, (y.astype(np.float64) + offset) * scale)
    np.testing.assert_allclose(scaled.alpha, plain.alpha)
    np.testing.assert_allclose(scaled.coef / scale, plain.coef, atol=1e-4)
    np.testing.assert_allclose(scaled.cv_score, plain.cv_score, atol=1e-5)


def test_reads_memory_maps_and_integers(rng, tmp_path):
    x, y = planted(rng, 60, 8, 30)
    counts = np.round(100 * y).astype(np.int16)
    np.save(tmp_path / "y.npy", counts)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    groups = rng.integers(0, 12, 60)
    found = solve_ridge(x, mapped, groups, settings=RidgeSettings(chunk_size=11))
    expected = solve_ridge(
        x, counts.astype(np.float64), groups, settings=RidgeSettings(chunk_size=11)
    )
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-3, atol=1e-4)


def test_equal_input_gives_equal_bytes(rng):
    x, y = planted(rng, 60, 8, 30)
    assert solve_ridge(x, y).coef.tobytes() == solve_ridge(x, y).coef.tobytes()


def test_bad_values_are_named_with_their_positions(rng):
    x, y = planted(rng, 40, 5, 30)
    y[7, 22] = np.nan
    groups = rng.integers(0, 9, 40)
    with pytest.raises(CalcarineError, match=r"1 values of the responses.*\[\(7, 22\)\]"):
        solve_ridge(x, y, groups, settings=RidgeSettings(chunk_size=10))
    x[3, 2] = -np.inf
    with pytest.raises(CalcarineError, match=r"1 values of the features.*\[\(3, 2\)\]"):
        solve_ridge(x, y)


def test_impossible_requests_are_named(rng):
    x, y = planted(rng, 40, 5, 3)
    with pytest.raises(CalcarineError, match=r"\(40, 5\) and responses \(39, 3\)"):
        solve_ridge(x, y[1:])
    with pytest.raises(CalcarineError, match=r"responses \(40, 0\); at least"):
        solve_ridge(x, y[:, :0])
    with pytest.raises(CalcarineError, match="expected positive numbers"):
        solve_ridge(x, y, alphas=[0.0, 1.0])
    with pytest.raises(CalcarineError, match=r"'loo'; expected one of \['gcv', 'kfold'\]"):
        solve_ridge(x, y, method="loo")
    with pytest.raises(CalcarineError, match="40 samples as independent, but they belong to 20"):
        solve_ridge(x, y, np.arange(40) // 2, method="gcv")
    with pytest.raises(CalcarineError, match="5 folds were asked of 4 groups"):
        solve_ridge(x, y, np.arange(40) // 10)
