"""Decoder of categories: a linear support vector machine."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from calcarine.decoders.decoding_trials import (
    DecodingTrials,
    check_units,
    flat_responses,
    labels_of,
    only_subject,
)


class SvmDecoder:
    """Linear support vector machine, one against one, C = 1 / mean squared norm of the responses.

    Attributes
    ----------
    coef_, intercept_
        Weights of each pair of classes, float64, shapes (n_pairs, n_units), (n_pairs,); positive
        scores speak for the first class of the pair. Pairs are in the order 01, 02, …, 12, ….
    classes_
        Column of the concept codes that each class stands for, shape (n_classes,).
    n_concepts_
        Number of columns.
    """

    kind: ClassVar[str] = "svm"
    uses_validation: ClassVar[bool] = False

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Fit on all trials of one subject; targets are concept codes."""
        data = only_subject(trials, self.kind)
        responses = flat_responses(data.responses).astype(np.float64)
        c = 1 / np.mean((responses**2).sum(axis=1))
        from sklearn.svm import SVC  # takes a second

        svm = SVC(kernel="linear", C=c).fit(responses, labels_of(data.targets, self.kind))
        # scikit-learn turns the sign around where there is one pair only
        sign = -1.0 if len(svm.classes_) == 2 else 1.0
        self.coef_, self.intercept_ = sign * svm.coef_, sign * svm.intercept_
        self.classes_ = np.asarray(svm.classes_, dtype=np.int64)
        self.n_concepts_ = data.targets.shape[1]
        return self

    def predict(self, responses: np.ndarray, subject: str = "") -> np.ndarray:
        """Predict a score for each concept.

        Parameters
        ----------
        responses
            Standardised, shape (n_items, n_units) or (n_items, n_channels, n_times).
        subject
            Not needed: there is one.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, n_concepts): pairs won, plus a share below one half that
            orders classes with as many wins by their summed margins; −1 for concepts that no
            training trial shows.
        """
        responses = flat_responses(responses)
        check_units(responses, self.coef_.shape[1], self.kind)
        margins = np.asarray(responses, dtype=np.float64) @ self.coef_.T + self.intercept_
        first, second = np.triu_indices(len(self.classes_), k=1)
        wins, sums = np.zeros((2, len(responses), len(self.classes_)))
        for pair, (i, j) in enumerate(zip(first, second, strict=True)):
            won = margins[:, pair] > 0
            wins[:, i] += won
            wins[:, j] += ~won
            sums[:, i] += margins[:, pair]
            sums[:, j] -= margins[:, pair]
        out = np.full((len(responses), self.n_concepts_), -1.0, dtype=np.float32)
        out[:, self.classes_] = wins + sums / (3 * (np.abs(sums) + 1))
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
