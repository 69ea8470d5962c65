"""Pictures that drive units: a diffusion model pushed by the gradient of an encoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.utils.torch_utils import randn_tensor

from calcarine.data.errors import CalcarineError
from calcarine.decoders.selectivity.latent_diffusion import LatentDiffusion

Objective = Callable[[torch.Tensor], torch.Tensor]
PictureEncoder = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Guidance:
    """How hard and when the encoder pushes.

    Attributes
    ----------
    scale
        γ, in units of the objective's spread over natural pictures; 0 is off.
    n_steps
        Denoising steps.
    first, last
        The encoder pushes while √ᾱ (the share of signal in the latents) lies between these: there
        is nothing to see in pure noise, and late pushes only add texture.
    max_push
        Largest root mean square of a push, where the noise estimate has about one: a steeper
        gradient is shortened, so that no step leaves what the denoiser knows.
    """

    scale: float = 20.0
    n_steps: int = 20
    first: float = 0.1
    last: float = 0.995
    max_push: float = 0.3


def mean_of(mixing: np.ndarray | torch.Tensor) -> Objective:
    """Maximise a weighted sum of units: the mean of a set, or the difference of two means.

    Parameters
    ----------
    mixing
        Weight of each unit, shape (n_units,).
    """
    weights = torch.as_tensor(mixing, dtype=torch.float32)

    def objective(responses: torch.Tensor) -> torch.Tensor:
        return responses @ weights.to(responses)

    return objective


def discriminative(sets: Sequence[np.ndarray], chosen: int, temperature: float = 1.6) -> Objective:
    """Maximise how much one set of units responds more than the others do.

    J_c = r̄_c/τ − log mean_k exp(r̄_k/τ), with r̄ the mean response of each set (most
    discriminative stimuli: Burg et al. 2024, arXiv:2401.05342).

    Parameters
    ----------
    sets
        Row numbers of the units of each set.
    chosen
        Which set is to win.
    temperature
        τ.
    """
    members = [torch.as_tensor(np.asarray(rows), dtype=torch.int64) for rows in sets]

    def objective(responses: torch.Tensor) -> torch.Tensor:
        device = responses.device
        means = torch.stack([responses[:, m.to(device)].mean(dim=1) for m in members], dim=1)
        scaled = means / temperature
        log_mean = torch.logsumexp(scaled, dim=1) - float(np.log(len(members)))
        return scaled[:, chosen] - log_mean

    return objective


def matching(pattern: np.ndarray) -> Objective:
    """Maximise the correlation of responses with a target pattern over units.

    Parameters
    ----------
    pattern
        Shape (n_units,), not constant.
    """
    target = torch.as_tensor(np.asarray(pattern), dtype=torch.float32)
    target = target - target.mean()
    if not target.any():
        raise CalcarineError("the target pattern is constant; there is nothing to match.")
    target = target / target.norm()

    def objective(responses: torch.Tensor) -> torch.Tensor:
        centred = responses - responses.mean(dim=1, keepdim=True)
        return centred @ target.to(responses) / centred.norm(dim=1).clamp_min(1e-8)

    return objective


def synthesise(
    diffusion: LatentDiffusion,
    encoder: PictureEncoder,
    objective: Objective,
    spread: float,
    seeds: Sequence[int],
    guidance: Guidance,
    embeddings: np.ndarray | None = None,
    batch_size: int = 8,
) -> np.ndarray:
    """Draw pictures that drive an objective (BrainDiVE: Luo et al. 2023, arXiv:2306.03089).

    At each step the noise estimate becomes ε̂ − γ √(1−ᾱ) ∇_z J / spread(J), where J is the encoder's
    response to the decoded picture of √(1−ᾱ)·ẑ₀ + (1−√(1−ᾱ))·z and ẑ₀ is the clean latent that the
    noise estimate implies. The gradient runs through encoder, autoencoder and denoiser, whose one
    forward pass a step serves both the estimate and the gradient. As published the denoiser knows
    of no picture; given an embedding it begins with what that tells, and the gradient goes on.

    Parameters
    ----------
    diffusion
        Latent diffusion model.
    encoder
        Pictures (n, 3, height, width) from 0 to 1 to responses (n, n_units), differentiable.
    objective
        Responses (n, n_units) to what is maximised (n,).
    spread
        Standard deviation of the objective over natural pictures: a scale then means the same for
        every encoder.
    seeds
        One a picture; a picture does not depend on its batch.
    guidance
        How hard and when.
    embeddings
        Image embeddings that the denoiser is conditioned on, one a picture, shape (n, embed_dim).
    batch_size
        Pictures at a time.

    Returns
    -------
    numpy.ndarray
        uint8, shape (n, height, width, 3).

    Raises
    ------
    CalcarineError
        The spread is not positive, or the denoiser does not know such embeddings.
    """
    if not spread > 0:
        raise CalcarineError(
            f"the objective has the spread {spread} over natural pictures; a positive one is "
            "needed. The encoder does not tell pictures apart."
        )
    condition = None if embeddings is None else _condition(diffusion, embeddings)
    parts = []
    for start in range(0, len(seeds), batch_size):
        rows = slice(start, start + batch_size)
        noise = [torch.Generator("cpu").manual_seed(int(seed)) for seed in seeds[rows]]
        given = None if condition is None else condition[rows]
        push = _Push(diffusion, encoder, objective, spread, guidance, given)
        latents = _denoise(push, noise)
        with torch.no_grad():
            shares = diffusion.decode(latents).clamp(0, 1)
        parts.append((shares * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(parts)


def _condition(diffusion: LatentDiffusion, embeddings: np.ndarray) -> torch.Tensor:
    if diffusion.condition_of is None:
        raise CalcarineError(
            f"{diffusion.name} is not conditioned on image embeddings. Write `condition: none`, or "
            "take a stable-unCLIP model."
        )
    return diffusion.condition_of(embeddings)


@dataclass(frozen=True)
class _Push:
    """All that a guided step needs beside the latents."""

    diffusion: LatentDiffusion
    encoder: PictureEncoder
    objective: Objective
    spread: float
    guidance: Guidance
    condition: torch.Tensor | None

    def output(self, latents: torch.Tensor, t: int) -> torch.Tensor:
        """Give the denoiser's output at step t, its noise estimate pushed where guidance is on."""
        diffusion, guidance = self.diffusion, self.guidance
        signal = diffusion.scheduler.alphas_cumprod[t].sqrt().to(latents)
        kind = diffusion.scheduler.config.prediction_type
        time = torch.as_tensor(t, device=latents.device)
        if not (guidance.scale > 0 and guidance.first <= float(signal) <= guidance.last):
            with torch.no_grad():
                return diffusion.predict(latents, time, self.condition)
        with torch.enable_grad():
            given = latents.detach().requires_grad_(True)
            output = diffusion.predict(given, time, self.condition)
            epsilon = as_noise(output, given, signal, kind)
            push = self._gradient(given, epsilon, signal) / self.spread
        push = guidance.scale * (1 - signal**2).sqrt() * push
        epsilon = epsilon.detach() - _shortened(push, guidance.max_push)
        return from_noise(epsilon, latents, signal, kind).detach()

    def _gradient(
        self, latents: torch.Tensor, epsilon: torch.Tensor, signal: torch.Tensor
    ) -> torch.Tensor:
        """Give the gradient of the objective at each latent; pictures do not see each other."""
        rest = (1 - signal**2).sqrt()
        clean = (latents - rest * epsilon) / signal
        seen = self.diffusion.decode(rest * clean + (1 - rest) * latents).clamp(0, 1)
        value = self.objective(self.encoder(seen.float())).sum()
        (gradient,) = torch.autograd.grad(value, latents)
        return gradient


def _denoise(push: _Push, noise: list[torch.Generator]) -> torch.Tensor:
    diffusion = push.diffusion
    scheduler = diffusion.scheduler
    scheduler.set_timesteps(push.guidance.n_steps, device=diffusion.device)
    shape = (len(noise), *diffusion.latent_shape)
    latents = randn_tensor(shape, generator=noise, device=diffusion.device, dtype=diffusion.dtype)
    latents = latents * scheduler.init_noise_sigma
    for t in map(int, scheduler.timesteps):
        latents = scheduler.step(push.output(latents, t), t, latents, return_dict=False)[0]
    return latents


def _shortened(push: torch.Tensor, largest: float) -> torch.Tensor:
    """Shorten each picture's push to a largest root mean square."""
    size = push.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return push * (largest / size.clamp_min(1e-12)).clamp(max=1.0)


def as_noise(
    output: torch.Tensor, latents: torch.Tensor, signal: torch.Tensor, prediction_type: str
) -> torch.Tensor:
    """Turn what a denoiser predicts into its noise estimate.

    Parameters
    ----------
    output
        Prediction of noise (`epsilon`), velocity (`v_prediction`) or clean latents (`sample`).
    latents
        What it was given.
    signal
        √ᾱ of the step.
    prediction_type
        As the scheduler names it.
    """
    rest = (1 - signal**2).sqrt()
    if prediction_type == "epsilon":
        return output
    if prediction_type == "v_prediction":
        return signal * output + rest * latents
    if prediction_type == "sample":
        return (latents - signal * output) / rest
    raise CalcarineError(
        f"the scheduler predicts {prediction_type!r}; expected epsilon, v_prediction or sample."
    )


def from_noise(
    epsilon: torch.Tensor, latents: torch.Tensor, signal: torch.Tensor, prediction_type: str
) -> torch.Tensor:
    """Turn a noise estimate into what the scheduler expects of the denoiser, see `as_noise`."""
    rest = (1 - signal**2).sqrt()
    if prediction_type == "epsilon":
        return epsilon
    clean = (latents - rest * epsilon) / signal
    return clean if prediction_type == "sample" else signal * epsilon - rest * clean
