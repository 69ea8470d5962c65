"""Scores of encoders from few pictures: how r grows with the number of pictures."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from calcarine.data.noise_ceiling import noise_ceiling_r
from calcarine.data.predictions import Predictions, read_predictions
from calcarine.data.responses import Responses
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.encoders.encoding_scores import correlation, summary_interval
from calcarine.pipelines.config import Config

STAGE = "few-pictures"
GAIN = "r_median_gain_over_ridge"
BASELINE = "ridge"


def few_pictures_results(
    config: Config, subject: str, name: str, split: str, responses: Responses
) -> list[Score]:
    """Score every method at every number of pictures.

    Parameters
    ----------
    config, subject, name, split
        Whose, the name in the section `few_pictures`, and that of the test split.
    responses
        Of the subject.

    Returns
    -------
    list of Score
        Model `few-pictures-<name>-<method>`, protocol `<n>-pictures`: `r_median`, the median over
        units, averaged over draws of pictures, and `r_median_gain_over_ridge`, its difference from
        that of ridge on the same pictures (paired bootstrap). `n_items` counts test items. The
        mean predictor is a control, `few-pictures-<name>/mean-predictor`.
    """
    folder = config.layout.prediction(subject, f"few-pictures-{name}")
    found = read_predictions(folder)
    n_repeats = int(found.items["n_repeats"].iloc[0])
    ceiling = noise_ceiling_r(responses.units["ncsnr"].to_numpy(dtype=np.float64), n_repeats)
    template = Score(
        subject, STAGE, "", "responses", "", "", split, 0, n_repeats, np.nan, chance=0.0
    )
    draws = derive_seed(config.seed, subject, STAGE, name), config.evaluate.n_bootstrap
    rows = []
    for n_pictures in dict.fromkeys(found.items["n_pictures"]):
        own = dict(_by_method(found, int(n_pictures)))
        for method, (measured, predicted) in own.items():
            is_control = method == "mean-predictor"
            row = replace(
                template,
                model=f"few-pictures-{name}{'/' if is_control else '-'}{method}",
                protocol=f"{n_pictures}-pictures",
                n_items=measured.shape[1],
            )
            rows.append(_level(row, measured, predicted, float(np.nanmedian(ceiling)), draws))
            if not is_control and method != BASELINE:
                rows.append(_gain(row, measured, predicted, own[BASELINE][1], draws))
    return rows


def _by_method(
    found: Predictions, n_pictures: int
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Give measured and predicted responses of each method, (n_draws, n_items, n_units)."""
    assert found.measured is not None
    items = found.items
    for method in dict.fromkeys(items["method"]):
        own = (items["n_pictures"] == n_pictures) & (items["method"] == method)
        rows = [np.flatnonzero(own & (items["draw"] == d)) for d in dict.fromkeys(items["draw"])]
        yield (
            str(method),
            (
                np.stack([np.asarray(found.measured[r]) for r in rows]),
                np.stack([np.asarray(found.values[r]) for r in rows]),
            ),
        )


def _level(
    row: Score,
    measured: np.ndarray,
    predicted: np.ndarray,
    ceiling: float,
    draws: tuple[int, int],
) -> Score:
    n_draws = len(measured)

    def mean_of_medians(r: np.ndarray) -> np.ndarray:
        return _medians(r, n_draws).mean(axis=1)

    pair = _side_by_side(measured), _side_by_side(predicted)
    low, high = summary_interval(*pair, mean_of_medians, *draws)
    value = float(mean_of_medians(correlation(*pair)[None])[0])
    return replace(
        row, metric="r_median", value=value, ci_low=float(low), ci_high=float(high), ceiling=ceiling
    )


def _gain(
    row: Score,
    measured: np.ndarray,
    predicted: np.ndarray,
    baseline: np.ndarray,
    draws: tuple[int, int],
) -> Score:
    n_draws = len(measured)

    def difference(r: np.ndarray) -> np.ndarray:
        medians = _medians(r, 2 * n_draws)
        return medians[:, :n_draws].mean(axis=1) - medians[:, n_draws:].mean(axis=1)

    twice = np.concatenate([measured, measured]), np.concatenate([predicted, baseline])
    pair = _side_by_side(twice[0]), _side_by_side(twice[1])
    low, high = summary_interval(*pair, difference, *draws)
    value = float(difference(correlation(*pair)[None])[0])
    return replace(row, metric=GAIN, value=value, ci_low=float(low), ci_high=float(high))


def _side_by_side(values: np.ndarray) -> np.ndarray:
    """Lay draws beside each other as units: (n_items, n_draws × n_units)."""
    return np.concatenate(list(values), axis=1)


def _medians(r: np.ndarray, n_draws: int) -> np.ndarray:
    """Take the median over units of each draw: (n, n_draws × n_units) to (n, n_draws)."""
    by_draw = r.reshape(len(r), n_draws, -1)
    known = np.isfinite(by_draw).any(axis=(0, 1))
    return np.asarray(np.nanmedian(by_draw[:, :, known], axis=2))
