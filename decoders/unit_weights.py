"""Weighting units by how well the target predicts them: a prior for decoders of many units."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.stored_rows import take_rows, times
from calcarine.decoders.decoding_trials import Decoder, DecodingTrials
from calcarine.encoders.ridge.solver import solve_ridge

WEIGHTED = "unit_weight."
_MAX_AXES = 256


def unit_weights(responses: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Give each unit the cross-validated share of variance that the target explains in it.

    A ridge decoder shrinks all units alike, and half of them may be noise. Scaling the units is
    the same as giving each its own penalty.

    Parameters
    ----------
    responses
        Standardised, of training trials, shape (n_trials, n_units).
    targets
        Their targets, shape (n_trials, embed_dim); of very long ones the 256 leading principal
        axes of the training trials serve.
    groups
        What must not straddle folds, shape (n_trials,).

    Returns
    -------
    numpy.ndarray
        float32, shape (n_units,), mean square 1; all 1 where no unit is predicted at all.
    """
    n_folds = min(5, len(np.unique(groups)))
    axes = _leading_axes(np.asarray(targets, dtype=np.float64))
    score = solve_ridge(axes, responses, groups, None, n_folds).cv_score
    explained = np.clip(np.nan_to_num(score), 0, None)
    size = float(np.sqrt(np.mean(explained**2)))
    if size == 0:
        return np.ones(len(explained), dtype=np.float32)
    return np.asarray(explained / size, dtype=np.float32)


def _leading_axes(targets: np.ndarray) -> np.ndarray:
    if targets.shape[1] <= _MAX_AXES:
        return targets
    centred = targets - targets.mean(axis=0)
    if len(centred) > centred.shape[1]:  # the smaller of the two products is decomposed
        turned: np.ndarray = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -_MAX_AXES:]
        return turned
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept: np.ndarray = vectors[:, -_MAX_AXES:] * np.sqrt(np.maximum(values[-_MAX_AXES:], 0))
    return kept


class WeightedUnits:
    """A decoder whose units are weighted before it sees them, by training trials alone.

    Parameters
    ----------
    decoder
        Any decoder of responses without time.

    Attributes
    ----------
    weights_
        Of each subject's units, shape (n_units,), see `unit_weights`.
    kind, uses_validation
        Those of the decoder; where it holds validation trials back, the weights do so too.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.kind = decoder.kind
        self.uses_validation = decoder.uses_validation

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Find the weights of each subject's units, and fit the decoder on weighted responses.

        Raises
        ------
        CalcarineError
            Responses have a time axis.
        """
        self.weights_: dict[str, np.ndarray] = {}
        weighted = {}
        for subject, data in trials.items():
            if data.responses.ndim != 2:
                raise CalcarineError(
                    f"responses of sub-{subject} have shape {data.responses.shape}; units are "
                    "weighted where there is one response a trial. Remove `weigh_units`."
                )
            is_left_out = data.is_validation & self.uses_validation
            rows = np.flatnonzero(~is_left_out)
            responses = take_rows(data.responses, rows)
            own = unit_weights(responses, data.targets[rows], data.groups[rows])
            self.weights_[subject] = own
            weighted[subject] = replace(data, responses=times(data.responses, own))
        self.decoder.fit(weighted)
        return self

    def predict(self, responses: np.ndarray, subject: str) -> np.ndarray:
        """Predict targets, float32 (n_items, embed_dim), from responses (n_items, n_units)."""
        own = self.weights_.get(subject)
        if own is None or responses.ndim != 2 or responses.shape[1] != len(own):
            known = {name: len(weights) for name, weights in self.weights_.items()}
            raise CalcarineError(
                f"the decoder weighs the units of {known}, by subject; got responses of "
                f"shape {responses.shape} of sub-{subject}. Use the units of the fit."
            )
        return self.decoder.predict(times(responses, own), subject)

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give what a model folder stores: the decoder's own, and the weights."""
        config, tensors = self.decoder.to_model()
        weights = {f"{WEIGHTED}{subject}": own for subject, own in self.weights_.items()}
        return config, tensors | weights

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Refuse: which decoder it was is known to `load_decoder` alone."""
        raise CalcarineError("a weighted decoder is rebuilt by `wrap` from its fitted decoder.")

    @classmethod
    def wrap(cls, decoder: Decoder, weights: dict[str, np.ndarray]) -> Self:
        """Rebuild from a decoder that is fitted and the weights of its subjects' units."""
        weighted = cls(decoder)
        weighted.weights_ = weights
        return weighted
