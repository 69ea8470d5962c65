import numpy as np
import pytest
import torch

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import CARD_FIELDS, read_model, write_model
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.few_pictures.empirical_bayes import empirical_bayes_ridge
from calcarine.encoders.few_pictures.in_context import InContextEncoder
from calcarine.encoders.few_pictures.in_context_network import InContextNetwork, InContextShape
from calcarine.encoders.few_pictures.in_context_tasks import Person
from calcarine.encoders.few_pictures.weight_mixture import WeightMixture
from calcarine.encoders.training import TrainingPlan

N_FEATURES, N_TRIALS = 5, 160
SHAPE = InContextShape(width=16, n_blocks=2, n_heads=2)


def kinds(n_units, rng):
    """Two kinds of voxels: each a multiple of one pattern of weights, of either sign."""
    patterns = np.zeros((2, N_FEATURES))
    patterns[0, 0] = patterns[1, 1] = 1.2
    return (patterns[rng.integers(0, 2, n_units)] * rng.choice([-1, 1], (n_units, 1))).T


def person(n_units, rng):
    x = rng.normal(size=(N_TRIALS, N_FEATURES))
    weights = kinds(n_units, rng)
    y = x @ weights + rng.normal(size=(N_TRIALS, n_units))
    return Person(x, y, np.arange(N_TRIALS) % 5 == 0), weights


def plan(n_epochs, seed=0):
    return TrainingPlan(n_epochs, 32, 3e-3, 0.01, n_epochs, seed)


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(8)
    people = [person(160, rng)[0] for _ in range(2)]
    return InContextEncoder(SHAPE, plan(25), counts=(5, 40)).fit(people)


def test_an_untrained_network_returns_its_start(rng):
    network = InContextNetwork(N_FEATURES, SHAPE)
    start = torch.randn(3, N_FEATURES)
    found = network(torch.randn(7, N_FEATURES), torch.randn(3, 7), start)
    torch.testing.assert_close(found, start)


def test_kinds_of_voxels_are_learned(trained):
    """Voxels come in two kinds, which no normal distribution of weights says."""
    rng = np.random.default_rng(21)
    new, weights = person(400, rng)
    x, y = new.features[:8], new.responses[:8]
    queries = rng.normal(size=(200, N_FEATURES))
    truth = queries @ weights
    in_context = trained.read(x, y).predict(queries)
    bayes = empirical_bayes_ridge(x, y, trained.prior_).predict(queries)
    assert ((in_context - truth) ** 2).mean() < 0.9 * ((bayes - truth) ** 2).mean()
    assert correlation(truth, in_context).mean() > correlation(truth, bayes).mean()


def test_order_of_pictures_and_company_of_voxels_do_not_matter(trained, rng):
    x, y = rng.normal(size=(12, N_FEATURES)), rng.normal(size=(12, 6))
    whole = trained.read(x, y)
    order = rng.permutation(12)
    np.testing.assert_allclose(trained.read(x[order], y[order]).coef, whole.coef, atol=1e-6)
    alone = trained.read(x, y[:, 2:3])
    np.testing.assert_allclose(alone.coef[:, 0], whole.coef[:, 2], atol=1e-6)


def test_the_same_seed_gives_the_same_encoder_and_a_folder_gives_it_back(rng, tmp_path):
    people = [person(20, rng)[0]]
    x, y = rng.normal(size=(9, N_FEATURES)), rng.normal(size=(9, 4))
    first, second = (InContextEncoder(SHAPE, plan(2), (5, 20)).fit(people) for _ in range(2))
    np.testing.assert_array_equal(first.read(x, y).coef, second.read(x, y).coef)
    first.save(tmp_path / "m", dict.fromkeys(CARD_FIELDS, "text"))
    loaded = InContextEncoder.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.read(x, y).coef, first.read(x, y).coef)


def test_a_folder_from_before_there_were_kinds_has_one(rng, tmp_path):
    people = [person(20, rng)[0]]
    encoder = InContextEncoder(SHAPE, plan(1), (5, 20)).fit(people)
    encoder.mixture_ = WeightMixture.of(encoder.prior_)
    encoder.save(tmp_path / "m", dict.fromkeys(CARD_FIELDS, "text"))
    config, tensors = read_model(tmp_path / "m")
    for new in ("n_kinds", "regions"):
        del config[new]
    before = {name: t for name, t in tensors.items() if not name.startswith("kinds.")}
    card = (tmp_path / "m" / "README.md").read_text()
    write_model(tmp_path / "old", config, before, card)
    x, y = rng.normal(size=(9, N_FEATURES)), rng.normal(size=(9, 4))
    old = InContextEncoder.load(tmp_path / "old")
    np.testing.assert_array_equal(old.read(x, y).coef, encoder.read(x, y).coef)


def test_an_interrupted_training_goes_on(rng, tmp_path, monkeypatch):
    people = [person(20, rng)[0]]
    monkeypatch.setattr("calcarine.encoders.training._CHECKPOINT_EVERY_S", 0.0)
    calm = InContextEncoder(SHAPE, plan(4), (5, 20)).fit(people)
    cut = InContextEncoder(SHAPE, plan(4), (5, 20), tmp_path / "work")
    held_out = cut._held_out
    calls = []

    def interrupted(task):
        calls.append(task)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return held_out(task)

    monkeypatch.setattr(cut, "_held_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(people)
    monkeypatch.setattr(cut, "_held_out", held_out)
    cut.fit(people)
    for name, value in calm.network_.state_dict().items():
        torch.testing.assert_close(cut.network_.state_dict()[name], value)


def test_too_few_trials_are_refused(rng):
    few = Person(rng.normal(size=(6, 3)), rng.normal(size=(6, 2)), np.zeros(6, dtype=bool))
    with pytest.raises(CalcarineError, match="contexts of 10 pictures need more"):
        InContextEncoder(SHAPE, plan(1)).fit([few])
