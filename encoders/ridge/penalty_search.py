"""The penalty of every target: on a grid, around a first guess, or between the points of a grid."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from calcarine.encoders.ridge.losses import ALL, Loss

Search = Literal["grid", "bracket", "continuous"]

_TIE = 3e-7  # losses that float32 cannot tell apart go to the larger penalty
_N_FURTHER = 10
_N_PARABOLAS = 4


@dataclass(frozen=True)
class ChosenPenalties:
    """Penalties of some targets.

    Attributes
    ----------
    alpha
        Shape (n_targets,).
    loss
        Held-out squared error over that of the mean predictor, less one; shape (n_targets,).
    at_lower, at_upper
        Whether the choice is the smallest or the largest that was open to it, shape (n_targets,).
    tried
        The grid, and all penalties beyond it that some target was tried with, rising.
    """

    alpha: np.ndarray
    loss: np.ndarray
    at_lower: np.ndarray
    at_upper: np.ndarray
    tried: np.ndarray


@dataclass(frozen=True)
class _Ladder:
    """The grid with the steps beyond its ends; `curve` is NaN where nothing was evaluated."""

    alphas: np.ndarray
    first: int
    last: int
    curve: np.ndarray

    def best(self) -> np.ndarray:
        """Find the largest penalty of least loss, shape (n_targets,)."""
        least = np.nanmin(self.curve, axis=0)
        tied = self.curve <= least + _TIE * np.abs(least)
        return len(self.alphas) - 1 - np.argmax(tied[::-1], axis=0)

    def at(self, rungs: np.ndarray) -> np.ndarray:
        """Give the loss of every target at a rung of its own."""
        return self.curve[rungs, np.arange(len(rungs))]

    def limits(self, loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the lowest and highest rung open to targets: beyond the grid if it beats the mean.

        Where the largest penalty of the grid does not beat the mean predictor, none larger can do
        much.
        """
        beats = loss < 0
        last = len(self.alphas) - 1
        return np.where(beats, 0, self.first), np.where(beats, last, self.last)


def choose_penalties(
    loss: Loss,
    alphas: np.ndarray,
    extend: bool,
    search: Search = "grid",
    guess: Loss | None = None,
    sweep_hopeless: bool = True,
) -> ChosenPenalties:
    """Choose the penalty of least loss for every target.

    Parameters
    ----------
    loss
        Loss of the targets.
    alphas
        Grid, rising, evenly spaced in log α if it is to be extended.
    extend
        Go on beyond the grid, in steps of the same size, for the targets whose best penalty
        stands at its end and beats the mean predictor.
    search
        `grid` looks at every point. `bracket` starts from the best point of `guess` and goes
        downhill, so that it evaluates three or four points a target; targets that nothing predicts
        get the whole grid, because their curves are flat. `continuous` is `bracket`, then
        parabolas in log α between the neighbours of the best point.
    guess
        A cheap loss of the same targets, for `bracket` and `continuous`; without it they begin
        with the whole grid.
    sweep_hopeless
        Whether targets that nothing predicts get the whole grid.
    """
    n_further = _N_FURTHER if extend and len(alphas) > 1 else 0
    ladder = _ladder(alphas, n_further, loss.n_targets)
    if search == "grid" or guess is None:
        ladder.curve[ladder.first : ladder.last + 1] = loss.shared(ALL, alphas)
        _extend(loss, ladder, n_further)
    else:
        _descend(loss, ladder, guess, sweep_hopeless)
    rungs = ladder.best()
    found = ladder.at(rungs)
    low, high = ladder.limits(found)
    seen = np.isfinite(ladder.curve).any(axis=1)
    seen[ladder.first : ladder.last + 1] = True
    chosen = ladder.alphas[rungs].copy()
    if search == "continuous":
        chosen, found = _between(loss, ladder, rungs)
    return ChosenPenalties(chosen, found, rungs == low, rungs == high, ladder.alphas[seen])


def _ladder(alphas: np.ndarray, n_further: int, n_targets: int) -> _Ladder:
    steps = np.arange(1.0, n_further + 1)
    below = alphas[0] * (alphas[min(1, len(alphas) - 1)] / alphas[0]) ** -steps[::-1]
    above = alphas[-1] * (alphas[-1] / alphas[max(-2, -len(alphas))]) ** steps
    rungs = np.concatenate([below, alphas, above])
    curve = np.full((len(rungs), n_targets), np.nan)
    return _Ladder(rungs, n_further, n_further + len(alphas) - 1, curve)


def _extend(loss: Loss, ladder: _Ladder, n_further: int) -> None:
    """Evaluate all further steps for the targets at an end of the grid that beat the mean."""
    if not n_further:
        return
    rungs = ladder.best()
    beats = ladder.at(rungs) < 0
    ends = ((ladder.first, slice(0, ladder.first)), (ladder.last, slice(ladder.last + 1, None)))
    for end, beyond in ends:
        targets = np.flatnonzero((rungs == end) & beats)
        if targets.size:
            ladder.curve[beyond, targets] = loss.shared(targets, ladder.alphas[beyond])


def _descend(loss: Loss, ladder: _Ladder, guess: Loss, sweep_hopeless: bool) -> None:
    grid = slice(ladder.first, ladder.last + 1)
    curve = guess.shared(ALL, ladder.alphas[grid])
    start = ladder.first + len(curve) - 1 - np.argmin(curve[::-1], axis=0)
    everyone = np.arange(loss.n_targets)
    for shift in (0, -1, 1):
        rungs = np.clip(start + shift, ladder.first, ladder.last)
        ladder.curve[rungs, everyone] = loss.each(ALL, ladder.alphas[rungs])
    hopeless = np.flatnonzero(np.nanmin(ladder.curve, axis=0) >= 0)
    if hopeless.size and sweep_hopeless:
        ladder.curve[grid, hopeless] = loss.shared(hopeless, ladder.alphas[grid])
    while _step(loss, ladder):
        pass


def _step(loss: Loss, ladder: _Ladder) -> bool:
    """Evaluate one unknown neighbour of every best rung that has one."""
    rungs = ladder.best()
    low, high = ladder.limits(ladder.at(rungs))
    moved = False
    for shift in (-1, 1):
        beside = np.clip(rungs + shift, low, high)
        targets = np.flatnonzero(np.isnan(ladder.at(beside)))
        if targets.size:
            rung = beside[targets]
            ladder.curve[rung, targets] = loss.each(targets, ladder.alphas[rung])
            moved = True
    return moved


def _between(loss: Loss, ladder: _Ladder, rungs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow parabolas through three points of log α for the targets with two neighbours."""
    logs = np.log(ladder.alphas)
    chosen, found = ladder.alphas[rungs].copy(), ladder.at(rungs).copy()
    inner = (rungs > 0) & (rungs < len(logs) - 1)
    sides = np.clip(rungs - 1, 0, None), np.clip(rungs + 1, None, len(logs) - 1)
    inner &= np.isfinite(ladder.at(sides[0])) & np.isfinite(ladder.at(sides[1]))
    targets = np.flatnonzero(inner)
    at = np.stack([logs[s[targets]] for s in (sides[0], rungs, sides[1])])
    value = np.stack([ladder.at(s)[targets] for s in (sides[0], rungs, sides[1])])
    for _ in range(_N_PARABOLAS if targets.size else 0):
        new = _vertex(at, value)
        at_new = loss.each(targets, np.exp(new))
        _narrow(at, value, new, at_new)
    better = value[1] < found[targets]
    chosen[targets[better]] = np.exp(at[1][better])
    found[targets[better]] = value[1][better]
    return chosen, found


def _vertex(at: np.ndarray, value: np.ndarray) -> np.ndarray:
    left, right = at[1] - at[0], at[2] - at[1]
    down, up = (value[0] - value[1]) * right, (value[2] - value[1]) * left
    bend = down + up
    shift = np.divide(down * right - up * left, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
    # well inside the three points, and never on the middle one again
    new = np.clip(at[1] + shift, at[0] + 0.05 * left, at[2] - 0.05 * right)
    return np.where(np.abs(new - at[1]) < 1e-3, at[1] + 0.05 * right, new)


def _narrow(at: np.ndarray, value: np.ndarray, new: np.ndarray, at_new: np.ndarray) -> None:
    """Keep three points around the lowest of four, in place."""
    lower = at_new < value[1]
    right = new > at[1]
    for side, beyond in ((0, right), (2, ~right)):
        # the old middle closes the bracket behind a new middle; else the new point closes it
        close_old, close_new = lower & beyond, ~lower & ~beyond
        at[side] = np.where(close_old, at[1], np.where(close_new, new, at[side]))
        value[side] = np.where(close_old, value[1], np.where(close_new, at_new, value[side]))
    at[1], value[1] = np.where(lower, new, at[1]), np.where(lower, at_new, value[1])
