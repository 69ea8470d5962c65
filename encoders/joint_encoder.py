"""Joint encoder: picture, caption, and what only the two together say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from calcarine.data.model_folder import add_to_config, read_model
from calcarine.encoders.banded_encoder import BandedEncoder
from calcarine.encoders.joint_axes import JointAxes
from calcarine.encoders.ridge.banded import BandedSettings
from calcarine.encoders.unit_space import InSpace

KIND = "joint-encoder"
JOINT = "joint"


class JointEncoder(InSpace):
    """Predict by banded ridge on two embeddings and the products of their axes (`JointAxes`).

    The products are a third band, so that a unit that needs none of them gives them no share.

    Parameters
    ----------
    bands
        Name and number of features of the two embeddings.
    embeddings
        Their sidecars.
    units
        Units table, one row a unit.
    n_axes
        Principal axes of the first embedding, and of what the second says beyond it.
    n_folds, settings
        See `BandedEncoder`.

    Attributes
    ----------
    axes_
        Principal axes of the training trials.
    banded_
        The fitted banded encoder on bands, products last.
    standardizer_
        Means and deviations of the training responses.
    """

    def __init__(
        self,
        bands: Sequence[tuple[str, int]],
        embeddings: Sequence[dict[str, Any]],
        units: pd.DataFrame,
        n_axes: tuple[int, int] = (16, 16),
        n_folds: int | None = 5,
        settings: BandedSettings | None = None,
    ) -> None:
        self.bands = tuple(bands)
        self.embeddings = list(embeddings)
        self.units = units.reset_index(drop=True)
        self.n_axes = n_axes
        self.n_folds = n_folds
        self.settings = settings

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands, products last."""
        return self.banded_.band_names

    def fit(
        self,
        features: np.ndarray,
        responses: np.ndarray,
        groups: np.ndarray | None = None,
        sessions: np.ndarray | None = None,
    ) -> Self:
        """Fit axes and weights on training trials; see `BandedEncoder.fit`."""
        sizes = [size for _, size in self.bands]
        self.axes_ = JointAxes.fit(features, sizes, self.n_axes, groups)
        bands = [*self.bands, (JOINT, self.axes_.n_products)]
        banded = BandedEncoder(bands, self.embeddings, self.units, self.n_folds, self.settings)
        self._take(banded.fit(self.axes_.extend(features), responses, groups, sessions))
        return self

    def _take(self, banded: BandedEncoder) -> None:
        self.banded_, self.standardizer_ = banded, banded.standardizer_

    def predict(self, stimuli: np.ndarray) -> np.ndarray:
        """Predict from two embeddings end to end: float32, shape (n_items, n_units)."""
        return self.banded_.predict(self.axes_.extend(stimuli))

    def predict_bands(self, stimuli: np.ndarray) -> np.ndarray:
        """Predict band by band, products last; see `BandedEncoder.predict_bands`."""
        return self.banded_.predict_bands(self.axes_.extend(stimuli))

    def save(self, folder: Path, card: dict[str, str]) -> None:
        """Write a model folder; see `BandedEncoder.save`."""
        first, second = self.axes_.axes
        tensors = {"axes.means": self.axes_.means, "axes.told": self.axes_.told}
        tensors |= {"axes.first": first, "axes.second": second}
        self.banded_.save(folder, card, tensors)
        add_to_config(folder, {"kind": KIND, "n_axes": list(self.n_axes)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder; see `BandedEncoder.load`."""
        config, tensors = read_model(folder, KIND)
        banded = BandedEncoder.load(folder, KIND)
        seen, added = config["n_axes"]
        encoder = cls(
            banded.bands[:-1],
            banded.embeddings,
            banded.units,
            (seen, added),
            banded.n_folds,
            banded.settings,
        )
        axes = (tensors["axes.first"], tensors["axes.second"])
        # older folders take captions as a whole, not what they add to pictures
        told = tensors.get("axes.told", np.zeros((len(axes[0]), len(axes[1])), dtype=np.float32))
        encoder.axes_ = JointAxes(tensors["axes.means"], told, axes)
        encoder._take(banded)
        return encoder
