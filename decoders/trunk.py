"""What every trunk of the contrastive decoder can do."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.network_inputs import NetworkInput


class Trunk(nn.Module):
    """Map responses of several subjects to features that they share.

    Attributes
    ----------
    hidden_dim
        Width of the features.
    """

    hidden_dim: int

    def check(self, inputs: Mapping[str, NetworkInput]) -> None:
        """Refuse training data that the trunk would not see."""

    def begin(self, trials: Mapping[str, DecodingTrials]) -> None:
        """Take from the training trials what is not learned step by step; most trunks nothing.

        Parameters
        ----------
        trials
            Training trials by subject, validation trials among them.
        """

    def fixed(self, values: Tensor, subject: str) -> Tensor:
        """Do what is never learned, so that training does it once; an affine map of each trial.

        Parameters
        ----------
        values
            Responses of one subject, see `forward`.
        subject
            Whose.

        Returns
        -------
        torch.Tensor
            What `learned` takes; most trunks give the responses as they came.
        """
        return values

    def learned(self, fixed: Mapping[str, Tensor]) -> Tensor:
        """Map what `fixed` gave to features, see `forward`."""
        return self(fixed)

    def forward(self, responses: Mapping[str, Tensor]) -> Tensor:
        """Map responses to features.

        Parameters
        ----------
        responses
            For each subject, shape (n_trials of the subject, n_units) or (n_trials, n_channels,
            n_times).

        Returns
        -------
        torch.Tensor
            Shape (n_trials of all, hidden_dim), subjects in the order of `responses`.
        """
        raise NotImplementedError

    def unseen(self, values: Tensor, positions: np.ndarray) -> Tensor:
        """Map responses of somebody who was not in the training data.

        Parameters
        ----------
        values
            Shape (n_trials, n_channels, n_times).
        positions
            Metres, shape (n_channels, 3).

        Returns
        -------
        torch.Tensor
            Shape (n_trials, hidden_dim).
        """
        raise NotImplementedError
