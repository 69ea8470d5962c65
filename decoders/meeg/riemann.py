"""Baselines on covariance matrices: tangent space, and xDAWN filters before it (pyriemann).

What is stored are matrices and ridge weights, so that a saved decoder predicts without refitting.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.decoders.decoding_trials import (
    DecodingTrials,
    check_units,
    labels_of,
    only_subject,
)
from calcarine.decoders.meeg.extras import needed

Covariance = Literal["erp", "spatial"]


class _TangentRidge:
    """Covariance of each trial under filters, beside templates; tangent space; ridge."""

    kind: ClassVar[str]
    uses_validation: ClassVar[bool] = False

    def __init__(self, n_components: int, n_folds: int | None) -> None:
        self.n_components = n_components
        self.n_folds = n_folds

    def _fit_on(self, data: DecodingTrials, filters: np.ndarray, templates: np.ndarray) -> None:
        """Fit reference and weights under given filters and templates.

        Parameters
        ----------
        data
            Training trials.
        filters
            Shape (n_filters, n_channels).
        templates
            Time courses laid beside every trial, shape (n_templates, n_times).
        """
        self.filters_ = np.asarray(filters, dtype=np.float32)
        self.templates_ = np.asarray(templates, dtype=np.float32)
        # scikit-learn takes a second
        from calcarine.encoders.ridge.estimators import RidgeCV

        covariances = self._covariances(data.responses)
        self.reference_ = needed("pyriemann.geometry.mean").mean_riemann(covariances)
        n_groups = len(np.unique(data.groups))
        n_folds = None if self.n_folds is None else min(self.n_folds, n_groups)
        ridge = RidgeCV(n_folds=n_folds)
        ridge.fit(self._features(covariances), data.targets, data.groups)
        self.coef_ = np.asarray(ridge.coef_, dtype=np.float32)
        self.intercept_ = np.asarray(ridge.intercept_, dtype=np.float32)

    def _covariances(self, responses: np.ndarray) -> np.ndarray:
        signals = np.matmul(self.filters_, responses).astype(np.float64)
        beside = np.broadcast_to(self.templates_, (len(signals), *self.templates_.shape))
        both = np.concatenate([beside, signals], axis=1)
        covariances: np.ndarray = needed("pyriemann.geometry.covariance").covariances(both, "lwf")
        return covariances

    def _features(self, covariances: np.ndarray) -> np.ndarray:
        space = needed("pyriemann.geometry.tangentspace")
        return np.asarray(space.tangent_space(covariances, self.reference_), dtype=np.float32)

    def predict(self, responses: np.ndarray, subject: str = "") -> np.ndarray:
        """Predict embeddings.

        Parameters
        ----------
        responses
            Scaled, shape (n_items, n_channels, n_times).
        subject
            Not needed: there is one.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, embed_dim).
        """
        check_units(responses[:, :, 0], self.filters_.shape[1], self.kind)
        if not len(responses):
            return np.empty((0, len(self.intercept_)), dtype=np.float32)
        features = self._features(self._covariances(responses))
        return features @ self.coef_ + self.intercept_

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "filters": self.filters_,
            "templates": self.templates_,
            "reference": self.reference_,
            "coef": self.coef_,
            "intercept": self.intercept_,
        }

    def _take(self, tensors: dict[str, np.ndarray]) -> Self:
        self.filters_, self.templates_ = tensors["filters"], tensors["templates"]
        self.reference_ = tensors["reference"]
        self.coef_, self.intercept_ = tensors["coef"], tensors["intercept"]
        return self


class RiemannDecoder(_TangentRidge):
    """Ridge on the tangent space of trial covariances (Barachant et al. 2013).

    doi:10.1016/j.neucom.2012.12.039; with the first principal response beside each trial the
    covariance also knows what is locked to the stimulus (Congedo et al. 2013).

    Parameters
    ----------
    covariance
        `erp`: channels beside the first principal response of the training trials; `spatial`:
        channels alone, blind to phase.
    n_components
        Principal components that channels are reduced to first.
    n_folds
        Folds of the search for α, grouped by the split's unit; None leaves one group out.

    Attributes
    ----------
    filters_, templates_
        Principal axes of channels (n_components, n_channels), and time courses laid beside.
    reference_
        Riemannian mean of the training covariances.
    coef_, intercept_
        Ridge weights on the tangent space.
    """

    kind: ClassVar[str] = "riemann"

    def __init__(
        self, covariance: Covariance = "erp", n_components: int = 16, n_folds: int | None = 5
    ) -> None:
        super().__init__(n_components, n_folds)
        self.covariance = covariance

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Fit on all trials of one subject.

        Raises
        ------
        CalcarineError
            Responses have no time, or pyriemann is not installed.
        """
        data = over_time(only_subject(trials, self.kind), self.kind)
        filters = principal_filters(data.responses, self.n_components)
        signals = np.matmul(filters, data.responses)
        templates = np.empty((0, signals.shape[2]), dtype=np.float32)
        if self.covariance == "erp":
            flat = signals.reshape(len(signals), -1).astype(np.float64)
            first = np.linalg.svd(flat, full_matrices=False)[2][0].reshape(signals.shape[1:])
            templates = first * (signals.std() / first.std())
        self._fit_on(data, filters, templates)
        return self

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give what a model folder stores."""
        settings = {"covariance": self.covariance, "n_components": self.n_components}
        return {"kind": self.kind, **settings, "n_folds": self.n_folds}, self._arrays()

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild a fitted decoder."""
        decoder = cls(config["covariance"], config["n_components"], config["n_folds"])
        return decoder._take(tensors)


class XdawnDecoder(_TangentRidge):
    """Ridge on the tangent space of xDAWN covariances (Rivet et al. 2009).

    doi:10.1109/TBME.2009.2012869: filters that bring out each category's average response.

    Parameters
    ----------
    n_filters
        Filters of each category.
    n_components
        Principal components that channels are reduced to first.
    n_folds
        Folds of the search for α, grouped by the split's unit; None leaves one group out.

    Attributes
    ----------
    filters_, templates_
        Filters of all categories (n_filters * n_categories, n_channels), and the categories'
        filtered averages.
    reference_, coef_, intercept_
        See `RiemannDecoder`.
    """

    kind: ClassVar[str] = "xdawn"

    def __init__(self, n_filters: int = 4, n_components: int = 16, n_folds: int | None = 5) -> None:
        super().__init__(n_components, n_folds)
        self.n_filters = n_filters

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Fit on all trials of one subject; targets are concept codes.

        Raises
        ------
        CalcarineError
            Targets are no concept codes, responses have no time, or pyriemann is not installed.
        """
        data = over_time(only_subject(trials, self.kind), self.kind)
        labels = labels_of(data.targets, self.kind)
        axes = principal_filters(data.responses, self.n_components)
        signals = np.matmul(axes, data.responses).astype(np.float64)
        xdawn = needed("pyriemann.spatialfilters").Xdawn(self.n_filters, estimator="lwf")
        xdawn.fit(signals, labels)
        self._fit_on(data, xdawn.filters_ @ axes, xdawn.evokeds_)
        return self

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give what a model folder stores."""
        settings = {"n_filters": self.n_filters, "n_components": self.n_components}
        return {"kind": self.kind, **settings, "n_folds": self.n_folds}, self._arrays()

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild a fitted decoder."""
        decoder = cls(config["n_filters"], config["n_components"], config["n_folds"])
        return decoder._take(tensors)


def over_time(data: DecodingTrials, kind: str) -> DecodingTrials:
    """Refuse responses without time.

    Raises
    ------
    CalcarineError
        There is nothing that a covariance of channels could be computed over.
    """
    if data.responses.ndim != 3:
        raise CalcarineError(
            f"a {kind} decoder needs time courses, shape (n_trials, n_channels, n_times); the "
            f"responses have the shape {data.responses.shape}. Use `ridge` or `contrastive`."
        )
    return data


def principal_filters(responses: np.ndarray, n_components: int) -> np.ndarray:
    """Find the principal axes of channels over all trials and samples.

    Covariances of many correlated channels (after an average reference or SSS) are singular.

    Parameters
    ----------
    responses
        Shape (n_trials, n_channels, n_times).
    n_components
        How many to keep; fewer where the channels have a lower rank.

    Returns
    -------
    numpy.ndarray
        Orthonormal rows, float32, shape (n_kept, n_channels), largest variance first.
    """
    n_channels = responses.shape[1]
    total = np.zeros((n_channels, n_channels))
    for trial in responses:
        values = np.asarray(trial, dtype=np.float64)
        total += values @ values.T
    variances, axes = np.linalg.eigh(total)
    rank = int((variances > variances[-1] * n_channels * np.finfo(np.float32).eps).sum())
    n_kept = max(1, min(n_components, rank))
    return np.ascontiguousarray(axes[:, ::-1][:, :n_kept].T, dtype=np.float32)
