import numpy as np
import pytest
import torch

from calcarine.data.errors import CalcarineError
from calcarine.decoders import contrastive_loss
from calcarine.decoders.contrastive import ContrastiveDecoder
from calcarine.decoders.contrastive_loss import ContrastiveLoss, join_mixes
from calcarine.decoders.contrastive_network import ContrastiveNetwork
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.losses import Mix
from calcarine.decoders.network_inputs import NetworkInput
from calcarine.decoders.residual_mlp import ResidualMlpShape
from calcarine.decoders.retrieval import brain_to_image, cosines
from calcarine.decoders.ridge_decoder import RidgeDecoder
from calcarine.encoders import training
from calcarine.encoders.training import TrainingPlan

SHAPE = ResidualMlpShape(48, 1, dropout=0.1, subject_dropout=0.1, voxel_dropout=0.2)
QUICK = TrainingPlan(3, 32, 2e-3, 1.0, 10, seed=5)
N_UNITS, EMBED_DIM = 24, 10


def planted(seed, n_trials, kind, n_units=N_UNITS, brain_noise=0.3):
    """Give responses that are linear in 4 latents, and targets that are linear or even in them."""
    truth = np.random.default_rng(77)
    mixing = truth.standard_normal((4, n_units))
    of_latents = truth.standard_normal((10, EMBED_DIM))
    rng = np.random.default_rng(seed)
    latents = rng.standard_normal((n_trials, 4))
    pairs = np.stack([latents[:, i] * latents[:, j] for i in range(4) for j in range(i, 4)], axis=1)
    features = {"linear": latents, "even": pairs}[kind]
    targets = features @ of_latents[: features.shape[1]] + 2
    responses = latents @ mixing + brain_noise * rng.standard_normal((n_trials, n_units))
    return DecodingTrials(
        (responses / 2).astype(np.float32),
        targets.astype(np.float32),
        np.array([f"s{i}" for i in range(n_trials)]),
        np.array([f"s{i}" for i in range(n_trials)]),
        np.arange(n_trials) % 8 == 0,
    )


def mean_rank(decoder, test):
    scores = cosines(decoder.predict(test.responses, "01"), test.targets, test.targets.mean(axis=0))
    return brain_to_image(scores, np.arange(len(test.targets))).relative.mean()


def test_linear_brains_are_decoded_as_well_as_by_ridge():
    train, test = planted(0, 400, "linear"), planted(1, 80, "linear")
    plan = TrainingPlan(30, 64, 3e-3, 1.0, 30, seed=0)
    network = mean_rank(ContrastiveDecoder(SHAPE, plan).fit({"01": train}), test)
    ridge = mean_rank(RidgeDecoder().fit({"01": train}), test)
    assert ridge < 0.05
    assert network < ridge + 0.02


def test_non_linear_brains_are_decoded_better_than_by_ridge():
    train, test = planted(0, 800, "even", brain_noise=0.1), planted(1, 80, "even", brain_noise=0.1)
    plan = TrainingPlan(40, 64, 4e-3, 0.1, 40, seed=0)
    network = mean_rank(ContrastiveDecoder(SHAPE, plan).fit({"01": train}), test)
    ridge = mean_rank(RidgeDecoder().fit({"01": train}), test)
    assert ridge > 0.35
    assert network < ridge - 0.2


def test_two_subjects_share_the_trunk():
    trials = {"01": planted(0, 120, "linear"), "02": planted(3, 90, "linear", n_units=17)}
    decoder = ContrastiveDecoder(SHAPE, QUICK).fit(trials)
    assert decoder.predict(trials["01"].responses[:3], "01").shape == (3, EMBED_DIM)
    assert decoder.predict(trials["02"].responses[:4], "02").shape == (4, EMBED_DIM)
    shapes = {n: tuple(v.shape) for n, v in decoder.network_.state_dict().items()}
    assert shapes["trunk.subjects.sub-01.weight"] == (48, N_UNITS)
    assert shapes["trunk.subjects.sub-02.weight"] == (48, 17)
    with pytest.raises(CalcarineError, match="knows the subjects"):
        decoder.predict(trials["01"].responses[:3], "03")


def test_the_temperature_is_in_the_optimiser_and_moves():
    decoder = ContrastiveDecoder(SHAPE, QUICK).fit({"01": planted(0, 120, "linear")})
    fresh = ContrastiveNetwork({"01": NetworkInput(N_UNITS)}, EMBED_DIM, SHAPE)
    optimizer = training.adamw(fresh, 0.1)
    known = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert {id(p) for p in fresh.parameters()} == known
    assert id(fresh.log_scale) in known
    assert fresh.temperature.item() == pytest.approx(0.07)
    assert abs(decoder.network_.temperature.item() - 0.07) > 1e-5


def test_the_temperature_stays_above_a_hundredth():
    network = ContrastiveNetwork({"01": NetworkInput(3)}, 2, SHAPE)
    with torch.no_grad():
        network.log_scale.fill_(50.0)
    assert network.temperature.item() == pytest.approx(0.01)


def test_predictions_are_raw_embeddings_of_the_usual_length():
    train = planted(0, 200, "linear")
    decoder = ContrastiveDecoder(SHAPE, QUICK).fit({"01": train})
    fitted_on = train.targets[~train.is_validation]
    np.testing.assert_allclose(decoder.mean_, fitted_on.mean(axis=0), rtol=1e-5)
    lengths = np.linalg.norm(decoder.predict(train.responses, "01") - decoder.mean_, axis=1)
    expected = np.linalg.norm(fitted_on - fitted_on.mean(axis=0), axis=1).mean()
    np.testing.assert_allclose(lengths, expected, rtol=1e-5)


def test_one_item_alone_equals_one_in_a_batch():
    train = planted(0, 120, "linear")
    decoder = ContrastiveDecoder(SHAPE, QUICK).fit({"01": train})
    batch = decoder.predict(train.responses[:9], "01")
    np.testing.assert_allclose(batch[4:5], decoder.predict(train.responses[4:5], "01"), atol=1e-5)


def test_validation_trials_choose_and_are_not_fitted_on(monkeypatch):
    train = planted(0, 120, "linear")
    changed = train.targets.copy()
    changed[train.is_validation] += 100
    other = DecodingTrials(
        train.responses, changed, train.stimuli, train.groups, train.is_validation
    )
    # the last epoch is kept, whatever validation says
    keep_last = lambda model, validation_loss: next(counter)  # noqa: E731
    monkeypatch.setattr(training, "_validate", keep_last)
    weights = []
    for trials in (train, other):
        counter = iter(np.arange(0.0, -10, -1))
        decoder = ContrastiveDecoder(SHAPE, QUICK).fit({"01": trials})
        weights.append(b"".join(v.tobytes() for v in decoder.to_model()[1].values()))
    assert weights[0] == weights[1]


def test_without_validation_trials_all_epochs_are_trained():
    train = planted(0, 64, "linear")
    everything = DecodingTrials(
        train.responses, train.targets, train.stimuli, train.groups, np.zeros(64, dtype=bool)
    )
    decoder = ContrastiveDecoder(SHAPE, QUICK).fit({"01": everything})
    assert decoder.history_.best_epoch == QUICK.n_epochs - 1
    with pytest.raises(CalcarineError, match="all 64 training trials of sub-01 are validation"):
        ContrastiveDecoder(SHAPE, QUICK).fit(
            {
                "01": DecodingTrials(
                    train.responses,
                    train.targets,
                    train.stimuli,
                    train.groups,
                    np.ones(64, dtype=bool),
                )
            }
        )


def test_it_resumes_after_an_interruption(tmp_path, monkeypatch):
    train = {"01": planted(0, 120, "linear")}
    calm = ContrastiveDecoder(SHAPE, QUICK).fit(train)
    monkeypatch.setattr(training, "_CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr(training, "_CHECKPOINT_SHARE", 1e6)
    real, calls = contrastive_loss.mse, []

    def fails_once(*arguments):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(contrastive_loss, "mse", fails_once)
    decoder = ContrastiveDecoder(SHAPE, QUICK, checkpoint=tmp_path / "work")
    with pytest.raises(KeyboardInterrupt):
        decoder.fit(train)
    assert (tmp_path / "work").is_dir()
    decoder.fit(train)
    assert len(calls) < 8 + 9
    for name, value in calm.to_model()[1].items():
        np.testing.assert_array_equal(decoder.to_model()[1][name], value)


def test_what_is_stored_predicts_the_same():
    train = planted(0, 120, "linear")
    decoder = ContrastiveDecoder(SHAPE, QUICK, ContrastiveLoss("soft-clip", 0.5, 1.0, 0.1)).fit(
        {"01": train}
    )
    again = ContrastiveDecoder.from_model(*decoder.to_model())
    assert again.shape == SHAPE
    assert again.plan == QUICK
    assert again.loss == decoder.loss
    assert again.history_ == decoder.history_
    np.testing.assert_array_equal(
        decoder.predict(train.responses, "01"), again.predict(train.responses, "01")
    )


def test_other_units_are_refused():
    decoder = ContrastiveDecoder(SHAPE, QUICK).fit({"01": planted(0, 64, "linear")})
    with pytest.raises(CalcarineError, match="fitted on 24 units"):
        decoder.predict(np.zeros((2, 23), dtype=np.float32), "01")


def test_mixes_of_subjects_stay_within_them():
    first = Mix(torch.tensor([1, 0]), torch.tensor([0.5, 1.0]))
    second = Mix(torch.tensor([2, 0, 1]), torch.tensor([0.1, 0.2, 0.3]))
    joined = join_mixes([first, second])
    assert joined.partner.tolist() == [1, 0, 4, 2, 3]
    torch.testing.assert_close(joined.share, torch.tensor([0.5, 1.0, 0.1, 0.2, 0.3]))
