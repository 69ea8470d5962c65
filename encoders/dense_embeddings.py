"""Embeddings of places in a picture, in the space of the whole picture's embedding."""

from collections.abc import Callable
from typing import Any

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer
from torch.nn import functional

from calcarine.data.errors import CalcarineError
from calcarine.encoders.embedding_models import EmbeddingModel
from calcarine.encoders.layer_output import layer_output


def _vision_transformer(model: EmbeddingModel, batch: torch.Tensor) -> torch.Tensor:
    """Project the last tokens, class token left out, as the class token is projected."""
    visual: Any = model.network.module.visual
    assert model.network.tokens is not None
    tokens = model.network.tokens(batch)[:, model.network.n_prefix_tokens :]
    if visual.proj is not None:
        tokens = tokens @ visual.proj
    side = round(tokens.shape[1] ** 0.5)
    return tokens.reshape(len(batch), side, side, -1)


def _modified_resnet(model: EmbeddingModel, batch: torch.Tensor) -> torch.Tensor:
    """Send each place through the attention pool's value path alone (MaskCLIP).

    Zhou, Loy and Dai 2022, arXiv:2112.01071.
    """
    visual: Any = model.network.module.visual

    def convolutions(pictures: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = visual.stem(pictures)
        for name in ("layer1", "layer2", "layer3", "layer4"):
            out = getattr(visual, name)(out)
        return out

    grid = layer_output(model.network.module, "visual.layer4", convolutions, batch)
    places = grid.permute(0, 2, 3, 1)
    pool = visual.attnpool
    values = functional.linear(places, pool.v_proj.weight, pool.v_proj.bias)
    return functional.linear(values, pool.c_proj.weight, pool.c_proj.bias)


DENSE: dict[type, Callable[[EmbeddingModel, torch.Tensor], torch.Tensor]] = {
    VisionTransformer: _vision_transformer,
    ModifiedResNet: _modified_resnet,
}


def embed_places(model: EmbeddingModel, batch: torch.Tensor) -> torch.Tensor:
    """Embed each place of transformed pictures.

    Parameters
    ----------
    model
        CLIP-type model of open_clip.
    batch
        Shape (n, 3, height, width), transformed.

    Returns
    -------
    torch.Tensor
        Shape (n, rows, columns, embed_dim), on the model's device.

    Raises
    ------
    CalcarineError
        The network's picture tower is of another kind.
    """
    visual = getattr(model.network.module, "visual", None)
    for kind, embed in DENSE.items():
        if isinstance(visual, kind):
            return embed(model, batch.to(model.device))
    raise CalcarineError(
        f"{model.name} has a picture tower of the kind {type(visual).__name__}; places can be "
        f"embedded by {[k.__name__ for k in DENSE]}."
    )
