"""Selectivity as tested hypotheses, for machines to read."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Hypothesis:
    """One claim about one unit, and what speaks for it.

    Attributes
    ----------
    unit, kind
        Which voxel, region or contrast.
    text, keywords
        The claim.
    evidence
        Bank entries whose pictures the unit prefers, best first.
    score
        log p(text | unit) − λ log p(text), from the bank.
    rho, q_value
        Spearman's ρ of what the text leads one to expect with measured held-out responses, and
        its false discovery rate; None where there was no test.
    reliability
        Agreement of the text with texts from resampled training trials.
    embedding_model, judge
        What made the claim, and what tested it.
    shown, reason
        Whether it is a finding, and why not.
    """

    unit: str
    kind: str
    text: str
    keywords: list[str]
    evidence: list[str]
    score: float | None
    rho: float | None
    q_value: float | None
    reliability: float
    embedding_model: str
    judge: str
    shown: bool
    reason: str


def records_of(table: pd.DataFrame, embedding_model: str, judge: str) -> list[dict[str, Any]]:
    """Turn a table of validated captions into records.

    Parameters
    ----------
    table
        From `validate_captions`, with `keywords`, `evidence` and `score`.
    embedding_model, judge
        What made the captions, and what tested them; they are never the same.
    """
    return [
        asdict(
            Hypothesis(
                unit=str(row["unit"]),
                kind=str(row["kind"]),
                text=str(row["text"]),
                keywords=list(row["keywords"]),
                evidence=list(row["evidence"]),
                score=_number(row["score"]),
                rho=_number(row["rho"]),
                q_value=_number(row["q_value"]),
                reliability=round(float(row["agreement"]), 6),
                embedding_model=embedding_model,
                judge=judge,
                shown=bool(row["shown"]),
                reason=str(row["reason"]),
            )
        )
        for _, row in table.iterrows()
    ]


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
