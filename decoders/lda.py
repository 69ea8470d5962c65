"""Decoder of categories: linear discriminant analysis with shrinkage."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax

from calcarine.decoders.decoding_trials import (
    DecodingTrials,
    check_units,
    flat_responses,
    labels_of,
    only_subject,
)


class LdaDecoder:
    """Linear discriminant analysis with Ledoit-Wolf shrinkage (doi:10.1016/S0047-259X(03)00096-4).

    Attributes
    ----------
    coef_, intercept_
        Weights of the linear discriminants, float32, shapes (n_classes, n_units), (n_classes,).
    classes_
        Column of the concept codes that each class stands for, shape (n_classes,).
    n_concepts_
        Number of columns.
    """

    kind: ClassVar[str] = "lda"
    uses_validation: ClassVar[bool] = False

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Fit on all trials of one subject; targets are concept codes."""
        data = only_subject(trials, self.kind)
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # takes a second

        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        responses = flat_responses(data.responses).astype(np.float64)
        lda.fit(responses, labels_of(data.targets, self.kind))
        coef, intercept = lda.coef_, lda.intercept_
        if len(lda.classes_) == 2:  # one discriminant: the other class stands at zero
            coef = np.concatenate([np.zeros_like(coef), coef])
            intercept = np.concatenate([np.zeros_like(intercept), intercept])
        self.coef_, self.intercept_ = coef.astype(np.float32), intercept.astype(np.float32)
        self.classes_ = np.asarray(lda.classes_, dtype=np.int64)
        self.n_concepts_ = data.targets.shape[1]
        return self

    def predict(self, responses: np.ndarray, subject: str = "") -> np.ndarray:
        """Predict the probability of each concept.

        Parameters
        ----------
        responses
            Standardised, shape (n_items, n_units) or (n_items, n_channels, n_times).
        subject
            Not needed: there is one.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, n_concepts), rows sum to 1; 0 for concepts that no training
            trial shows.
        """
        responses = flat_responses(responses)
        check_units(responses, self.coef_.shape[1], self.kind)
        scores = np.asarray(responses, dtype=np.float64) @ self.coef_.T + self.intercept_
        out = np.zeros((len(responses), self.n_concepts_), dtype=np.float32)
        out[:, self.classes_] = softmax(scores, axis=1)
        return out

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give what a model folder stores."""
        tensors = {"coef": self.coef_, "intercept": self.intercept_, "classes": self.classes_}
        return {"kind": self.kind, "n_concepts": self.n_concepts_}, tensors

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild a fitted decoder."""
        decoder = cls()
        decoder.coef_, decoder.intercept_ = tensors["coef"], tensors["intercept"]
        decoder.classes_, decoder.n_concepts_ = tensors["classes"], config["n_concepts"]
        return decoder
