import numpy as np
import pytest

from calcarine.data.glm import RunDesign, nuisance_design
from calcarine.data.hrf import hrf_library
from calcarine.data.hrf_choice import ShapeScores

TIMES = 1.5 * np.arange(120)
SHAPES = hrf_library()
CANONICAL = next(i for i, s in enumerate(SHAPES) if (s.peak_s, s.width) == (5.0, 1.0))


@pytest.fixture
def design(rng):
    onsets = np.sort(rng.uniform(0, 160, size=30))
    confounds = rng.normal(size=(120, 2)).cumsum(axis=0)
    nuisance = nuisance_design(TIMES, "cosine", 0.01, confounds)
    return RunDesign(onsets, np.full(30, 1.0), TIMES, nuisance)


def ols_residual(design, series):
    beta = np.linalg.lstsq(design, series, rcond=None)[0]
    return ((series - design @ beta) ** 2).sum(axis=0)


def test_planted_shapes_are_chosen(rng, design):
    planted = np.array([0, 4, 8, 10, 13, 18, 20])
    amplitude = rng.normal(3, 0.3, size=(30, 7))
    signal = [design.trials(SHAPES[i]) @ amplitude[:, v] for v, i in enumerate(planted)]
    scores = ShapeScores.empty(SHAPES, 7)
    for _ in range(3):
        series = 800 + np.column_stack(signal) + 0.2 * rng.normal(size=(120, 7))
        scores.add_run(series.astype(np.float32), design, np.ones(30, dtype=bool))
    assert scores.n_volumes == 360
    assert scores.choose().tolist() == planted.tolist()


def test_where_the_data_are_silent_the_shape_is_canonical(rng, design):
    scores = ShapeScores.empty(SHAPES, 400)
    scores.add_run(500 + rng.normal(size=(120, 400)), design, np.ones(30, dtype=bool))
    peaks = np.array([s.peak_s for s in SHAPES])[scores.choose()]
    assert abs(peaks.mean() - 5.25) < 0.25
    assert (np.abs(peaks - 5.25) < 1).mean() > 0.8
    flat = ShapeScores.empty(SHAPES, 2)
    flat.add_run(np.full((120, 2), 500.0), design, np.ones(30, dtype=bool))
    assert flat.choose().tolist() == [CANONICAL] * 2


def test_sums_are_those_of_the_full_model(rng, design):
    series = 500 + rng.normal(size=(120, 5)).cumsum(axis=0)
    is_training = np.arange(30) % 3 > 0
    scores = ShapeScores.empty(SHAPES[4:5], 5)
    scores.add_run(series, design, is_training)
    trials = design.trials(SHAPES[4])
    without = np.column_stack([design.nuisance, trials[:, ~is_training]])
    full = np.column_stack([without, trials[:, is_training].sum(axis=1)])
    np.testing.assert_allclose(scores.residual[0], ols_residual(full, series), rtol=1e-6)
    total = scores.explained[0] + scores.residual[0]
    np.testing.assert_allclose(total, ols_residual(without, series), rtol=1e-6)


def test_what_test_trials_evoke_does_not_decide(rng, design):
    is_training = np.arange(30) % 3 > 0
    series = 500 + rng.normal(size=(120, 6))
    evoked = design.trials(SHAPES[4])[:, ~is_training] @ rng.normal(0, 50, size=(10, 6))
    before, after = (ShapeScores.empty(SHAPES[4:5], 6) for _ in range(2))
    before.add_run(series, design, is_training)
    after.add_run(series + evoked, design, is_training)
    np.testing.assert_allclose(after.explained, before.explained, rtol=1e-6)
    np.testing.assert_allclose(after.residual, before.residual, rtol=1e-6)


def test_runs_without_training_trials_count_for_nothing(rng, design):
    scores = ShapeScores.empty(SHAPES, 3)
    scores.add_run(500 + rng.normal(size=(120, 3)), design, np.zeros(30, dtype=bool))
    assert scores.n_volumes == 0
    assert not scores.explained.any()


def test_the_shape_does_not_depend_on_a_voxels_scale(rng, design):
    series = 500 + rng.normal(size=(120, 4)) + design.trials(SHAPES[13]).sum(axis=1)[:, None]
    chosen = []
    for scale in (1.0, 1000.0):
        scores = ShapeScores.empty(SHAPES, 4)
        scores.add_run(scale * series, design, np.ones(30, dtype=bool))
        chosen.append(scores.choose().tolist())
    assert chosen[0] == chosen[1]
