"""One linear map a subject, and one for people who were never seen."""

import torch
from torch import Tensor, nn


class SubjectLayers(nn.Module):
    """Map virtual channels by a matrix of the subject (Défossez et al. 2023).

    Parameters
    ----------
    subjects
        Names.
    n_channels
        Size of the matrices, which start as the identity.
    dropout
        Share of the training trials that go through the shared matrix instead of their subject's,
        so that it learns to serve people who were never seen.
    """

    def __init__(self, subjects: list[str], n_channels: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.number = {name: i for i, name in enumerate(subjects)}
        self.dropout = dropout
        self.matrices = nn.Parameter(torch.eye(n_channels).repeat(len(subjects) + 1, 1, 1))

    def forward(self, values: Tensor, subject: str | None) -> Tensor:
        """Map the trials of one subject.

        Parameters
        ----------
        values
            Shape (n_trials, n_channels, n_times).
        subject
            Whose; None, or a name that is not known, takes the shared matrix.
        """
        shared = self.matrices[-1]
        if subject not in self.number:
            return shared @ values
        own = self.matrices[self.number[subject]]
        if not self.training or self.dropout == 0:
            return own @ values
        is_shared = torch.rand(len(values), 1, 1, device=values.device) < self.dropout
        return torch.where(is_shared, shared @ values, own @ values)
