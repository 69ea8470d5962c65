"""Outputs of intermediate layers, and the shapes that they come in."""

import difflib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from calcarine.data.errors import CalcarineError
from calcarine.encoders.picture_network import PictureNetwork


def find_layer(module: nn.Module, name: str) -> nn.Module:
    """Find a layer by its name in `module.named_modules()`.

    Raises
    ------
    CalcarineError
        There is no such layer; names near to it are listed.
    """
    layers = {n: m for n, m in module.named_modules() if n}
    if name not in layers:
        near = difflib.get_close_matches(name, layers, n=6, cutoff=0.4)
        near += [n for n in layers if n.endswith(f".{name}") and n not in near][:6]
        shown = f"near names are {near}" if near else f"the first are {list(layers)[:12]}"
        raise CalcarineError(
            f"the network has no layer {name!r}; of its {len(layers)} layers {shown}."
        )
    return layers[name]


def layer_output(
    module: nn.Module, layer: str, forward: Callable[[torch.Tensor], Any], batch: torch.Tensor
) -> torch.Tensor:
    """Run a network and return what one of its layers put out.

    Parameters
    ----------
    module
        The network.
    layer
        Name of the layer.
    forward
        How the network is called on pictures.
    batch
        Transformed pictures, shape (n, 3, height, width).

    Returns
    -------
    torch.Tensor
        The layer's output (the first one where it has several), with its gradient.

    Raises
    ------
    CalcarineError
        The layer is not there, or a picture does not pass through it.
    """
    caught: list[torch.Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        caught.append(output[0] if isinstance(output, tuple | list) else output)

    handle = find_layer(module, layer).register_forward_hook(keep)
    try:
        forward(batch)
    finally:
        handle.remove()
    if not caught or caught[-1].shape[0] != len(batch):
        shapes = [tuple(c.shape) for c in caught]
        raise CalcarineError(
            f"the layer {layer!r} put out {shapes} for {len(batch)} pictures; expected one output "
            "with a row a picture. Name a layer that the whole picture passes through."
        )
    return caught[-1]


def as_tokens(output: torch.Tensor, network: PictureNetwork) -> torch.Tensor:
    """Lay a layer's output out as tokens.

    Parameters
    ----------
    output
        Shape (n, embed_dim), (n, n_tokens, embed_dim), or a feature map of four axes.
    network
        Says in which order the axes of its feature maps stand.

    Returns
    -------
    torch.Tensor
        Shape (n, n_tokens, embed_dim); a vector is one token, a position of a feature map is one.
    """
    if output.ndim == 2:
        return output[:, None]
    if output.ndim == 4:
        last = output.permute(0, 2, 3, 1) if network.feature_map == "NCHW" else output
        return last.flatten(1, 2)
    if output.ndim != 3:
        raise CalcarineError(
            f"a layer's output has the shape {tuple(output.shape)}; expected 2, 3 or 4 axes. "
            "Name another layer."
        )
    return output


def mean_token(tokens: torch.Tensor, network: PictureNetwork) -> torch.Tensor:
    """Average tokens, class and register tokens left out: shape (n, embed_dim)."""
    return tokens[:, _n_prefix(tokens, network) :].mean(dim=1)


def pooled_token(tokens: torch.Tensor, network: PictureNetwork) -> torch.Tensor:
    """Take the class token, or the mean where there is none: shape (n, embed_dim)."""
    if _n_prefix(tokens, network):
        return tokens[:, 0]
    return tokens.mean(dim=1)


def _n_prefix(tokens: torch.Tensor, network: PictureNetwork) -> int:
    # a sequence of another length (patches before the class token joins them) has no prefix
    return network.n_prefix_tokens if tokens.shape[1] == network.n_tokens else 0
