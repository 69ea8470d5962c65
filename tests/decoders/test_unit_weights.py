import numpy as np
import pytest
from sklearn.linear_model import Ridge

from calcarine.data.errors import CalcarineError
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.ridge_decoder import RidgeDecoder
from calcarine.decoders.unit_weights import WeightedUnits, unit_weights

N_TRIALS, N_UNITS, N_TUNED, EMBED_DIM = 200, 90, 30, 6


@pytest.fixture
def trials(rng):
    """Plant the target in the first units; the others are noise."""
    targets = rng.standard_normal((N_TRIALS, EMBED_DIM)).astype(np.float32)
    responses = rng.standard_normal((N_TRIALS, N_UNITS)).astype(np.float32)
    responses[:, :N_TUNED] += 0.5 * targets @ rng.standard_normal((EMBED_DIM, N_TUNED))
    names = np.array([f"s{i}" for i in range(N_TRIALS)])
    return DecodingTrials(responses, targets, names, names, np.arange(N_TRIALS) % 10 == 0)


def _fit(trials, decoder):
    return decoder.fit({"01": trials})


def test_noise_gets_no_weight(trials):
    weights = unit_weights(trials.responses, trials.targets, trials.groups)
    assert np.mean(weights**2) == pytest.approx(1, rel=1e-5)
    assert np.median(weights[N_TUNED:]) < 0.05
    assert np.median(weights[:N_TUNED]) > 1


def test_scaling_is_a_penalty_for_each_unit(rng):
    # ridge on X·w equals ridge on X with penalty α / w² for each unit
    x, y, w = rng.standard_normal((50, 5)), rng.standard_normal(50), rng.uniform(0.2, 2, 5)
    x, y = x - x.mean(axis=0), y - y.mean()
    scaled = w * Ridge(alpha=3.0, fit_intercept=False).fit(x * w, y).coef_
    np.testing.assert_allclose(scaled, np.linalg.solve(x.T @ x + np.diag(3 / w**2), x.T @ y))


def test_weights_help_where_half_of_the_units_are_noise(trials, rng):
    new = rng.permutation(N_TRIALS)[:60]
    rest = np.setdiff1d(np.arange(N_TRIALS), new)
    own = DecodingTrials(*(getattr(trials, n)[rest] for n in list(vars(trials))[:5]))
    errors = [
        ((_fit(own, d).predict(trials.responses[new], "01") - trials.targets[new]) ** 2).mean()
        for d in (RidgeDecoder(), WeightedUnits(RidgeDecoder()))
    ]
    assert errors[1] < 0.9 * errors[0]


def test_validation_trials_shape_no_weight_where_they_choose(trials):
    class Holds(RidgeDecoder):
        uses_validation = True

    changed = trials.targets.copy()
    changed[trials.is_validation] = 7.0
    other = DecodingTrials(
        trials.responses, changed, trials.stimuli, trials.groups, trials.is_validation
    )
    first, second = (_fit(t, WeightedUnits(Holds())).weights_["01"] for t in (trials, other))
    np.testing.assert_array_equal(first, second)
    plain = _fit(other, WeightedUnits(RidgeDecoder())).weights_["01"]
    assert np.abs(plain - first).max() > 1e-3


def test_order_of_units_does_not_matter(trials, rng):
    order = rng.permutation(N_UNITS)
    weights = unit_weights(trials.responses, trials.targets, trials.groups)
    permuted = unit_weights(trials.responses[:, order], trials.targets, trials.groups)
    np.testing.assert_allclose(permuted, weights[order], atol=1e-5)


def test_long_targets_are_led_by_their_axes(trials, rng):
    rotation = np.linalg.qr(rng.standard_normal((300, EMBED_DIM)))[0].T
    weights = unit_weights(trials.responses, trials.targets, trials.groups)
    long = unit_weights(trials.responses, trials.targets @ rotation, trials.groups)
    np.testing.assert_allclose(long, weights, atol=2e-2)


def test_silent_units_all_count_alike(rng):
    weights = unit_weights(np.zeros((40, 3)), rng.standard_normal((40, 2)), np.arange(40))
    assert weights.tolist() == [1.0, 1.0, 1.0]


def test_time_courses_and_other_units_are_refused(trials):
    decoder = _fit(trials, WeightedUnits(RidgeDecoder()))
    with pytest.raises(CalcarineError, match="weighs the units"):
        decoder.predict(np.zeros((2, 4), dtype=np.float32), "01")
    courses = DecodingTrials(
        np.zeros((N_TRIALS, 3, 4), dtype=np.float32),
        trials.targets,
        trials.stimuli,
        trials.groups,
        trials.is_validation,
    )
    with pytest.raises(CalcarineError, match="Remove `weigh_units`"):
        _fit(courses, WeightedUnits(RidgeDecoder()))


def test_long_targets_weigh_alike_whichever_product_is_decomposed(trials, rng, monkeypatch):
    monkeypatch.setattr("calcarine.decoders.unit_weights._MAX_AXES", 4)
    few = unit_weights(trials.responses, trials.targets, trials.groups)
    # columns of zeros change nothing but which of the two products is smaller
    padded = np.pad(trials.targets, ((0, 0), (0, N_TRIALS)))
    many = unit_weights(trials.responses, padded, trials.groups)
    np.testing.assert_allclose(few, many, atol=1e-4)
    assert few.std() > 0.1
