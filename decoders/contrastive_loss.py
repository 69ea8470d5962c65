"""What the contrastive decoder minimises on a batch, and what it chooses its epoch by.

A batch is the set of negatives. Training runs in one process, so that their number is
`batch_size` whatever the machine.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from calcarine.data.stored_rows import StoredRows, take_rows
from calcarine.decoders.contrastive_network import ContrastiveNetwork
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.losses import (
    SOFT_TEMPERATURES,
    Mix,
    bimixco,
    cosine_logits,
    cosine_schedule,
    draw_mix,
    info_nce,
    mix_rows,
    mse,
    sig_lip,
    soft_clip,
)
from calcarine.encoders.training import Epoch

Contrast = Literal["soft-clip", "info-nce", "sig-lip"]


@dataclass(frozen=True)
class ContrastiveLoss:
    """Weights of the losses.

    Attributes
    ----------
    contrast
        Contrastive loss after the epochs with MixCo: `soft-clip`, `info-nce` or `sig-lip`.
    mixco_share
        First share of the epochs, which trains with BiMixCo.
    clip_weight, mse_weight
        Weights of the contrastive and of the regression loss; Benchetrit et al. have λ and 1 − λ
        with λ = 0.75.
    """

    contrast: Contrast = "soft-clip"
    mixco_share: float = 0.33
    clip_weight: float = 1.0
    mse_weight: float = 0.3


@dataclass(frozen=True)
class _Part:
    """Trials of one subject: responses on the device or on disk, targets, numbers of stimuli.

    What the trunk never learns (`fixed`) is done to them once, or as they are read from disk.
    """

    responses: Tensor | StoredRows
    targets: Tensor
    stimuli: Tensor
    fixed: Callable[[Tensor], Tensor]

    def responses_of(self, rows: np.ndarray) -> Tensor:
        """Put what the network learns from onto the device, for some trials."""
        if isinstance(self.responses, StoredRows):
            return self.fixed(torch.from_numpy(self.responses[rows]).to(self.targets.device))
        return self.responses[rows]


def _on(
    device: torch.device, responses: np.ndarray, fixed: Callable[[Tensor], Tensor]
) -> Tensor | StoredRows:
    if isinstance(responses, StoredRows):
        return responses
    return fixed(torch.from_numpy(np.float32(responses)).to(device))


class Objective:
    """Losses of batches and of the validation trials; data stay in memory, or are `StoredRows`.

    Parameters
    ----------
    network
        What is trained.
    loss
        What is minimised.
    trials
        Training and validation trials, by subject.
    mean, scale
        Targets are centred and scaled by these.
    device
        Where the network is.
    """

    def __init__(
        self,
        network: ContrastiveNetwork,
        loss: ContrastiveLoss,
        trials: Mapping[str, DecodingTrials],
        mean: np.ndarray,
        scale: float,
        device: torch.device,
    ) -> None:
        self.network, self.loss = network, loss
        names = np.unique(np.concatenate([t.stimuli.astype(str) for t in trials.values()]))
        self.train: dict[str, _Part] = {}
        self.validation: dict[str, _Part] = {}
        for subject, data in trials.items():
            number = np.searchsorted(names, data.stimuli.astype(str))
            fixed = partial(network.trunk.fixed, subject=subject)
            targets = (data.targets - mean) / scale
            for rows, place in (
                (~data.is_validation, self.train),
                (data.is_validation, self.validation),
            ):
                if rows.any():
                    place[subject] = _Part(
                        _on(device, take_rows(data.responses, np.flatnonzero(rows)), fixed),
                        torch.from_numpy(np.float32(targets[rows])).to(device),
                        torch.from_numpy(number[rows]).to(device),
                        fixed,
                    )
        self.starts = np.cumsum([0] + [len(p.targets) for p in self.train.values()])
        self.n_trials = int(self.starts[-1])
        self.has_validation = bool(self.validation)

    def batch_loss(self, rows: np.ndarray, epoch: Epoch) -> Tensor:
        """Contrast plus regression for the training trials with the given numbers."""
        loss, network = self.loss, self.network
        chosen = [
            (name, part, rows[(rows >= start) & (rows < stop)] - start)
            for (name, part), start, stop in zip(
                self.train.items(), self.starts[:-1], self.starts[1:], strict=True
            )
        ]
        chosen = [(name, part, local) for name, part, local in chosen if len(local)]
        responses = {name: part.responses_of(local) for name, part, local in chosen}
        targets = torch.cat([part.targets[local] for _, part, local in chosen])
        stimuli = torch.cat([part.stimuli[local] for _, part, local in chosen])
        n_mixing = round(loss.mixco_share * epoch.n_epochs)
        if epoch.number < n_mixing:
            mixes = {name: draw_mix(len(r), epoch.rng) for name, r in responses.items()}
            mix = join_mixes(list(mixes.values())).to(targets.device)
            mixed = {n: mix_rows(r, mixes[n].to(r.device)) for n, r in responses.items()}
            projection, regression = network.learned(mixed)
            contrast = bimixco(projection, targets, network.temperature, mix, stimuli)
            targets = mix_rows(targets, mix)
        else:
            projection, regression = network.learned(responses)
            progress = (epoch.number - n_mixing) / max(epoch.n_epochs - 1 - n_mixing, 1)
            contrast = self._contrast(projection, targets, stimuli, progress)
        return loss.clip_weight * contrast + loss.mse_weight * mse(regression, targets)

    def _contrast(
        self, projection: Tensor, targets: Tensor, stimuli: Tensor, progress: float
    ) -> Tensor:
        network = self.network
        if self.loss.contrast == "info-nce":
            return info_nce(projection, targets, network.temperature, stimuli)
        if self.loss.contrast == "sig-lip":
            return sig_lip(projection, targets, network.temperature, network.bias, stimuli)
        soft = cosine_schedule(progress, *SOFT_TEMPERATURES)
        return soft_clip(projection, targets, network.temperature, soft)

    def validation_loss(self) -> float:
        """Mean relative rank of the true target among all validation targets, over subjects."""
        ranks = []
        for subject, part in self.validation.items():
            fixed = {subject: part.responses_of(np.arange(len(part.targets)))}
            projection, _ = self.network.learned(fixed)
            ranks.append(_mean_rank(projection, part.targets, part.stimuli))
        return float(np.mean(ranks))


def join_mixes(mixes: list[Mix]) -> Mix:
    """Join mixes within subjects to one over all trials, in the same order."""
    starts = np.cumsum([0] + [len(m.partner) for m in mixes])
    partner = [m.partner + int(s) for m, s in zip(mixes, starts[:-1], strict=True)]
    return Mix(torch.cat(partner), torch.cat([m.share for m in mixes]))


def _mean_rank(projection: Tensor, targets: Tensor, stimuli: Tensor) -> float:
    scores = cosine_logits(projection, targets, 1.0)
    is_other = stimuli[:, None] != stimuli[None, :]
    lead = scores - scores.diagonal()[:, None]
    lost = ((lead > 0) & is_other).sum(dim=1) + ((lead == 0) & is_other).sum(dim=1) / 2
    return float((lost / is_other.sum(dim=1).clamp(min=1)).mean())
