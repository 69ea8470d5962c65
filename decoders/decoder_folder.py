"""A fitted decoder as a model folder: weights, standardisers, units, what it predicts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import model_card, read_model, write_model
from calcarine.data.responses import units_sha
from calcarine.data.scaling import Scaler, load_scaler
from calcarine.decoders.contrastive import ContrastiveDecoder
from calcarine.decoders.decoding_trials import Decoder
from calcarine.decoders.direction_ridge import DirectionRidge
from calcarine.decoders.lda import LdaDecoder
from calcarine.decoders.meeg.riemann import RiemannDecoder, XdawnDecoder
from calcarine.decoders.ridge_decoder import RidgeDecoder
from calcarine.decoders.svm import SvmDecoder
from calcarine.decoders.unit_weights import WEIGHTED, WeightedUnits

KIND = "decoder"
DECODERS: dict[str, type[Decoder]] = {
    "ridge": RidgeDecoder,
    "direction-ridge": DirectionRidge,
    "lda": LdaDecoder,
    "svm": SvmDecoder,
    "contrastive": ContrastiveDecoder,
    "riemann": RiemannDecoder,
    "xdawn": XdawnDecoder,
}


@dataclass(frozen=True)
class SavedDecoder:
    """A fitted decoder with what it needs to be used on new data.

    Attributes
    ----------
    decoder
        The fitted decoder.
    standardizers
        Scales of its training trials, by subject.
    units_shas
        Hash of the units that it was fitted on, by subject.
    target
        Sidecar of the embedding that it predicts, and its `name`.
    train_means
        Mean target of the training trials of each fold, by name of the fold: shape (embed_dim,).
    told
        What else `config.json` says.
    """

    decoder: Decoder
    standardizers: dict[str, Scaler]
    units_shas: dict[str, str]
    target: dict[str, Any]
    train_means: dict[str, np.ndarray]
    told: dict[str, Any] = field(default_factory=dict)

    def predict(
        self,
        responses: np.ndarray,
        units: pd.DataFrame,
        sessions: np.ndarray | None = None,
        subject: str | None = None,
    ) -> np.ndarray:
        """Predict embeddings from responses that are not standardised.

        Parameters
        ----------
        responses
            Shape (n_trials, n_units), as the `prepare` step writes them.
        units
            Their units table.
        sessions
            Session of each trial; without it the average of the sessions serves.
        subject
            Whose; not needed where the decoder knows one subject.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_trials, embed_dim).

        Raises
        ------
        CalcarineError
            The units are not those of the fit, or the subject is unknown.
        """
        known = list(self.standardizers)
        if subject is None and len(known) == 1:
            subject = known[0]
        if subject not in self.standardizers:
            raise CalcarineError(f"the decoder knows the subjects {known}; asked for {subject!r}.")
        found = units_sha(units)
        if found != self.units_shas[subject]:
            raise CalcarineError(
                f"the {len(units)} units have the hash {found[:12]}; the decoder was fitted on "
                f"units with the hash {self.units_shas[subject][:12]} (another mask, or another "
                "order). Prepare the data with the mask of the fit."
            )
        if sessions is None:
            sessions = np.full(len(responses), "")
        return self.decoder.predict(
            self.standardizers[subject].transform(responses, sessions), subject
        )


def save_decoder(folder: Path, saved: SavedDecoder, title: str, card: dict[str, str]) -> None:
    """Write a decoder as a model folder.

    Parameters
    ----------
    folder
        Where.
    saved
        The decoder.
    title, card
        Headline and fields of its card, see `calcarine.data.model_folder.model_card`.
    """
    settings, tensors = saved.decoder.to_model()
    tensors = {f"decoder.{name}": value for name, value in tensors.items()}
    for subject, standardizer in saved.standardizers.items():
        tensors |= {f"sub-{subject}.{n}": v for n, v in standardizer.tensors().items()}
    tensors["target.train_mean"] = np.stack(list(saved.train_means.values())).astype(np.float32)
    config = {
        "kind": KIND,
        "decoder": settings,
        "target": saved.target,
        "folds": list(saved.train_means),
        "units_sha": saved.units_shas,
        "standardizer_groups": {s: list(z.groups) for s, z in saved.standardizers.items()},
        "told": saved.told,
    }
    write_model(folder, config, tensors, model_card(title, card))


def load_decoder(folder: Path) -> SavedDecoder:
    """Read a decoder.

    Raises
    ------
    CalcarineError
        The folder holds no decoder, or one of a kind that is not known.
    """
    config, tensors = read_model(folder, KIND)
    kind = config["decoder"]["kind"]
    if kind not in DECODERS:
        raise CalcarineError(
            f"{folder} holds a decoder of kind {kind!r}; known are {list(DECODERS)}. "
            "It was written by another version of calcarine."
        )
    standardizers = {
        subject: load_scaler(groups, _below(f"sub-{subject}.", tensors))
        for subject, groups in config["standardizer_groups"].items()
    }
    own = _below("decoder.", tensors)
    decoder: Decoder = DECODERS[kind].from_model(config["decoder"], own)
    weights = _below(WEIGHTED, own)
    return SavedDecoder(
        WeightedUnits.wrap(decoder, weights) if weights else decoder,
        standardizers,
        config["units_sha"],
        config["target"],
        dict(zip(config["folds"], tensors["target.train_mean"], strict=True)),
        config["told"],
    )


def read_train_means(folder: Path) -> dict[str, np.ndarray]:
    """Read the mean training target of each fold, by the fold's name: shape (embed_dim,)."""
    config, tensors = read_model(folder, KIND)
    return dict(zip(config["folds"], tensors["target.train_mean"], strict=True))


def _below(prefix: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
