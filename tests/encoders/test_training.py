import json
from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn

from calcarine.data.errors import CalcarineError
from calcarine.encoders.training import TrainingPlan, adamw, one_cycle, train

PLAN = TrainingPlan(
    n_epochs=12, batch_size=8, learning_rate=0.05, weight_decay=0.1, patience=12, seed=4
)


class Problem:
    """A small regression with dropout, so that every source of randomness takes part."""

    def __init__(self, fails_in: int | None = None) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(30, 4, generator=generator)
        self.y = self.x @ torch.randn(4, 2, generator=generator)
        torch.manual_seed(1)
        self.model = nn.Sequential(
            nn.Linear(4, 8), nn.Dropout(0.2), nn.LayerNorm(8), nn.Linear(8, 2)
        )
        self.fails_in = fails_in
        self.batches: list[list[int]] = []

    def batch_loss(self, rows, epoch):
        if epoch.number == self.fails_in:
            raise KeyboardInterrupt
        self.batches.append(rows.tolist())
        x = self.x[rows] + 0.1 * torch.from_numpy(epoch.rng.standard_normal((len(rows), 4))).float()
        return ((self.model(x) - self.y[rows]) ** 2).mean()

    def validation_loss(self):
        with torch.no_grad():
            return float(((self.model(self.x[:6]) - self.y[:6]) ** 2).mean())

    def train(self, plan=PLAN, checkpoint=None, key="a", every_s=0.0):
        return train(
            self.model, 30, self.batch_loss, self.validation_loss, plan, checkpoint, key, every_s
        )

    def weights(self):
        return {n: v.numpy().tobytes() for n, v in self.model.state_dict().items()}


def test_one_cycle_equals_torch():
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.02, total_steps=40, cycle_momentum=False
    )
    for step in range(40):
        assert one_cycle(step, 40, 0.02) == pytest.approx(schedule.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        if step < 39:
            schedule.step()


def test_only_matrices_decay():
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    model.register_parameter("temperature", nn.Parameter(torch.tensor(1.0)))
    decayed, rest = adamw(model, 0.3).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 3)]
    assert decayed["weight_decay"] == 0.3
    assert sorted(p.ndim for p in rest["params"]) == [0, 1, 1, 1]
    assert rest["weight_decay"] == 0


def test_training_learns_and_repeats():
    first, again = Problem(), Problem()
    before = first.validation_loss()
    history = first.train()
    torch.rand(7)  # the global random state takes no part
    again.train()
    assert first.validation_loss() < 0.2 * before
    assert first.weights() == again.weights()
    assert history.validation_loss[history.best_epoch] == min(history.validation_loss)
    assert first.validation_loss() == pytest.approx(min(history.validation_loss))


def test_the_callers_random_state_is_left_alone():
    torch.manual_seed(9)
    expected = torch.rand(3)
    problem = Problem()
    torch.manual_seed(9)
    problem.train()
    assert torch.equal(torch.rand(3), expected)


def test_every_epoch_sees_every_trial_once_in_another_order():
    problem = Problem()
    problem.train()
    assert {len(batch) for batch in problem.batches} == {7, 8}
    batches = problem.batches
    epochs = [[*chain(*batches[i : i + 4])] for i in range(0, len(batches), 4)]
    assert all(sorted(epoch) == list(range(30)) for epoch in epochs)
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("fails_in", [1, 7])
def test_a_resumed_run_ends_with_the_same_weights(tmp_path, fails_in):
    calm = Problem()
    history = calm.train()
    broken = Problem(fails_in)
    with pytest.raises(KeyboardInterrupt):
        broken.train(checkpoint=tmp_path / "work")
    assert (tmp_path / "work").is_dir()
    resumed = Problem()
    assert resumed.train(checkpoint=tmp_path / "work") == history
    assert resumed.weights() == calm.weights()
    assert len(resumed.batches) == len(calm.batches) - 4 * fails_in
    assert not (tmp_path / "work").exists()


def test_a_checkpoint_of_other_data_is_not_resumed(tmp_path):
    broken = Problem(fails_in=5)
    with pytest.raises(KeyboardInterrupt):
        broken.train(checkpoint=tmp_path / "work", key="other")
    fresh = Problem()
    fresh.train(checkpoint=tmp_path / "work", key="a")
    assert len(fresh.batches) == 12 * 4


def test_a_broken_checkpoint_is_not_resumed(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "state.json").write_text(json.dumps({"key": "a", "state": {}}))
    problem = Problem()
    problem.train(checkpoint=tmp_path / "work")
    assert len(problem.batches) == 12 * 4


def test_it_stops_when_nothing_gets_better_and_keeps_the_best():
    problem = Problem()
    losses = iter([5.0, 3.0, 4.0, 4.0, 4.0, 4.0])
    kept = []

    def validation_loss():
        kept.append(problem.weights())
        return next(losses)

    plan = TrainingPlan(12, 8, 0.05, 0.1, patience=2, seed=4)
    history = train(problem.model, 30, problem.batch_loss, validation_loss, plan)
    assert history.validation_loss == [5.0, 3.0, 4.0, 4.0]
    assert history.best_epoch == 1
    assert problem.weights() == kept[1]


def test_without_validation_the_last_epoch_is_kept():
    problem = Problem()
    history = train(problem.model, 30, problem.batch_loss, None, PLAN)
    assert history.best_epoch == 11
    assert history.validation_loss == []


def test_an_infinite_loss_is_named():
    problem = Problem()
    problem.y[3] = np.inf
    with pytest.raises(CalcarineError, match="training loss is nan in epoch 0"):
        problem.train()
