"""Ridge from responses to every dimension of an embedding, each with its own penalty."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from calcarine.decoders.decoding_trials import (
    DecodingTrials,
    check_units,
    flat_responses,
    only_subject,
)
from calcarine.encoders.ridge.estimators import RidgeCV


class RidgeDecoder:
    """Predict every target dimension linearly.

    Parameters
    ----------
    n_folds
        Folds of the search for α, grouped by the split's unit; None leaves one group out.

    Attributes
    ----------
    coef_
        float32, shape (n_units, embed_dim); the samples of a channel stand side by side.
    intercept_
        float32, shape (embed_dim,).
    alpha_, cv_score_
        Chosen penalty and cross-validated R² of each dimension, shape (embed_dim,).
    """

    kind: ClassVar[str] = "ridge"
    uses_validation: ClassVar[bool] = False

    def __init__(self, n_folds: int | None = 5) -> None:
        self.n_folds = n_folds

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Fit on all trials of one subject."""
        data = only_subject(trials, self.kind)
        n_groups = len(np.unique(data.groups))
        n_folds = None if self.n_folds is None else min(self.n_folds, n_groups)
        responses = flat_responses(data.responses)
        ridge = RidgeCV(n_folds=n_folds).fit(responses, data.targets, data.groups)
        self.coef_ = np.asarray(ridge.coef_, dtype=np.float32)
        self.intercept_ = np.asarray(ridge.intercept_, dtype=np.float32)
        self.alpha_ = np.asarray(ridge.alpha_, dtype=np.float64)
        self.cv_score_ = np.asarray(ridge.cv_score_, dtype=np.float64)
        return self

    def predict(self, responses: np.ndarray, subject: str = "") -> np.ndarray:
        """Predict embeddings.

        Parameters
        ----------
        responses
            Standardised, shape (n_items, n_units) or (n_items, n_channels, n_times).
        subject
            Not needed: there is one.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, embed_dim).
        """
        responses = flat_responses(responses)
        check_units(responses, len(self.coef_), self.kind)
        return np.asarray(responses, dtype=np.float32) @ self.coef_ + self.intercept_

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give what a model folder stores."""
        tensors: dict[str, np.ndarray] = {
            "coef": self.coef_,
            "intercept": self.intercept_,
            "alpha": self.alpha_,
            "cv_score": self.cv_score_,
        }
        return {"kind": self.kind, "n_folds": self.n_folds}, tensors

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild a fitted decoder."""
        decoder = cls(config["n_folds"])
        decoder.coef_, decoder.intercept_ = tensors["coef"], tensors["intercept"]
        decoder.alpha_, decoder.cv_score_ = tensors["alpha"], tensors["cv_score"]
        return decoder
