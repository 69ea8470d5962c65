"""What decoders are fitted on, and what every decoder can do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.stored_rows import StoredRows, row_blocks
from calcarine.decoders.meeg.sensors import Sensors


@dataclass(frozen=True)
class DecodingTrials:
    """Training trials of one subject.

    Attributes
    ----------
    responses
        Standardised responses, float32, shape (n_trials, n_units), or (n_trials, n_channels,
        n_times) for time courses of sensors; many of them are `StoredRows`.
    targets
        True embeddings as they are stored, shape (n_trials, embed_dim).
    stimuli
        Stimulus of each trial, shape (n_trials,).
    groups
        Unit of the split that each trial belongs to (stimulus, run, …), shape (n_trials,): an
        inner cross-validation never has a group on both sides.
    is_validation
        Trials to choose on, bool, shape (n_trials,).
    sensors
        Montage and times of the responses, where they are time courses.
    """

    responses: np.ndarray
    targets: np.ndarray
    stimuli: np.ndarray
    groups: np.ndarray
    is_validation: np.ndarray
    sensors: Sensors | None = None

    def __post_init__(self) -> None:
        names = ("responses", "targets", "stimuli", "groups", "is_validation")
        lengths = {name: len(getattr(self, name)) for name in names}
        n_dims = self.responses.ndim, self.targets.ndim
        if len(set(lengths.values())) != 1 or n_dims not in ((2, 2), (3, 2)):
            raise CalcarineError(
                f"training trials have the lengths {lengths}, responses of shape "
                f"{self.responses.shape} and targets of shape {self.targets.shape}; expected "
                "one row a trial everywhere and two dimensions (responses: three with time)."
            )
        sensors = self.sensors
        if sensors is not None and self.responses.shape[1:] != (
            len(sensors.channels),
            len(sensors.times_s),
        ):
            raise CalcarineError(
                f"responses of shape {self.responses.shape} came with {len(sensors.channels)} "
                f"channels and {len(sensors.times_s)} times. Run `prepare` again."
            )
        if not len(self.responses):
            raise CalcarineError("there is no training trial with a known target.")
        for name in ("responses", "targets"):
            for rows, block in row_blocks(getattr(self, name)):
                bad = np.argwhere(~np.isfinite(block))
                if len(bad):
                    raise CalcarineError(
                        f"{len(bad)} values of the training {name} are not finite, the first in "
                        f"trial {rows.start + bad[0][0]}, column {bad[0][1]}. Leave those trials "
                        "or units out."
                    )


class Decoder(Protocol):
    """Map responses to a target; fitted on trials of one subject or of several.

    Attributes
    ----------
    kind
        Name in the configuration.
    uses_validation
        Whether validation trials are held back to choose on; otherwise they are fitted on.
    """

    @property
    def kind(self) -> str:
        """Name in the configuration."""

    @property
    def uses_validation(self) -> bool:
        """Whether validation trials are held back."""

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Fit on training trials, by subject."""

    def predict(self, responses: np.ndarray, subject: str) -> np.ndarray:
        """Predict targets, float32 (n_items, embed_dim), from responses (n_items, n_units …)."""

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give JSON values and arrays that a model folder stores."""

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild from what `to_model` gave."""


@runtime_checkable
class DecodesOthers(Protocol):
    """A decoder that also decodes people whom it was not trained on."""

    def predict_unseen(self, responses: np.ndarray, sensors: Sensors) -> np.ndarray:
        """Predict targets from responses (n_items, n_channels, n_times) of any montage."""


def only_subject(trials: Mapping[str, DecodingTrials], kind: str) -> DecodingTrials:
    """Take the trials of the one subject that there may be.

    Raises
    ------
    CalcarineError
        There are several: a decoder without a shared part cannot be fitted on all of them.
    """
    if len(trials) != 1:
        raise CalcarineError(
            f"a {kind} decoder is fitted on one subject, and {len(trials)} came: "
            f"{list(trials)}. Write `subjects: each`, or use a contrastive decoder."
        )
    return next(iter(trials.values()))


def labels_of(targets: np.ndarray, kind: str) -> np.ndarray:
    """Read one-hot codes as numbers of categories.

    Parameters
    ----------
    targets
        Concept codes, shape (n_trials, n_concepts).
    kind
        Who asks, for the message.

    Returns
    -------
    numpy.ndarray
        Column of the one, int64, shape (n_trials,).

    Raises
    ------
    CalcarineError
        The targets are no one-hot codes, or show fewer than two categories.
    """
    is_code = ((targets == 0) | (targets == 1)).all() and (targets.sum(axis=1) == 1).all()
    labels = np.argmax(targets, axis=1)
    n_shown = len(np.unique(labels))
    if not is_code or n_shown < 2:
        raise CalcarineError(
            f"a {kind} decoder tells categories apart: its target must be an embedding with "
            f"`model: concept-codes` and show two or more of them. The target has "
            f"{targets.shape[1]} columns, {'one-hot' if is_code else 'not one-hot'}, and the "
            f"training trials show {n_shown}."
        )
    return labels


class LinearPrediction:
    """What decoders share that predict embeddings by weights and an intercept.

    Attributes
    ----------
    coef_
        float32, shape (n_units, embed_dim); the samples of a channel stand side by side.
    intercept_
        float32, shape (embed_dim,).
    """

    kind: ClassVar[str]
    coef_: np.ndarray
    intercept_: np.ndarray

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


def flat_responses(responses: np.ndarray) -> np.ndarray:
    """Lay the samples of all channels end to end: (n_items, n_channels * n_times).

    Responses without time stay as they are.
    """
    if isinstance(responses, StoredRows):
        return responses
    # spelled out: NumPy cannot infer a length where there is no trial
    return np.asarray(responses).reshape(len(responses), math.prod(np.shape(responses)[1:]))


def check_units(responses: np.ndarray, n_units: int, kind: str) -> None:
    """Refuse responses with another number of units (or samples) than the decoder was fitted on."""
    if responses.ndim != 2 or responses.shape[1] != n_units:
        raise CalcarineError(
            f"the {kind} decoder was fitted on {n_units} units; the responses have shape "
            f"{responses.shape}, expected (n_items, {n_units}). Use the units it was fitted on."
        )
