"""The montages of all subjects inside a network, in one unit box."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from calcarine.data.errors import CalcarineError
from calcarine.decoders.meeg.sensors import flat_positions
from calcarine.decoders.meeg.spatial_attention import UnitBox
from calcarine.decoders.network_inputs import NetworkInput


class Montages(nn.Module):
    """Hold the places of every subject's sensors; they travel with the weights.

    Parameters
    ----------
    inputs
        By subject.
    n_dims
        3, or 2 for positions laid out in a plane.
    """

    def __init__(self, inputs: Mapping[str, NetworkInput], n_dims: int) -> None:
        super().__init__()
        self.n_dims = n_dims
        self.box = UnitBox(n_dims)
        laid = {name: self._laid(own.positions) for name, own in inputs.items()}
        self.box.fit(list(laid.values()))
        for name, positions in laid.items():
            self.register_buffer(f"sub-{name}", positions)

    def _laid(self, positions: np.ndarray) -> Tensor:
        values = positions if self.n_dims == 3 else flat_positions(positions)
        return torch.from_numpy(np.array(values, dtype=np.float32))

    def of_subject(self, subject: str) -> Tensor:
        """Give the places of a subject's sensors, shape (n_channels, n_dims)."""
        return self.box(self.get_buffer(f"sub-{subject}"))

    def of_positions(self, positions: np.ndarray) -> Tensor:
        """Give the places of sensors of somebody else.

        Parameters
        ----------
        positions
            Metres, shape (n_channels, 3).
        """
        return self.box(self._laid(positions).to(self.box.lower.device))


def check_positions(inputs: Mapping[str, NetworkInput], kind: str) -> None:
    """Refuse subjects without any position.

    Raises
    ------
    CalcarineError
        A network that mixes sensors by their positions would see nothing of that subject.
    """
    for name, own in inputs.items():
        n_known = int(np.isfinite(own.positions).all(axis=1).sum())
        if n_known == 0:
            raise CalcarineError(
                f"sub-{name}: none of {own.n_units} channels has a position; the network {kind!r} "
                "mixes sensors by where they are. Give a montage (electrodes.tsv, or "
                "`recording.montage`), or use the network `ts-conv` or `eeg-project`."
            )
