"""Several networks, one a layer: each unit weighs them by how well they did on validation."""

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
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.encoding_trials import EncodingTrials
from calcarine.encoders.networks.network_encoder import NetworkEncoder
from calcarine.encoders.unit_arrays import unit_arrays, units_of
from calcarine.encoders.unit_space import InSpace

KIND = "layer-ensemble"


def model_weights(validation_r: np.ndarray, sharpness: float) -> np.ndarray:
    """Weigh models for every unit by a softmax over *models*.

    Parameters
    ----------
    validation_r
        r of each unit over validation trials, shape (n_models, n_units); NaN counts as 0.
    sharpness
        Inverse temperature; transformer brain encoders take 20 to 40.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_models, n_units); columns sum to 1.

    Examples
    --------
    >>> model_weights(np.array([[0.3, 0.0], [0.3, 0.1]]), 20.0).round(2).tolist()
    [[0.5, 0.11999999731779099], [0.5, 0.8799999952316284]]
    """
    logits = sharpness * np.nan_to_num(np.asarray(validation_r, dtype=np.float64))
    odds = np.exp(logits - logits.max(axis=0))
    return (odds / odds.sum(axis=0)).astype(np.float32)


class LayerEnsemble(InSpace):
    """Average the predictions of several networks, with weights of each unit's own.

    Parameters
    ----------
    members
        Networks, each on an embedding of its own, with the same units.
    sizes
        Number of features of each member's embedding, in the order in which they lie end to end.
    sharpness
        See `model_weights`.

    Attributes
    ----------
    weights_
        Shape (n_members, n_units).
    standardizer_
        That of the members, which are fitted on the same trials.
    """

    def __init__(
        self, members: Sequence[NetworkEncoder], sizes: Sequence[int], sharpness: float = 20.0
    ) -> None:
        if len(members) != len(sizes) or not members:
            raise CalcarineError(
                f"{len(members)} networks came with {len(sizes)} sizes; expected as many, and one "
                "at least."
            )
        self.members, self.sizes = list(members), tuple(int(size) for size in sizes)
        self.sharpness = sharpness

    @property
    def units(self) -> pd.DataFrame:
        """Units table."""
        return self.members[0].units

    @property
    def embeddings(self) -> list[dict[str, Any]]:
        """Sidecars of the members' embeddings."""
        return [member.embedding for member in self.members]

    def fit(self, trials: EncodingTrials) -> Self:
        """Train every member, and weigh them by their validation trials.

        Raises
        ------
        CalcarineError
            There are no validation trials to weigh the members by.
        """
        if not trials.is_validation.any():
            raise CalcarineError(
                "an ensemble weighs its members by validation trials, and there are none. Set "
                "`split.validation`, or name one embedding."
            )
        for member, features in zip(self.members, self._split(trials.features), strict=True):
            own = EncodingTrials(
                features,
                trials.responses,
                trials.stimuli,
                trials.groups,
                trials.sessions,
                trials.is_validation,
            )
            member.fit(own)
        self.standardizer_ = self.members[0].standardizer_
        r = np.stack([member.validation_r_ for member in self.members])
        self.weights_ = model_weights(r, self.sharpness)
        return self

    def predict(self, stimuli: np.ndarray) -> np.ndarray:
        """Predict responses.

        Parameters
        ----------
        stimuli
            Embeddings end to end, shape (n_items, sum of sizes).

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, n_units), in standard deviations of the training responses.
        """
        parts = zip(self.members, self._split(stimuli), self.weights_, strict=True)
        first, *rest = [weights * member.predict(own) for member, own, weights in parts]
        return sum(rest, start=first)

    def score(
        self, stimuli: np.ndarray, responses: np.ndarray, sessions: np.ndarray | None = None
    ) -> np.ndarray:
        """Correlate predictions with the standardised responses: r of each unit, (n_units,)."""
        measured = self.standardizer_.transform(responses, sessions)
        return correlation(measured, self.predict(stimuli))

    def _split(self, features: np.ndarray) -> list[np.ndarray]:
        flat = features.reshape(len(features), -1)
        if flat.shape[1] != sum(self.sizes):
            raise CalcarineError(
                f"the features have shape {features.shape}; expected {sum(self.sizes)} features, "
                f"embeddings of {list(self.sizes)} end to end."
            )
        return np.split(flat, np.cumsum(self.sizes)[:-1], axis=1)

    def save(self, folder: Path, card: dict[str, str]) -> None:
        """Write a model folder with the card's text for `data licence split preprocessing seed`."""
        settings, tensors = [], {"weights": self.weights_}
        for number, member in enumerate(self.members):
            own, arrays = member.to_model()
            settings.append(own)
            tensors |= {f"member.{number}.{name}": value for name, value in arrays.items()}
        arrays, columns = unit_arrays(self.units)
        config = {
            "kind": KIND,
            "members": settings,
            "sizes": list(self.sizes),
            "sharpness": self.sharpness,
            "units_sha": units_sha(self.units),
            "unit_columns": columns,
            "standardizer_groups": list(self.standardizer_.groups),
            "version": __version__,
        }
        cards = [member.card() for member in self.members]
        known = cards[0] | {
            what: "; ".join(own[what] for own in cards) for what in ("target", "scores")
        }
        text = model_card("Ensemble of encoders over layers", {**card, **known})
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
        units = units_of(tensors, config["unit_columns"])
        standardizer = Standardizer.from_tensors(config["standardizer_groups"], tensors)
        members = [
            _member(number, settings, tensors, units)
            for number, settings in enumerate(config["members"])
        ]
        ensemble = cls(members, config["sizes"], config["sharpness"])
        for member in members:
            member.standardizer_ = standardizer
        ensemble.standardizer_, ensemble.weights_ = standardizer, tensors["weights"]
        return ensemble


def _member(
    number: int, settings: dict[str, Any], tensors: dict[str, np.ndarray], units: pd.DataFrame
) -> NetworkEncoder:
    prefix = f"member.{number}."
    own = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
    return NetworkEncoder.from_model(settings, own, units)
