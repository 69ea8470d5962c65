"""Network of the contrastive decoder: a linear layer a subject, a shared trunk, two heads."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_SMALLEST_TEMPERATURE = 0.01


@dataclass(frozen=True)
class NetworkShape:
    """Size of the network.

    Attributes
    ----------
    hidden_dim, n_blocks
        Width and depth of the shared trunk.
    dropout, subject_dropout, voxel_dropout
        Dropout inside the residual blocks, after the subject's layer, and of the voxels before it:
        with few hundred noisy trials the last one regularises most.
    """

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


class ContrastiveNetwork(nn.Module):
    """Residual MLP of MindEye type (Scotti 2023, doi:10.48550/arXiv.2305.18274).

    Parameters
    ----------
    n_units
        Number of voxels of each subject.
    embed_dim
        Dimension of the target.
    shape
        Size.
    """

    def __init__(self, n_units: Mapping[str, int], embed_dim: int, shape: NetworkShape) -> None:
        super().__init__()
        hidden_dim = shape.hidden_dim
        self.n_units = dict(n_units)
        self.voxel_dropout = nn.Dropout(shape.voxel_dropout)
        self.subjects = nn.ModuleDict(
            {f"sub-{name}": nn.Linear(n, hidden_dim) for name, n in n_units.items()}
        )
        self.trunk = nn.Sequential(
            nn.LayerNorm(hidden_dim),
            nn.GELU(),
            nn.Dropout(shape.subject_dropout),
            *[ResidualBlock(hidden_dim, shape.dropout) for _ in range(shape.n_blocks)],
            nn.LayerNorm(hidden_dim),
        )
        self.projection = nn.Linear(hidden_dim, embed_dim)
        self.regression = nn.Linear(hidden_dim, embed_dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def temperature(self) -> Tensor:
        """Learned temperature of the logits, kept above 0.01 as CLIP's is."""
        return torch.exp(-self.log_scale.clamp(max=-math.log(_SMALLEST_TEMPERATURE)))

    def forward(self, responses: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Map responses to the contrastive space and to the standardised target.

        Parameters
        ----------
        responses
            For each subject, shape (n_trials of the subject, n_units).

        Returns
        -------
        tuple of torch.Tensor
            Projection and regression, each of shape (n_trials of all, embed_dim), subjects in the
            order of `responses`.
        """
        layers = [
            self.subjects[f"sub-{name}"](self.voxel_dropout(values))
            for name, values in responses.items()
        ]
        hidden = self.trunk(torch.cat(layers))
        return self.projection(hidden), self.regression(hidden)
