"""Ridge by direction: oracles are scikit-learn's ridge and the naive search over folds."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.direction_ridge import DirectionRidge
from calcarine.decoders.ridge_decoder import RidgeDecoder
from calcarine.encoders.ridge.folds import grouped_folds


def trials(rng, n_trials=90, n_units=30, embed_dim=4, noise=0.5):
    weights = np.random.default_rng(1).standard_normal((embed_dim, n_units))
    targets = rng.standard_normal((n_trials, embed_dim)) + 3
    # noise is strongest where it is not independent: a few slow directions
    slow = rng.standard_normal((n_trials, 3)) @ np.random.default_rng(2).normal(0, 3, (3, n_units))
    responses = targets @ weights + noise * (rng.standard_normal((n_trials, n_units)) + slow)
    stimuli = np.array([f"s{i // 2}" for i in range(n_trials)])
    return DecodingTrials(
        responses.astype(np.float32),
        targets.astype(np.float32),
        stimuli,
        stimuli,
        np.zeros(n_trials, dtype=bool),
    )


def cosine(a, b):
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("n_units", [30, 200])
def test_it_is_a_ridge_regression_of_another_length(rng, n_units):
    data = trials(rng, n_units=n_units)
    decoder = DirectionRidge().fit({"01": data})
    new = rng.standard_normal((5, n_units)).astype(np.float32)
    ridge = Ridge(alpha=decoder.alpha_).fit(data.responses.astype(float), data.targets)
    mean = data.targets.mean(axis=0)
    expected = mean + decoder.length_ * (ridge.predict(new) - mean)
    np.testing.assert_allclose(decoder.predict(new), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n_units", [30, 200])
def test_the_search_is_the_naive_one(rng, n_units):
    data = trials(rng, n_units=n_units, noise=2.0)
    decoder = DirectionRidge(4).fit({"01": data})
    fold_of = grouped_folds(90, data.groups, 4)
    x, y = data.responses.astype(float), data.targets.astype(float)
    found, products, squares = [], [], []
    for alpha in decoder.alphas_:
        cosines, product, square = [], 0.0, 0.0
        for fold in range(4):
            held = fold_of == fold
            mean = y[~held].mean(axis=0)
            predicted = Ridge(alpha=alpha).fit(x[~held], y[~held]).predict(x[held]) - mean
            cosines.append(cosine(predicted, y[held] - mean))
            product += (predicted * (y[held] - mean)).sum()
            square += (predicted**2).sum()
        found.append(np.concatenate(cosines).mean())
        products.append(product)
        squares.append(square)
    np.testing.assert_allclose(decoder.cosines_, found, atol=1e-5)
    best = int(np.argmax(found))
    assert decoder.alpha_ == decoder.alphas_[best]
    assert decoder.length_ == pytest.approx(products[best] / squares[best], rel=1e-4)


def test_directions_are_nearer_than_those_of_the_least_error(rng):
    gains = []
    for _ in range(8):
        data, new = trials(rng, 90, 200, 8, 3.0), trials(rng, 90, 200, 8, 3.0)
        mean = data.targets.mean(axis=0)
        by = [
            d.fit({"01": data}).predict(new.responses) for d in (DirectionRidge(), RidgeDecoder())
        ]
        gains.append(np.subtract(*(cosine(p - mean, new.targets - mean).mean() for p in by)))
    assert np.mean(gains) > 2 * np.std(gains) / np.sqrt(len(gains))


def test_noise_gets_short_predictions_that_still_differ(rng):
    data = trials(rng, noise=0.5)
    shuffled = DecodingTrials(
        data.responses,
        rng.permutation(data.targets),
        np.arange(90).astype(str),
        np.arange(90).astype(str),
        data.is_validation,
    )
    decoder = DirectionRidge().fit({"01": shuffled})
    predicted = decoder.predict(data.responses)
    assert decoder.length_ < 0.5
    assert predicted.std(axis=0).min() > 0


def test_one_item_alone_equals_one_in_a_batch_and_what_is_stored_predicts_the_same(rng):
    decoder = DirectionRidge(3).fit({"01": trials(rng)})
    new = rng.standard_normal((9, 30)).astype(np.float32)
    np.testing.assert_allclose(decoder.predict(new)[4:5], decoder.predict(new[4:5]), rtol=1e-5)
    again = DirectionRidge.from_model(*decoder.to_model())
    assert (again.n_folds, again.alpha_, again.length_) == (3, decoder.alpha_, decoder.length_)
    np.testing.assert_array_equal(decoder.predict(new), again.predict(new))


def test_test_trials_of_a_group_stay_together(rng):
    data = trials(rng)
    few = DecodingTrials(
        data.responses,
        data.targets,
        data.stimuli,
        np.repeat(["a", "b", "c"], 30),
        data.is_validation,
    )
    three, left_out = (DirectionRidge(n).fit({"01": few}) for n in (5, None))
    np.testing.assert_array_equal(three.cosines_, left_out.cosines_)
