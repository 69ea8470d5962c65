"""What the contrastive decoder minimises on a batch, and what it chooses its epoch by.

A batch is the set of negatives. Training runs in one process, so that their number is
`batch_size` whatever the machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

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


class Objective:
    """Losses of batches and of the validation trials; all data stay in memory.

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
        self.train: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        self.validation: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        for subject, data in trials.items():
            number = np.searchsorted(names, data.stimuli.astype(str))
            targets = (data.targets - mean) / scale
            for rows, place in (
                (~data.is_validation, self.train),
                (data.is_validation, self.validation),
            ):
                if rows.any():
                    place[subject] = (
                        torch.from_numpy(np.float32(data.responses[rows])).to(device),
                        torch.from_numpy(np.float32(targets[rows])).to(device),
                        torch.from_numpy(number[rows]).to(device),
                    )
        self.starts = np.cumsum([0] + [len(t[0]) for t in self.train.values()])
        self.n_trials = int(self.starts[-1])
        self.has_validation = bool(self.validation)

    def batch_loss(self, rows: np.ndarray, epoch: Epoch) -> Tensor:
        """Contrast plus regression for the training trials with the given numbers."""
        loss, network = self.loss, self.network
        chosen = [
            (name, data, rows[(rows >= start) & (rows < stop)] - start)
            for (name, data), start, stop in zip(
                self.train.items(), self.starts[:-1], self.starts[1:], strict=True
            )
        ]
        chosen = [(name, data, local) for name, data, local in chosen if len(local)]
        responses = {name: data[0][local] for name, data, local in chosen}
        targets = torch.cat([data[1][local] for _, data, local in chosen])
        stimuli = torch.cat([data[2][local] for _, data, local in chosen])
        n_mixing = round(loss.mixco_share * epoch.n_epochs)
        if epoch.number < n_mixing:
            mixes = {name: draw_mix(len(r), epoch.rng) for name, r in responses.items()}
            mix = join_mixes(list(mixes.values())).to(targets.device)
            mixed = {n: mix_rows(r, mixes[n].to(r.device)) for n, r in responses.items()}
            projection, regression = network(mixed)
            contrast = bimixco(projection, targets, network.temperature, mix, stimuli)
            targets = mix_rows(targets, mix)
        else:
            projection, regression = network(responses)
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
        for subject, (responses, targets, stimuli) in self.validation.items():
            projection, _ = self.network({subject: responses})
            ranks.append(_mean_rank(projection, targets, stimuli))
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
