"""Contrastive decoder: a linear layer a subject, a shared residual trunk, two heads."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Add a LayerNorm, linear, GELU, dropout branch to its input; shapes stay (n, hidden_dim)."""

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
    n_voxels
        Number of voxels of each subject.
    embed_dim
        Dimension of the target.
    hidden_dim, n_blocks
        Width and depth of the shared trunk.
    dropout, subject_dropout
        Dropout inside the residual blocks, and after the subject's layer.
    """

    def __init__(
        self,
        n_voxels: Mapping[str, int],
        embed_dim: int,
        hidden_dim: int,
        n_blocks: int,
        dropout: float,
        subject_dropout: float,
    ) -> None:
        super().__init__()
        self.subjects = nn.ModuleDict(
            {f"sub-{name}": nn.Linear(n, hidden_dim) for name, n in n_voxels.items()}
        )
        self.trunk = nn.Sequential(
            nn.LayerNorm(hidden_dim),
            nn.GELU(),
            nn.Dropout(subject_dropout),
            *[ResidualBlock(hidden_dim, dropout) for _ in range(n_blocks)],
            nn.LayerNorm(hidden_dim),
        )
        self.regression = nn.Linear(hidden_dim, embed_dim)
        self.projection = nn.Linear(hidden_dim, embed_dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def temperature(self) -> Tensor:
        """Learned temperature of the logits, kept above 0.01."""
        return torch.exp(-self.log_scale.clamp(max=math.log(100.0)))

    def forward(self, responses: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Map responses to the contrastive space and to the standardised target.

        Parameters
        ----------
        responses
            For each subject, shape (n_trials of the subject, n_voxels).

        Returns
        -------
        tuple of torch.Tensor
            Projection and regression, each of shape (n_trials of all, embed_dim), in the order of
            `responses`.
        """
        hidden = torch.cat([self.subjects[f"sub-{s}"](values) for s, values in responses.items()])
        hidden = self.trunk(hidden)
        return self.projection(hidden), self.regression(hidden)
