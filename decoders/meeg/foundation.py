"""Pretrained EEG networks of braindecode behind an explicit contract; a mismatch is refused.

What such a network expects of its input is nowhere in its file, and a wrong unit or rate fails
silently: the contract states it, and features are taken only from input that keeps it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from calcarine.data.digests import file_sha
from calcarine.data.errors import CalcarineError
from calcarine.decoders.meeg.extras import needed

Normalisation = Literal["none", "channel-z"]
_UNITS_IN_VOLT = {"V": 1.0, "mV": 1e-3, "µV": 1e-6}


@dataclass(frozen=True)
class Contract:
    """What a pretrained network expects of its input.

    Attributes
    ----------
    network
        Class of `braindecode.models`.
    sampling_rate_hz
        Of the input.
    band_hz
        Band-pass of the training data; the input may be narrower by `band_tolerance_hz`, not wider.
    unit_v
        One unit of the input in volts, 1e-4 for tenths of millivolts.
    channels
        Names in order, upper case; empty: any of the names that the network knows.
    patch
        The number of samples must be a multiple of this.
    normalisation
        What is done to each trial after the unit: `channel-z` z-scores every channel over time.
    licence
        Of the weights.
    reference
        Of the paper.
    """

    network: str
    sampling_rate_hz: float
    band_hz: tuple[float, float]
    unit_v: float
    channels: tuple[str, ...]
    patch: int
    normalisation: Normalisation
    licence: str
    reference: str


# sampling rate, band and unit as the papers' own code has them
CONTRACTS: dict[str, Contract] = {
    "labram": Contract(
        "Labram", 200.0, (0.1, 75.0), 1e-4, (), 200, "none", "MIT", "doi:10.48550/arXiv.2405.18765"
    ),
    "cbramod": Contract(
        "CBraMod",
        200.0,
        (0.3, 75.0),
        1e-4,
        (),
        200,
        "none",
        "MIT",
        "doi:10.48550/arXiv.2412.07236",
    ),
}


@dataclass(frozen=True)
class Input:
    """What the responses are.

    Attributes
    ----------
    channels
        Names.
    sampling_rate_hz
        Of the responses.
    band_hz
        Edges of their band-pass.
    unit
        `V`, `mV` or `µV`. Scaled responses have none: give those that `prepare` wrote.
    n_times
        Samples of a trial.
    """

    channels: tuple[str, ...]
    sampling_rate_hz: float
    band_hz: tuple[float, float]
    unit: str
    n_times: int


def contract_problems(contract: Contract, given: Input) -> list[str]:
    """List all that keeps responses from being input of a network; empty where nothing does."""
    problems = []
    if abs(given.sampling_rate_hz - contract.sampling_rate_hz) > 1e-3:
        problems.append(
            f"sampling rate {given.sampling_rate_hz:g} Hz, expected "
            f"{contract.sampling_rate_hz:g}: set `recording.resample_sfreq`"
        )
    if given.unit not in _UNITS_IN_VOLT:
        problems.append(
            f"unit {given.unit!r}, expected one of {list(_UNITS_IN_VOLT)}: z-scored responses "
            "cannot be brought to volts"
        )
    low, high = given.band_hz
    if low < contract.band_hz[0] - 1e-6 or high > contract.band_hz[1] + 1e-6:
        problems.append(
            f"band {low:g}–{high:g} Hz, expected within {contract.band_hz[0]:g}–"
            f"{contract.band_hz[1]:g}: set `recording.filter`"
        )
    if given.n_times % contract.patch:
        problems.append(
            f"{given.n_times} samples, expected a multiple of {contract.patch}: set "
            "`recording.epochs`"
        )
    if contract.channels and given.channels != contract.channels:
        missing = [c for c in contract.channels if c not in given.channels]
        problems.append(
            f"channels {list(given.channels)[:4]} …, expected {list(contract.channels)[:4]} … in "
            f"that order; missing: {missing or 'none'}"
        )
    if len(set(given.channels)) != len(given.channels):
        problems.append("a channel stands there twice")
    return problems


def to_contract(values: np.ndarray, contract: Contract, given: Input) -> np.ndarray:
    """Bring responses to the unit and the normalisation of a network.

    Parameters
    ----------
    values
        Shape (n_trials, n_channels, n_times).
    contract, given
        What is expected, and what came.

    Returns
    -------
    numpy.ndarray
        float32, the same shape.

    Raises
    ------
    CalcarineError
        The contract is not kept; with all problems.
    """
    problems = contract_problems(contract, given)
    if values.shape[1:] != (len(given.channels), given.n_times):
        problems.append(
            f"responses of shape {values.shape}, expected (n_trials, {len(given.channels)}, "
            f"{given.n_times})"
        )
    if problems:
        lines = "\n- ".join(problems)
        raise CalcarineError(f"{contract.network} cannot read these responses:\n- {lines}")
    scaled = np.asarray(values, dtype=np.float32) * np.float32(
        _UNITS_IN_VOLT[given.unit] / contract.unit_v
    )
    if contract.normalisation == "channel-z":
        mean = scaled.mean(axis=2, keepdims=True, dtype=np.float64)
        spread = scaled.std(axis=2, keepdims=True, dtype=np.float64)
        is_flat = spread <= 1e-6 * np.abs(mean)
        scaled = ((scaled - mean) / np.where(is_flat | (spread == 0), 1, spread)).astype(np.float32)
    return scaled


def load_weights(network: nn.Module, tensors: dict[str, Tensor], source: str) -> None:
    """Load weights whole or not at all: braindecode's own loader lets keys be missing.

    Raises
    ------
    CalcarineError
        A key is missing or left over, or a shape differs.
    """
    own = network.state_dict()
    missing, extra = sorted(set(own) - set(tensors)), sorted(set(tensors) - set(own))
    shapes = [n for n in set(own) & set(tensors) if own[n].shape != tensors[n].shape]
    if missing or extra or shapes:
        raise CalcarineError(
            f"{source} is not a file of this network: {len(missing)} weights are missing "
            f"{missing[:3]}, {len(extra)} are left over {extra[:3]}, {len(shapes)} have another "
            f"shape {sorted(shapes)[:3]}. Take the file that belongs to this size and version."
        )
    network.load_state_dict(tensors)


class FoundationFeatures:
    """Features of trials from a pretrained network, frozen.

    Parameters
    ----------
    contract
        What the network expects.
    network
        From (n_trials, n_channels, n_times) to (n_trials, …); features are laid out flat.
    checksum
        SHA-256 of the weights, for cards.
    """

    def __init__(
        self, contract: Contract, network: Callable[[Tensor], Tensor], checksum: str
    ) -> None:
        self.contract, self.network, self.checksum = contract, network, checksum

    def __call__(self, values: np.ndarray, given: Input, batch_size: int = 64) -> np.ndarray:
        """Take features of responses that keep the contract.

        Parameters
        ----------
        values
            Shape (n_trials, n_channels, n_times), in `given.unit`.
        given
            What they are.
        batch_size
            Trials at a time.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_trials, n_features).
        """
        ready = torch.from_numpy(to_contract(values, self.contract, given))
        with torch.no_grad():
            parts = [self.network(part).flatten(1) for part in ready.split(batch_size)]
        return torch.cat(parts).float().numpy()


def load_foundation(
    kind: str, weights: Path, given: Input, settings: dict[str, Any], names: Sequence[str] = ()
) -> FoundationFeatures:
    """Build a network of braindecode and load its weights from a local safetensors file.

    Parameters
    ----------
    kind
        One of `CONTRACTS`.
    weights
        `model.safetensors`; nothing is fetched.
    given
        What the responses are.
    settings
        Further arguments of the network's class, as its `config.json` has them.
    names
        Channel names that the network is told with every batch, where it asks for them.

    Raises
    ------
    CalcarineError
        The kind is unknown, the contract is not kept, braindecode cannot be imported, or the file
        does not belong to the network.
    """
    if kind not in CONTRACTS:
        raise CalcarineError(f"there is no contract for {kind!r}; there are {list(CONTRACTS)}.")
    contract = CONTRACTS[kind]
    to_contract(np.zeros((0, len(given.channels), given.n_times)), contract, given)
    if not weights.is_file():
        raise CalcarineError(f"the weights {weights} are not there; download them first.")
    maker = getattr(needed("braindecode.models"), contract.network)
    shape = {"n_chans": len(given.channels), "n_times": given.n_times, "n_outputs": 1}
    network: nn.Module = maker(**{**shape, "sfreq": contract.sampling_rate_hz, **settings})
    load_weights(network, needed("safetensors.torch").load_file(weights), str(weights))
    network.eval()
    told = {"ch_names": [n.upper() for n in names]} if names else {}

    def features(batch: Tensor) -> Tensor:
        out = network(batch, return_features=True, **told)
        found: Tensor = out["features"] if isinstance(out, dict) else out
        return found

    return FoundationFeatures(contract, features, file_sha(weights))
