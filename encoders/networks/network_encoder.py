"""An encoder whose map from stimulus to response is a network, saved as a model folder."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from calcarine import __version__
from calcarine.data.digests import array_sha, text_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import model_card, read_model, write_model
from calcarine.data.seeds import derive_seed
from calcarine.data.standardize import Standardizer
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.encoding_trials import EncodingTrials
from calcarine.encoders.network_weights import fill_network, weight_arrays
from calcarine.encoders.networks.architectures import ARCHITECTURES, Shape
from calcarine.encoders.networks.cards import card_fields
from calcarine.encoders.networks.fitting import fit_network, in_batches
from calcarine.encoders.networks.ridge_heads import refit_heads
from calcarine.encoders.networks.roi_query import RoiQueryNetwork
from calcarine.encoders.networks.token_network import scale_tokens
from calcarine.encoders.networks.tokens import as_rows, token_shape
from calcarine.encoders.networks.unit_queries import QueryUnit, unit_queries
from calcarine.encoders.picture_input import FromPictures
from calcarine.encoders.training import History, TrainingPlan
from calcarine.encoders.unit_arrays import unit_arrays, units_of
from calcarine.encoders.unit_space import InSpace

if TYPE_CHECKING:
    from calcarine.encoders.embedding_models import EmbeddingModel

KIND = "network-encoder"


class NetworkEncoder(FromPictures, InSpace):
    """Predict standardised responses by a network on tokens or pixels.

    Parameters
    ----------
    architecture
        Name in `ARCHITECTURES`.
    shape
        Size of the network.
    embedding
        Sidecar of the embedding, with its `row_shape`.
    units
        Units table, one row a unit.
    plan
        How it is trained.
    query_unit, n_parcels
        What a query belongs to, and how many parcels there are (see `unit_queries`).
    checkpoint
        Folder from which an interrupted training goes on.

    Attributes
    ----------
    network_
        The trained network: float32 tensors (n, *row_shape) to (n, n_units), differentiable.
    queries_
        Number of each unit's query, shape (n_units,).
    validation_r_
        r of each unit over the validation trials before any of them were fitted on, NaN where there
        are none, shape (n_units,).
    standardizer_
        Means and deviations of the training responses.
    history_
        Losses.
    """

    def __init__(
        self,
        architecture: str,
        shape: Shape,
        embedding: dict[str, Any],
        units: pd.DataFrame,
        plan: TrainingPlan,
        query_unit: QueryUnit = "roi",
        n_parcels: int = 32,
        checkpoint: Path | None = None,
    ) -> None:
        if architecture not in ARCHITECTURES:
            raise CalcarineError(
                f"there is no network {architecture!r}; expected one of {list(ARCHITECTURES)}."
            )
        self.architecture, self.shape = architecture, shape
        self.embedding = dict(embedding)
        self.units = units.reset_index(drop=True)
        self.plan = plan
        self.query_unit, self.n_parcels = query_unit, n_parcels
        self.checkpoint = checkpoint

    def fit(self, trials: EncodingTrials) -> Self:
        """Train on training trials; the epoch that is kept is chosen on validation trials.

        Heads of a `roi-query` network are refitted by ridge on training and validation trials.

        Raises
        ------
        CalcarineError
            All trials are validation trials, shapes disagree, or the loss is not finite.
        """
        chosen = ~trials.is_validation
        if not chosen.any():
            raise CalcarineError(
                f"all {len(chosen)} training trials are validation trials; lower "
                "`split.validation`."
            )
        sessions = trials.sessions
        self.standardizer_ = Standardizer.fit(
            trials.responses[chosen], None if sessions is None else sessions[chosen]
        )
        targets = self.standardizer_.transform(trials.responses, sessions)
        rows = as_rows(trials.features, self.embedding)
        self.queries_ = unit_queries(
            self.query_unit, self.units, targets[chosen], self.n_parcels, self.plan.seed
        )
        self.network_ = self._make(rows.shape[1:])
        scale_tokens(self.network_, torch.from_numpy(rows[chosen]))
        self._train(rows, targets, trials.is_validation)
        if isinstance(self.network_, RoiQueryNetwork):
            # the epoch was chosen on validation trials; heads choose on inner folds, as ridge does
            refit_heads(self.network_, rows, targets, self.queries_, trials.groups)
        return self

    def _make(self, row_shape: tuple[int, ...]) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self.plan.seed, "weights"))
            return ARCHITECTURES[self.architecture].make(row_shape, self.queries_, self.shape)

    def _train(self, rows: np.ndarray, targets: np.ndarray, is_validation: np.ndarray) -> None:
        key = self._key(rows, targets, is_validation)
        self.history_ = fit_network(
            self.network_, rows, targets, is_validation, self.plan, self.checkpoint, key
        )
        self.validation_r_ = np.full(targets.shape[1], np.nan)
        if is_validation.sum() > 1:
            predicted = self.predict(rows[is_validation].reshape(is_validation.sum(), -1))
            self.validation_r_ = correlation(targets[is_validation], predicted)

    def _key(self, *arrays: np.ndarray) -> str:
        """Hash everything that the trained weights depend on."""
        told = json.dumps(self._settings(), sort_keys=True)
        return text_sha("\n".join([told, *(array_sha(np.asarray(a)) for a in arrays)]))

    def predict(self, stimuli: Any, embedding_model: "EmbeddingModel | None" = None) -> np.ndarray:
        """Predict responses.

        Parameters
        ----------
        stimuli
            Rows of the embedding, flat or not, shape (n_items, …); or pictures in any form that
            `calcarine.encoders.pictures.as_pictures` takes.
        embedding_model
            What embeds the pictures; without it the model that `embedding` names is loaded, once.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, n_units), in standard deviations of the training responses.

        Raises
        ------
        CalcarineError
            The encoder is not fitted, or rows or network are other than those that it was fitted
            on.
        """
        features = self.features_of(stimuli, embedding_model)
        return self._in_batches(features, lambda network, rows: network(rows))

    def respond(self, rows: Tensor) -> Tensor:
        """Predict responses to a tensor of rows, (n, *row_shape), with gradients to it."""
        return self.network_(rows)

    def routing(self, stimuli: np.ndarray) -> np.ndarray:
        """Picture where each query looks, averaged over heads.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, n_queries, n_tokens); each map sums to 1.

        Raises
        ------
        CalcarineError
            The network has no attention.
        """
        if not isinstance(self.network_, RoiQueryNetwork):
            raise CalcarineError(
                f"a network of the kind {self.architecture!r} has no attention maps; fit "
                "'roi-query'."
            )
        return self._in_batches(stimuli, lambda network, rows: network.attention(rows).mean(dim=2))

    def score(
        self, stimuli: np.ndarray, responses: np.ndarray, sessions: np.ndarray | None = None
    ) -> np.ndarray:
        """Correlate predictions with the standardised responses: r of each unit, (n_units,)."""
        measured = self.standardizer_.transform(responses, sessions)
        return correlation(measured, self.predict(stimuli))

    def _in_batches(
        self, stimuli: np.ndarray, compute: Callable[[Any, Tensor], Tensor]
    ) -> np.ndarray:
        if not hasattr(self, "network_"):
            raise CalcarineError("this encoder is not fitted; call `fit` or load a saved one.")
        return in_batches(self.network_, as_rows(stimuli, self.embedding), compute)

    def _settings(self) -> dict[str, Any]:
        return {
            "architecture": self.architecture,
            "shape": asdict(self.shape),
            "plan": asdict(self.plan),
            "query_unit": self.query_unit,
            "n_parcels": self.n_parcels,
        }

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give what a model folder stores of the network: settings, and arrays by name."""
        tensors = weight_arrays(self.network_)
        tensors |= {"queries": self.queries_, "validation_r": self.validation_r_}
        settings = self._settings() | {
            "embedding": self.embedding,
            "history": asdict(self.history_),
        }
        return settings, tensors

    def card(self) -> dict[str, str]:
        """Give the fields of the model card that the encoder knows itself."""
        n_units, mask = len(self.units), self.units_sha
        return card_fields(n_units, mask, self.embedding, self.history_, self.validation_r_)

    @classmethod
    def from_model(
        cls, settings: dict[str, Any], tensors: dict[str, np.ndarray], units: pd.DataFrame
    ) -> Self:
        """Rebuild what `to_model` gave, without its standardizer."""
        architecture = ARCHITECTURES[settings["architecture"]]
        encoder = cls(
            settings["architecture"],
            architecture.shape(**settings["shape"]),
            settings["embedding"],
            units,
            TrainingPlan(**settings["plan"]),
            settings["query_unit"],
            settings["n_parcels"],
        )
        encoder.queries_, encoder.validation_r_ = tensors["queries"], tensors["validation_r"]
        encoder.history_ = History(**settings["history"])
        encoder.network_ = encoder._make(token_shape(settings["embedding"]))
        fill_network(encoder.network_, tensors)
        return encoder

    def save(self, folder: Path, card: dict[str, str]) -> None:
        """Write a model folder.

        Parameters
        ----------
        folder
            Where.
        card
            Text for `data licence split preprocessing seed` of the model card.
        """
        settings, tensors = self.to_model()
        arrays, columns = unit_arrays(self.units)
        config = settings | {
            "kind": KIND,
            "units_sha": self.units_sha,
            "unit_columns": columns,
            "standardizer_groups": list(self.standardizer_.groups),
            "version": __version__,
        }
        title = f"{self.architecture} encoder on {self.embedding['model']}"
        text = model_card(title, {**card, **self.card()})
        write_model(folder, config, {**tensors, **self.standardizer_.tensors(), **arrays}, text)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder.

        Raises
        ------
        CalcarineError
            The folder is absent or damaged, or holds another kind of model.
        """
        config, tensors = read_model(folder, KIND)
        encoder = cls.from_model(config, tensors, units_of(tensors, config["unit_columns"]))
        encoder.standardizer_ = Standardizer.from_tensors(config["standardizer_groups"], tensors)
        return encoder
