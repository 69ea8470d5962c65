import sys

import numpy as np
import pytest
from fixtures.planted_sensors import montage, planted

from calcarine.data.errors import CalcarineError
from calcarine.decoders.category_metrics import category_hits
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.meeg.extras import needed
from calcarine.decoders.meeg.riemann import RiemannDecoder, XdawnDecoder, principal_filters
from calcarine.decoders.retrieval import brain_to_image, cosines

pytest.importorskip("pyriemann")


def of_categories(seed, n_trials, n_channels=8, n_times=30):
    """Two categories whose average responses differ at one place and time."""
    rng = np.random.default_rng(seed)
    label = np.arange(n_trials) % 2
    course = np.exp(-((np.arange(n_times) - 12) ** 2) / 18)
    place = np.random.default_rng(5).standard_normal(n_channels)
    signal = (2 * label - 1)[:, None, None] * place[None, :, None] * course
    responses = signal + 1.5 * rng.standard_normal((n_trials, n_channels, n_times))
    ids = np.array([f"s{i}" for i in range(n_trials)])
    return DecodingTrials(
        responses.astype(np.float32),
        np.eye(2, dtype=np.float32)[label],
        ids,
        ids,
        np.zeros(n_trials, bool),
    )


def same_after_storing(decoder, responses):
    again = type(decoder).from_model(*decoder.to_model())
    predicted = decoder.predict(responses)
    np.testing.assert_array_equal(again.predict(responses), predicted)
    np.testing.assert_allclose(decoder.predict(responses[3:4]), predicted[3:4], atol=1e-4)


def test_tangent_space_decodes_embeddings():
    sensors = montage(8, 0)
    train, test = planted(1, 300, sensors), planted(2, 40, sensors)
    decoder = RiemannDecoder("erp", 8).fit({"01": train})
    scores = cosines(decoder.predict(test.responses), test.targets, train.targets.mean(axis=0))
    # guessing gives 0.5 ± 0.046
    assert brain_to_image(scores, np.arange(40)).relative.mean() < 0.3
    same_after_storing(decoder, test.responses)


def test_spatial_covariance_is_blind_to_the_sign():
    sensors = montage(6, 0)
    train = planted(1, 100, sensors)
    decoder = RiemannDecoder("spatial", 6).fit({"01": train})
    np.testing.assert_allclose(
        decoder.predict(train.responses), decoder.predict(-train.responses), atol=1e-4
    )
    with_template = RiemannDecoder("erp", 6).fit({"01": train})
    changed = with_template.predict(train.responses) - with_template.predict(-train.responses)
    assert np.abs(changed).max() > 0.1


def test_xdawn_tells_categories_apart():
    train, test = of_categories(0, 120), of_categories(1, 60)
    decoder = XdawnDecoder(2, 8).fit({"01": train})
    assert category_hits(decoder.predict(test.responses), test.targets).mean() > 0.9
    same_after_storing(decoder, test.responses)


def test_channels_of_low_rank_are_reduced():
    rng = np.random.default_rng(0)
    responses = np.einsum("ck,nkt->nct", rng.standard_normal((9, 3)), rng.random((20, 3, 15)))
    filters = principal_filters(responses, 8)
    assert filters.shape == (3, 9)
    np.testing.assert_allclose(filters @ filters.T, np.eye(3), atol=1e-5)
    rebuilt = np.matmul(filters.T, np.matmul(filters, responses))
    np.testing.assert_allclose(rebuilt, responses, atol=1e-5)


def test_what_cannot_be_decoded_is_refused(monkeypatch):
    train = of_categories(0, 20)
    flat = DecodingTrials(
        train.responses[:, :, 0], train.targets, train.stimuli, train.groups, train.is_validation
    )
    with pytest.raises(CalcarineError, match="needs time courses"):
        RiemannDecoder().fit({"01": flat})
    decoder = XdawnDecoder(2, 4).fit({"01": train})
    with pytest.raises(CalcarineError, match="fitted on 8 units"):
        decoder.predict(train.responses[:, :5])
    monkeypatch.setitem(sys.modules, "pyriemann.spatialfilters", None)
    with pytest.raises(CalcarineError, match=r"needs pyriemann, which is not installed.*meeg"):
        needed("pyriemann.spatialfilters")
