"""Banded encoder: several embeddings, each with a share of its own in every unit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from calcarine import __version__
from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import model_card, read_model, write_model
from calcarine.data.responses import units_sha
from calcarine.data.standardize import Standardizer
from calcarine.encoders.ridge.banded import BandedSettings, solve_banded
from calcarine.encoders.ridge.folds import Folds
from calcarine.encoders.unit_arrays import unit_arrays, units_of
from calcarine.encoders.unit_space import InSpace

KIND = "banded-encoder"


class BandedEncoder(InSpace):
    """Predict standardised responses by banded ridge on embeddings that lie end to end.

    Parameters
    ----------
    bands
        Name and number of features of each embedding, in the order of the features.
    embeddings
        Sidecar of each embedding.
    units
        Units table, one row a unit.
    n_folds
        Folds of the search; None leaves out one group at a time.
    settings
        How shares are searched, see `solve_banded`.

    Attributes
    ----------
    coef_, intercept_
        Weights, float32, shape (n_features, n_units); intercepts, shape (n_units,).
    feature_mean_
        Mean of the training features, float32, shape (n_features,): a band's part of a prediction
        is about this.
    shares_, band_scores_
        Share of each band, and its part of the cross-validated R² within the training trials, shape
        (n_bands, n_units).
    alpha_, cv_score_
        Penalty and cross-validated R², shape (n_units,).
    edge_share_
        Shares of units whose penalty is the smallest and the largest offered.
    kept_shares_
        Share of each band's variance that `max_axes` left, shape (n_bands,).
    standardizer_
        Means and deviations of the training responses.
    """

    def __init__(
        self,
        bands: Sequence[tuple[str, int]],
        embeddings: Sequence[dict[str, Any]],
        units: pd.DataFrame,
        n_folds: int | None = 5,
        settings: BandedSettings | None = None,
    ) -> None:
        self.bands = tuple((str(name), int(size)) for name, size in bands)
        self.embeddings = [dict(sidecar) for sidecar in embeddings]
        self.units = units.reset_index(drop=True)
        self.n_folds = n_folds
        self.settings = settings or BandedSettings()

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands."""
        return tuple(name for name, _ in self.bands)

    def fit(
        self,
        features: np.ndarray,
        responses: np.ndarray,
        groups: np.ndarray | None = None,
        sessions: np.ndarray | None = None,
        folds: Folds | None = None,
    ) -> Self:
        """Fit on training trials.

        Parameters
        ----------
        features
            Embeddings of each trial's stimulus, end to end, shape (n_trials, n_features).
        responses
            Shape (n_trials, n_units), not standardised.
        groups
            What must not straddle the folds of the search, shape (n_trials,).
        sessions
            Session of each trial, to standardise within; without it over all trials.
        folds
            Folds of the search in place of `groups`, for samples of a film (`purged_folds`).

        Raises
        ------
        CalcarineError
            Shapes disagree, or a value is not finite.
        """
        self._check(features)
        if responses.ndim != 2:
            raise CalcarineError(
                f"the responses have shape {responses.shape}; banded ridge takes (n_trials, "
                "n_units). Use the kind `ridge` for responses over time."
            )
        self.standardizer_ = Standardizer.fit(responses, sessions)
        targets = self.standardizer_.transform(responses, sessions)
        labels = np.repeat(self.band_names, [size for _, size in self.bands])
        found = solve_banded(
            features,
            targets,
            labels,
            groups if folds is None else None,
            n_folds=self.n_folds,
            folds=folds,
            settings=self.settings,
        )
        self.feature_mean_ = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.coef_, self.intercept_ = found.coef, found.intercept
        self.alpha_, self.cv_score_ = found.alpha, found.cv_score
        self.shares_, self.band_scores_ = found.shares, found.band_scores
        self.edge_share_, self.kept_shares_ = found.edge_share, found.kept_shares
        return self

    def predict(self, stimuli: np.ndarray) -> np.ndarray:
        """Predict responses.

        Parameters
        ----------
        stimuli
            Embeddings end to end, shape (n_items, n_features).

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, n_units), in standard deviations of the training responses.
        """
        self._check(stimuli)
        return np.asarray(stimuli @ self.coef_ + self.intercept_, dtype=np.float32)

    def predict_bands(self, stimuli: np.ndarray) -> np.ndarray:
        """Predict responses band by band, each about its mean over the training trials.

        Parameters
        ----------
        stimuli
            Embeddings end to end, shape (n_items, n_features).

        Returns
        -------
        numpy.ndarray
            float32, shape (n_bands, n_items, n_units); the bands add up to the prediction less the
            mean training response, which standardising makes zero.
        """
        self._check(stimuli)
        centred = stimuli - self.feature_mean_
        stops = np.cumsum([size for _, size in self.bands])
        parts = [
            centred[:, stop - size : stop] @ self.coef_[stop - size : stop]
            for stop, (_, size) in zip(stops, self.bands, strict=True)
        ]
        return np.stack(parts).astype(np.float32)

    def save(
        self, folder: Path, card: dict[str, str], more: dict[str, np.ndarray] | None = None
    ) -> None:
        """Write a model folder.

        Parameters
        ----------
        folder
            Where.
        card
            Text for `data licence split preprocessing seed` of the model card.
        more
            Arrays of an encoder that is built on this one.
        """
        arrays, columns = unit_arrays(self.units)
        config = {
            "kind": KIND,
            "bands": [list(band) for band in self.bands],
            "embeddings": self.embeddings,
            "units_sha": units_sha(self.units),
            "unit_columns": columns,
            "standardizer_groups": list(self.standardizer_.groups),
            "n_folds": self.n_folds,
            "n_candidates": self.settings.n_candidates,
            "n_refinements": self.settings.n_refinements,
            "max_axes": self.settings.max_axes,
            "kept_shares": [float(share) for share in self.kept_shares_],
            "edge_share": list(self.edge_share_),
            "version": __version__,
        }
        fitted = {name: getattr(self, f"{name}_") for name in _TENSORS}
        tensors = {**fitted, **self.standardizer_.tensors(), **arrays, **(more or {})}
        models = ", ".join(str(sidecar["model"]) for sidecar in self.embeddings)
        parts = ", ".join(
            f"{name} {value:.3f}"
            for name, value in zip(self.band_names, self.band_scores_.mean(axis=1), strict=True)
        )
        known = {
            "units": f"{len(self.units)} units, mask {units_sha(self.units)}",
            "target": f"responses, from {models}",
            "scores": f"mean cross-validated R² within the training trials "
            f"{self.cv_score_.mean():.3f}, of which {parts}; scores of test trials stand in "
            "metrics.tsv",
            "version": f"calcarine {__version__}",
        }
        text = model_card(f"Banded encoder on {models}", {**card, **known})
        write_model(folder, config, tensors, text)

    @classmethod
    def load(cls, folder: Path, kind: str = KIND) -> Self:
        """Read a model folder.

        Raises
        ------
        CalcarineError
            The folder is absent or damaged, or holds another kind of model.
        """
        config, tensors = read_model(folder, kind)
        settings = BandedSettings(
            n_candidates=config["n_candidates"],
            n_refinements=config["n_refinements"],
            max_axes=config["max_axes"],
        )
        units = units_of(tensors, config["unit_columns"])
        encoder = cls(config["bands"], config["embeddings"], units, config["n_folds"], settings)
        for name in _TENSORS:
            setattr(encoder, f"{name}_", tensors[name])
        lower, upper = config["edge_share"]
        encoder.edge_share_ = (lower, upper)
        encoder.kept_shares_ = np.array(config["kept_shares"])
        encoder.standardizer_ = Standardizer.from_tensors(config["standardizer_groups"], tensors)
        return encoder

    def _check(self, features: np.ndarray) -> None:
        expected = sum(size for _, size in self.bands)
        if features.ndim != 2 or features.shape[1] != expected:
            raise CalcarineError(
                f"the features have shape {features.shape}; expected (n_items, {expected}), the "
                f"embeddings {[f'{name} ({size})' for name, size in self.bands]} end to end."
            )


_TENSORS = (
    "coef",
    "intercept",
    "feature_mean",
    "alpha",
    "cv_score",
    "shares",
    "band_scores",
)
