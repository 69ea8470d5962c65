"""Probes that lie beside a frozen network and read a factor's name off its embeddings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from calcarine.data.errors import CalcarineError

TENSORS, NAMES = "probes.safetensors", "probes.json"


@dataclass(frozen=True)
class FactorProbe:
    """Name a factor, such as the category, from an embedding.

    The probe is linear, or has one layer of rectified units between.

    Attributes
    ----------
    names
        What it can answer.
    weight, bias
        Shapes (n_names, n_inputs) and (n_names,), where the inputs are the hidden units, or the
        embedding where there are none.
    hidden_weight, hidden_bias
        Shapes (n_hidden, embed_dim) and (n_hidden,).
    """

    names: tuple[str, ...]
    weight: np.ndarray
    bias: np.ndarray
    hidden_weight: np.ndarray | None = None
    hidden_bias: np.ndarray | None = None

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """Give the likeliest name of each embedding ``(n, embed_dim)``, shape ``(n,)``."""
        inputs = np.asarray(embeddings, dtype=np.float32)
        if self.hidden_weight is not None and self.hidden_bias is not None:
            inputs = np.maximum(inputs @ self.hidden_weight.T + self.hidden_bias, 0)
        named: np.ndarray = np.asarray(self.names)[
            (inputs @ self.weight.T + self.bias).argmax(axis=1)
        ]
        return named


_PARTS = ("weight", "bias", "hidden_weight", "hidden_bias")


def write_probes(folder: Path, probes: Mapping[str, FactorProbe]) -> None:
    """Write `probes.safetensors` (half precision) and `probes.json` (names of each factor)."""
    arrays = {(f, part): getattr(probe, part) for f, probe in probes.items() for part in _PARTS}
    tensors = {
        f"{factor}.{part}": np.ascontiguousarray(array, dtype=np.float16)
        for (factor, part), array in arrays.items()
        if array is not None
    }
    save_file(tensors, folder / TENSORS)
    names = {factor: list(probe.names) for factor, probe in probes.items()}
    (folder / NAMES).write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")


def read_probes(folder: Path | None) -> dict[str, FactorProbe]:
    """Read the probes that lie beside a model, by factor; none where it has none.

    Raises
    ------
    CalcarineError
        A factor of `probes.json` has no weights.
    """
    if folder is None or not (folder / TENSORS).is_file():
        return {}
    tensors = {n: t.astype(np.float32) for n, t in load_file(folder / TENSORS).items()}
    names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    probes = {}
    for factor, values in names.items():
        weight, bias, *hidden = (tensors.get(f"{factor}.{part}") for part in _PARTS)
        if weight is None or bias is None:
            raise CalcarineError(
                f"{folder / TENSORS} has no {factor}.weight and {factor}.bias, though {NAMES} "
                f"names the factor {factor!r}. Write both, or take the factor out."
            )
        probes[factor] = FactorProbe(tuple(values), weight, bias, *hidden)
    return probes
