"""Small diffusion prior: from what a decoder predicts to an embedding that a picture could have.

A regression shrinks what it is not sure of; a generator wants embeddings as pictures have them.
The prior is trained on the embeddings of training stimuli and on brains simulated from them: a
channel, fitted on validation trials, says how a decoder's prediction follows from the truth. It
never sees predictions for trials that the decoder was trained on, which are too good.
"""

import json
import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from calcarine.data.digests import array_sha, text_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.seeds import derive_seed
from calcarine.encoders.network_weights import fill_network, weight_arrays
from calcarine.encoders.training import Epoch, TrainingPlan, train


@dataclass(frozen=True)
class PriorShape:
    """Size of the prior.

    Attributes
    ----------
    hidden_dim, n_blocks
        Width and depth of the residual network.
    n_noise_levels
        Noise levels of the training.
    condition_dropout
        Share of training items that do not see the brain.
    """

    hidden_dim: int = 256
    n_blocks: int = 3
    n_noise_levels: int = 1000
    condition_dropout: float = 0.1


@dataclass(frozen=True)
class Channel:
    """How a decoder's prediction follows from the truth: b = gain · t + offset + noise.

    Attributes
    ----------
    gain, offset
        Least squares of each dimension, shape (embed_dim,).
    noise_root
        Root L of the shrunk residual covariance, noise = L z, shape (embed_dim, embed_dim).
    """

    gain: np.ndarray
    offset: np.ndarray
    noise_root: np.ndarray

    @classmethod
    def fit(cls, predicted: np.ndarray, truth: np.ndarray) -> Self:
        """Fit on validation trials.

        Parameters
        ----------
        predicted, truth
            Shape (n_trials, embed_dim): trials that the decoder was not trained on.

        Raises
        ------
        CalcarineError
            Fewer than eight trials.
        """
        if predicted.shape != truth.shape or len(truth) < 8:
            raise CalcarineError(
                f"{len(predicted)} predictions of shape {predicted.shape} came with truth of shape "
                f"{truth.shape}; a prior needs at least eight validation trials. Raise "
                "`split.validation`."
            )
        from sklearn.covariance import LedoitWolf

        p, t = predicted.astype(np.float64), truth.astype(np.float64)
        centred = t - t.mean(axis=0)
        variance = (centred**2).mean(axis=0)
        gain = (centred * (p - p.mean(axis=0))).mean(axis=0) / np.maximum(variance, 1e-12)
        offset = p.mean(axis=0) - gain * t.mean(axis=0)
        covariance = LedoitWolf().fit(p - gain * t - offset).covariance_
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        return cls(*(a.astype(np.float32) for a in (gain, offset, root)))

    def simulate(self, truth: Tensor, noise: Tensor) -> Tensor:
        """Give what a decoder would predict, for true embeddings and standard normal noise."""
        gain, offset, root = (
            torch.from_numpy(a).to(truth.device) for a in (self.gain, self.offset, self.noise_root)
        )
        return gain * truth + offset + noise @ root.T


def signal_share(level: Tensor) -> Tensor:
    """Give ᾱ of the cosine schedule (Nichol & Dhariwal 2021, doi:10.48550/arXiv.2102.09672).

    Parameters
    ----------
    level
        0 (clean) … 1 (noise).
    """
    s = 0.008
    wave = torch.cos((level + s) / (1 + s) * math.pi / 2) ** 2
    return (wave / math.cos(s / (1 + s) * math.pi / 2) ** 2).clamp(1e-5, 1.0)


class _Denoiser(nn.Module):
    """Predict the clean embedding from a noisy one, the brain and the noise level."""

    def __init__(self, embed_dim: int, shape: PriorShape) -> None:
        super().__init__()
        width = shape.hidden_dim
        self.inside = nn.Linear(2 * embed_dim + 1, width)
        self.level = nn.Sequential(nn.Linear(16, width), nn.GELU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
            )
            for _ in range(shape.n_blocks)
        )
        self.outside = nn.Linear(width, embed_dim)

    def forward(self, noisy: Tensor, brain: Tensor, is_told: Tensor, level: Tensor) -> Tensor:
        waves = level[:, None] * math.pi * 2.0 ** torch.arange(8, device=level.device)
        told = self.level(torch.cat([waves.sin(), waves.cos()], dim=1))
        hidden = self.inside(torch.cat([noisy, brain * is_told, is_told], dim=1))
        for block in self.blocks:
            hidden = hidden + block(hidden + told)
        out: Tensor = self.outside(hidden)
        return out


class DiffusionPrior:
    """Sample embeddings that a picture could have, given what a decoder predicts.

    Trained to predict x₀ (Ramesh et al. 2022, doi:10.48550/arXiv.2204.06125; Scotti et al. 2023):
    E ‖t − f(√ᾱ t + √(1 − ᾱ) ε, level, b)‖².

    Parameters
    ----------
    shape
        Size.
    plan
        How long and how fast to train.
    checkpoint
        Folder that an interrupted training goes on from; without it, it starts again.
    """

    def __init__(
        self, shape: PriorShape, plan: TrainingPlan, checkpoint: Path | None = None
    ) -> None:
        self.shape, self.plan, self.checkpoint = shape, plan, checkpoint

    def fit(self, targets: np.ndarray, channel: Channel) -> Self:
        """Train on embeddings of training stimuli.

        Parameters
        ----------
        targets
            Shape (n_stimuli, embed_dim), each stimulus once.
        channel
            From validation trials.
        """
        self.mean_ = targets.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.scale_ = float(max(targets.std(axis=0, dtype=np.float64).mean(), 1e-6))
        clean = torch.from_numpy(np.ascontiguousarray(targets, dtype=np.float32))
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self.plan.seed, "weights"))
            self.network_ = _Denoiser(targets.shape[1], self.shape)

        def batch_loss(rows: np.ndarray, epoch: Epoch) -> Tensor:
            own = clean[rows]
            brain = self._inside(channel.simulate(own, torch.randn_like(own)))
            wanted = self._inside(own)
            level = torch.randint(1, self.shape.n_noise_levels + 1, (len(own),))
            level = level / self.shape.n_noise_levels
            share = signal_share(level)[:, None]
            noisy = share.sqrt() * wanted + (1 - share).sqrt() * torch.randn_like(wanted)
            is_told = (torch.rand(len(own), 1) >= self.shape.condition_dropout).float()
            found = self.network_(noisy, brain, is_told, level)
            return (found - wanted).square().mean()

        key = "" if self.checkpoint is None else self._key(targets, channel)
        train(self.network_, len(clean), batch_loss, None, self.plan, self.checkpoint, key)
        return self

    def _key(self, targets: np.ndarray, channel: Channel) -> str:
        told = json.dumps([asdict(self.shape), asdict(self.plan)], sort_keys=True)
        arrays = (targets, channel.gain, channel.offset, channel.noise_root)
        return text_sha(" ".join([told, *(array_sha(a) for a in arrays)]))

    def _inside(self, values: Tensor) -> Tensor:
        return (values - torch.from_numpy(self.mean_)) / self.scale_

    def sample(
        self, predicted: np.ndarray, seeds: list[int], n_steps: int = 30, n_samples: int = 1
    ) -> np.ndarray:
        """Sample embeddings, deterministically from the first noise on (DDIM).

        Parameters
        ----------
        predicted
            What a decoder predicts, shape (n_items, embed_dim).
        seeds
            One an item, so that an item alone equals the item in a batch.
        n_steps
            Denoising steps.
        n_samples
            Samples that are averaged; many approach the mean of what is possible, which loses
            the length that pictures have.

        Returns
        -------
        numpy.ndarray
            float32, shape (n_items, embed_dim).

        Raises
        ------
        CalcarineError
            There is not one seed an item.
        """
        if len(seeds) != len(predicted):
            raise CalcarineError(f"{len(seeds)} seeds came for {len(predicted)} items; one each.")
        brain = self._inside(torch.from_numpy(np.array(predicted, dtype=np.float32)))
        brain = brain.repeat_interleave(n_samples, dim=0)
        noise = [_noise(s, n_samples, predicted.shape[1]) for s in seeds]
        noisy = torch.cat([torch.empty(0, predicted.shape[1]), *noise])
        levels = torch.linspace(1, 0, n_steps + 1)
        is_told = torch.ones(len(noisy), 1)
        self.network_.eval()
        with torch.no_grad():
            for now, then in pairwise(levels):
                share, next_share = signal_share(now), signal_share(then)
                clean = self.network_(noisy, brain, is_told, now.expand(len(noisy)))
                epsilon = (noisy - share.sqrt() * clean) / (1 - share).sqrt()
                noisy = next_share.sqrt() * clean + (1 - next_share).sqrt() * epsilon
        out = clean.reshape(len(predicted), n_samples, -1).mean(dim=1) if len(noisy) else noisy
        return out.numpy() * self.scale_ + self.mean_

    def to_model(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give what a model folder stores."""
        tensors = weight_arrays(self.network_)
        config = {"shape": asdict(self.shape), "plan": asdict(self.plan), "scale": self.scale_}
        return config, {**tensors, "mean": self.mean_}

    @classmethod
    def from_model(cls, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Self:
        """Rebuild a fitted prior."""
        prior = cls(PriorShape(**config["shape"]), TrainingPlan(**config["plan"]))
        prior.mean_, prior.scale_ = tensors["mean"], config["scale"]
        prior.network_ = _Denoiser(len(prior.mean_), prior.shape)
        fill_network(prior.network_, tensors)
        return prior


def _noise(seed: int, n_samples: int, embed_dim: int) -> Tensor:
    drawn = np.random.default_rng(seed).standard_normal((n_samples, embed_dim), dtype=np.float32)
    return torch.from_numpy(drawn)
