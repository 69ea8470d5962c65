"""Filters over time: oracles are NumPy's covariance and the courses that were planted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fixtures.planted_sensors import N_TIMES, PEAKS_S, STEP_S, montage, planted

from calcarine.decoders.contrastive import ContrastiveDecoder
from calcarine.decoders.contrastive_loss import ContrastiveLoss
from calcarine.decoders.meeg.shared_filters import (
    SharedFilters,
    SharedFiltersShape,
    courses_of,
    target_axes,
)
from calcarine.decoders.network_inputs import network_input
from calcarine.decoders.retrieval import brain_to_image, cosines
from calcarine.encoders.training import TrainingPlan

SHAPE = SharedFiltersShape(n_filters=2, hidden_dim=16, input_dropout=0.2, dropout=0.2)
LOSS = ContrastiveLoss("info-nce", 0.0, 0.75, 0.25)


def begun(people, shape=SHAPE):
    trunk = SharedFilters(
        {s: network_input(t.responses, t.sensors) for s, t in people.items()}, shape
    )
    trunk.begin(people)
    return trunk


def test_target_axes_are_principal_scores_of_equal_variance(rng):
    targets = rng.standard_normal((50, 7)) @ rng.standard_normal((7, 7)) + 3
    axes = target_axes(targets, 4)
    left = np.linalg.svd(targets - targets.mean(axis=0), full_matrices=False)[0][:, :4]
    np.testing.assert_allclose(axes @ axes.T, left @ left.T, atol=1e-8)
    assert target_axes(np.eye(3)[rng.integers(0, 3, 50)], 8).shape == (50, 2)  # codes sum to 1


def test_noise_is_white_over_time_after_whitening(rng):
    mixing = rng.standard_normal((6, 6))
    responses = rng.standard_normal((40, 5, 6)) @ mixing + rng.standard_normal((5, 6))
    axes = target_axes(rng.standard_normal((40, 3)), 3)
    found = courses_of(responses, axes, 0.2)
    centred = (responses - responses.mean(axis=0)).reshape(-1, 6)
    covariance = np.cov(centred, rowvar=False, bias=True)
    floored = covariance + 0.2 * np.trace(covariance) / 6 * np.eye(6)
    np.testing.assert_allclose(found.whitener @ floored @ found.whitener, np.eye(6), atol=1e-8)
    np.testing.assert_allclose(found.mean, responses.mean(axis=0))
    white = (responses - responses.mean(axis=0)) @ found.whitener
    by_hand = np.einsum("nk,nct->kct", axes, white)
    np.testing.assert_allclose(found.evoked, np.einsum("kct,kcu->tu", by_hand, by_hand), atol=1e-7)


def test_filters_are_the_planted_courses_of_all_people():
    people = {"01": planted(0, 300, montage(12, 0)), "02": planted(1, 300, montage(9, 4))}
    # a drift that is louder than the signal, and tells nothing
    rng = np.random.default_rng(5)
    slow = np.cos(np.linspace(0, np.pi, N_TIMES))
    people = {
        s: replace(
            t, responses=np.float32(t.responses + 4 * rng.standard_normal((300, 1, 1)) * slow)
        )
        for s, t in people.items()
    }
    trunk = begun(people)
    times = people["01"].sensors.times_s
    for name, own in people.items():
        filters = trunk.get_buffer(f"filters_{name}").numpy().astype(float)
        # what is let through: the covariance times the filters spans the evoked courses
        centred = (own.responses - own.responses.mean(axis=0)).reshape(-1, N_TIMES)
        patterns = np.linalg.qr(np.cov(centred, rowvar=False) @ filters)[0]
        for peak in sorted(set(PEAKS_S)):
            course = np.exp(-((times - peak) ** 2) / (2 * 0.03**2))
            course /= np.linalg.norm(course)
            assert np.linalg.norm(patterns.T @ course) > 0.9
        assert abs(slow @ filters).max() < 0.1 * np.linalg.norm(slow) * np.linalg.norm(filters)
    assert STEP_S > 0


def test_filters_do_not_depend_on_validation_trials():
    data = planted(0, 100, montage(8, 0))
    changed = data.responses.copy()
    changed[data.is_validation] = 99
    first, second = (begun({"01": d}) for d in (data, replace(data, responses=changed)))
    np.testing.assert_array_equal(first.get_buffer("filters_01"), second.get_buffer("filters_01"))
    assert first.get_buffer("mean_01").abs().max() < 10


def test_training_filters_once_what_prediction_filters_each_time():
    people = {"01": planted(0, 30, montage(8, 0)), "02": planted(1, 30, montage(5, 2))}
    trunk = begun(people).eval()
    responses = {s: torch.from_numpy(t.responses) for s, t in people.items()}
    fixed = {s: trunk.fixed(values, s) for s, values in responses.items()}
    assert fixed["02"].shape == (30, 5, 2)
    torch.testing.assert_close(trunk.learned(fixed), trunk(responses))
    # mixing two trials before the filters or after them is the same
    whole = responses["01"]
    mixed = trunk.fixed(0.3 * whole[:5] + 0.7 * whole[5:10], "01")
    torch.testing.assert_close(
        mixed, 0.3 * fixed["01"][:5] + 0.7 * fixed["01"][5:10], atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("size", [0.2, 1.0])
def test_people_with_other_sensors_learn_together(size):
    people = {"01": montage(12, 0), "02": montage(9, 4)}
    trials = {s: planted(i, 300, m, noise=2.0) for i, (s, m) in enumerate(people.items())}
    plan = TrainingPlan(14, 32, 4e-3, 0.01, 14, seed=0)
    decoder = ContrastiveDecoder(SHAPE, plan, LOSS).fit(trials)
    for name, sensors in people.items():
        test = planted(9, 60, sensors, noise=2.0)
        mean = trials[name].responses.mean(axis=0)
        quiet = mean + size * (test.responses - mean)
        scores = cosines(decoder.predict(quiet, name), test.targets, test.targets.mean(axis=0))
        # guessing gives 0.5 ± 0.037
        assert brain_to_image(scores, np.arange(60)).relative.mean() < 0.3
