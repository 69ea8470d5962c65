"""Residual MLP: a linear layer a subject and a shared trunk, for responses of voxels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from calcarine.data.errors import CalcarineError
from calcarine.decoders.network_inputs import NetworkInput
from calcarine.decoders.trunk import Trunk


@dataclass(frozen=True)
class ResidualMlpShape:
    """Size of the network.

    Attributes
    ----------
    hidden_dim, n_blocks
        Width and depth of the shared trunk.
    dropout, subject_dropout, voxel_dropout
        Dropout inside the residual blocks, after the subject's layer, and of the voxels before it:
        with few hundred noisy trials and units that are not weighted, the last one regularises
        most.
    """

    kind: ClassVar[str] = "residual-mlp"
    hidden_dim: int = 256
    n_blocks: int = 2
    dropout: float = 0.3
    subject_dropout: float = 0.3
    voxel_dropout: float = 0.8


class ResidualBlock(nn.Module):
    """Add a branch of LayerNorm, linear, GELU, dropout, linear; shapes stay (n, hidden_dim)."""

    def __init__(self, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.LayerNorm(hidden_dim),
            nn.Linear(hidden_dim, hidden_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, hidden_dim),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Apply the block."""
        return hidden + self.branch(hidden)


class ResidualMlp(Trunk):
    """Trunk of MindEye type (Scotti 2023, doi:10.48550/arXiv.2305.18274).

    Parameters
    ----------
    inputs
        By subject; time courses are laid out flat.
    shape
        Size.
    """

    def __init__(self, inputs: Mapping[str, NetworkInput], shape: ResidualMlpShape) -> None:
        super().__init__()
        self.hidden_dim = shape.hidden_dim
        self.voxel_dropout = nn.Dropout(shape.voxel_dropout)
        self.subjects = nn.ModuleDict(
            {
                f"sub-{name}": nn.Linear(own.n_units * own.n_times, shape.hidden_dim)
                for name, own in inputs.items()
            }
        )
        self.shared = nn.Sequential(
            nn.LayerNorm(shape.hidden_dim),
            nn.GELU(),
            nn.Dropout(shape.subject_dropout),
            *[ResidualBlock(shape.hidden_dim, shape.dropout) for _ in range(shape.n_blocks)],
            nn.LayerNorm(shape.hidden_dim),
        )

    def forward(self, responses: Mapping[str, Tensor]) -> Tensor:
        """Map responses to features.

        Parameters
        ----------
        responses
            For each subject, shape (n_trials of the subject, n_units) or (n_trials, n_units,
            n_times).

        Returns
        -------
        torch.Tensor
            Shape (n_trials of all, hidden_dim), subjects in the order of `responses`.
        """
        layers = [
            self.subjects[f"sub-{name}"](self.voxel_dropout(values.flatten(1)))
            for name, values in responses.items()
        ]
        return self.shared(torch.cat(layers))

    def unseen(self, values: Tensor, positions: np.ndarray) -> Tensor:
        """Refuse: every subject has a layer of its own."""
        raise CalcarineError(
            "the network 'residual-mlp' has a layer for each subject and cannot decode somebody "
            "it was not trained on. Use the network `brain-module`."
        )
