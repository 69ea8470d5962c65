"""Captions against what was planted in the phantom: do they name it, and only it."""

from collections.abc import Callable
from dataclasses import replace

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
    said = [named_values(text, families) for text in table["text"]]
    shown = table["shown"].to_numpy(dtype=bool)
    reliable = ~table["reason"].str.startswith(("reliability", "no word")).to_numpy()
    tuned, preferred = truth["tuned_to"].to_numpy(str), truth["preferred"].to_numpy(str)

    def of(question: Callable[[dict[str, set[str]], str], bool]) -> np.ndarray:
        return np.array([question(s, p) for s, p in zip(said, preferred, strict=True)], dtype=float)

    def is_false(own: dict[str, set[str]], planted: str) -> bool:
        return bool(own["category"] - {planted})

    named = np.array([[bool(own[family]) for family in FAMILIES] for own in said])
    order, every = np.argsort(-strengths, axis=1, kind="stable"), np.arange(len(said))
    strongest, second = (named[every, order[:, k]].astype(float) for k in (0, 1))
    questions = {
        "category_named": ("category", of(lambda s, p: p in s["category"])),
        "false_category": ("category", of(is_false)),
        "colour_also_named": ("category", of(lambda s, p: bool(s["colour"]))),
        "colour_named": ("colour", of(lambda s, p: p in s["colour"])),
        "place_named": ("position", of(lambda s, p: bool(s["place"]))),
        "place_size_or_count_named": (
            "position",
            of(lambda s, p: any(s[f] for f in ("place", "size", "count"))),
        ),
        "two_families_named": ("mixed", of(lambda s, p: sum(map(bool, s.values())) >= 2)),
        "category_and_colour_named": (
            "mixed",
            of(lambda s, p: bool(s["category"]) and bool(s["colour"])),
        ),
        "strongest_family_named": ("mixed", strongest),
        "second_family_named": ("mixed", second),
        "two_strongest_families_named": ("mixed", strongest * second),
        "shared_category_named": ("paired", of(lambda s, p: p in s["category"])),
        "category_and_colour_or_place_named": (
            "paired",
            of(lambda s, p: p in s["category"] and bool(s["colour"] or s["place"])),
        ),
    }
    rows = []
    for which, chosen in (("reliable", reliable), ("shown", shown)):
        for metric, (kind, hits) in questions.items():
            target = f"{which}-planted-{kind}"
            rows.append(
                _row(template, target, metric, hits[chosen & (tuned == kind)], seed, n_draws)
            )
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
