"""Model folders: `config.json`, `model.safetensors`, `README.md`; never a pickle."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from calcarine.data.atomic import new_file, new_folder
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json

CARD_FIELDS = (
    "data",
    "licence",
    "split",
    "units",
    "preprocessing",
    "target",
    "scores",
    "seed",
    "version",
)


def model_card(title: str, fields: dict[str, str]) -> str:
    """Write a model card.

    Parameters
    ----------
    title
        What the model does, in one line.
    fields
        Text for each of `CARD_FIELDS`.

    Raises
    ------
    CalcarineError
        A field is missing or empty.
    """
    missing = [name for name in CARD_FIELDS if not str(fields.get(name, "")).strip()]
    if missing:
        raise CalcarineError(f"the model card of {title!r} lacks {missing}; fill every field.")
    lines = [f"# {title}", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {fields[name]} |" for name in CARD_FIELDS]
    return "\n".join(lines) + "\n"


def write_model(
    folder: Path, config: dict[str, Any], tensors: dict[str, np.ndarray], card: str
) -> None:
    """Write a model folder, whole or not at all.

    Parameters
    ----------
    folder
        Where.
    config
        JSON values; `kind` names the class that reads it.
    tensors
        Arrays by name.
    card
        Text of `README.md`.
    """
    if "kind" not in config:
        raise CalcarineError(f"the configuration of {folder} needs the key `kind`.")
    with new_folder(folder) as temporary:
        text = json.dumps(config, indent=2, sort_keys=True, allow_nan=False)
        (temporary / "config.json").write_text(text + "\n", encoding="utf-8")
        contiguous = {name: np.asarray(a, order="C") for name, a in tensors.items()}
        save_file(contiguous, temporary / "model.safetensors")
        (temporary / "README.md").write_text(card, encoding="utf-8")


def add_to_config(folder: Path, more: dict[str, Any]) -> None:
    """Add keys to the `config.json` of a model folder that is there already."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | more
    text = json.dumps(config, indent=2, sort_keys=True, allow_nan=False)
    with new_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_card(folder: Path) -> tuple[str, dict[str, str]]:
    """Read a model card: its title and the text of each field that it has.

    Raises
    ------
    CalcarineError
        There is no card.
    """
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CalcarineError(
            f"{folder} has no model card (README.md). Save the model again, or write one with the "
            f"fields {list(CARD_FIELDS)}."
        ) from error
    title = next((t[2:].strip() for t in text.splitlines() if t.startswith("# ")), "")
    cells = (line.strip().strip("|").split("|", 1) for line in text.splitlines() if "|" in line)
    rows = {c[0].strip(): c[1].strip() for c in cells if len(c) == 2}
    return title, {name: rows[name] for name in CARD_FIELDS if rows.get(name)}


@contextmanager
def whole_model(folder: Path) -> Iterator[None]:
    """Say of a model folder that its parts do not belong together, where reading them fails.

    Raises
    ------
    CalcarineError
        A key or an array is missing, or has another type or shape than the model needs.
    """
    try:
        yield
    except CalcarineError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        what = "lacks" if isinstance(error, KeyError) else "does not hold together:"
        raise CalcarineError(
            f"the model in {folder} {what} {' '.join(str(error).split())[:300]}. config.json and "
            "model.safetensors are not of one model; fit or fetch it again."
        ) from error


def read_model(folder: Path, kind: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a model folder.

    Parameters
    ----------
    folder
        Where.
    kind
        Expected `kind`; without it any.

    Returns
    -------
    tuple
        Configuration and arrays by name.

    Raises
    ------
    CalcarineError
        The folder is not there, is not whole, or holds another kind of model.
    """
    try:
        config = read_json(folder / "config.json")
        tensors = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise CalcarineError(
            f"{folder} is not a model folder: {error.filename or error} is missing. "
            "Expected config.json, model.safetensors and README.md."
        ) from error
    except (SafetensorError, ValueError, OSError) as error:
        raise CalcarineError(f"the model in {folder} cannot be read: {error}.") from error
    if not isinstance(config.get("kind"), str):
        raise CalcarineError(
            f"{folder} holds a model of kind {config.get('kind')!r}; expected the name of a kind. "
            "Fit or fetch it again."
        )
    if kind is not None and config.get("kind") != kind:
        raise CalcarineError(
            f"{folder} holds a model of kind {config.get('kind')!r}; expected {kind!r}."
        )
    return config, tensors
