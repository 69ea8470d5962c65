"""CLIP-type networks by open_clip: public tags, folders, hub repositories."""

import json
from pathlib import Path
from typing import Any, Literal

import open_clip
import torch
from open_clip.transformer import VisionTransformer

from calcarine.data.errors import CalcarineError
from calcarine.encoders.picture_network import PictureNetwork, count_tokens, frozen
from calcarine.encoders.public_weights import cached_or_fetched, loading
from calcarine.encoders.timm_models import feature_map_axes

CONFIG_FILE = "open_clip_config.json"


def load_open_clip(identifier: str) -> PictureNetwork:
    """Load a network by its architecture and public tag.

    Parameters
    ----------
    identifier
        For instance `ViT-L-14/openai`.

    Raises
    ------
    CalcarineError
        There is no such architecture or tag, or its weights are not at hand.
    """
    architecture, _, tag = identifier.partition("/")
    if architecture not in open_clip.list_models():
        raise CalcarineError(
            f"open_clip has no architecture {architecture!r}. Write open_clip:ARCH/TAG, for "
            "instance open_clip:ViT-L-14/openai; `open_clip.list_models()` lists all."
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise CalcarineError(
            f"open_clip:{identifier} names no public tag of {architecture}; its tags are {tags}."
        )
    weights = open_clip.get_pretrained_cfg(architecture, tag)
    if not weights.get("hf_hub"):
        cache = Path("~/.cache/clip").expanduser()
        cached_or_fetched(f"open_clip:{identifier}", cache / Path(weights["url"]).name)
    with loading(f"open_clip:{identifier}"):
        model, transform = open_clip.create_model_from_pretrained(architecture, pretrained=tag)
        tokenizer = open_clip.get_tokenizer(architecture)
    settings = open_clip.get_model_config(architecture)
    return _network(model, transform, tokenizer, settings)


def load_open_clip_folder(folder: Path) -> PictureNetwork:
    """Load a network from a folder with `open_clip_config.json` and its weights."""
    name = f"local-dir:{folder}"
    with loading(name, f"Expected {CONFIG_FILE} and open_clip_model.safetensors in {folder}."):
        return _by_schema(name)


def load_open_clip_repository(repository: str) -> PictureNetwork:
    """Load a network from a hub repository with `open_clip_config.json`."""
    name = f"hf-hub:{repository}"
    with loading(name):
        return _by_schema(name)


def _by_schema(name: str) -> PictureNetwork:
    model, transform = open_clip.create_model_from_pretrained(name)
    return _network(
        model, transform, open_clip.get_tokenizer(name), open_clip.get_model_config(name)
    )


def _network(model: Any, transform: Any, tokenizer: Any, settings: Any) -> PictureNetwork:
    model = frozen(model)
    visual = model.visual

    def pooled(batch: torch.Tensor) -> torch.Tensor:
        return model.encode_image(batch, normalize=False)

    def vit_tokens(batch: torch.Tensor) -> torch.Tensor:
        last = visual.forward_intermediates(
            batch,
            indices=1,
            normalize_intermediates=True,
            intermediates_only=True,
            output_fmt="NLC",
            output_extra_tokens=True,
        )
        parts = [last["image_intermediates_prefix"][-1], last["image_intermediates"][-1]]
        return torch.cat(parts, dim=1)

    def texts(sentences: list[str], device: torch.device) -> torch.Tensor:
        return model.encode_text(tokenizer(sentences).to(device), normalize=False)

    tokens, n_prefix = None, 0
    feature_map: Literal["NCHW", "NHWC"] = "NCHW"
    if isinstance(visual, VisionTransformer) and visual.attn_pool is None:
        tokens, n_prefix = vit_tokens, 1
    elif hasattr(visual, "trunk"):
        tokens = visual.trunk.forward_features
        n_prefix = getattr(visual.trunk, "num_prefix_tokens", 0)
        feature_map = feature_map_axes(visual.trunk)
    return PictureNetwork(
        module=model,
        transform=transform,
        pooled=pooled,
        architecture=json.dumps(settings, sort_keys=True),
        tokens=tokens,
        texts=texts,
        n_prefix_tokens=n_prefix,
        n_tokens=count_tokens(tokens, transform) if tokens and n_prefix else None,
        feature_map=feature_map,
    )
