"""Decoding in windows of a trial: one linear decoder a window, tested in it or in others."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from calcarine.data.time_windows import Window, sliding_windows, window_means
from calcarine.decoders.brain_items import BrainItems
from calcarine.decoders.decoding_trials import Decoder, DecodingTrials
from calcarine.decoders.direction_ridge import DirectionRidge
from calcarine.decoders.lda import LdaDecoder
from calcarine.decoders.ridge_decoder import RidgeDecoder

TIME_ITEM_COLUMNS = ("window", "train_start_s", "train_stop_s", "start_s", "stop_s")


@dataclass(frozen=True)
class TimePlan:
    """Which windows, and which decoder in them.

    Attributes
    ----------
    kind
        `ridge` or `direction-ridge` to any embedding, `lda` to concept codes.
    window_s, step_s
        Length of the sliding windows and time between them.
    generalisation_step_s
        Time between the windows that are trained and tested crosswise; None: none are.
    n_folds
        Folds of the search for α.
    """

    kind: Literal["ridge", "direction-ridge", "lda"]
    window_s: float
    step_s: float
    generalisation_step_s: float | None
    n_folds: int | None = 5

    def decoder(self) -> Decoder:
        """Make a decoder of one window."""
        if self.kind == "lda":
            return LdaDecoder()
        if self.kind == "direction-ridge":
            return DirectionRidge(self.n_folds)
        return RidgeDecoder(self.n_folds)


def decode_over_time(
    train: DecodingTrials, test: list[BrainItems], plan: TimePlan
) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
    """Fit decoders in windows and predict test items.

    A sliding window is the mean of its samples, of each channel. A growing window reaches from
    stimulus onset to its end, the full one over the whole trial; both are laid out in bins of
    `window_s`, of each channel.

    Parameters
    ----------
    train
        Training trials with sensors.
    test
        Items of every brain, responses of shape (n_items, n_channels, n_times).
    plan
        Which windows.

    Yields
    ------
    tuple
        Predictions, float32 (n_items, embed_dim), and their items with the columns
        `TIME_ITEM_COLUMNS` beside.
    """
    assert train.sensors is not None
    times_s = train.sensors.times_s
    slides = sliding_windows(times_s, plan.window_s, plan.step_s)
    means = window_means(train.responses, times_s, slides)
    of_test = [window_means(items.responses, times_s, slides) for items in test]
    crossed = _crossed(slides, plan)
    for number, window in enumerate(slides):
        decoder = plan.decoder().fit({"": _with(train, means[:, :, number])})
        for items, values in zip(test, of_test, strict=True):
            predicted = decoder.predict(values[:, :, number], "")
            yield predicted, _told(items.table, "sliding", window, window)
        if number in crossed:
            for other in crossed:
                predicted = decoder.predict(of_test[0][:, :, other], "")
                yield predicted, _told(test[0].table, "crosswise", window, slides[other])
    bins = sliding_windows(times_s, plan.window_s, plan.window_s)
    yield from _wide(train, test, plan, bins)


def _wide(
    train: DecodingTrials, test: list[BrainItems], plan: TimePlan, bins: list[Window]
) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
    """Decode from bins side by side: growing windows after onset, and the full one."""
    assert train.sensors is not None
    times_s = train.sensors.times_s
    means = window_means(train.responses, times_s, bins)
    of_test = [window_means(items.responses, times_s, bins) for items in test]
    first = next((i for i, b in enumerate(bins) if b.start_s >= 0), len(bins))
    wanted = [("growing", slice(first, stop)) for stop in _ends(first, len(bins))]
    for name, chosen in [*wanted, ("full", slice(0, len(bins)))]:
        decoder = plan.decoder().fit({"": _with(train, means[:, :, chosen])})
        window = Window(bins[chosen][0].start_s, bins[chosen][-1].stop_s)
        for items, values in zip(test, of_test, strict=True):
            predicted = decoder.predict(values[:, :, chosen], "")
            yield predicted, _told(items.table, name, window, window)


def _ends(first: int, n_bins: int, n_at_most: int = 8) -> list[int]:
    """Choose where growing windows end: at most eight, evenly, the last one at the end."""
    if first >= n_bins:
        return []
    ends = np.linspace(first + 1, n_bins, min(n_at_most, n_bins - first))
    return sorted({round(end) for end in ends})


def _crossed(slides: list[Window], plan: TimePlan) -> list[int]:
    """List the numbers of the windows that are trained and tested crosswise."""
    if plan.generalisation_step_s is None:
        return []
    every = max(1, round(plan.generalisation_step_s / plan.step_s))
    return [i for i, w in enumerate(slides) if round(w.start_s / plan.step_s) % every == 0]


def _with(train: DecodingTrials, responses: np.ndarray) -> DecodingTrials:
    return replace(train, responses=np.ascontiguousarray(responses), sensors=None)


def _told(table: pd.DataFrame, name: str, trained: Window, tested: Window) -> pd.DataFrame:
    ends = (*trained, *tested)
    return table.assign(**dict(zip(TIME_ITEM_COLUMNS, (name, *ends), strict=True)))
