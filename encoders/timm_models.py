"""Picture networks by timm: DINOv2 and the like, folders, hub repositories."""

import difflib
import json
from pathlib import Path
from typing import Any, Literal

import timm
import torch

from calcarine.data.errors import CalcarineError
from calcarine.encoders.picture_network import PictureNetwork, count_tokens, frozen
from calcarine.encoders.public_weights import cached_or_fetched, loading

CONFIG_FILE = "config.json"


def load_timm(identifier: str) -> PictureNetwork:
    """Load a network by its timm name, without its classifier.

    Parameters
    ----------
    identifier
        For instance `vit_small_patch14_dinov2.lvd142m`.

    Raises
    ------
    CalcarineError
        There is no such network, it has no weights, or they are not at hand.
    """
    if not timm.is_model(identifier):
        near = difflib.get_close_matches(identifier, timm.list_models(pretrained=True), n=6)
        raise CalcarineError(
            f"timm has no network {identifier!r}; near names are {near}. "
            "`timm.list_pretrained()` lists all."
        )
    weights = timm.get_pretrained_cfg(identifier)
    if weights is None or not weights.has_weights:
        tags = timm.list_pretrained(f"{identifier.partition('.')[0]}.*")
        raise CalcarineError(
            f"timm:{identifier} has no pretrained weights; with weights there are {tags}."
        )
    if not weights.hf_hub_id and weights.url:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        cached_or_fetched(f"timm:{identifier}", cache / Path(weights.url).name)
    with loading(f"timm:{identifier}"):
        return _network(timm.create_model(identifier, pretrained=True))


def load_timm_folder(folder: Path) -> PictureNetwork:
    """Load a network from a folder with `config.json` and `model.safetensors`."""
    name = f"local-dir:{folder}"
    with loading(name, f"Expected timm's {CONFIG_FILE} and model.safetensors in {folder}."):
        return _network(timm.create_model(name, pretrained=True))


def load_timm_repository(repository: str) -> PictureNetwork:
    """Load a network from a hub repository in timm's format."""
    name = f"hf-hub:{repository}"
    with loading(name):
        return _network(timm.create_model(name, pretrained=True))


def _network(model: Any) -> PictureNetwork:
    # not `num_classes=0` above: timm then accepts weights that lack half of the network
    if model.num_classes:
        model.reset_classifier(0)
    model = frozen(model)
    settings = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**settings, is_training=False)
    n_prefix = getattr(model, "num_prefix_tokens", 0)
    source = model.pretrained_cfg
    architecture = {"name": source.get("architecture"), "args": source.get("model_args")}
    return PictureNetwork(
        module=model,
        transform=transform,
        pooled=model.forward,
        architecture=json.dumps(architecture, sort_keys=True, default=str),
        tokens=model.forward_features,
        n_prefix_tokens=n_prefix,
        n_tokens=count_tokens(model.forward_features, transform) if n_prefix else None,
        feature_map=feature_map_axes(model),
    )


def feature_map_axes(model: Any) -> Literal["NCHW", "NHWC"]:
    """Tell in which order the axes of a network's feature maps stand."""
    return "NHWC" if getattr(model, "output_fmt", "NCHW") == "NHWC" else "NCHW"
