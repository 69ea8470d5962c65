import numpy as np
import pytest
from sklearn.linear_model import Ridge

from calcarine.data.errors import CalcarineError
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.ridge_decoder import RidgeDecoder


def linear_trials(rng, n_trials=80, n_units=30, embed_dim=4, noise=0.5):
    weights = np.random.default_rng(1).standard_normal((n_units, embed_dim))
    responses = rng.standard_normal((n_trials, n_units)).astype(np.float32)
    targets = responses @ weights + noise * rng.standard_normal((n_trials, embed_dim)) + 3
    stimuli = np.array([f"s{i // 2}" for i in range(n_trials)])
    return DecodingTrials(
        responses, targets.astype(np.float32), stimuli, stimuli, np.zeros(n_trials, dtype=bool)
    )


@pytest.mark.parametrize("n_units", [30, 120])
def test_each_dimension_is_a_ridge_regression(rng, n_units):
    trials = linear_trials(rng, n_units=n_units)
    decoder = RidgeDecoder().fit({"01": trials})
    new = rng.standard_normal((5, n_units)).astype(np.float32)
    for dim, alpha in enumerate(decoder.alpha_):
        ridge = Ridge(alpha=alpha).fit(trials.responses.astype(float), trials.targets[:, dim])
        np.testing.assert_allclose(decoder.predict(new)[:, dim], ridge.predict(new), rtol=1e-3)


def test_validation_trials_are_fitted_on(rng):
    trials = linear_trials(rng)
    held = DecodingTrials(
        trials.responses, trials.targets, trials.stimuli, trials.groups, np.arange(80) < 20
    )
    assert not RidgeDecoder.uses_validation
    a, b = (RidgeDecoder().fit({"01": t}).coef_ for t in (trials, held))
    np.testing.assert_array_equal(a, b)


def test_folds_are_no_more_than_groups(rng):
    trials = linear_trials(rng)
    few = DecodingTrials(
        trials.responses,
        trials.targets,
        trials.stimuli,
        np.repeat(["a", "b", "c", "d"], 20),
        trials.is_validation,
    )
    four, left_out = (RidgeDecoder(n).fit({"01": few}) for n in (5, None))
    np.testing.assert_array_equal(four.alpha_, left_out.alpha_)


def test_one_item_alone_equals_one_in_a_batch(rng):
    decoder = RidgeDecoder().fit({"01": linear_trials(rng)})
    new = rng.standard_normal((9, 30)).astype(np.float32)
    np.testing.assert_allclose(decoder.predict(new)[4:5], decoder.predict(new[4:5]), rtol=1e-5)


def test_what_is_stored_predicts_the_same(rng):
    decoder = RidgeDecoder(3).fit({"01": linear_trials(rng)})
    again = RidgeDecoder.from_model(*decoder.to_model())
    assert again.n_folds == 3
    new = rng.standard_normal((9, 30)).astype(np.float32)
    np.testing.assert_array_equal(decoder.predict(new), again.predict(new))


def test_training_trials_are_checked(rng):
    trials = linear_trials(rng)
    broken = trials.responses.copy()
    broken[7, 3] = np.nan
    rest = (trials.targets, trials.stimuli, trials.groups, trials.is_validation)
    with pytest.raises(CalcarineError, match="responses are not finite, the first in trial 7, col"):
        DecodingTrials(broken, *rest)
    with pytest.raises(CalcarineError, match=r"'responses': 79, 'targets': 80"):
        DecodingTrials(trials.responses[1:], *rest)
    with pytest.raises(CalcarineError, match="no training trial with a known target"):
        DecodingTrials(trials.responses[:0], *(r[:0] for r in rest))
