"""Encoder of voxels or sensors: pictures or embeddings to responses, saved as a model folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from calcarine import __version__
from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import model_card, read_model, whole_model, write_model
from calcarine.data.repeats import average_rows
from calcarine.data.standardize import Standardizer
from calcarine.encoders.delays import delayed_sequence
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.picture_input import FromPictures
from calcarine.encoders.pictures import holds_pictures
from calcarine.encoders.ridge.chunk_solver import Method
from calcarine.encoders.ridge.folds import Folds
from calcarine.encoders.ridge.penalty_search import Search
from calcarine.encoders.ridge.solver import solve_ridge
from calcarine.encoders.unit_arrays import unit_arrays, units_of
from calcarine.encoders.unit_space import InSpace

if TYPE_CHECKING:
    from calcarine.encoders.embedding_models import EmbeddingModel

KIND = "voxel-encoder"


class VoxelEncoder(FromPictures, InSpace):
    """Predict the standardised response of every unit by ridge regression on an embedding.

    A unit is a voxel, or a channel with a response at every sample of the trial: samples of
    channels are as many targets of one solver.

    Parameters
    ----------
    embedding
        Sidecar of the embedding: `model revision layer pooling input transform_sha`.
    units
        Units table (see `calcarine.data.responses`), one row a unit.
    n_folds, method, search
        How the penalty of each unit is chosen, see `solve_ridge`.

    Attributes
    ----------
    coef_
        Weights, float32, shape (n_features, n_units); features are the embedding's tokens laid end
        to end, neither centred nor scaled. With time (n_features, n_units * n_times), the samples
        of a channel side by side.
    intercept_, alpha_, cv_score_
        Shape (n_units,) or (n_units * n_times,): intercept, penalty, cross-validated R² within the
        training trials.
    n_times_
        Number of samples; None for responses without time.
    edge_share_
        Shares of units whose penalty is the smallest and the largest that was tried.
    standardizer_
        Means and deviations of the training responses.
    """

    def __init__(
        self,
        embedding: dict[str, Any],
        units: pd.DataFrame,
        n_folds: int | None = 5,
        method: Method = "kfold",
        search: Search = "grid",
    ) -> None:
        self.embedding = dict(embedding)
        self.units = units.reset_index(drop=True)
        self.n_folds = n_folds
        self.method = method
        self.search = search
        self.space: dict[str, Any] = {}

    def fit(
        self,
        embeddings: np.ndarray,
        responses: np.ndarray,
        groups: np.ndarray | None = None,
        sessions: np.ndarray | None = None,
        folds: Folds | None = None,
    ) -> Self:
        """Fit on training trials.

        Parameters
        ----------
        embeddings
            Embedding of each trial's stimulus, shape (n_trials, embed_dim) or (n_trials, n_tokens,
            embed_dim).
        responses
            Shape (n_trials, n_units) or (n_trials, n_units, n_times), not standardised.
        groups
            What must not straddle the folds of the search for penalties (stimulus, run, …), shape
            (n_trials,). Method `gcv` has no folds: it averages the trials of a group first, so
            that groups should be stimuli.
        sessions
            Session of each trial, shape (n_trials,), to standardise within; without it over all
            trials.
        folds
            Folds of the search in place of `groups`, for samples of a film (`purged_folds`).

        Raises
        ------
        CalcarineError
            Shapes disagree, or a value is not finite.
        """
        if responses.ndim not in (2, 3) or responses.shape[1] != len(self.units):
            raise CalcarineError(
                f"the responses have shape {responses.shape}; the units table has "
                f"{len(self.units)} units."
            )
        self.standardizer_ = Standardizer.fit(responses, sessions)
        self.n_times_ = responses.shape[2] if responses.ndim == 3 else None
        features = _flat(embeddings)
        targets = _flat(self.standardizer_.transform(responses, sessions))
        if self.method == "gcv" and groups is not None:
            features, targets = _group_means(features, groups), _group_means(targets, groups)
            groups = None
        solution = solve_ridge(
            features,
            targets,
            groups if folds is None else None,
            None,
            self.n_folds,
            self.method,
            self.search,
            folds,
        )
        self.coef_, self.intercept_ = solution.coef, solution.intercept
        self.alpha_, self.cv_score_ = solution.alpha, solution.cv_score
        self.edge_share_ = solution.edge_share
        return self

    def predict(
        self,
        stimuli: Any,
        embedding_model: "EmbeddingModel | None" = None,
    ) -> np.ndarray:
        """Predict responses.

        Parameters
        ----------
        stimuli
            Embeddings, float, shape (n_items, embed_dim) or (n_items, n_tokens, embed_dim); or
            pictures in any form that `calcarine.encoders.pictures.as_pictures` takes: PIL images,
            paths, arrays (n, height, width, 3), a tensor (n, 3, height, width). An encoder of a
            film takes pictures as frames in order, and embeddings that are `delayed`.
        embedding_model
            What embeds the pictures; without it the model that `embedding` names is loaded, once.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, n_units) or (n_items, n_units, n_times), in standard
            deviations of the training responses.

        Raises
        ------
        CalcarineError
            The encoder is not fitted, the embeddings have another size, or the pictures would be
            embedded by another network or transform than the encoder was fitted on.
        """
        if not hasattr(self, "coef_"):
            raise CalcarineError("this encoder is not fitted; call `fit` or load a saved one.")
        features = _flat(self.features_of(stimuli, embedding_model))
        if holds_pictures(stimuli):
            features = self.delayed(features)
        if features.shape[1] != len(self.coef_):
            raise CalcarineError(
                f"the embeddings have {features.shape[1]} features a stimulus; this encoder was "
                f"fitted on {len(self.coef_)} ({self.embedding['model']})."
            )
        predicted = features @ self.coef_ + self.intercept_
        if self.n_times_ is None:
            return predicted
        return predicted.reshape(len(predicted), len(self.units), self.n_times_)

    def delayed(self, frames: np.ndarray) -> np.ndarray:
        """Delay embeddings of the frames of a film as the encoder was fitted on them.

        Parameters
        ----------
        frames
            In order, `embedding["step_s"]` seconds apart, shape (n_frames, embed_dim).

        Returns
        -------
        numpy.ndarray
            What `predict` takes, shape (n_frames, n_features); `frames` where the encoder has no
            delays.
        """
        delays = self.embedding.get("delays_s", ())
        return delayed_sequence(frames, self.embedding["step_s"], delays) if delays else frames

    def score(
        self, embeddings: np.ndarray, responses: np.ndarray, sessions: np.ndarray | None = None
    ) -> np.ndarray:
        """Correlate predictions with the standardised responses to the same stimuli.

        Parameters
        ----------
        embeddings
            Shape (n_items, embed_dim) or (n_items, n_tokens, embed_dim).
        responses
            Shape (n_items, n_units) or (n_items, n_units, n_times), not standardised.
        sessions
            Session of each item, shape (n_items,), where `fit` was given them.

        Returns
        -------
        numpy.ndarray
            Pearson r of each unit (and sample), shape (n_units,) or (n_units, n_times).
        """
        measured = self.standardizer_.transform(responses, sessions)
        r = correlation(_flat(measured), _flat(self.predict(embeddings)))
        return r if self.n_times_ is None else r.reshape(len(self.units), self.n_times_)

    def save(self, folder: Path, card: dict[str, str]) -> None:
        """Write a model folder.

        Parameters
        ----------
        folder
            Where.
        card
            Text for `data licence split preprocessing seed` of the model card; the rest is known.
        """
        arrays, columns = unit_arrays(self.units)
        score = float(np.median(self.cv_score_))
        config = {
            "kind": KIND,
            "embedding": self.embedding,
            "units_sha": self.units_sha,
            "unit_columns": columns,
            "standardizer_groups": list(self.standardizer_.groups),
            "n_folds": self.n_folds,
            "method": self.method,
            "n_times": self.n_times_,
            "search": self.search,
            "edge_share": list(self.edge_share_),
            "version": __version__,
        }
        tensors = {
            "coef": self.coef_,
            "intercept": self.intercept_,
            "alpha": self.alpha_,
            "cv_score": self.cv_score_,
            **self.standardizer_.tensors(),
            **arrays,
        }
        known = {
            "units": f"{len(self.units)} units, mask {self.units_sha}",
            "target": f"responses, from {self.embedding['model']} "
            f"(revision {str(self.embedding.get('revision'))[:12]})",
            "scores": f"median cross-validated R² within the training trials {score:.3f}; scores "
            "of test trials stand with their noise ceilings in metrics.tsv",
            "version": f"calcarine {__version__}",
        }
        title = f"Voxelwise encoder on {self.embedding['model']}"
        write_model(folder, config, tensors, model_card(title, {**card, **known}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder.

        Raises
        ------
        CalcarineError
            The folder is absent or damaged, holds another kind of model, or its units table is not
            the one that it was fitted on.
        """
        config, tensors = read_model(folder, KIND)
        with whole_model(folder):
            return cls._of(folder, config, tensors)

    @classmethod
    def _of(cls, folder: Path, config: dict[str, Any], tensors: dict[str, Any]) -> Self:
        units = units_of(tensors, config["unit_columns"])
        how = config["n_folds"], config["method"], config.get("search", "grid")
        encoder = cls(config["embedding"], units, *how)
        if encoder.units_sha != config["units_sha"]:
            raise CalcarineError(
                f"{folder}: the units have the mask {encoder.units_sha[:12]}, config.json says "
                f"{str(config['units_sha'])[:12]}; the folder was changed. Fit or fetch it again."
            )
        # shipped weights have half precision; products are taken in single
        tensors = {
            n: t.astype(np.float32) if t.dtype == np.float16 else t for n, t in tensors.items()
        }
        encoder.coef_, encoder.intercept_ = tensors["coef"], tensors["intercept"]
        encoder.alpha_, encoder.cv_score_ = tensors["alpha"], tensors["cv_score"]
        lower, upper = config["edge_share"]
        encoder.edge_share_ = (lower, upper)
        encoder.n_times_ = config.get("n_times")
        n_targets = len(units) * (encoder.n_times_ or 1)
        for name in ("intercept", "alpha", "cv_score"):
            if tensors[name].shape != (n_targets,):
                raise ValueError(f"{name} has shape {tensors[name].shape}; expected ({n_targets},)")
        if encoder.coef_.ndim != 2 or encoder.coef_.shape[1] != n_targets:
            raise ValueError(f"coef has shape {encoder.coef_.shape}; expected (…, {n_targets})")
        encoder.standardizer_ = Standardizer.from_tensors(config["standardizer_groups"], tensors)
        return encoder


def _flat(values: np.ndarray) -> np.ndarray:
    return values if values.ndim == 2 else values.reshape(len(values), -1)


def _group_means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    order = np.argsort(groups, kind="stable")
    first = np.unique(groups[order], return_index=True)[1]
    return average_rows(values, np.split(order, first[1:]))
