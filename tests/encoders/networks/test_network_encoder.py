import numpy as np
import pandas as pd
import pytest
import torch

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import CARD_FIELDS
from calcarine.encoders.encoding_trials import EncodingTrials
from calcarine.encoders.networks.layer_ensemble import LayerEnsemble, model_weights
from calcarine.encoders.networks.network_encoder import NetworkEncoder
from calcarine.encoders.networks.ridge_heads import refit_heads
from calcarine.encoders.networks.roi_query import RoiQueryShape
from calcarine.encoders.networks.token_network import PixelShape, ReadOutShape
from calcarine.encoders.ridge.solver import solve_ridge
from calcarine.encoders.training import TrainingPlan

N, N_UNITS, SIDE, CHANNELS = 240, 6, 3, 5
CARD = dict.fromkeys(CARD_FIELDS, "text")


def sidecar(**changes):
    known = {"model": "test", "revision": "0" * 64, "layer": "a", "pooling": "tokens"}
    return known | {"row_shape": [SIDE**2, CHANNELS], "input": "pictures"} | changes


def plan(n_epochs=60, learning_rate=0.02):
    return TrainingPlan(n_epochs, 40, learning_rate, 0.01, n_epochs, 0)


@pytest.fixture(scope="module")
def units():
    n = np.arange(N_UNITS)
    rois = ["a", "a", "a", "b", "b", "b"]
    return pd.DataFrame({"i": n, "j": n, "k": n, "roi": rois, "x": 1.0})


@pytest.fixture(scope="module")
def routed():
    """A mark lies on one token a picture; region a responds to the channels that lie there."""
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(N, SIDE**2, CHANNELS)).astype(np.float32)
    tokens[:, :, 0] = 0
    place = rng.integers(0, SIDE**2, N)
    tokens[np.arange(N), place, 0] = 3
    there = tokens[np.arange(N), place, 1:]
    drive = np.concatenate([there[:, :3], tokens[:, :3, 1]], axis=1)
    responses = (drive + 0.3 * rng.normal(size=drive.shape)).astype(np.float32)
    stimuli = np.array([f"s{i}" for i in range(N)])
    return EncodingTrials(tokens, responses, stimuli, stimuli, None, np.arange(N) % 6 == 0)


def at(trials, rows):
    values = (trials.features, trials.responses, trials.stimuli, trials.groups)
    return EncodingTrials(*(v[rows] for v in values), None, trials.is_validation[rows])


@pytest.fixture(scope="module")
def fitted(units, routed):
    shape = RoiQueryShape(n_heads=2, head_dim=8, dropout=0.0)
    encoder = NetworkEncoder("roi-query", shape, sidecar(), units, plan())
    return encoder.fit(at(routed, np.arange(180)))


def test_routing_beats_ridge_where_content_says_where(fitted, routed):
    train, test = at(routed, np.arange(180)), at(routed, np.arange(180, N))
    r = fitted.score(test.features, test.responses)
    flat = train.features.reshape(180, -1)
    targets = fitted.standardizer_.transform(train.responses)
    ridge = solve_ridge(flat, targets, train.groups)
    predicted = test.features.reshape(60, -1) @ ridge.coef + ridge.intercept
    measured = fitted.standardizer_.transform(test.responses)
    of_ridge = [np.corrcoef(measured[:, u], predicted[:, u])[0, 1] for u in range(3)]
    assert r[:3].min() > 0.8
    assert max(of_ridge) < 0.6


def test_routing_maps_find_the_mark(fitted, routed):
    maps = fitted.routing(routed.features[180:])
    assert maps.shape == (60, 2, SIDE**2)
    np.testing.assert_allclose(maps.sum(axis=2), 1, rtol=1e-5)
    marked = routed.features[180:, :, 0].argmax(axis=1)
    assert (maps[:, 0].argmax(axis=1) == marked).mean() > 0.9


def test_one_item_is_predicted_as_in_a_batch(fitted, routed):
    batch = fitted.predict(routed.features[:20])
    alone = np.concatenate([fitted.predict(routed.features[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(batch, alone, atol=1e-6)
    np.testing.assert_array_equal(fitted.predict(routed.features[:20].reshape(20, -1)), batch)


def test_heads_are_ridge_on_what_is_seen(fitted, routed):
    tokens, groups = routed.features[:180], routed.groups[:180]
    targets = fitted.standardizer_.transform(routed.responses[:180])
    network = fitted.network_
    with torch.no_grad():
        seen = network.seen(torch.from_numpy(tokens)).numpy()
    refit_heads(network, tokens, targets, fitted.queries_, groups)
    found = fitted.predict(tokens)
    for query in (0, 1):
        own = fitted.queries_ == query
        ridge = solve_ridge(seen[:, query], targets[:, own], groups)
        expected = seen[:, query] @ ridge.coef + ridge.intercept
        np.testing.assert_allclose(found[:, own], expected, atol=1e-4)


def test_responses_are_differentiable_in_the_tokens(fitted, routed):
    rows = torch.from_numpy(routed.features[:2].copy()).requires_grad_(True)
    fitted.respond(rows)[:, 0].sum().backward()
    assert rows.grad.abs().sum() > 0


def test_z_scores_come_from_training_trials_alone(fitted, units, routed):
    train = at(routed, np.arange(180))
    shifted = train.responses.copy()
    shifted[train.is_validation] += 100
    kept = train.responses[~train.is_validation]
    np.testing.assert_allclose(fitted.standardizer_.mean[0], kept.mean(axis=0), rtol=1e-4)


def test_the_same_seed_gives_the_same_network(fitted, units, routed):
    shape = RoiQueryShape(n_heads=2, head_dim=8, dropout=0.0)
    again = NetworkEncoder("roi-query", shape, sidecar(), units, plan(3))
    first = again.fit(at(routed, np.arange(180))).predict(routed.features[:5])
    second = again.fit(at(routed, np.arange(180))).predict(routed.features[:5])
    np.testing.assert_array_equal(first, second)


def test_a_folder_gives_the_encoder_back(fitted, routed, tmp_path):
    fitted.save(tmp_path / "m", CARD)
    loaded = NetworkEncoder.load(tmp_path / "m")
    features = routed.features[:7]
    np.testing.assert_array_equal(loaded.predict(features), fitted.predict(features))
    assert loaded.units_sha == fitted.units_sha
    loaded.check_units(fitted.units)
    with pytest.raises(CalcarineError, match="predicts 6 units of the mask"):
        loaded.check_units(fitted.units[:3])


@pytest.mark.parametrize("read_out", ["linear", "factorised", "gaussian", "spatial-transformer"])
def test_read_outs_train(units, routed, read_out):
    shape = ReadOutShape(read_out, dropout=0.0)
    encoder = NetworkEncoder("read-out", shape, sidecar(), units, plan(15))
    encoder.fit(at(routed, np.arange(180)))
    losses = encoder.history_.train_loss
    assert losses[-1] < 0.95 * losses[0]
    with pytest.raises(CalcarineError, match="has no attention maps"):
        encoder.routing(routed.features[:2])


def test_pixels_train_and_are_differentiable(units, rng):
    # each unit sees the light of one quarter of the picture, the last two its contrast
    n = 200
    quarters = rng.normal(size=(n, 1, 2, 2))
    pictures = np.repeat(np.repeat(quarters, 8, axis=2), 8, axis=3) * np.ones((1, 3, 1, 1))
    light = quarters.reshape(n, 4)
    responses = np.hstack([light, np.abs(light[:, :2])]).astype(np.float32)
    names = np.array([f"s{i}" for i in range(n)])
    rows = pictures.reshape(n, -1).astype(np.float32)
    trials = EncodingTrials(rows, responses, names, names, None, np.arange(n) % 4 == 0)
    encoder = NetworkEncoder(
        "pixels", PixelShape(4), sidecar(row_shape=[3, 16, 16]), units, plan(40, 0.02)
    ).fit(trials)
    losses = encoder.history_.validation_loss
    assert min(losses) < 0.3 * losses[0]
    assert encoder.validation_r_[:4].min() > 0.8
    assert encoder.validation_r_[4:].min() > 0.5
    picture = torch.zeros(1, 3, 16, 16, requires_grad=True)
    encoder.respond(picture).sum().backward()
    assert picture.grad.abs().sum() > 0


def test_weights_are_a_softmax_over_models(rng):
    r = rng.uniform(-0.2, 0.6, (3, 4))
    r[1, 2] = np.nan
    weights = model_weights(r, 20.0)
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-6)
    known = np.nan_to_num(r)
    for unit in range(4):
        odds = np.exp(20 * known[:, unit])
        np.testing.assert_allclose(weights[:, unit], odds / odds.sum(), rtol=1e-5)
    np.testing.assert_allclose(model_weights(np.full((2, 5), 0.3), 40.0), 0.5)


def test_an_ensemble_averages_its_members(units, routed, tmp_path):
    train = at(routed, np.arange(180))
    flat = train.features.reshape(180, -1)
    both = EncodingTrials(
        np.hstack([flat, -flat]),
        train.responses,
        train.stimuli,
        train.groups,
        None,
        train.is_validation,
        (flat.shape[1],) * 2,
    )
    shape = RoiQueryShape(n_heads=1, head_dim=4)
    members = [
        NetworkEncoder("roi-query", shape, sidecar(layer=layer), units, plan(2))
        for layer in ("a", "b")
    ]
    ensemble = LayerEnsemble(members, both.sizes, 30.0).fit(both)
    features = both.features[:9]
    expected = sum(
        w * m.predict(part)
        for w, m, part in zip(
            ensemble.weights_, members, np.split(features, 2, axis=1), strict=True
        )
    )
    np.testing.assert_allclose(ensemble.predict(features), expected, atol=1e-6)
    ensemble.save(tmp_path / "m", CARD)
    loaded = LayerEnsemble.load(tmp_path / "m")
    model = sidecar(layer="a")["model"]
    assert repr(loaded).startswith(f"LayerEnsemble({model}, {model} -> {len(units)} units, mask ")
    np.testing.assert_array_equal(loaded.predict(features), ensemble.predict(features))
    blind = EncodingTrials(
        both.features, both.responses, both.stimuli, both.groups, None, np.zeros(180, bool)
    )
    with pytest.raises(CalcarineError, match="there are none"):
        LayerEnsemble(members, both.sizes).fit(blind)


def test_what_cannot_be_is_refused(units, routed):
    with pytest.raises(CalcarineError, match="there is no network 'dense'"):
        NetworkEncoder("dense", RoiQueryShape(), sidecar(), units, plan())
    encoder = NetworkEncoder("roi-query", RoiQueryShape(), sidecar(), units, plan())
    with pytest.raises(CalcarineError, match="not fitted"):
        encoder.predict(routed.features[:2])
    short = NetworkEncoder("roi-query", RoiQueryShape(), sidecar(row_shape=[4, 5]), units, plan())
    with pytest.raises(CalcarineError, match=r"rows of shape \(4, 5\)"):
        short.fit(routed)
    all_held = EncodingTrials(
        routed.features, routed.responses, routed.stimuli, routed.groups, None, np.ones(N, bool)
    )
    with pytest.raises(CalcarineError, match="are validation trials"):
        encoder.fit(all_held)
