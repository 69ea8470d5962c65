import numpy as np
import pytest
import torch

from calcarine.data.errors import CalcarineError
from calcarine.decoders.diffusion_prior import Channel, DiffusionPrior, PriorShape, signal_share
from calcarine.encoders import training
from calcarine.encoders.training import TrainingPlan

DIM = 4
PLAN = TrainingPlan(60, 64, 3e-3, 0.0, 60, seed=0)
SHAPE = PriorShape(hidden_dim=64, n_blocks=2)


def gaussian(seed, n):
    """Targets with a known covariance, and predictions through a known channel."""
    rng = np.random.default_rng(seed)
    root = np.random.default_rng(9).standard_normal((DIM, DIM))
    truth = rng.standard_normal((n, DIM)) @ root.T + 2
    predicted = 0.6 * truth + 1 + 0.8 * rng.standard_normal(truth.shape)
    return truth.astype(np.float32), predicted.astype(np.float32), root @ root.T


@pytest.fixture(scope="module")
def fitted():
    truth, predicted, _ = gaussian(1, 400)
    channel = Channel.fit(predicted, truth)
    return DiffusionPrior(SHAPE, PLAN).fit(gaussian(0, 1200)[0], channel)


def posterior_mean(predicted, covariance):
    """The closed form for Gaussian targets and a linear channel."""
    gain = 0.6 * covariance @ np.linalg.inv(0.36 * covariance + 0.64 * np.eye(DIM))
    return 2 + (predicted - 1 - 0.6 * 2) @ gain.T


def test_the_channel_is_recovered():
    truth, predicted, _ = gaussian(3, 20000)
    channel = Channel.fit(predicted, truth)
    np.testing.assert_allclose(channel.gain, 0.6, atol=0.02)
    np.testing.assert_allclose(channel.offset, 1.0, atol=0.05)
    np.testing.assert_allclose(
        channel.noise_root @ channel.noise_root.T, 0.64 * np.eye(DIM), atol=0.03
    )


def test_the_mean_of_samples_is_the_posterior_mean(fitted):
    truth, predicted, covariance = gaussian(2, 60)
    expected = posterior_mean(predicted, covariance)
    found = fitted.sample(predicted, list(range(60)), n_samples=40)
    error = np.sqrt(((found - expected) ** 2).mean())
    assert error < 0.35 * truth.std()
    # which is nearer to the truth than what was predicted
    assert ((found - truth) ** 2).mean() < 0.8 * ((predicted - truth) ** 2).mean()


def test_single_samples_have_the_spread_of_targets(fitted):
    truth, predicted, _ = gaussian(2, 300)
    single = fitted.sample(predicted, list(range(300)))
    ratio = single.std(axis=0) / truth.std(axis=0)
    assert (ratio > 0.75).all()
    assert (ratio < 1.25).all()
    averaged = fitted.sample(predicted, list(range(300)), n_samples=20)
    assert averaged.std() < single.std()


def test_an_item_alone_equals_the_item_in_a_batch_and_seeds_matter(fitted):
    predicted = gaussian(2, 5)[1]
    batch = fitted.sample(predicted, [3, 4, 5, 6, 7])
    np.testing.assert_allclose(fitted.sample(predicted[2:3], [5]), batch[2:3], atol=1e-4)
    assert np.abs(fitted.sample(predicted[2:3], [6]) - batch[2:3]).max() > 1e-3
    again = DiffusionPrior.from_model(*fitted.to_model())
    np.testing.assert_array_equal(again.sample(predicted, [3, 4, 5, 6, 7]), batch)


def test_the_schedule_goes_from_signal_to_noise():
    share = signal_share(torch.linspace(0, 1, 11))
    assert share[0] == pytest.approx(1)
    assert share[-1] < 1e-4
    assert (share.diff() < 0).all()


def test_too_little_to_fit_on_is_refused(fitted):
    with pytest.raises(CalcarineError, match="at least eight validation trials"):
        Channel.fit(np.zeros((5, 3)), np.zeros((5, 3)))
    with pytest.raises(CalcarineError, match="2 seeds came for 3 items"):
        fitted.sample(np.zeros((3, DIM), np.float32), [1, 2])


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, monkeypatch):
    plan = TrainingPlan(6, 64, 3e-3, 0.0, 6, seed=0)
    truth, predicted, _ = gaussian(1, 200)
    channel = Channel.fit(predicted, truth)
    calm = DiffusionPrior(SHAPE, plan).fit(truth, channel)
    monkeypatch.setattr(training, "_CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr(training, "_CHECKPOINT_SHARE", 1e6)
    real, calls = Channel.simulate, []

    def fails_once(self, truth, noise):
        calls.append(1)
        if len(calls) == 10:  # in the fourth epoch of three batches
            raise KeyboardInterrupt
        return real(self, truth, noise)

    monkeypatch.setattr(Channel, "simulate", fails_once)
    prior = DiffusionPrior(SHAPE, plan, tmp_path / "work")
    with pytest.raises(KeyboardInterrupt):
        prior.fit(truth, channel)
    assert (tmp_path / "work").is_dir()
    prior.fit(truth, channel)
    assert len(calls) == 10 + 9
    for name, value in calm.network_.state_dict().items():
        assert value.equal(prior.network_.state_dict()[name])
