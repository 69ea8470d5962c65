import math

import numpy as np
import pytest
import torch
from scipy.stats import beta, kstest

from calcarine.decoders.losses import (
    SOFT_TEMPERATURES,
    Mix,
    bimixco,
    cosine_logits,
    cosine_schedule,
    draw_mix,
    info_nce,
    mix_rows,
    mse,
    sig_lip,
    soft_clip,
)

N, DIM, TAU = 6, 5, 0.07


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, N, DIM, dtype=torch.float64, generator=generator).unbind()


@pytest.fixture
def mix():
    share = torch.tensor([1.0, 0.2, 0.9, 0.5, 1.0, 0.35], dtype=torch.float64)
    return Mix(torch.tensor([2, 0, 1, 3, 5, 4]), share)


def naive_logits(b, t, tau):
    b, t = b.numpy(), t.numpy()
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    t = t / np.linalg.norm(t, axis=1, keepdims=True)
    return b @ t.T / tau


def naive_log_softmax(row):
    return row - np.log(np.sum(np.exp(row)))


def naive_loss(wanted_rows, wanted_columns, s):
    """½ [−mean Σ P log softmax(S) − mean Σ P' log softmax(Sᵀ)], one row after the other."""
    total = 0.0
    for i in range(len(s)):
        total -= np.sum(wanted_rows[i] * naive_log_softmax(s[i])) / len(s)
        total -= np.sum(wanted_columns[i] * naive_log_softmax(s.T[i])) / len(s)
    return total / 2


def test_info_nce_is_the_symmetric_cross_entropy(pair):
    s = naive_logits(*pair, TAU)
    expected = naive_loss(np.eye(N), np.eye(N), s)
    assert info_nce(*pair, TAU).item() == pytest.approx(expected, rel=1e-12)


def test_soft_clip_is_the_papers_formula(pair):
    brain, target = pair
    tau = 0.3
    s, t = naive_logits(brain, target, tau), naive_logits(target, target, tau)
    wanted = np.exp([naive_log_softmax(row) for row in t])
    expected = naive_loss(wanted, wanted, s)
    assert soft_clip(brain, target, tau, tau).item() == pytest.approx(expected, rel=1e-12)


def test_bimixco_is_the_papers_formula(pair, mix):
    wanted = np.zeros((N, N))
    for i in range(N):
        wanted[i, i] += mix.share[i]
        wanted[i, mix.partner[i]] += 1 - mix.share[i]
    expected = naive_loss(wanted, wanted.T, naive_logits(*pair, TAU))
    assert bimixco(*pair, TAU, mix).item() == pytest.approx(expected, rel=1e-12)


def test_bimixco_without_mixing_is_info_nce(pair, mix):
    alone = Mix(mix.partner, torch.ones(N, dtype=torch.float64))
    assert bimixco(*pair, TAU, alone).item() == pytest.approx(info_nce(*pair, TAU).item())


def test_soft_clip_of_a_cold_target_is_info_nce(pair):
    cold = soft_clip(*pair, TAU, 1e-3)
    assert cold.item() == pytest.approx(info_nce(*pair, TAU).item(), rel=1e-6)


@pytest.mark.parametrize("name", ["info_nce", "soft_clip", "bimixco", "mse"])
def test_gradients(pair, mix, name):
    losses = {
        "info_nce": lambda b, t, tau: info_nce(b, t, tau),
        "soft_clip": lambda b, t, tau: soft_clip(b, t, tau, 0.2),
        "bimixco": lambda b, t, tau: bimixco(b, t, tau, mix),
        "mse": lambda b, t, tau: mse(b, t) + tau,
    }
    tau = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    brain = pair[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda b, t: losses[name](b, pair[1], t), (brain, tau))


def test_the_order_of_trials_does_not_matter(pair, mix):
    brain, target = pair
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    moved = Mix(torch.argsort(order)[mix.partner[order]], mix.share[order])
    for loss, arguments, reordered in (
        (info_nce, (TAU,), (TAU,)),
        (soft_clip, (TAU, 0.1), (TAU, 0.1)),
        (bimixco, (TAU, mix), (TAU, moved)),
    ):
        first = loss(brain, target, *arguments)
        assert loss(brain[order], target[order], *reordered).item() == pytest.approx(first.item())


def test_matching_pairs_beat_exchanged_ones(pair):
    target = pair[1]
    for loss in (lambda b: info_nce(b, target, TAU), lambda b: soft_clip(b, target, TAU, 0.01)):
        assert loss(target) < loss(target.roll(1, dims=0))
    for n in range(1, N):
        assert mse(target, target) == 0 < mse(target.roll(n, dims=0), target)


def test_two_trials_of_one_stimulus_are_no_negatives(pair):
    brain, target = pair
    target = target[[0, 0, 1, 2, 3, 3]]
    stimuli = torch.tensor([7, 7, 1, 2, 3, 3])
    wanted = np.eye(N)
    for same in ([0, 1], [4, 5]):
        wanted[np.ix_(same, same)] = 0.5
    expected = naive_loss(wanted, wanted, naive_logits(brain, target, TAU))
    assert info_nce(brain, target, TAU, stimuli).item() == pytest.approx(expected)
    # which of the two is called the match makes no difference any more
    swapped = brain[[1, 0, 2, 3, 5, 4]]
    assert info_nce(swapped, target, TAU, stimuli).item() == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_are_float32_where_half_precision_overflows(dtype):
    # squared norms of 70 000 dimensions exceed float16; bfloat16 knows logits near 200 by ones
    generator = torch.Generator().manual_seed(0)
    brain = torch.randn(3, 70_000, generator=generator).to(dtype)
    logits = cosine_logits(brain, brain, 0.005)
    assert logits.dtype == torch.float32
    expected = cosine_logits(brain.double(), brain.double(), 0.005)
    assert (logits - expected).abs().max() < 0.01
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(cosine_logits(brain, brain, 0.005), logits)


def test_mixing_is_linear_and_leaves_shares_of_one_alone(pair, mix):
    mixed = mix_rows(pair[0], mix)
    torch.testing.assert_close(mixed[0], pair[0][0])
    torch.testing.assert_close(mixed[1], 0.2 * pair[0][1] + 0.8 * pair[0][0])


def test_drawn_mixes_are_beta_shares_of_half_the_trials(rng):
    mix = draw_mix(20_000, rng)
    share = mix.share.numpy().astype(np.float64)
    assert sorted(mix.partner.tolist()) == list(range(20_000))
    assert abs(np.mean(share == 1) - 0.5) < 0.05
    drawn = share[(share < 1) & (share > 1e-6)]
    # a tail of Beta(.15, .15) rounds to 1 in float32: compare inside
    inside = drawn[(drawn > 0.01) & (drawn < 0.99)]
    low, high = beta.cdf([0.01, 0.99], 0.15, 0.15)
    law = lambda x: (beta.cdf(x, 0.15, 0.15) - low) / (high - low)  # noqa: E731
    assert kstest(inside, law).pvalue > 1e-3


def test_mixes_repeat_with_their_seed():
    first, again = (draw_mix(50, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(first.partner, again.partner)
    assert torch.equal(first.share, again.share)


def test_the_schedule_runs_between_its_ends():
    values = [cosine_schedule(p, *SOFT_TEMPERATURES) for p in np.linspace(0, 1, 11)]
    assert values[0] == pytest.approx(0.004)
    assert values[-1] == pytest.approx(0.0075)
    assert np.all(np.diff(values) > 0)


def test_siglip_is_its_formula_with_duplicates_as_positives():
    torch.manual_seed(0)
    brain, target = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    stimuli = torch.tensor([0, 1, 0, 2])
    expected = 0.0
    for i in range(4):
        for j in range(4):
            cosine = brain[i] @ target[j] / brain[i].norm() / target[j].norm()
            sign = 1.0 if stimuli[i] == stimuli[j] else -1.0
            z = sign * (float(cosine) / 0.1 - 2.0)
            expected += math.log(1 + math.exp(-z)) / 4
    assert sig_lip(brain, target, 0.1, -2.0, stimuli).item() == pytest.approx(expected)
    alone = sig_lip(brain, target, 0.1, -2.0)
    assert alone.item() == pytest.approx(sig_lip(brain, target, 0.1, -2.0, torch.arange(4)).item())


def test_time_courses_are_mixed_like_patterns():
    values = torch.randn(5, 3, 4)
    mix = Mix(torch.tensor([1, 0, 3, 4, 2]), torch.tensor([0.2, 1.0, 0.5, 0.0, 0.9]))
    flat = mix_rows(values.reshape(5, -1), mix).reshape(5, 3, 4)
    torch.testing.assert_close(mix_rows(values, mix), flat)
