"""Ridge from responses to an embedding, its penalty chosen by the direction of predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from calcarine.decoders.decoding_trials import (
    DecodingTrials,
    check_units,
    flat_responses,
    only_subject,
)
from calcarine.encoders.ridge.chunk_solver import alpha_grid
from calcarine.encoders.ridge.folds import grouped_folds

_SMALLEST = 1e-9  # share of the largest variance below which an axis is rounding
_SHORTEST = 1e-3  # a prediction keeps its direction, whatever its length


@dataclass(frozen=True)
class _Axes:
    """Ridge of some trials for every penalty: weights are `axes @ (cross / (variances + α))`."""

    mean: np.ndarray
    target_mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    cross: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, targets: np.ndarray) -> Self:
        mean, target_mean = values.mean(axis=0), targets.mean(axis=0)
        centred = values - mean
        variances, axes = np.linalg.eigh(centred.T @ centred)
        kept = variances > _SMALLEST * max(variances[-1], 1e-300)
        axes = axes[:, kept]
        cross = (centred @ axes).T @ (targets - target_mean)
        return cls(mean, target_mean, axes, variances[kept], cross)

    def weights(self, alpha: float) -> np.ndarray:
        return np.asarray(self.axes @ (self.cross / (self.variances + alpha)[:, None]))


class DirectionRidge:
    """Predict an embedding linearly, with one penalty whose predictions point the right way.

    A squared error on single trials asks for short predictions, and gets them by a large penalty,
    which also turns them towards the directions in which responses vary most: noise. What finds
    an embedding is its direction. The penalty is therefore the one whose held-out predictions have
    the largest mean cosine with their targets, both about the training mean; the length is fitted
    afterwards, by least squares on the same held-out predictions.

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
    alpha_, length_
        Chosen penalty, and the factor that predictions are multiplied by.
    alphas_, cosines_
        The penalties and the held-out cosine of each, shape (n_alphas,).
    """

    kind: ClassVar[str] = "direction-ridge"
    uses_validation: ClassVar[bool] = False

    def __init__(self, n_folds: int | None = 5) -> None:
        self.n_folds = n_folds

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Fit on all trials of one subject."""
        data = only_subject(trials, self.kind)
        values = np.asarray(flat_responses(data.responses), dtype=np.float64)
        targets = np.asarray(data.targets, dtype=np.float64)
        mean = values.mean(axis=0)
        values, back = _fewest_axes(values - mean)
        n_groups = len(np.unique(data.groups))
        n_folds = None if self.n_folds is None else min(self.n_folds, n_groups)
        fold_of = grouped_folds(len(values), data.groups, n_folds)
        self.alphas_ = alpha_grid(None, float((values**2).sum() / len(back)))
        self._search(values, targets, fold_of)
        whole = _Axes.of(values, targets)
        weights = back @ whole.weights(self.alpha_) * self.length_
        self.coef_ = weights.astype(np.float32)
        self.intercept_ = (whole.target_mean - mean @ weights).astype(np.float32)
        return self

    def _search(self, values: np.ndarray, targets: np.ndarray, fold_of: np.ndarray) -> None:
        cosine, along, size = np.zeros((3, len(self.alphas_)))
        for fold in range(int(fold_of.max()) + 1):
            held = fold_of == fold
            axes = _Axes.of(values[~held], targets[~held])
            new, true = values[held] - axes.mean, targets[held] - axes.target_mean
            scores = new @ axes.axes
            for i, alpha in enumerate(self.alphas_):
                predicted = scores @ (axes.cross / (axes.variances + alpha)[:, None])
                product = (predicted * true).sum(axis=1)
                norms = np.linalg.norm(predicted, axis=1) * np.linalg.norm(true, axis=1)
                cosine[i] += np.divide(
                    product, norms, out=np.zeros_like(norms), where=norms > 0
                ).sum()
                along[i] += product.sum()
                size[i] += (predicted**2).sum()
        best = len(cosine) - 1 - int(np.argmax(cosine[::-1]))  # of equal ones the largest penalty
        self.cosines_ = cosine / len(values)
        self.alpha_ = float(self.alphas_[best])
        fitted = along[best] / size[best] if size[best] > 0 else 0.0
        self.length_ = float(max(fitted, _SHORTEST))

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
        tensors = {
            "coef": self.coef_,
            "intercept": self.intercept_,
            "alphas": self.alphas_,
            "cosines": self.cosines_,
        }
        config = {"n_folds": self.n_folds, "alpha": self.alpha_, "length": self.length_}
        return {"kind": self.kind, **config}, tensors

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild a fitted decoder."""
        decoder = cls(config["n_folds"])
        decoder.alpha_, decoder.length_ = config["alpha"], config["length"]
        decoder.coef_, decoder.intercept_ = tensors["coef"], tensors["intercept"]
        decoder.alphas_, decoder.cosines_ = tensors["alphas"], tensors["cosines"]
        return decoder


def _fewest_axes(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn trials onto as many axes as they span, (n_trials, n_axes) and (n_units, n_axes).

    Ridge does not see the turn.
    """
    n_trials, n_units = centred.shape
    if n_units <= n_trials:
        return centred, np.eye(n_units)
    squares, vectors = np.linalg.eigh(centred @ centred.T)
    kept = squares > _SMALLEST * max(squares[-1], 1e-300)
    root, vectors = np.sqrt(squares[kept]), vectors[:, kept]
    return vectors * root, centred.T @ (vectors / root)
