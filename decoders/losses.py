"""Losses between predicted and true embeddings: InfoNCE, SigLIP, SoftCLIP, BiMixCo, MSE.

Pure functions on tensors. Logits are computed in float32 whatever the network's precision (in
float16 they overflow over many dimensions), in float64 where the inputs are.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SOFT_TEMPERATURES = (0.004, 0.0075)


def cosine_logits(first: Tensor, second: Tensor, temperature: Tensor | float) -> Tensor:
    """Compute all cosines between two sets of vectors, divided by a temperature.

    Parameters
    ----------
    first, second
        Shapes (n, embed_dim) and (m, embed_dim).
    temperature
        Positive.

    Returns
    -------
    torch.Tensor
        Shape (n, m), float32 or better.
    """
    if first.dtype in (torch.float16, torch.bfloat16):
        first = first.float()
    second = second.to(first.dtype)
    with torch.autocast(first.device.type, enabled=False):
        return (
            functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).T
        ) / temperature


def soft_cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    """Average the cross-entropy of rows against wanted distributions.

    Parameters
    ----------
    logits, wanted
        Shape (n, m); rows of `wanted` sum to 1.
    """
    return -(wanted * functional.log_softmax(logits, dim=-1)).sum(dim=-1).mean()


def shared_positives(weights: Tensor, stimuli: Tensor | None) -> Tensor:
    """Spread each positive over all trials of the batch that saw the same stimulus.

    Without this a repeat of a stimulus (or another subject's trial of it) would be its own
    negative.

    Parameters
    ----------
    weights
        Shape (n, n), rows sum to 1.
    stimuli
        Number of the stimulus of each trial, shape (n,); without it all are different.

    Returns
    -------
    torch.Tensor
        Shape (n, n), rows sum to 1.
    """
    if stimuli is None:
        return weights
    same = (stimuli[:, None] == stimuli[None, :]).to(weights.dtype)
    return weights @ (same / same.sum(dim=1, keepdim=True))


def info_nce(
    brain: Tensor, target: Tensor, temperature: Tensor | float, stimuli: Tensor | None = None
) -> Tensor:
    """Compute symmetric InfoNCE (van den Oord 2018; Radford 2021, doi:10.48550/arXiv.2103.00020).

    ½ [CE(S, I) + CE(Sᵀ, I)] with S = b tᵀ / τ.

    Parameters
    ----------
    brain, target
        Predicted and true embeddings, shape (n, embed_dim).
    temperature
        τ.
    stimuli
        See `shared_positives`.
    """
    logits = cosine_logits(brain, target, temperature)
    wanted = shared_positives(
        torch.eye(len(logits), dtype=logits.dtype, device=logits.device), stimuli
    )
    return (soft_cross_entropy(logits, wanted) + soft_cross_entropy(logits.T, wanted)) / 2


def sig_lip(
    brain: Tensor,
    target: Tensor,
    temperature: Tensor | float,
    bias: Tensor | float,
    stimuli: Tensor | None = None,
) -> Tensor:
    """Compute the sigmoid loss of SigLIP (Zhai et al. 2023, doi:10.48550/arXiv.2303.15343).

    −(1/n) Σ_i Σ_j log σ(z_ij (b_i t_jᵀ / τ + β)) with z_ij = 1 for pairs of the same stimulus and
    −1 for all others. Every pair stands for itself, so that duplicates are positives.

    Parameters
    ----------
    brain, target
        Predicted and true embeddings, shape (n, embed_dim).
    temperature, bias
        τ and β.
    stimuli
        Number of the stimulus of each trial, shape (n,); without it all are different.
    """
    logits = cosine_logits(brain, target, temperature) + bias
    if stimuli is None:
        stimuli = torch.arange(len(logits), device=logits.device)
    sign = (stimuli[:, None] == stimuli[None, :]).to(logits.dtype) * 2 - 1
    return -functional.logsigmoid(sign * logits).sum(dim=1).mean()


def soft_clip(
    brain: Tensor, target: Tensor, temperature: Tensor | float, soft_temperature: float
) -> Tensor:
    """Compute SoftCLIP: similarities among the targets are the wanted distribution.

    ½ [−Σ softmax(T) log softmax(S) − Σ softmax(T) log softmax(Sᵀ)] averaged over rows, with
    S = b tᵀ / τ and T = t tᵀ / τ_soft (Scotti 2023, doi:10.48550/arXiv.2305.18274, where
    τ = τ_soft).

    Parameters
    ----------
    brain, target
        Predicted and true embeddings, shape (n, embed_dim).
    temperature, soft_temperature
        τ of the prediction and of the targets.
    """
    logits = cosine_logits(brain, target, temperature)
    wanted = cosine_logits(target, target, soft_temperature).softmax(dim=-1).to(logits.dtype)
    return (soft_cross_entropy(logits, wanted) + soft_cross_entropy(logits.T, wanted)) / 2


class Mix(NamedTuple):
    """Which trials are mixed: each with its partner, by `share` and 1 − `share`.

    Attributes
    ----------
    partner
        Row numbers, shape (n,): a permutation.
    share
        λ of each trial, shape (n,), in [0, 1]; 1 leaves it as it is.
    """

    partner: Tensor
    share: Tensor

    def to(self, device: torch.device) -> "Mix":
        """Move to a device."""
        return Mix(self.partner.to(device), self.share.to(device))


def draw_mix(n: int, rng: np.random.Generator, beta: float = 0.15, mixed: float = 0.5) -> Mix:
    """Draw partners and shares for MixCo (Kim 2020, doi:10.48550/arXiv.2010.06300).

    Parameters
    ----------
    n
        Number of trials.
    rng
        Source of the draws.
    beta
        λ ~ Beta(beta, beta).
    mixed
        Probability that a trial is mixed at all.
    """
    partner = rng.permutation(n)
    share = np.where(rng.random(n) < mixed, rng.beta(beta, beta, n), 1.0)
    return Mix(torch.from_numpy(partner), torch.from_numpy(share.astype(np.float32)))


def mix_rows(values: Tensor, mix: Mix) -> Tensor:
    """Mix each row with its partner's.

    Parameters
    ----------
    values
        Shape (n, …).
    mix
        Partners and shares.
    """
    share = mix.share.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return share * values + (1 - share) * values[mix.partner]


def bimixco(
    brain: Tensor,
    target: Tensor,
    temperature: Tensor | float,
    mix: Mix,
    stimuli: Tensor | None = None,
) -> Tensor:
    """Compute bidirectional MixCo: a mixed response has two positives, by their shares.

    P = diag(λ), P[i, partner(i)] += 1 − λ_i; ½ [−Σ P log softmax(S) − Σ Pᵀ log softmax(Sᵀ)],
    averaged over rows (Scotti 2023, doi:10.48550/arXiv.2305.18274).

    Parameters
    ----------
    brain
        Embeddings predicted from mixed responses, shape (n, embed_dim).
    target
        True embeddings, unmixed, shape (n, embed_dim).
    temperature
        τ.
    mix
        How the responses were mixed.
    stimuli
        See `shared_positives`.
    """
    logits = cosine_logits(brain, target, temperature)
    share = mix.share.to(logits.dtype)
    rows = torch.arange(len(logits), device=logits.device)
    wanted = torch.diag(share).index_put((rows, mix.partner), 1 - share, accumulate=True)
    wanted = shared_positives(wanted, stimuli)
    return (soft_cross_entropy(logits, wanted) + soft_cross_entropy(logits.T, wanted.T)) / 2


def mse(predicted: Tensor, target: Tensor) -> Tensor:
    """Average the squared difference over all elements, in float32 or better."""
    if predicted.dtype in (torch.float16, torch.bfloat16):
        predicted = predicted.float()
    return functional.mse_loss(predicted, target.to(predicted.dtype))


def cosine_schedule(progress: float, start: float, end: float) -> float:
    """Go from `start` to `end` along half a cosine.

    Parameters
    ----------
    progress
        0 at the start, 1 at the end.

    Examples
    --------
    >>> round(cosine_schedule(0.5, *SOFT_TEMPERATURES), 5)
    0.00575
    """
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
