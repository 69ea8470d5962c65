"""Captions against what was planted in the phantom: do they name it, and only it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.scene_captions import word_families
from calcarine.data.scores import Score, share_interval
from calcarine.data.seeds import derive_seed
from calcarine.decoders.caption_metrics import says_any
from calcarine.pipelines.planted_families import FAMILIES

PROTOCOL = "phantom"
Families = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class _Unit:
    """What a unit's caption names by family, what was planted, and families by how they move it."""

    said: dict[str, set[str]]
    preferred: str
    by_strength: tuple[str, ...]

    def names(self, *families: str) -> bool:
        return all(self.said[family] for family in families)

    def names_category(self) -> bool:
        return self.preferred in self.said["category"]


# what is asked of units of which kind of tuning
_QUESTIONS: dict[str, tuple[str, Callable[[_Unit], bool]]] = {
    "category_named": ("category", _Unit.names_category),
    "false_category": ("category", lambda u: bool(u.said["category"] - {u.preferred})),
    "colour_also_named": ("category", lambda u: u.names("colour")),
    "colour_named": ("colour", lambda u: u.preferred in u.said["colour"]),
    "place_named": ("position", lambda u: u.names("place")),
    "place_size_or_count_named": (
        "position",
        lambda u: any(u.names(family) for family in ("place", "size", "count")),
    ),
    "two_families_named": ("mixed", lambda u: sum(map(u.names, u.said)) >= 2),
    "category_and_colour_named": ("mixed", lambda u: u.names("category", "colour")),
    "strongest_family_named": ("mixed", lambda u: u.names(u.by_strength[0])),
    "second_family_named": ("mixed", lambda u: u.names(u.by_strength[1])),
    "two_strongest_families_named": ("mixed", lambda u: u.names(*u.by_strength[:2])),
    "shared_category_named": ("paired", _Unit.names_category),
    "category_and_colour_or_place_named": (
        "paired",
        lambda u: u.names_category() and (u.names("colour") or u.names("place")),
    ),
}


def named_values(text: str, families: Families) -> dict[str, set[str]]:
    """List what a caption names, by family.

    Examples
    --------
    >>> said = named_values("two red bodies", word_families())
    >>> said["category"], said["colour"], said["place"]
    ({'body'}, {'red'}, set())
    """
    return {
        family: {value for value, words in values.items() if says_any(text, words)}
        for family, values in families.items()
    }


def planted_caption_scores(
    table: pd.DataFrame,
    truth: pd.DataFrame,
    strengths: np.ndarray,
    template: Score,
    seed: int,
    n_draws: int,
) -> list[Score]:
    """Compare captions of single units with their planted tuning.

    Parameters
    ----------
    table
        Validated captions of single units, in the order of `truth`.
    truth
        One row a unit: `tuned_to` and `preferred`.
    strengths
        How far each family of factors moves each unit, shape (n_units, n_families), see
        `family_strengths`.
    template
        Row to fill.
    seed, n_draws
        Of the intervals.

    Returns
    -------
    list of Score
        Units of a kind of tuning, `reliable-…` (agreement above the threshold) or `shown-…`
        (findings): shares that name the planted category or colour, a false category, a colour
        beside the category, a place or a size or number, words of two families or more, of mixed
        units words of the family that moves them most, second most, and of both; and
        `planted-untuned`, the share withheld.
    """
    if len(table) != len(truth):
        raise CalcarineError(
            f"{len(table)} captions came with the planted truth of {len(truth)} units; they must "
            "be of one mask."
        )
    families = word_families()
    order = np.argsort(-strengths, axis=1, kind="stable")
    units = [
        _Unit(named_values(text, families), preferred, tuple(FAMILIES[k] for k in own))
        for text, preferred, own in zip(table["text"], truth["preferred"], order, strict=True)
    ]
    shown = table["shown"].to_numpy(dtype=bool)
    reliable = ~table["reason"].str.startswith(("reliability", "no word")).to_numpy()
    tuned = truth["tuned_to"].to_numpy(str)
    rows = []
    for which, chosen in (("reliable", reliable), ("shown", shown)):
        for metric, (kind, question) in _QUESTIONS.items():
            asked = np.flatnonzero(chosen & (tuned == kind))
            hits = np.array([question(units[k]) for k in asked], dtype=float)
            rows.append(_row(template, f"{which}-planted-{kind}", metric, hits, seed, n_draws))
    withheld = (~shown).astype(float)[tuned == "none"]
    return [*rows, _row(template, "planted-untuned", "share_withheld", withheld, seed, n_draws)]


def _row(
    template: Score, target: str, metric: str, hits: np.ndarray, seed: int, n_draws: int
) -> Score:
    row = replace(template, target=target, metric=metric, protocol=PROTOCOL, n_items=len(hits))
    if not len(hits):
        return replace(row, note="not computed: there is no such unit")
    low, high = share_interval(hits, derive_seed(seed, target, metric), n_draws)
    return replace(row, value=float(hits.mean()), ci_low=low, ci_high=high)
