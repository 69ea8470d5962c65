"""Folders and hub repositories: which library wrote them, told by their configuration file."""

from pathlib import Path

from huggingface_hub import file_exists, try_to_load_from_cache

from calcarine.data.errors import CalcarineError
from calcarine.encoders import open_clip_models, timm_models
from calcarine.encoders.picture_network import PictureNetwork
from calcarine.encoders.public_weights import loading, may_download


def load_folder(folder: Path) -> PictureNetwork:
    """Load a network from a folder in open_clip's or timm's format.

    Raises
    ------
    CalcarineError
        The folder is not there or is neither.
    """
    if (folder / open_clip_models.CONFIG_FILE).is_file():
        return open_clip_models.load_open_clip_folder(folder)
    if (folder / timm_models.CONFIG_FILE).is_file():
        return timm_models.load_timm_folder(folder)
    what = "holds neither" if folder.is_dir() else "is not there; expected a folder with"
    raise CalcarineError(
        f"local-dir:{folder} {what} {open_clip_models.CONFIG_FILE} (open_clip) "
        f"or {timm_models.CONFIG_FILE} (timm)."
    )


def load_repository(repository: str) -> PictureNetwork:
    """Load a network from a hub repository `ORG/NAME` in open_clip's or timm's format."""
    with loading(f"hf-hub:{repository}"):
        is_open_clip = _has_file(repository, open_clip_models.CONFIG_FILE)
    if is_open_clip:
        return open_clip_models.load_open_clip_repository(repository)
    return timm_models.load_timm_repository(repository)


def _has_file(repository: str, file: str) -> bool:
    if isinstance(try_to_load_from_cache(repository, file), str):
        return True
    return may_download() and file_exists(repository, file)
