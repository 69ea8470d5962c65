"""Dropout for wide inputs, with sixteen random bits a value."""

import torch
from torch import Tensor, nn

_LEVELS = 2**16


class BitDropout(nn.Module):
    """Set values to 0 with some probability in training, and scale what is left (Srivastava 2014).

    As `torch.nn.Dropout` (https://jmlr.org/papers/v15/srivastava14a.html), the probability rounded
    to a multiple of 2⁻¹⁶. On a processor, drawing a Bernoulli number a value takes as long as the
    product with the weights that follows; four values share one random integer here, and the draw
    takes a quarter of the time.

    Parameters
    ----------
    p
        Probability of a zero.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.level = min(round(p * _LEVELS), _LEVELS - 1)

    @property
    def p(self) -> float:
        """Probability of a zero."""
        return self.level / _LEVELS

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p:g}"

    def forward(self, values: Tensor) -> Tensor:
        """Keep the shape."""
        if not self.training or self.level == 0:
            return values
        n_values = values.numel()
        bits = torch.empty((n_values + 3) // 4, dtype=torch.int64, device=values.device)
        drawn = bits.random_(-(2**63), None).view(torch.int16)[:n_values].view(values.shape)
        return values * (drawn >= self.level - _LEVELS // 2) * (1 / (1 - self.p))
