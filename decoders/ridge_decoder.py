"""Ridge from responses to every dimension of an embedding, each with its own penalty."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from calcarine.data.stored_rows import StoredRows
from calcarine.decoders.decoding_trials import (
    DecodingTrials,
    LinearPrediction,
    flat_responses,
    only_subject,
)
from calcarine.encoders.ridge.memory_limit import settings_within
from calcarine.encoders.ridge.solver import solve_ridge

_WORKING_BYTES = 4 * 2**30


class RidgeDecoder(LinearPrediction):
    """Predict every target dimension linearly.

    Parameters
    ----------
    n_folds
        Folds of the search for α, grouped by the split's unit; None leaves one group out.
    max_working_bytes
        Memory beside the data. Where the exact solution would take more, responses are projected
        onto as many random directions as fit, and `route_` says so.

    Attributes
    ----------
    coef_
        float32, shape (n_units, embed_dim); the samples of a channel stand side by side.
    intercept_
        float32, shape (embed_dim,).
    alpha_, cv_score_
        Chosen penalty and cross-validated R² of each dimension, shape (embed_dim,).
    route_
        `name` of the route (see `calcarine.encoders.ridge.routes`), `n_axes`, and the share of the
        responses' variance that the axes keep, `kept_share`.
    """

    kind: ClassVar[str] = "ridge"
    uses_validation: ClassVar[bool] = False

    def __init__(self, n_folds: int | None = 5, max_working_bytes: int = _WORKING_BYTES) -> None:
        self.n_folds = n_folds
        self.max_working_bytes = max_working_bytes

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Fit on all trials of one subject."""
        data = only_subject(trials, self.kind)
        n_groups = len(np.unique(data.groups))
        n_folds = None if self.n_folds is None else min(self.n_folds, n_groups)
        responses = flat_responses(data.responses)
        (n_trials, n_units), n_targets = responses.shape, data.targets.shape[1]
        sizes = (n_trials, n_units, n_targets, n_folds or n_groups)
        is_stored = isinstance(responses, StoredRows)
        settings = settings_within(*sizes, self.max_working_bytes, is_stored)
        found = solve_ridge(responses, data.targets, data.groups, None, n_folds, settings=settings)
        self.coef_ = np.asarray(found.coef, dtype=np.float32)
        self.intercept_ = np.asarray(found.intercept, dtype=np.float32)
        self.alpha_ = np.asarray(found.alpha, dtype=np.float64)
        self.cv_score_ = np.asarray(found.cv_score, dtype=np.float64)
        self.route_: dict[str, Any] = {}
        if found.route is not None:
            kept, n_axes = round(found.route.kept_share, 6), found.route.n_axes
            self.route_ = {"name": found.route.route, "n_axes": n_axes, "kept_share": kept}
        return self

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give what a model folder stores."""
        tensors: dict[str, np.ndarray] = {
            "coef": self.coef_,
            "intercept": self.intercept_,
            "alpha": self.alpha_,
            "cv_score": self.cv_score_,
        }
        return {"kind": self.kind, "n_folds": self.n_folds, "route": self.route_}, tensors

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild a fitted decoder."""
        decoder = cls(config["n_folds"])
        decoder.route_ = config.get("route", {})
        decoder.coef_, decoder.intercept_ = tensors["coef"], tensors["intercept"]
        decoder.alpha_, decoder.cv_score_ = tensors["alpha"], tensors["cv_score"]
        return decoder
