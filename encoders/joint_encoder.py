"""Joint encoder: picture, caption, and what only the two together say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import add_to_config, read_model
from calcarine.encoders.banded_encoder import BandedEncoder
from calcarine.encoders.joint_axes import JointAxes
from calcarine.encoders.ridge.banded import BandedSettings
from calcarine.encoders.unit_space import InSpace

KIND = "joint-encoder"
JOINT = "joint"
SQUARES = "squares"


class JointEncoder(InSpace):
    """Predict by banded ridge on two embeddings and the products of their axes (`JointAxes`).

    Products within the picture's axes and within the captions' content are a third band
    (`squares`), products of the picture and what captions say beyond it a fourth (`joint`), so that
    a unit that needs none of them gives them no share. Without the fourth it is the rival that
    knows as much of curves and of either modality, and nothing of both at once.

    Parameters
    ----------
    bands
        Name and number of features of the two embeddings.
    embeddings
        Their sidecars.
    units
        Units table, one row a unit.
    n_axes
        Largest numbers of axes: of the first embedding, of what the second says that the first
        tells, and of the rest of the second.
    n_folds, settings
        See `BandedEncoder`.
    with_products
        Whether there is the fourth band.

    Attributes
    ----------
    axes_
        Axes of the training trials.
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
        n_axes: tuple[int, int, int] = (16, 32, 16),
        n_folds: int | None = 5,
        settings: BandedSettings | None = None,
        with_products: bool = True,
    ) -> None:
        self.bands = tuple(bands)
        self.embeddings = list(embeddings)
        self.units = units.reset_index(drop=True)
        self.n_axes = n_axes
        self.n_folds = n_folds
        self.settings = settings
        self.with_products = with_products

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
        if self.with_products and not self.axes_.n_products:
            (picture, _), (caption, _) = self.bands
            raise CalcarineError(
                f"{caption} says nothing that {picture} does not tell, so that there is no product "
                "of both; take captions that add something, or products: false."
            )
        bands = [*self.bands, (SQUARES, self.axes_.n_squares)]
        if self.with_products:
            bands.append((JOINT, self.axes_.n_products))
        banded = BandedEncoder(bands, self.embeddings, self.units, self.n_folds, self.settings)
        self._take(banded.fit(self._extend(features), responses, groups, sessions))
        return self

    def _extend(self, features: np.ndarray) -> np.ndarray:
        return self.axes_.extend(features, self.with_products)

    def _take(self, banded: BandedEncoder) -> None:
        self.banded_, self.standardizer_ = banded, banded.standardizer_

    def predict(self, stimuli: np.ndarray) -> np.ndarray:
        """Predict from two embeddings end to end: float32, shape (n_items, n_units)."""
        return self.banded_.predict(self._extend(stimuli))

    def predict_bands(self, stimuli: np.ndarray) -> np.ndarray:
        """Predict band by band, products last; see `BandedEncoder.predict_bands`."""
        return self.banded_.predict_bands(self._extend(stimuli))

    def save(self, folder: Path, card: dict[str, str]) -> None:
        """Write a model folder; see `BandedEncoder.save`."""
        tensors = {f"axes.{name}": value for name, value in vars(self.axes_).items()}
        self.banded_.save(folder, card, tensors)
        add_to_config(
            folder, {"kind": KIND, "n_axes": list(self.n_axes), "with_products": self.with_products}
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder; see `BandedEncoder.load`."""
        config, tensors = read_model(folder, KIND)
        banded = BandedEncoder.load(folder, KIND)
        encoder = cls(
            banded.bands[:2],
            banded.embeddings,
            banded.units,
            tuple(config["n_axes"]),
            banded.n_folds,
            banded.settings,
            config["with_products"],
        )
        prefix = "axes."
        encoder.axes_ = JointAxes(
            **{n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        )
        encoder._take(banded)
        return encoder
