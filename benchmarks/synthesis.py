"""Pictures drawn under guidance of an encoder, beside the same denoiser without any push.

    python benchmarks/synthesis.py --device cpu --n-pictures 16

Prints a markdown table. The push needs, at each step, the gradient through encoder, autoencoder and
denoiser; the denoiser itself runs once a step in both.
"""

import argparse
import time
from types import SimpleNamespace

import numpy as np
import torch

from calcarine.decoders.selectivity.guidance import Guidance, mean_of, synthesise
from calcarine.decoders.selectivity.latent_diffusion import load_latent_diffusion
from calcarine.encoders.devices import default_device
from calcarine.encoders.embedding_models import load_embedding_model
from calcarine.pipelines.synthesise import picture_responses


def measure(args: argparse.Namespace) -> str:
    diffusion = load_latent_diffusion(args.generator, args.device)
    model = load_embedding_model(args.model, device=args.device)
    weights = np.random.default_rng(0).normal(size=(model.embed_dim, args.n_units))
    encoder = SimpleNamespace(coef_=weights, intercept_=np.zeros(args.n_units))
    respond = picture_responses(model, encoder)
    objective = mean_of(np.full(args.n_units, 1 / args.n_units))
    seeds = range(args.n_pictures)

    def drawn(scale: float, some: range) -> np.ndarray:
        guidance = Guidance(scale, args.n_steps)
        return synthesise(
            diffusion, respond, objective, 1.0, some, guidance, batch_size=args.batch_size
        )

    drawn(1.0, seeds[: args.batch_size])  # libraries are loaded, kernels chosen
    seconds = {}
    for name, scale in (("no push", 0.0), ("guided", 20.0)):
        began = time.perf_counter()
        drawn(scale, seeds)
        seconds[name] = (time.perf_counter() - began) / args.n_pictures
    rows = [
        f"| {name} | {value:.3f} | {value / seconds['no push']:.2f} |"
        for name, value in seconds.items()
    ]
    return "\n".join(
        [
            f"{args.generator}, {args.device}, {torch.get_num_threads()} threads, "
            f"{args.n_pictures} pictures, {args.batch_size} at a time, {args.n_steps} steps, "
            f"{args.n_units} units",
            "",
            "| | seconds a picture | ratio |",
            "| --- | --- | --- |",
            *rows,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="calcarine:phantom-unclip")
    parser.add_argument("--model", default="calcarine:phantom-clip")
    parser.add_argument("--n-units", type=int, default=1000)
    parser.add_argument("--n-pictures", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--n-steps", type=int, default=20)
    parser.add_argument("--device", default=str(default_device()))
    print(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
