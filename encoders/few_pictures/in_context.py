"""In-context encoder: trained on the voxels of some people, it reads those of others."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from calcarine import __version__
from calcarine.data.digests import array_sha, text_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import model_card, read_model, write_model
from calcarine.data.seeds import derive_seed
from calcarine.encoders.few_pictures.empirical_bayes import LinearVoxels
from calcarine.encoders.few_pictures.in_context_network import InContextNetwork, InContextShape
from calcarine.encoders.few_pictures.in_context_tasks import Person, Tasks
from calcarine.encoders.few_pictures.mixture_fit import N_KINDS, fit_weight_mixture
from calcarine.encoders.few_pictures.weight_mixture import WeightMixture, mixture_weights
from calcarine.encoders.few_pictures.weight_prior import (
    WeightPrior,
    fit_weight_prior,
    with_constant,
)
from calcarine.encoders.network_weights import fill_network, weight_arrays
from calcarine.encoders.training import Epoch, History, TrainingPlan, train

KIND = "in-context-encoder"
_N_QUERIES = 100
_VOXELS_AT_A_TIME = 128
_VALIDATION_COUNTS = (10, 30, 100, 300)


class InContextEncoder:
    """Write voxels' weights from few pictures, without training on the person.

    It begins from the posterior mean of a mixture of kinds of voxels, in the axes of their common
    normal distribution, so that what it learns is what that mixture does not know.
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
    n_kinds
        Numbers of kinds of voxels to choose from.

    Attributes
    ----------
    prior_
        Of the training people's voxels.
    mixture_
        Kinds of them.
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
        n_kinds: Sequence[int] = N_KINDS,
    ) -> None:
        self.shape, self.plan, self.counts = shape, plan, counts
        self.checkpoint = checkpoint
        self.n_kinds = tuple(n_kinds)

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
        regions = [person.regions for person in people]
        seed = derive_seed(self.plan.seed, "kinds")
        self.mixture_ = fit_weight_mixture(chosen, regions, self.n_kinds, seed)
        self.network_ = self._make(len(self.prior_.mean))
        tasks = [Tasks.of(person, self.prior_, self.mixture_) for person in people]
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
        arrays += [np.asarray(p.regions, dtype=str) for p in people if p.regions is not None]
        told = json.dumps([asdict(self.shape), asdict(self.plan), self.counts, self.n_kinds])
        return text_sha("\n".join([told, *(array_sha(a) for a in arrays)]))

    def _loss(self, task: "Tasks", voxels: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Squared error of each voxel on pictures that are not in its context."""
        fewest, most = self.counts
        most = min(most, len(task.train) - 2)
        n_pictures = round(float(np.exp(rng.uniform(np.log(fewest), np.log(most)))))
        order = rng.permutation(task.train)
        shown, asked = order[:n_pictures], order[n_pictures : n_pictures + _N_QUERIES]
        weights = task.posteriors.draw(voxels, rng)
        signal = task.design @ weights
        noise = np.sqrt(task.posteriors.noise[voxels]) * rng.standard_normal(signal.shape)
        return task.error(self.network_, shown, asked, voxels, signal + noise, signal)

    def _held_out(self, task: "Tasks") -> float:
        """Error on measured validation trials, with the same contexts in every epoch."""
        rng = np.random.default_rng(derive_seed(self.plan.seed, "validation"))
        voxels = rng.permutation(task.residual.shape[1])[:_VOXELS_AT_A_TIME]
        measured = task.residual[:, voxels]
        counts = [n for n in _VALIDATION_COUNTS if n <= len(task.train)]
        contexts = [rng.permutation(task.train)[:n] for n in counts]
        errors = [
            task.error(self.network_, c, task.held, voxels, measured, measured) for c in contexts
        ]
        return float(np.mean([float(error.mean()) for error in errors]))

    def read(
        self, features: np.ndarray, targets: np.ndarray, regions: np.ndarray | None = None
    ) -> LinearVoxels:
        """Give the weights of voxels that were never trained on.

        Parameters
        ----------
        features
            Embeddings of the pictures, shape (n_pictures, n_features).
        targets
            Standardised responses, shape (n_pictures, n_units).
        regions
            Name of each unit's region, shape (n_units,), where it is known.
        """
        begin = mixture_weights(features, targets, self.mixture_, regions)
        start = self.prior_.in_axes(begin).T
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
        return LinearVoxels.of(full)

    def save(self, folder: Path, card: dict[str, str]) -> None:
        """Write a model folder with the card's text for `data licence split preprocessing seed`."""
        config: dict[str, Any] = {
            "kind": KIND,
            "shape": asdict(self.shape),
            "plan": asdict(self.plan),
            "counts": list(self.counts),
            "n_kinds": list(self.n_kinds),
            "regions": list(self.mixture_.regions),
            "history": asdict(self.history_),
            "version": __version__,
        }
        tensors = weight_arrays(self.network_)
        prior = self.prior_
        tensors |= {
            "prior.mean": prior.mean, "prior.factor": prior.factor, "prior.noise": prior.noise,
        }  # fmt: skip
        tensors |= self.mixture_.arrays()
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
        encoder = cls(shape, plan, (fewest, most), n_kinds=config.get("n_kinds", (1,)))
        parts = (tensors[f"prior.{name}"] for name in ("mean", "factor", "noise"))
        encoder.prior_ = WeightPrior(*parts)
        # folders that were written before there were kinds hold the common distribution alone
        encoder.mixture_ = (
            WeightMixture.from_arrays(tensors, config["regions"])
            if "kinds.shares" in tensors
            else WeightMixture.of(encoder.prior_)
        )
        encoder.history_ = History(**config["history"])
        encoder.network_ = encoder._make(len(encoder.prior_.mean))
        fill_network(encoder.network_, tensors)
        return encoder
