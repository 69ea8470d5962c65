"""One value an item, and how the values become one number with an interval."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from calcarine.data.scores import bootstrap_interval, share_interval


def _same(value: float) -> float:
    return value


@dataclass(frozen=True)
class ItemMetric:
    """A metric that is measured item by item.

    Attributes
    ----------
    name
        Column `metric` of the score table.
    values
        One value an item, shape (n_items,); NaN where it could not be computed.
    chance, ceiling
        What guessing and what the true embeddings get.
    median
        Summarise by the median instead of the mean.
    is_share
        Values are hits and misses.
    convert
        Monotone function of the mean, for instance from a share to d′.
    limits
        Where the summary can lie, before it is converted.
    """

    name: str
    values: np.ndarray
    chance: float
    ceiling: float
    median: bool = False
    is_share: bool = False
    convert: Callable[[float], float] = _same
    limits: tuple[float, float] = (-np.inf, np.inf)

    def summary(self, values: np.ndarray) -> float:
        """Summarise values; NaN where there is none."""
        kept = values[np.isfinite(values)]
        if not len(kept):
            return float("nan")
        return self.convert(float(np.median(kept) if self.median else kept.mean()))

    def interval(
        self, values: np.ndarray, seed: int, n_draws: int, clusters: np.ndarray | None = None
    ) -> tuple[float, float]:
        """Give the 95 % interval of the summary over items, or over clusters of them."""
        if self.is_share:
            return share_interval(values, seed, n_draws, clusters=clusters)
        ends = bootstrap_interval(
            values, seed, n_draws, median=self.median, clusters=clusters, limits=self.limits
        )
        low, high = sorted(self.convert(end) for end in ends)
        return low, high
