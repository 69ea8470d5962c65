"""Encoders that somebody has fitted already, loaded by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import snapshot_download

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import read_model, whole_model
from calcarine.encoders import banded_encoder, joint_encoder, voxel_encoder
from calcarine.encoders.unit_space import SPACE_KEYS

FILES = ("config.json", "model.safetensors", "README.md")
BUNDLED = Path(__file__).parent / "weights" / "encoders"


def _network(folder: Path) -> Any:
    # torch takes seconds; encoders that are matrices need none of it
    from calcarine.encoders.networks.network_encoder import NetworkEncoder

    return NetworkEncoder.load(folder)


def _ensemble(folder: Path) -> Any:
    from calcarine.encoders.networks.layer_ensemble import LayerEnsemble

    return LayerEnsemble.load(folder)


LOADERS: dict[str, Callable[[Path], Any]] = {
    voxel_encoder.KIND: voxel_encoder.VoxelEncoder.load,
    banded_encoder.KIND: banded_encoder.BandedEncoder.load,
    joint_encoder.KIND: joint_encoder.JointEncoder.load,
    "network-encoder": _network,
    "layer-ensemble": _ensemble,
}
"""What reads a model folder, by the `kind` of its config.json."""


def load_pretrained(
    name: str | Path, units: pd.DataFrame | None = None, check_embedding: bool = True
) -> Any:
    """Load a fitted encoder.

    Its mask must be the one that its config.json names. Where it predicts from pictures and their
    network is at hand, network and transform must be those that it was fitted on.

    Parameters
    ----------
    name
        A bundled encoder (`calcarine:phantom-sub-01`, see `list_pretrained`), `local-dir:PATH`, the
        path of a folder that exists, or `hf-hub:ORG/NAME`.
    units
        Units table of the responses that the predictions will be compared with; where it is given,
        its mask must be the encoder's.
    check_embedding
        Load the network that embeds pictures and compare it now. False: when it is first needed.

    Returns
    -------
    VoxelEncoder
        Or another kind of encoder. `predict` takes pictures or embeddings, `units` says where the
        columns of a prediction lie, `to_volume` and `to_surface` put values there.

    Raises
    ------
    CalcarineError
        The name is neither, the folder holds no encoder, or mask, network or transform differ.

    Examples
    --------
    Predict responses to a picture::

        from calcarine.encoders import load_pretrained

        encoder = load_pretrained("calcarine:phantom-sub-01")
        responses = encoder.predict("face.png")  # (1, n_voxels)
        encoder.to_surface(responses[0])
    """
    folder = _folder_of(str(name))
    config = read_model(folder)[0]
    kind = config.get("kind")
    if kind not in LOADERS:
        raise CalcarineError(
            f"{folder} holds a model of kind {kind!r}, which is no encoder; encoders are of kind "
            f"{sorted(LOADERS)}."
        )
    with whole_model(folder):
        encoder = LOADERS[kind](folder)
    if encoder.units_sha != config["units_sha"]:
        raise CalcarineError(
            f"{folder}: the units have the mask {encoder.units_sha[:12]}, config.json says "
            f"{str(config['units_sha'])[:12]}; the folder was changed. Fit or fetch it again."
        )
    encoder.space = {key: config[key] for key in SPACE_KEYS if key in config}
    if units is not None:
        encoder.check_units(units)
    if check_embedding and hasattr(encoder, "check_embedding"):
        _check_embedding(encoder)
    return encoder


def _check_embedding(encoder: Any) -> None:
    """Compare the network that is at hand with the encoder's, and keep it for predictions."""
    wanted = encoder.embedding
    if wanted.get("input", "pictures") != "pictures":
        return
    from calcarine.encoders.embedding_models import load_embedding_model

    try:
        model = load_embedding_model(wanted["model"], wanted["layer"], wanted["pooling"])
    except CalcarineError:
        return  # not at hand; `predict` says so where pictures are given
    encoder.check_embedding(model)
    encoder.embedding_model = model


def list_pretrained(root: str | Path = "out") -> list[str]:
    """List the bundled encoders and those below a folder, named as `load_pretrained` takes them.

    Parameters
    ----------
    root
        Where to look, by default the output trees below the working directory.

    Examples
    --------
    >>> list_pretrained()[0]
    'calcarine:phantom-sub-01'
    """
    found = [f"calcarine:{name}" for name in bundled_encoders()]
    for config in sorted(Path(root).rglob("models/*/config.json")):
        try:
            kind = json.loads(config.read_text(encoding="utf-8")).get("kind")
        except (OSError, ValueError, AttributeError):
            continue
        if kind in LOADERS:
            found.append(f"local-dir:{config.parent.as_posix()}")
    return found


def bundled_encoders() -> list[str]:
    """List the names of the encoders that come with the package."""
    return sorted(p.parent.name for p in BUNDLED.glob("*/config.json"))


def _folder_of(name: str) -> Path:
    prefix, _, rest = name.partition(":")
    if prefix == "local-dir":
        return Path(rest).expanduser()
    if prefix == "hf-hub":
        return _fetched(rest)
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    bundled = rest if prefix == "calcarine" else name
    if bundled in bundled_encoders():
        return BUNDLED / bundled
    raise CalcarineError(
        f"there is no encoder {name!r}: it is no folder that exists, none of the bundled "
        f"{[f'calcarine:{n}' for n in bundled_encoders()]}, and has no prefix. Write "
        f"local-dir:PATH for a model folder, or hf-hub:ORG/NAME for a repository"
        f"{f', e.g. hf-hub:{name}' if name.count('/') == 1 else ''}."
    )


def _fetched(repository: str) -> Path:
    try:
        return Path(snapshot_download(repository, allow_patterns=list(FILES)))
    except Exception as error:  # the library raises a dozen types, from offline to no access
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CalcarineError(
            f"cannot fetch hf-hub:{repository}: {first} Check the name and the network (with "
            "HF_HUB_OFFLINE set only the local cache is looked at), or name a folder: "
            "local-dir:PATH."
        ) from error
