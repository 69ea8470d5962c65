"""Encoders that somebody has fitted already, loaded by name."""

import json
from pathlib import Path

import pandas as pd
from huggingface_hub import snapshot_download

from calcarine.data.errors import CalcarineError
from calcarine.encoders.voxel_encoder import KIND, VoxelEncoder

_FILES = ("config.json", "model.safetensors", "README.md")


def load_pretrained(name: str | Path, units: pd.DataFrame | None = None) -> VoxelEncoder:
    """Load a fitted encoder.

    Parameters
    ----------
    name
        `local-dir:PATH`, the path of a folder that exists, or `hf-hub:ORG/NAME`.
    units
        Units table of the responses that the predictions will be compared with; where it is given,
        its mask must be the encoder's.

    Returns
    -------
    VoxelEncoder
        Ready to `predict` pictures or embeddings.

    Raises
    ------
    CalcarineError
        The name is neither, the folder holds no encoder, or the masks differ.

    Examples
    --------
    Predict responses to a picture::

        from calcarine.encoders import load_pretrained

        encoder = load_pretrained("out/demo/sub-01/models/encoder-clip")
        responses = encoder.predict([Path("face.png")])
    """
    encoder = VoxelEncoder.load(_folder_of(str(name)))
    if units is not None:
        encoder.check_units(units)
    return encoder


def list_pretrained(root: str | Path = "out") -> list[str]:
    """List the encoders below a folder, named as `load_pretrained` takes them.

    Parameters
    ----------
    root
        Where to look, by default the output trees below the working directory.
    """
    found = []
    for config in sorted(Path(root).rglob("models/*/config.json")):
        try:
            kind = json.loads(config.read_text(encoding="utf-8")).get("kind")
        except (OSError, ValueError, AttributeError):
            continue
        if kind == KIND:
            found.append(f"local-dir:{config.parent.as_posix()}")
    return found


def _folder_of(name: str) -> Path:
    prefix, _, rest = name.partition(":")
    if prefix == "local-dir":
        return Path(rest).expanduser()
    if prefix == "hf-hub":
        return _fetched(rest)
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    raise CalcarineError(
        f"there is no encoder {name!r}: it is no folder that exists and has no prefix. Write "
        f"local-dir:PATH for a model folder, or hf-hub:ORG/NAME for a repository"
        f"{f', e.g. hf-hub:{name}' if name.count('/') == 1 else ''}."
    )


def _fetched(repository: str) -> Path:
    try:
        return Path(snapshot_download(repository, allow_patterns=list(_FILES)))
    except Exception as error:  # the library raises a dozen types, from offline to no access
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CalcarineError(
            f"cannot fetch hf-hub:{repository}: {first} Check the name and the network (with "
            "HF_HUB_OFFLINE set only the local cache is looked at), or name a folder: "
            "local-dir:PATH."
        ) from error
