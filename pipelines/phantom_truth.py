"""What was planted in the phantom against what its encoders found."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.noise_ceiling import noise_ceiling_r
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.encoders.encoding_scores import correlation, summary_interval
from calcarine.encoders.receptive_fields import fit_receptive_fields

PROTOCOL = "phantom"


@dataclass(frozen=True)
class PlantedMap:
    """Where something is planted, and how strongly an encoder says so.

    Attributes
    ----------
    is_planted
        bool, shape (n_units,).
    strength
        Shape (n_units,): larger where the encoder finds more of it.
    """

    is_planted: np.ndarray
    strength: np.ndarray


def area_under_curve(found: PlantedMap, counts: np.ndarray | None = None) -> np.ndarray:
    """Give the area under the receiver operating characteristic of a map.

    Parameters
    ----------
    found
        The map.
    counts
        How often each unit counts, shape (n_draws, n_units); without it once.

    Returns
    -------
    numpy.ndarray
        Probability that a planted unit is stronger than another one, ties counting half, shape
        (n_draws,); NaN where all or none are planted.

    Examples
    --------
    >>> marked, strength = np.array([True, True, False]), np.array([3.0, 1.0, 1.0])
    >>> area_under_curve(PlantedMap(marked, strength))
    array([0.75])
    """
    if counts is None:
        counts = np.ones((1, len(found.strength)))
    order = np.argsort(found.strength, kind="stable")
    _, first = np.unique(found.strength[order], return_index=True)
    is_planted, counts = found.is_planted[order], counts[:, order]
    planted = np.add.reduceat(counts * is_planted, first, axis=1)
    others = np.add.reduceat(counts * ~is_planted, first, axis=1)
    weaker = np.cumsum(others, axis=1) - others / 2
    pairs = planted.sum(axis=1) * others.sum(axis=1)
    wins = (planted * weaker).sum(axis=1)
    return np.divide(wins, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)


def map_interval(
    maps: list[PlantedMap], seed: int, n_draws: int, level: float = 0.95
) -> tuple[float, float]:
    """Bootstrap the mean area under the curve of some maps, units drawn with replacement."""
    n_units = len(maps[0].strength)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_draws)
    means = np.mean([area_under_curve(m, counts) for m in maps], axis=0)
    if not np.isfinite(means).any():
        return np.nan, np.nan
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def truth_scores(
    predictions: Predictions,
    units: pd.DataFrame,
    truth: pd.DataFrame,
    stimuli: pd.DataFrame,
    pictures: np.ndarray,
    subject: str,
    split: str,
    seed: int,
    n_draws: int,
    floor: float,
) -> list[Score]:
    """Compare an encoder with the planted truth.

    Parameters
    ----------
    predictions
        What the `encode` step wrote, `measured` included; the largest number of repeats is taken.
    units
        Units table with `i j k` and `ncsnr`.
    truth
        Planted voxels: `i j k tuned_to preferred linear noise_ceiling_n rf_x`.
    stimuli
        Stimulus table with `stimulus_id category`.
    pictures
        What the chosen items show, uint8, shape (n_items, height, width, 3), in the order of
        `predictions.most_repeats()`.
    subject, split
        Text for the rows.
    seed, n_draws
        Bootstrap: over items for correlations, over units for maps.
    floor
        No ratio to a noise ceiling (in r) below this.

    Returns
    -------
    list of Score
        Target `planted-linear`: `r_over_ceiling_median` (ceiling estimated from repeats) and
        `r_over_true_ceiling_median` (the planted one). Target `planted-untuned`: `r_mean`. Targets
        `planted-<category>` and `planted-categories` (their mean): `map_auc`, the area under the
        curve of r × preference for the category among all units. Target `planted-visual-field`:
        `map_auc` of r × how far to the right lies the receptive field of what the encoder predicts,
        among the units that see pixels, against the planted half of the field.
    """
    chosen = predictions.most_repeats()
    measured, predicted = np.asarray(chosen.measured), np.asarray(chosen.values)
    planted = planted_truth(units, truth)
    n_repeats = int(chosen.items["n_repeats"].iloc[0])
    template = Score(
        subject, "encode", predictions.sidecar["model"], "", "", PROTOCOL, split,
        len(chosen.items), n_repeats, np.nan,
    )  # fmt: skip
    draws = (derive_seed(seed, subject, template.model, "truth"), n_draws)
    ceilings = {
        "r_over_ceiling_median": noise_ceiling_r(units["ncsnr"].to_numpy(float), n_repeats),
        "r_over_true_ceiling_median": planted["noise_ceiling_n"].to_numpy(float),
    }
    linear = planted["linear"].to_numpy(bool)
    rows = [
        _ratio(measured, predicted, linear & (c >= floor), c, replace(template, metric=m), draws)
        for m, c in ceilings.items()
    ]
    untuned = (planted["tuned_to"] == "none").to_numpy()
    rows.append(_untuned(measured[:, untuned], predicted[:, untuned], template, draws))
    shown = stimuli.set_index("stimulus_id").loc[chosen.items["stimulus_id"]]
    found = np.maximum(np.nan_to_num(correlation(measured, predicted)), 0)
    maps = {
        f"planted-{name}": [own]
        for name, own in category_maps(
            found, predicted, planted, shown["category"].to_numpy(str)
        ).items()
    }
    maps["planted-categories"] = [own for one in maps.values() for own in one]
    maps["planted-visual-field"] = [visual_field_map(found, predicted, planted, pictures)]
    return rows + _map_rows(maps, template, draws)


def planted_truth(units: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Bring the truth into the order of the units.

    Raises
    ------
    CalcarineError
        A unit is not in the truth.
    """
    place = ["i", "j", "k"]
    planted = units[place].merge(truth, on=place, how="left", validate="one_to_one")
    unknown = planted["tuned_to"].isna()
    if unknown.any():
        raise CalcarineError(
            f"{int(unknown.sum())} of {len(units)} voxels have no planted truth, the first at "
            f"{units[place][unknown.to_numpy()].iloc[0].tolist()}. The recording and its truth are "
            "not of one phantom; run `source` again."
        )
    return planted


def _ratio(
    measured: np.ndarray,
    predicted: np.ndarray,
    kept: np.ndarray,
    ceiling: np.ndarray,
    template: Score,
    draws: tuple[int, int],
) -> Score:
    row = replace(template, target="planted-linear", chance=0.0, ceiling=1.0)
    if not kept.any():
        return replace(row, note="not computed: no linear voxel has a ceiling above the floor")
    pair = measured[:, kept], predicted[:, kept]

    def median(r: np.ndarray) -> np.ndarray:
        return np.asarray(np.nanmedian(r / ceiling[kept], axis=1))

    low, high = summary_interval(*pair, median, *draws)
    value = float(median(correlation(*pair)[None])[0])
    return replace(row, value=value, ci_low=float(low), ci_high=float(high))


def _untuned(
    measured: np.ndarray, predicted: np.ndarray, template: Score, draws: tuple[int, int]
) -> Score:
    row = replace(template, target="planted-untuned", metric="r_mean", chance=0.0, ceiling=0.0)
    if not measured.shape[1]:
        return replace(row, note="not computed: no voxel is planted as untuned")

    def mean(r: np.ndarray) -> np.ndarray:
        return np.asarray(np.nanmean(r, axis=1))

    low, high = summary_interval(measured, predicted, mean, *draws)
    value = float(mean(correlation(measured, predicted)[None])[0])
    return replace(row, value=value, ci_low=float(low), ci_high=float(high))


def category_maps(
    found: np.ndarray, predicted: np.ndarray, planted: pd.DataFrame, categories: np.ndarray
) -> dict[str, PlantedMap]:
    """Map each category: r times how much more its scenes drive a unit than the others do.

    Parameters
    ----------
    found
        r of each unit, negative ones set to 0, shape (n_units,).
    predicted
        Predicted responses, shape (n_items, n_units).
    planted
        Planted truth, one row a unit.
    categories
        Category of each item, shape (n_items,).
    """
    of_category = planted["tuned_to"].isin(["category", "paired"])
    patches = planted["preferred"].where(of_category, "n/a").to_numpy()
    maps = {}
    for name in np.unique(patches[patches != "n/a"]):
        own = categories == name
        if own.any() and not own.all():
            preference = predicted[own].mean(axis=0) - predicted[~own].mean(axis=0)
            maps[str(name)] = PlantedMap(patches == name, found * preference)
    return maps


def visual_field_map(
    found: np.ndarray, predicted: np.ndarray, planted: pd.DataFrame, pictures: np.ndarray
) -> PlantedMap:
    """Map the right half of the visual field among the units that see pixels.

    Parameters
    ----------
    found, predicted, planted
        See `category_maps`.
    pictures
        What the items show. A unit's preference is how far to the right of the middle its
        predicted responses have their receptive field. The slope over the objects' places would
        forget that a large object reaches into both halves.
    """
    sees = (planted["tuned_to"] == "pixels").to_numpy()
    fields = fit_receptive_fields(predicted[:, sees], pictures)
    to_the_right = fields["rf_x"].to_numpy(dtype=np.float64) - 0.5
    return PlantedMap((planted["rf_x"] > 0.5).to_numpy()[sees], found[sees] * to_the_right)


def _map_rows(
    maps: dict[str, list[PlantedMap]], template: Score, draws: tuple[int, int]
) -> list[Score]:
    rows = []
    for target, own in maps.items():
        row = replace(template, target=target, metric="map_auc", chance=0.5, ceiling=1.0)
        areas = [float(area_under_curve(m)[0]) for m in own]
        if not areas or not np.isfinite(areas).any():
            rows.append(replace(row, note="not computed: nothing of the kind is planted"))
            continue
        low, high = map_interval(own, *draws)
        rows.append(replace(row, value=float(np.mean(areas)), ci_low=low, ci_high=high))
    return rows
