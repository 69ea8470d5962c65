"""In-context encoder: trained on the voxels of some people, it reads those of others."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from calcarine import __version__
from calcarine.data.digests import array_sha, text_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import model_card, read_model, write_model
from calcarine.data.seeds import derive_seed
from calcarine.encoders.few_pictures.empirical_bayes import (
    LinearVoxels,
    posterior_in_axes,
    posterior_weights,
)
from calcarine.encoders.few_pictures.in_context_network import InContextNetwork, InContextShape
from calcarine.encoders.few_pictures.weight_prior import (
    VoxelPosteriors,
    WeightPrior,
    fit_weight_prior,
    voxel_posteriors,
    with_constant,
)
from calcarine.encoders.network_weights import fill_network, weight_arrays
from calcarine.encoders.training import Epoch, History, TrainingPlan, train

KIND = "in-context-encoder"
_N_QUERIES = 100
_VOXELS_AT_A_TIME = 128
_VALIDATION_COUNTS = (10, 30, 100, 300)


@dataclass(frozen=True)
class Person:
    """What one person of the training set has seen and answered.

    Attributes
    ----------
    features
        Embedding of each trial's stimulus, shape (n_trials, n_features).
    responses
        Standardised, shape (n_trials, n_units).
    is_validation
        Trials that choose the epoch, bool, shape (n_trials,).
    """

    features: np.ndarray
    responses: np.ndarray
    is_validation: np.ndarray


class InContextEncoder:
    """Write voxels' weights from few pictures, without training on the person.

    It works in the axes of an empirical-Bayes prior and begins from that prior's posterior mean,
    so that what it learns is what a normal distribution of weights does not know: kinds of voxels.
    It trains on simulated voxels: weights that a person's trials leave possible, pictures that the
    person saw, new noise each time. The measured responses themselves are few and mostly noise;
    they choose the epoch.

    Parameters
    ----------
    shape
        Size of the network.
    plan
        How it is trained; a trial of the plan is a voxel, seen with pictures drawn anew.
    counts
        Fewest and most pictures that it is trained for.
    checkpoint
        Folder from which an interrupted training goes on.

    Attributes
    ----------
    prior_
        Of the training people's voxels.
    network_
        The trained network.
    history_
        Losses.
    """

    def __init__(
        self,
        shape: InContextShape,
        plan: TrainingPlan,
        counts: tuple[int, int] = (10, 300),
        checkpoint: Path | None = None,
    ) -> None:
        self.shape, self.plan, self.counts = shape, plan, counts
        self.checkpoint = checkpoint

    def fit(self, people: Sequence[Person]) -> Self:
        """Learn from the voxels of people.

        Parameters
        ----------
        people
            One at least, with the same embedding.

        Raises
        ------
        CalcarineError
            Somebody has too few training trials to draw contexts and queries from.
        """
        for person in people:
            n_train = int((~person.is_validation).sum())
            if n_train < self.counts[0] + 2:
                raise CalcarineError(
                    f"a person has {n_train} training trials; contexts of {self.counts[0]} "
                    "pictures need more. Lower `counts`."
                )
        chosen = [(p.features[~p.is_validation], p.responses[~p.is_validation]) for p in people]
        self.prior_ = fit_weight_prior(chosen)
        self.network_ = self._make(len(self.prior_.mean))
        tasks = [_Tasks.of(person, self.prior_) for person in people]
        owner = np.repeat(np.arange(len(tasks)), [t.residual.shape[1] for t in tasks])
        voxel = np.concatenate([np.arange(t.residual.shape[1]) for t in tasks])

        def batch_loss(batch: np.ndarray, epoch: Epoch) -> Tensor:
            parts = [
                self._loss(tasks[i], voxel[batch[owner[batch] == i]], epoch.rng)
                for i in np.unique(owner[batch])
            ]
            return torch.cat(parts).mean()

        def validation_loss() -> float:
            return float(np.mean([self._held_out(task) for task in tasks]))

        held = all(len(task.held) > 1 for task in tasks)
        self.history_ = train(
            self.network_,
            len(owner),
            batch_loss,
            validation_loss if held else None,
            self.plan,
            self.checkpoint,
            self._key(people),
        )
        return self

    def _make(self, n_features: int) -> InContextNetwork:
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self.plan.seed, "weights"))
            return InContextNetwork(n_features, self.shape)

    def _key(self, people: Sequence[Person]) -> str:
        arrays = [np.asarray(a) for p in people for a in (p.features, p.responses, p.is_validation)]
        told = json.dumps([asdict(self.shape), asdict(self.plan), self.counts])
        return text_sha("\n".join([told, *(array_sha(a) for a in arrays)]))

    def _loss(self, task: "_Tasks", voxels: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Squared error of each voxel on pictures that are not in its context."""
        fewest, most = self.counts
        most = min(most, len(task.train) - 2)
        n_pictures = round(float(np.exp(rng.uniform(np.log(fewest), np.log(most)))))
        order = rng.permutation(task.train)
        shown, asked = order[:n_pictures], order[n_pictures : n_pictures + _N_QUERIES]
        weights = task.posteriors.draw(voxels, rng)
        signal = task.design @ weights
        noise = np.sqrt(task.posteriors.noise[voxels]) * rng.standard_normal(signal.shape)
        return task.error(self.network_, shown, asked, signal + noise, signal)

    def _held_out(self, task: "_Tasks") -> float:
        """Error on measured validation trials, with the same contexts in every epoch."""
        rng = np.random.default_rng(derive_seed(self.plan.seed, "validation"))
        voxels = rng.permutation(task.residual.shape[1])[:_VOXELS_AT_A_TIME]
        measured = task.residual[:, voxels]
        counts = [n for n in _VALIDATION_COUNTS if n <= len(task.train)]
        contexts = [rng.permutation(task.train)[:n] for n in counts]
        errors = [task.error(self.network_, c, task.held, measured, measured) for c in contexts]
        return float(np.mean([float(error.mean()) for error in errors]))

    def read(self, features: np.ndarray, targets: np.ndarray) -> LinearVoxels:
        """Give the weights of voxels that were never trained on.

        Parameters
        ----------
        features
            Embeddings of the pictures, shape (n_pictures, n_features).
        targets
            Standardised responses, shape (n_pictures, n_units).
        """
        start = posterior_weights(features, targets, self.prior_).T
        own = with_constant(features) @ self.prior_.factor
        residual = targets.T - with_constant(features) @ self.prior_.mean
        network = self.network_.double().eval()
        x = torch.from_numpy(own)
        parts = []
        with torch.no_grad():
            for first in range(0, len(start), _VOXELS_AT_A_TIME):
                some = slice(first, first + _VOXELS_AT_A_TIME)
                y, w = torch.from_numpy(residual[some]), torch.from_numpy(start[some])
                parts.append(network(x, y, w).numpy())
        self.network_.float()
        full = self.prior_.mean[:, None] + self.prior_.factor @ np.concatenate(parts).T
        return LinearVoxels(full[:-1].astype(np.float32), full[-1].astype(np.float32))

    def save(self, folder: Path, card: dict[str, str]) -> None:
        """Write a model folder with the card's text for `data licence split preprocessing seed`."""
        config: dict[str, Any] = {
            "kind": KIND,
            "shape": asdict(self.shape),
            "plan": asdict(self.plan),
            "counts": list(self.counts),
            "history": asdict(self.history_),
            "version": __version__,
        }
        tensors = weight_arrays(self.network_)
        prior = self.prior_
        tensors |= {
            "prior.mean": prior.mean, "prior.factor": prior.factor, "prior.noise": prior.noise,
        }  # fmt: skip
        known = {
            "units": "any; weights are written for the voxels that it is shown",
            "target": "responses",
            "scores": f"epoch {self.history_.best_epoch} was chosen on validation trials of the "
            "people that it was trained on; scores of others stand in metrics.tsv",
            "version": f"calcarine {__version__}",
        }
        write_model(folder, config, tensors, model_card("In-context encoder", {**card, **known}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder.

        Raises
        ------
        CalcarineError
            The folder is absent or damaged, or holds another kind of model.
        """
        config, tensors = read_model(folder, KIND)
        fewest, most = config["counts"]
        shape, plan = InContextShape(**config["shape"]), TrainingPlan(**config["plan"])
        encoder = cls(shape, plan, (fewest, most))
        parts = (tensors[f"prior.{name}"] for name in ("mean", "factor", "noise"))
        encoder.prior_ = WeightPrior(*parts)
        encoder.history_ = History(**config["history"])
        encoder.network_ = encoder._make(len(encoder.prior_.mean))
        fill_network(encoder.network_, tensors)
        return encoder


@dataclass(frozen=True)
class _Tasks:
    """One person's voxels in the axes of the prior."""

    design: np.ndarray
    residual: np.ndarray
    posteriors: VoxelPosteriors
    noise: np.ndarray
    train: np.ndarray
    held: np.ndarray

    @classmethod
    def of(cls, person: Person, prior: WeightPrior) -> "_Tasks":
        x = with_constant(person.features)
        train, held = np.flatnonzero(~person.is_validation), np.flatnonzero(person.is_validation)
        known = voxel_posteriors(person.features[train], person.responses[train], prior)
        residual = person.responses - (x @ prior.mean)[:, None]
        return cls(x @ prior.factor, residual, known, prior.noise, train, held)

    def error(
        self,
        network: InContextNetwork,
        shown: np.ndarray,
        asked: np.ndarray,
        responses: np.ndarray,
        truth: np.ndarray,
    ) -> Tensor:
        """Mean squared error of each voxel on the pictures `asked`, shape (n_voxels,)."""
        start = posterior_in_axes(self.design[shown], responses[shown], self.noise)
        context, queries = _single(self.design[shown]), _single(self.design[asked])
        weights = network(context, _single(responses[shown].T), _single(start.T))
        wanted = _single(truth[asked])
        return functional.mse_loss(queries @ weights.T, wanted, reduction="none").mean(dim=0)


def _single(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
