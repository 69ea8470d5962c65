"""Choosing rows of the score table by rules that never look at the values."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from calcarine.decoders.decoding_scores import PROTOCOLS
from calcarine.pipelines.config import Config
from calcarine.pipelines.figures.intervals import Estimate
from calcarine.pipelines.page import number
from calcarine.pipelines.sections.metric_names import HEADLINES


def is_control(model: str) -> bool:
    """Tell whether a model's name is `model/control`."""
    return "/" in model


def headline_metric(rows: pd.DataFrame, stage: str) -> str | None:
    """Take the first metric of the stage's list that has a number in these rows."""
    computed = set(rows.loc[np.isfinite(rows["value"]), "metric"])
    return next((m for m in HEADLINES[stage] if m in computed), None)


def main_split(rows: pd.DataFrame) -> str:
    """Name the split that headlines use: `test` where it exists, else the first in the table."""
    names = list(dict.fromkeys(rows["split"]))
    return "test" if "test" in names else names[0]


def most_repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep each model's row with the most repeats averaged."""
    most = rows.groupby("model")["n_repeats"].transform("max")
    kept = rows[rows["n_repeats"] == most]
    return kept.drop_duplicates("model", keep="first")


HEADLINE_PROTOCOLS = {"averaged": None, "single": PROTOCOLS["single"]}


def decoding_rows(config: Config, scores: pd.DataFrame, target: str) -> pd.DataFrame:
    """Take the rows of a decoded target that headlines speak of, as the configuration says."""
    protocol = HEADLINE_PROTOCOLS[config.evaluate.headline]
    return comparison(scores, "decode", target, protocol)


def comparison(
    scores: pd.DataFrame, stage: str, target: str, protocol: str | None = None
) -> pd.DataFrame:
    """Take the rows of one stage and target that belong beside each other.

    One metric (the first of the stage's list), one protocol (the first of the table, unless one is
    named), one split, the most repeats; models and their controls in the order of the table.
    """
    rows = scores[(scores["stage"] == stage) & (scores["target"] == target)]
    if protocol is not None:
        rows = rows[rows["protocol"] == protocol]
    metric = headline_metric(rows, stage)
    if metric is None:
        return rows.iloc[:0]
    rows = rows[(rows["metric"] == metric) & np.isfinite(rows["value"])]
    rows = rows[rows["split"] == main_split(rows)]
    rows = rows[rows["protocol"] == rows["protocol"].iloc[0]]
    return most_repeats(rows)


def estimates(rows: pd.DataFrame, names: Sequence[str], controls: Sequence[bool]) -> list[Estimate]:
    """Turn score rows into rows of a figure, with a name and whether it is a control for each."""
    return [
        Estimate(
            name,
            float(row["value"]),
            float(row["ci_low"]),
            float(row["ci_high"]),
            float(row["chance"]),
            float(row["ceiling"]),
            pale,
        )
        for name, (_, row), pale in zip(names, rows.iterrows(), controls, strict=True)
    ]


def model_estimates(rows: pd.DataFrame) -> list[Estimate]:
    """Turn score rows into rows of a figure: each model, then its controls by their own name."""
    base = rows["model"].str.split("/", n=1).str[0]
    ordered = rows.iloc[np.argsort(pd.factorize(base)[0], kind="stable")]
    models = ordered["model"].tolist()
    names = [m.split("/", 1)[1].replace("-", " ") if is_control(m) else m for m in models]
    return estimates(ordered, names, [is_control(m) for m in models])


def interval_text(row: pd.Series) -> str:
    """Write interval, chance and ceiling of a score, as far as there are any."""
    parts = []
    if np.isfinite(row["ci_low"]) and np.isfinite(row["ci_high"]):
        parts.append(f"95 % interval {number(row['ci_low'])} to {number(row['ci_high'])}")
    if np.isfinite(row["chance"]):
        parts.append(f"chance {number(row['chance'])}")
    if np.isfinite(row["ceiling"]):
        parts.append(f"ceiling {number(row['ceiling'])}")
    return ", ".join(parts)


def verdict(row: pd.Series) -> str:
    """Say where the interval lies against chance; nothing where one of them is unknown."""
    if not np.isfinite([row["ci_low"], row["ci_high"], row["chance"]]).all():
        return "no interval"
    if row["ci_low"] > row["chance"]:
        return "above chance"
    return "below chance" if row["ci_high"] < row["chance"] else "not told from chance"


def main_decoder(config: Config, target: str) -> str | None:
    """Name the decoder of a target that headlines speak of.

    The one that drives a reconstruction; without one the first in the configuration.
    """
    names = [name for name, d in config.decode.items() if d.target == target]
    drivers = [r.semantic for r in config.reconstruct.values() if r.semantic in names]
    return next(iter([*drivers, *names]), None)


def main_condition(config: Config, name: str) -> str:
    """Name the condition of a reconstruction that headlines speak of."""
    return "combined" if config.reconstruct[name].low_level is not None else "semantic"
