"""Scores of encoders from few pictures: how r grows with the number of pictures."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from calcarine.data.noise_ceiling import noise_ceiling_r
from calcarine.data.predictions import Predictions, read_predictions
from calcarine.data.responses import Responses
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.encoders.encoding_scores import bootstrap_correlations, correlation
from calcarine.pipelines.config import Config

STAGE = "few-pictures"
GAIN = "r_median_gain_over_ridge"
BASELINE = "ridge"
CONTROLS = ("mean-predictor", "others-mean")


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
        that of ridge on the same pictures. Intervals are bootstrapped over test items and draws,
        paired. `n_items` counts test items. Controls, `few-pictures-<name>/<control>`, are the mean
        predictor, and what other people's voxels of the same region do on average.
    """
    folder = config.layout.prediction(subject, f"few-pictures-{name}")
    found = read_predictions(folder)
    n_repeats = int(found.items["n_repeats"].iloc[0])
    ceiling = noise_ceiling_r(responses.units["ncsnr"].to_numpy(dtype=np.float64), n_repeats)
    template = Score(
        subject, STAGE, "", "responses", "", "", split, 0, n_repeats, np.nan, chance=0.0
    )
    seed = derive_seed(config.seed, subject, STAGE, name)
    rows = []
    for n_pictures in dict.fromkeys(found.items["n_pictures"]):
        own = {
            method: (pair[0].shape[1], *_medians(pair, seed, config.evaluate.n_bootstrap))
            for method, pair in _by_method(found, int(n_pictures))
        }
        for method, (n_items, median, drawn) in own.items():
            control = method in CONTROLS
            row = replace(
                template,
                model=f"few-pictures-{name}{'/' if control else '-'}{method}",
                protocol=f"{n_pictures}-pictures",
                n_items=n_items,
            )
            level = replace(row, metric="r_median", ceiling=float(np.nanmedian(ceiling)))
            rows.append(_with_interval(level, median, drawn))
            if not control and method != BASELINE:
                _, other, other_drawn = own[BASELINE]
                gain = replace(row, metric=GAIN)
                rows.append(_with_interval(gain, median - other, drawn - other_drawn))
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


def _medians(
    pair: tuple[np.ndarray, np.ndarray], seed: int, n_bootstrap: int
) -> tuple[float, np.ndarray]:
    """Take the median over units, mean over draws: as measured, and in each bootstrap sample.

    A sample draws test items and draws of training pictures, both with replacement, and the same
    ones for every method, so that differences of methods are paired.
    """
    medians, drawn = [], []
    for measured, predicted in zip(*pair, strict=True):
        r = correlation(measured, predicted)
        known = np.isfinite(r)
        medians.append(float(np.median(r[known])))
        samples = bootstrap_correlations(measured[:, known], predicted[:, known], seed, n_bootstrap)
        drawn.append(np.nanmedian(samples, axis=1))
    rng = np.random.default_rng(derive_seed(seed, "draws"))
    chosen = rng.integers(0, len(drawn), (n_bootstrap, len(drawn)))
    return float(np.mean(medians)), np.take_along_axis(np.stack(drawn, axis=1), chosen, 1).mean(1)


def _with_interval(row: Score, value: float, drawn: np.ndarray) -> Score:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return replace(row, value=value, ci_low=float(low), ci_high=float(high))
