"""Contrastive decoder: a residual MLP trained with BiMixCo, then SoftCLIP, beside a regression."""

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
from calcarine.decoders.contrastive_network import ContrastiveNetwork, NetworkShape
from calcarine.decoders.decoding_trials import DecodingTrials, check_units
from calcarine.decoders.losses import (
    SOFT_TEMPERATURES,
    Mix,
    bimixco,
    cosine_logits,
    cosine_schedule,
    draw_mix,
    mix_rows,
    mse,
    soft_clip,
)
from calcarine.encoders.training import Epoch, History, TrainingPlan, train


class ContrastiveDecoder:
    """Predict embeddings by a network that one subject or several share.

    Parameters
    ----------
    shape
        Size of the network.
    plan
        How long and how fast to train.
    mixco_share
        First share of the epochs that trains with BiMixCo; the rest trains with SoftCLIP.
    mse_weight
        Weight of the regression loss.
    checkpoint
        Folder from which an interrupted fit goes on.

    Attributes
    ----------
    network_
        The trained network.
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
        mixco_share: float = 0.33,
        mse_weight: float = 0.3,
        checkpoint: Path | None = None,
    ) -> None:
        self.shape = shape
        self.plan = plan
        self.mixco_share = mixco_share
        self.mse_weight = mse_weight
        self.checkpoint = checkpoint

    def fit(self, trials: Mapping[str, DecodingTrials]) -> Self:
        """Train on the training trials of all subjects, choosing the epoch on validation trials.

        Raises
        ------
        CalcarineError
            A subject has no trials left to train on, or the loss is not finite.
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
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self.plan.seed, "weights"))
            n_units = {name: t.responses.shape[1] for name, t in trials.items()}
            self.network_ = ContrastiveNetwork(n_units, targets.shape[1], self.shape).to(device)
        objective = _Objective(self, trials, device)
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
            array_sha(np.asarray(a))
            for name in trials
            for a in (trials[name].responses, trials[name].targets, trials[name].is_validation)
        ]
        return text_sha("\n".join([told, *trials, *arrays]))

    def predict(self, responses: np.ndarray, subject: str) -> np.ndarray:
        """Predict embeddings.

        Parameters
        ----------
        responses
            Standardised, shape (n_items, n_units).
        subject
            Whose.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, embed_dim).
        """
        if subject not in self.network_.n_units:
            raise CalcarineError(
                f"the decoder knows the subjects {list(self.network_.n_units)}; asked for "
                f"{subject!r}."
            )
        check_units(responses, self.network_.n_units[subject], self.kind)
        values = torch.from_numpy(np.array(responses, dtype=np.float32))
        self.network_.eval()
        with torch.no_grad():
            projection, _ = self.network_({subject: values})
            direction = functional.normalize(projection, dim=-1)
        return self.mean_ + self.length_ * direction.numpy()

    def _settings(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "shape": asdict(self.shape),
            "mixco_share": self.mixco_share,
            "mse_weight": self.mse_weight,
        }

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give what a model folder stores."""
        tensors = {f"network.{n}": v.numpy() for n, v in self.network_.state_dict().items()}
        tensors["target.mean"] = self.mean_
        config = self._settings() | {
            "plan": asdict(self.plan),
            "scale": self.scale_,
            "length": self.length_,
            "n_units": self.network_.n_units,
            "history": asdict(self.history_),
        }
        return config, tensors

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild a fitted decoder."""
        shape, plan = NetworkShape(**config["shape"]), TrainingPlan(**config["plan"])
        decoder = cls(shape, plan, config["mixco_share"], config["mse_weight"])
        decoder.mean_ = tensors["target.mean"]
        decoder.scale_, decoder.length_ = config["scale"], config["length"]
        decoder.history_ = History(**config["history"])
        decoder.network_ = ContrastiveNetwork(config["n_units"], len(decoder.mean_), shape)
        weights = {
            n.removeprefix("network."): torch.from_numpy(np.array(v))
            for n, v in tensors.items()
            if n.startswith("network.")
        }
        decoder.network_.load_state_dict(weights)
        decoder.network_.eval()
        return decoder


class _Objective:
    """Losses of batches and of the validation trials; all data stay in memory."""

    def __init__(
        self,
        decoder: ContrastiveDecoder,
        trials: Mapping[str, DecodingTrials],
        device: torch.device,
    ) -> None:
        self.decoder = decoder
        names = np.unique(np.concatenate([t.stimuli.astype(str) for t in trials.values()]))
        self.train: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        self.validation: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        for subject, data in trials.items():
            number = np.searchsorted(names, data.stimuli.astype(str))
            targets = (data.targets - decoder.mean_) / decoder.scale_
            for rows, place in (
                (~data.is_validation, self.train),
                (data.is_validation, self.validation),
            ):
                if rows.any():
                    place[subject] = (
                        torch.from_numpy(np.float32(data.responses[rows])).to(device),
                        torch.from_numpy(np.float32(targets[rows])).to(device),
                        torch.from_numpy(number[rows]).to(device),
                    )
        self.starts = np.cumsum([0] + [len(t[0]) for t in self.train.values()])
        self.n_trials = int(self.starts[-1])
        self.has_validation = bool(self.validation)

    def batch_loss(self, rows: np.ndarray, epoch: Epoch) -> Tensor:
        """Contrast plus regression for the training trials with the given numbers."""
        decoder, network = self.decoder, self.decoder.network_
        chosen = [
            (name, data, rows[(rows >= start) & (rows < stop)] - start)
            for (name, data), start, stop in zip(
                self.train.items(), self.starts[:-1], self.starts[1:], strict=True
            )
        ]
        chosen = [(name, data, local) for name, data, local in chosen if len(local)]
        responses = {name: data[0][local] for name, data, local in chosen}
        targets = torch.cat([data[1][local] for _, data, local in chosen])
        n_mixing = round(decoder.mixco_share * epoch.n_epochs)
        if epoch.number < n_mixing:
            stimuli = torch.cat([data[2][local] for _, data, local in chosen])
            mixes = {name: draw_mix(len(r), epoch.rng) for name, r in responses.items()}
            mix = join_mixes(list(mixes.values())).to(targets.device)
            mixed = {n: mix_rows(r, mixes[n].to(r.device)) for n, r in responses.items()}
            projection, regression = network(mixed)
            contrast = bimixco(projection, targets, network.temperature, mix, stimuli)
            return contrast + decoder.mse_weight * mse(regression, mix_rows(targets, mix))
        projection, regression = network(responses)
        progress = (epoch.number - n_mixing) / max(epoch.n_epochs - 1 - n_mixing, 1)
        soft = cosine_schedule(progress, *SOFT_TEMPERATURES)
        contrast = soft_clip(projection, targets, network.temperature, soft)
        return contrast + decoder.mse_weight * mse(regression, targets)

    def validation_loss(self) -> float:
        """Mean relative rank of the true target among all validation targets, over subjects."""
        ranks = []
        for subject, (responses, targets, stimuli) in self.validation.items():
            projection, _ = self.decoder.network_({subject: responses})
            ranks.append(_mean_rank(projection, targets, stimuli))
        return float(np.mean(ranks))


def join_mixes(mixes: list[Mix]) -> Mix:
    """Join mixes within subjects to one over all trials, in the same order."""
    starts = np.cumsum([0] + [len(m.partner) for m in mixes])
    partner = [m.partner + int(s) for m, s in zip(mixes, starts[:-1], strict=True)]
    return Mix(torch.cat(partner), torch.cat([m.share for m in mixes]))


def _mean_rank(projection: Tensor, targets: Tensor, stimuli: Tensor) -> float:
    scores = cosine_logits(projection, targets, 1.0)
    is_other = stimuli[:, None] != stimuli[None, :]
    lead = scores - scores.diagonal()[:, None]
    lost = ((lead > 0) & is_other).sum(dim=1) + ((lead == 0) & is_other).sum(dim=1) / 2
    return float((lost / is_other.sum(dim=1).clamp(min=1)).mean())
