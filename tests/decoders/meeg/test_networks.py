from dataclasses import replace

import numpy as np
import pytest
import torch
from fixtures.planted_sensors import EMBED_DIM, N_TIMES, STEP_S, montage, planted

from calcarine.data.errors import CalcarineError
from calcarine.decoders.contrastive import ContrastiveDecoder
from calcarine.decoders.contrastive_loss import ContrastiveLoss
from calcarine.decoders.contrastive_network import NETWORKS, ContrastiveNetwork, shape_of
from calcarine.decoders.decoding_trials import DecodesOthers, DecodingTrials
from calcarine.decoders.lda import LdaDecoder
from calcarine.decoders.meeg.brain_module import BrainModuleShape, dilated_blocks
from calcarine.decoders.meeg.channel_transformer import ChannelTransformerShape
from calcarine.decoders.meeg.compact_networks import (
    EegProjectShape,
    TemporalSpatial,
    TsConvShape,
)
from calcarine.decoders.meeg.shared_filters import SharedFiltersShape
from calcarine.decoders.network_inputs import NetworkInput
from calcarine.decoders.retrieval import brain_to_image, cosines
from calcarine.decoders.ridge_decoder import RidgeDecoder
from calcarine.encoders.training import TrainingPlan

SMALL = {
    "brain-module": BrainModuleShape(n_virtual=8, hidden_dim=16, n_blocks=1, n_harmonics=3),
    "eeg-project": EegProjectShape(hidden_dim=16),
    "ts-conv": TsConvShape(n_filters=6, hidden_dim=16),
    "channel-transformer": ChannelTransformerShape(
        n_virtual=6, n_filters=6, hidden_dim=16, n_harmonics=3, feedforward_dim=16
    ),
    "shared-filters": SharedFiltersShape(n_filters=3, hidden_dim=16, input_dropout=0.2),
}
ANY_MONTAGE = ("brain-module", "channel-transformer")
OWN_PEOPLE = ("shared-filters",)
PLAN = TrainingPlan(14, 32, 4e-3, 0.01, 14, seed=0)
CLIP_MSE = ContrastiveLoss("info-nce", 0.0, 0.75, 0.25)


def rank_of(predicted, targets):
    scores = cosines(predicted, targets, targets.mean(axis=0))
    return brain_to_image(scores, np.arange(len(targets))).relative.mean()


@pytest.mark.parametrize("kind", list(SMALL))
def test_planted_latents_are_decoded(kind):
    sensors = montage(12, 0)
    train, test = planted(1, 400, sensors), planted(2, 60, sensors)
    decoder = ContrastiveDecoder(SMALL[kind], PLAN, CLIP_MSE).fit({"01": train})
    # guessing gives 0.5 ± 0.037
    assert rank_of(decoder.predict(test.responses, "01"), test.targets) < 0.25


@pytest.mark.parametrize("kind", ANY_MONTAGE)
def test_a_stranger_with_another_montage_is_decoded(kind):
    people = {"01": montage(12, 0), "02": montage(15, 1), "03": montage(10, 3)}
    trials = {s: planted(i, 200, m) for i, (s, m) in enumerate(people.items())}
    shape = replace(SMALL[kind], subject_dropout=0.5)
    decoder = ContrastiveDecoder(shape, PLAN, CLIP_MSE).fit(trials)
    assert isinstance(decoder, DecodesOthers)
    other = montage(18, 9)
    test = planted(20, 60, other)
    assert rank_of(decoder.predict_unseen(test.responses, other), test.targets) < 0.35
    late = replace(other, times_s=other.times_s * 2)
    with pytest.raises(CalcarineError, match=r"40 samples every 0\.02 s"):
        decoder.predict_unseen(test.responses, late)


@pytest.mark.parametrize("kind", ["eeg-project", "ts-conv"])
def test_compact_networks_decode_strangers_with_the_same_channels_only(kind):
    sensors = montage(7, 0)
    plan = replace(PLAN, n_epochs=1)
    decoder = ContrastiveDecoder(SMALL[kind], plan, CLIP_MSE).fit({"01": planted(0, 40, sensors)})
    same = planted(1, 3, sensors)
    assert decoder.predict_unseen(same.responses, sensors).shape == (3, EMBED_DIM)
    other = montage(8, 1)
    with pytest.raises(CalcarineError, match="trained on 7 channels; the new montage has 8"):
        decoder.predict_unseen(planted(1, 3, other).responses, other)
    with pytest.raises(CalcarineError, match="same channels for everybody"):
        ContrastiveDecoder(SMALL[kind], plan, CLIP_MSE).fit(
            {"01": planted(0, 40, sensors), "02": planted(1, 40, other)}
        )


@pytest.mark.parametrize("kind", list(SMALL))
def test_storing_batching_and_one_item_alone_change_nothing(kind):
    sensors = montage(6, 0)
    plan = replace(PLAN, n_epochs=1)
    trials = planted(0, 40, sensors)
    decoder = ContrastiveDecoder(SMALL[kind], plan, CLIP_MSE).fit({"01": trials})
    whole = decoder.predict(trials.responses[:9], "01")
    np.testing.assert_allclose(whole[4:5], decoder.predict(trials.responses[4:5], "01"), atol=1e-5)
    again = ContrastiveDecoder.from_model(*decoder.to_model())
    assert again.shape == SMALL[kind]
    np.testing.assert_array_equal(whole, again.predict(trials.responses[:9], "01"))
    if kind in OWN_PEOPLE:
        with pytest.raises(CalcarineError, match="a layer for each subject"):
            decoder.predict_unseen(trials.responses[:3], sensors)
        return
    np.testing.assert_array_equal(
        decoder.predict_unseen(trials.responses[:3], sensors),
        again.predict_unseen(trials.responses[:3], sensors),
    )


@pytest.mark.parametrize("kind", list(SMALL))
def test_every_weight_is_trained(kind):
    sensors = montage(6, 0)
    inputs = {"01": NetworkInput(6, N_TIMES, STEP_S, sensors.positions)}
    network = ContrastiveNetwork(inputs, EMBED_DIM, SMALL[kind]).train()
    torch.manual_seed(0)
    projection, regression = network({"01": torch.randn(64, 6, N_TIMES)})
    (projection.square().sum() / network.temperature + regression.square().sum()).backward()
    left = {n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    assert left <= {"bias"}  # which serves SigLIP alone


def test_every_network_is_in_the_registry():
    for kind, network in NETWORKS.items():
        shape = network.shape()
        assert shape.kind == kind
        assert shape_of(kind, {}) == shape
    with pytest.raises(CalcarineError, match="no network 'transformer'"):
        shape_of("transformer", {})


def test_the_size_of_a_trial_does_not_matter_to_the_brain_module():
    sensors = montage(6, 0)
    inputs = {"01": NetworkInput(6, N_TIMES, STEP_S, sensors.positions)}
    network = ContrastiveNetwork(inputs, EMBED_DIM, SMALL["brain-module"]).eval()
    network.trunk.mixing.bias.data.zero_()
    values = torch.randn(3, 6, N_TIMES)
    torch.testing.assert_close(
        network({"01": values})[0], network({"01": 0.3 * values})[0], atol=1e-5, rtol=1e-4
    )


def test_temporal_filters_before_the_mean_or_after_it_are_the_same():
    filters = TemporalSpatial(7, 60, 0.01, TsConvShape(n_filters=5)).eval()
    values = torch.randn(3, 1, 7, 60)
    pool, convolution = filters.layers[:2]
    plain = torch.nn.functional.conv2d(values, convolution.weight, convolution.bias)
    expected = torch.nn.functional.avg_pool2d(plain, (1, 20), (1, 2))  # as the paper has them
    assert pool.kernel_size == (1, 20)
    torch.testing.assert_close(convolution(pool(values)), expected, atol=1e-5, rtol=1e-4)


def test_the_receptive_field_grows_with_dilation():
    blocks = dilated_blocks(4, 4, 2, 3).eval()
    values = torch.randn(1, 4, 101)
    other = values.clone()
    other[..., 50] += 1
    changed = (blocks(values) != blocks(other)).any(dim=1)[0].nonzero().flatten()
    # dilations 1, 2, 4, 8 and two gated kernels of 3: 15 + 2 samples each way
    assert changed.min() == 50 - 17
    assert changed.max() == 50 + 17


def test_responses_without_time_or_positions_are_refused():
    flat = DecodingTrials(
        np.zeros((20, 5), np.float32),
        np.eye(20, dtype=np.float32),
        np.arange(20).astype(str),
        np.arange(20).astype(str),
        np.zeros(20, bool),
    )
    with pytest.raises(CalcarineError, match="reads time courses"):
        ContrastiveDecoder(SMALL["brain-module"], PLAN, CLIP_MSE).fit({"01": flat})
    sensors = montage(5, 0)
    nowhere = replace(sensors, positions=np.full((5, 3), np.nan, np.float32))
    trials = replace(planted(0, 20, sensors), sensors=nowhere)
    with pytest.raises(CalcarineError, match="none of 5 channels has a position"):
        ContrastiveDecoder(SMALL["brain-module"], PLAN, CLIP_MSE).fit({"01": trials})


def test_a_channel_without_position_is_ignored():
    sensors = montage(6, 0)
    half = replace(sensors, positions=sensors.positions.copy())
    half.positions[2] = np.nan
    trials = replace(planted(0, 40, sensors), sensors=half)
    plan = replace(PLAN, n_epochs=1)
    for kind in ANY_MONTAGE:
        decoder = ContrastiveDecoder(SMALL[kind], plan, CLIP_MSE).fit({"01": trials})
        changed = trials.responses.copy()
        changed[:, 2] += 100
        np.testing.assert_array_equal(
            decoder.predict(trials.responses, "01"), decoder.predict(changed, "01")
        )


def test_linear_decoders_read_channels_by_time():
    sensors = montage(6, 0)
    train, test = planted(0, 200, sensors), planted(1, 40, sensors)
    ridge = RidgeDecoder().fit({"01": train})
    assert ridge.coef_.shape == (6 * N_TIMES, EMBED_DIM)
    flat = replace(train, responses=train.responses.reshape(200, -1), sensors=None)
    np.testing.assert_array_equal(
        RidgeDecoder().fit({"01": flat}).predict(test.responses), ridge.predict(test.responses)
    )
    assert rank_of(ridge.predict(test.responses), test.targets) < 0.1
    codes = np.eye(2, dtype=np.float32)[(train.targets[:, 0] > 1).astype(int)]
    lda = LdaDecoder().fit({"01": replace(train, targets=codes)})
    assert lda.predict(test.responses).shape == (40, 2)


def test_trials_and_sensors_must_fit():
    sensors = montage(6, 0)
    with pytest.raises(CalcarineError, match="came with 5 channels"):
        replace(planted(0, 10, sensors), sensors=montage(5, 0))
