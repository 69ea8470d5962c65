"""Contrastive decoder: a network of any kind, trained to find the right embedding and to be it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from calcarine.data.digests import array_sha, text_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.seeds import derive_seed
from calcarine.decoders.contrastive_loss import ContrastiveLoss, Objective
from calcarine.decoders.contrastive_network import ContrastiveNetwork, NetworkShape, shape_of
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.meeg.sensors import Sensors
from calcarine.decoders.network_inputs import NetworkInput, network_input
from calcarine.encoders.devices import default_device
from calcarine.encoders.network_weights import fill_network, weight_arrays
from calcarine.encoders.training import History, TrainingPlan, train


class ContrastiveDecoder:
    """Predict embeddings by a network that one subject or several share.

    Parameters
    ----------
    shape
        Which network, and its size.
    plan
        How long and how fast to train.
    loss
        What is minimised.
    checkpoint
        Folder from which an interrupted fit goes on.

    Attributes
    ----------
    network_
        The trained network.
    inputs_
        What it was told of each subject's responses.
    mean_, scale_, length_
        Mean of the training targets (embed_dim,), their mean standard deviation, and the mean
        length of centred targets. A prediction is the mean plus a vector of that length in the
        direction of the projection: the contrastive losses know directions only.
    history_
        Losses by epoch.

    Notes
    -----
    Logits compare the projection with the *centred* target; the temperature of the prediction is
    learned, that of SoftCLIP's wanted distribution follows its schedule.
    """

    kind: ClassVar[str] = "contrastive"
    uses_validation: ClassVar[bool] = True

    def __init__(
        self,
        shape: NetworkShape,
        plan: TrainingPlan,
        loss: ContrastiveLoss | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        self.shape = shape
        self.plan = plan
        self.loss = loss or ContrastiveLoss()
        self.checkpoint = checkpoint

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Train on the training trials of all subjects, choosing the epoch on validation trials.

        Raises
        ------
        CalcarineError
            A subject has no trials left to train on, the network cannot read such responses, or
            the loss is not finite.
        """
        for name, data in trials.items():
            if data.is_validation.all():
                raise CalcarineError(
                    f"all {len(data.targets)} training trials of sub-{name} are validation trials; "
                    "lower `split.validation`."
                )
        targets = np.concatenate([t.targets[~t.is_validation] for t in trials.values()])
        centred = targets - targets.mean(axis=0, dtype=np.float64)
        self.mean_ = targets.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.scale_ = max(float(centred.std(axis=0).mean()), 1e-6)
        self.length_ = float(np.linalg.norm(centred, axis=1).mean())
        self.inputs_ = {s: network_input(t.responses, t.sensors) for s, t in trials.items()}
        device = default_device()
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self.plan.seed, "weights"))
            network = ContrastiveNetwork(self.inputs_, targets.shape[1], self.shape)
        network.trunk.check(self.inputs_)
        network.trunk.begin(trials)
        self.network_ = network.to(device)
        objective = Objective(self.network_, self.loss, trials, self.mean_, self.scale_, device)
        self.history_ = train(
            self.network_,
            objective.n_trials,
            objective.batch_loss,
            objective.validation_loss if objective.has_validation else None,
            self.plan,
            self.checkpoint,
            self._key(trials),
        )
        self.network_.cpu()
        return self

    def _key(self, trials: Mapping[str, DecodingTrials]) -> str:
        """Hash everything that the trained weights depend on."""
        told = json.dumps([self._settings(), asdict(self.plan)], sort_keys=True)
        arrays = [
            array_sha(a)
            for name in trials
            for a in (
                trials[name].responses,
                trials[name].targets,
                trials[name].is_validation,
                self.inputs_[name].positions,
            )
        ]
        return text_sha("\n".join([told, *trials, *arrays]))

    def predict(self, responses: np.ndarray, subject: str) -> np.ndarray:
        """Predict embeddings.

        Parameters
        ----------
        responses
            Standardised, shape (n_items, n_units) or (n_items, n_channels, n_times).
        subject
            Whose.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, embed_dim).
        """
        if subject not in self.inputs_:
            raise CalcarineError(
                f"the decoder knows the subjects {list(self.inputs_)}; asked for {subject!r}."
            )
        own = self.inputs_[subject]
        expected = (own.n_units, own.n_times) if own.n_times > 1 else (own.n_units,)
        if responses.shape[1:] != expected:
            raise CalcarineError(
                f"the contrastive decoder was fitted on {own.n_units} units"
                + (f" × {own.n_times} samples" if own.n_times > 1 else "")
                + f" of sub-{subject}; the responses have shape {responses.shape}. Use the units "
                "it was fitted on."
            )
        self.network_.eval()
        with torch.no_grad():
            projection, _ = self.network_({subject: _tensor(responses)})
        return self._embedding(projection)

    def predict_unseen(self, responses: np.ndarray, sensors: Sensors) -> np.ndarray:
        """Predict embeddings of somebody who was not in the training data.

        Parameters
        ----------
        responses
            Standardised, shape (n_items, n_channels, n_times).
        sensors
            Their montage and times, which must be those of the training data.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, embed_dim).

        Raises
        ------
        CalcarineError
            The samples differ, or the network knows its subjects only.
        """
        known = next(iter(self.inputs_.values()))
        found = (len(sensors.times_s), sensors.step_s)
        if found[0] != known.n_times or abs(found[1] - known.step_s) > 1e-6:
            raise CalcarineError(
                f"the decoder was trained on {known.n_times} samples every {known.step_s:g} s; the "
                f"new responses have {found[0]} every {found[1]:g} s. Prepare them alike."
            )
        self.network_.eval()
        with torch.no_grad():
            projection, _ = self.network_.unseen(_tensor(responses), sensors.positions)
        return self._embedding(projection)

    def _embedding(self, projection: Tensor) -> np.ndarray:
        direction = functional.normalize(projection, dim=-1).numpy()
        return self.mean_ + np.float32(self.length_) * direction

    def _settings(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "network": self.shape.kind,
            "shape": asdict(self.shape),  # type: ignore[call-overload]
            "loss": asdict(self.loss),
        }

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give what a model folder stores."""
        tensors = weight_arrays(self.network_)
        tensors["target.mean"] = self.mean_
        config = self._settings() | {
            "plan": asdict(self.plan),
            "scale": self.scale_,
            "length": self.length_,
            "inputs": {name: own.to_json() for name, own in self.inputs_.items()},
            "history": asdict(self.history_),
        }
        return config, tensors

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild a fitted decoder."""
        shape, plan = shape_of(config["network"], config["shape"]), TrainingPlan(**config["plan"])
        decoder = cls(shape, plan, ContrastiveLoss(**config["loss"]))
        decoder.mean_ = tensors["target.mean"]
        decoder.scale_, decoder.length_ = config["scale"], config["length"]
        decoder.history_ = History(**config["history"])
        decoder.inputs_ = {s: NetworkInput.from_json(v) for s, v in config["inputs"].items()}
        decoder.network_ = ContrastiveNetwork(decoder.inputs_, len(decoder.mean_), shape)
        fill_network(decoder.network_, tensors)
        return decoder


def _tensor(responses: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(responses, dtype=np.float32))
