"""Ridge from responses to an embedding, its penalty chosen by the direction of predictions."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from calcarine.decoders.decoding_trials import (
    DecodingTrials,
    LinearPrediction,
    flat_responses,
    only_subject,
)
from calcarine.encoders.ridge.chunk_solver import alpha_grid
from calcarine.encoders.ridge.folds import grouped_folds

_SMALLEST = 1e-9  # share of the largest variance below which an axis is rounding
_SHORTEST = 1e-3  # a prediction keeps its direction, whatever its length


class _Ridge:
    """Ridge of all trials for every penalty, and its predictions of held-out groups.

    With H the hat matrix of all trials, intercept included, a held-out group f is missed by
    (1 − H_ff)⁻¹ times the error that the fit of all trials makes on it: nothing is fitted again.
    """

    def __init__(self, values: np.ndarray, targets: np.ndarray) -> None:
        self.mean, self.target_mean = values.mean(axis=0), targets.mean(axis=0)
        centred, self.targets = values - self.mean, targets - self.target_mean
        is_wide = values.shape[1] > len(values)
        gram = centred @ centred.T if is_wide else centred.T @ centred
        squares, vectors = np.linalg.eigh(gram)
        kept = squares > _SMALLEST * max(squares[-1], 1e-300)
        self.squares, vectors = squares[kept], vectors[:, kept]
        root = np.sqrt(self.squares)
        self.left = vectors if is_wide else centred @ (vectors / root)
        self.axes = centred.T @ (vectors / root) if is_wide else vectors
        self.cross = self.left.T @ self.targets

    def weights(self, alpha: float) -> np.ndarray:
        root = np.sqrt(self.squares)
        return np.asarray(self.axes @ ((root / (self.squares + alpha))[:, None] * self.cross))

    def held_out(self, held: np.ndarray, alphas: np.ndarray) -> Iterator[np.ndarray]:
        """Predict a group from all others, about the mean of all, shape (n_held, embed_dim)."""
        own, true = self.left[held], self.targets[held]
        with_mean = np.c_[own, np.full(len(own), len(self.left) ** -0.5)]
        is_narrow = with_mean.shape[1] < len(own)
        gram = with_mean.T @ with_mean if is_narrow else None
        for alpha in alphas:
            shrinkage = self.squares / (self.squares + alpha)
            shrunk = own * shrinkage
            missed = true - shrunk @ self.cross
            if gram is not None:  # Woodbury: (1 − L D Lᵀ)⁻¹ = 1 + L (D⁻¹ − Lᵀ L)⁻¹ Lᵀ
                inner = np.diag(np.r_[1 / shrinkage, 1.0]) - gram
                left_out = missed + with_mean @ np.linalg.solve(inner, with_mean.T @ missed)
            else:
                hat = shrunk @ own.T + 1 / len(self.left)
                left_out = np.linalg.solve(np.eye(len(hat)) - hat, missed)
            yield true - left_out


class DirectionRidge(LinearPrediction):
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
        ridge = _Ridge(values, np.asarray(data.targets, dtype=np.float64))
        n_groups = len(np.unique(data.groups))
        n_folds = None if self.n_folds is None else min(self.n_folds, n_groups)
        fold_of = grouped_folds(len(values), data.groups, n_folds)
        self.alphas_ = alpha_grid(None, float(ridge.squares.sum() / values.shape[1]))
        self._search(ridge, fold_of)
        weights = ridge.weights(self.alpha_) * self.length_
        self.coef_ = weights.astype(np.float32)
        self.intercept_ = (ridge.target_mean - ridge.mean @ weights).astype(np.float32)
        return self

    def _search(self, ridge: _Ridge, fold_of: np.ndarray) -> None:
        cosine, along, size = np.zeros((3, len(self.alphas_)))
        for fold in range(int(fold_of.max()) + 1):
            held = fold_of == fold
            mean = ridge.targets[~held].mean(axis=0)
            true = ridge.targets[held] - mean
            for i, held_out in enumerate(ridge.held_out(held, self.alphas_)):
                predicted = held_out - mean
                product = (predicted * true).sum(axis=1)
                norms = np.linalg.norm(predicted, axis=1) * np.linalg.norm(true, axis=1)
                cosines = np.divide(product, norms, out=np.zeros_like(norms), where=norms > 0)
                cosine[i] += cosines.sum()
                along[i] += product.sum()
                size[i] += (predicted**2).sum()
        best = len(cosine) - 1 - int(np.argmax(cosine[::-1]))  # of equal ones the largest penalty
        self.cosines_ = cosine / len(fold_of)
        self.alpha_ = float(self.alphas_[best])
        fitted = along[best] / size[best] if size[best] > 0 else 0.0
        self.length_ = float(max(fitted, _SHORTEST))

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
