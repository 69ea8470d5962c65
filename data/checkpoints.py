"""Checkpoints of a training: arrays and a few JSON values, in a folder that appears whole."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from calcarine.data.atomic import new_folder
from calcarine.data.digests import text_sha


def write_checkpoint(
    folder: Path, key: str, tensors: dict[str, np.ndarray], state: dict[str, Any]
) -> None:
    """Write a checkpoint over the one before.

    Parameters
    ----------
    folder
        Where; outside the declared outputs of a step, so that a failed job leaves it alone.
    key
        What it belongs to: a hash of data and settings.
    tensors
        Arrays by name.
    state
        JSON values.
    """
    with new_folder(folder) as temporary:
        save_file(tensors, temporary / "state.safetensors")
        text = json.dumps({"key": key, "state": state})
        (temporary / "state.json").write_text(text, encoding="utf-8")


def read_checkpoint(folder: Path, key: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Read a checkpoint.

    Returns
    -------
    tuple or None
        Arrays and JSON values; None where there is no whole checkpoint of that key.
    """
    try:
        written = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "state.safetensors")
    except (OSError, ValueError, SafetensorError):
        return None
    return (tensors, written["state"]) if written.get("key") == key else None


def checkpoint_of(folder: Path, fold: str) -> Path:
    """Name the checkpoint of a fold.

    Folds are called after what the data say (a run, a concept, a column of events.tsv), which is
    no file name: `..` would lead out of the folder.

    Parameters
    ----------
    folder
        Where the checkpoints of all folds are.
    fold
        Name of the fold.

    Examples
    --------
    >>> checkpoint_of(Path("work"), "../run 1").as_posix()
    'work/run-1-c10a0e52'
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "-", fold).strip("-")[:40]
    return folder / f"{plain}-{text_sha(fold)[:8]}"


def remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)
