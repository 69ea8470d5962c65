"""Handing a fitted encoder to a stranger: a complete folder, and a repository on the hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import CARD_FIELDS, model_card, read_card, read_model, write_model
from calcarine.data.scores import read_scores
from calcarine.encoders.pretrained import FILES, LOADERS, load_pretrained

_EMPTY = ("n/a", "none is stated", "unknown", "todo", "tbd")
_SCORES = ("r_median", "r_over_ceiling_median", "r2_median")
_NOT_HALF = ("units.",)  # the mask is hashed from the units table


def export_model(
    folder: Path, destination: Path, fields: Mapping[str, str] | None = None, half: bool = False
) -> Path:
    """Write a folder that somebody else can load and judge.

    Scores on test trials, with their ceilings, are taken from `metrics.tsv` of the output tree that
    the model stands in.

    Parameters
    ----------
    folder
        Model folder of an encoder.
    destination
        Folder to write.
    fields
        Text for fields of the card, in place of what stands there.
    half
        Write weights in half precision.

    Returns
    -------
    pathlib.Path
        `destination`.

    Raises
    ------
    CalcarineError
        The folder holds no encoder, or its card is not complete; the message names the fields.
    """
    config, tensors = read_model(folder)
    if config.get("kind") not in LOADERS:
        raise CalcarineError(
            f"{folder} holds a model of kind {config.get('kind')!r}; encoders can be exported, of "
            f"kind {sorted(LOADERS)}."
        )
    load_pretrained(folder, check_embedding=False)  # before anything is written
    title, card = complete_card(folder, fields or {})
    if half:
        tensors = {name: _halved(name, values) for name, values in tensors.items()}
    text = _FRONT_MATTER + model_card(title, card) + _usage(destination.name, config)
    write_model(destination, config, tensors, text)
    load_pretrained(destination, check_embedding=False)  # what was written can be read
    return destination


def complete_card(folder: Path, fields: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Give title and fields of a model's card, or refuse.

    Raises
    ------
    CalcarineError
        A field is unknown, missing or says nothing.
    """
    unknown = sorted(set(fields) - set(CARD_FIELDS))
    if unknown:
        raise CalcarineError(f"a card has no fields {unknown}; it has {list(CARD_FIELDS)}.")
    title, card = read_card(folder)
    card = {**card, **scores_of_test(folder, card.get("scores", "")), **fields}
    missing = [name for name in CARD_FIELDS if _says_nothing(card.get(name, ""))]
    if "metrics.tsv" in card.get("scores", ""):
        missing.append("scores")  # it points to a table that a stranger does not get
    if missing or not title:
        raise CalcarineError(
            f"the card of {folder} is not complete: {sorted(set(missing)) or ['title']}. Fill what "
            'is missing with --field NAME="text"; `scores` needs metrics.tsv of the output tree '
            "(run `evaluate`)."
        )
    return title, card


def _says_nothing(text: str) -> bool:
    said = text.strip().lower()
    return not said or any(said == empty or said.endswith(empty) for empty in _EMPTY)


def scores_of_test(folder: Path, fitted: str) -> dict[str, str]:
    """Read the scores of test trials beside the model folder: a text for the field `scores`."""
    path = folder.parent.parent / "metrics.tsv"
    if not path.is_file():
        return {}
    rows = read_scores(path)
    rows = rows[(rows["stage"] == "encode") & (rows["model"] == folder.name)]
    rows = rows[(rows["target"] == "responses") & rows["metric"].isin(_SCORES)]
    rows = rows[rows["n_repeats"] == rows["n_repeats"].max()]
    if rows.empty:
        return {}
    told = "; ".join(_score_text(row) for _, row in rows.iterrows())
    own = f"; {fitted.split('; scores of test')[0]}" if fitted else ""
    return {"scores": f"trials not fitted on ({rows['split'].iloc[0]}): {told}{own}"}


def _score_text(row: pd.Series) -> str:
    known = np.isfinite([row["ci_low"], row["ci_high"]]).all()
    interval = f" [{row['ci_low']:.3f}, {row['ci_high']:.3f}]" if known else ""
    return (
        f"{row['metric']} {row['value']:.3f}{interval}, ceiling {row['ceiling']:.3f}, "
        f"{int(row['n_items'])} items of {int(row['n_repeats'])} repeats"
    )


def _halved(name: str, values: np.ndarray) -> np.ndarray:
    if name.startswith(_NOT_HALF):
        small = values.dtype == np.int64 and np.abs(values).max(initial=0) < 2**15
        wide = values.dtype == np.float64
        return values.astype(np.int16) if small else values.astype(np.float32) if wide else values
    halved = {np.dtype(np.float32): np.float16, np.dtype(np.float64): np.float32}
    return values.astype(halved.get(values.dtype, values.dtype))


# what the hub shows in its lists; the licence itself stands in the card
_FRONT_MATTER = (
    "---\nlibrary_name: calcarine\nlicense: other\nlicense_name: see-card\n"
    "tags: [brain-encoding, neuroscience]\n---\n\n"
)


def _usage(name: str, config: Mapping[str, Any]) -> str:
    embeddings = config.get("embeddings") or [config.get("embedding", {})]
    read = "; ".join(
        f"`{e.get('model')}`, revision {str(e.get('revision'))[:12]}" for e in embeddings
    )
    return (
        "\n## Use\n\n```python\nfrom calcarine.encoders import load_pretrained\n\n"
        f'encoder = load_pretrained("local-dir:{name}")  # or hf-hub:ORG/{name}\n'
        'responses = encoder.predict(["picture.png"])  # (n_pictures, n_units)\n'
        "encoder.units  # where each column lies\n```\n\n"
        f"Stimuli are embedded by {read}; another revision is refused.\n"
    )


class Hub(Protocol):
    """What is used of `huggingface_hub.HfApi`."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any:
        """Make a repository."""

    def upload_folder(
        self, *, repo_id: str, folder_path: str, allow_patterns: list[str], commit_message: str
    ) -> Any:
        """Send a folder."""


def push_model(
    folder: Path,
    repository: str,
    private: bool = True,
    dry_run: bool = False,
    hub: Hub | None = None,
) -> list[str]:
    """Send an exported encoder to a repository of the hub.

    Parameters
    ----------
    folder
        What `export_model` wrote; its card is checked again.
    repository
        `ORG/NAME`.
    private
        Whether a new repository can be seen by its owners only.
    dry_run
        Check everything and send nothing.
    hub
        The hub's client; without it the one of huggingface_hub, with the user's own login.

    Returns
    -------
    list of str
        Files that were sent (or would be), with their sizes.

    Raises
    ------
    CalcarineError
        The name is no `ORG/NAME`, the folder is no complete encoder, or the hub refuses.
    """
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise CalcarineError(f"the repository is {repository!r}; expected ORG/NAME.")
    load_pretrained(folder, check_embedding=False)
    complete_card(folder, {})
    sent = [f"{name}, {(folder / name).stat().st_size:,} bytes" for name in FILES]
    if dry_run:
        return sent
    if hub is None:
        from huggingface_hub import HfApi

        hub = HfApi()
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=repository,
            folder_path=str(folder),
            allow_patterns=list(FILES),
            commit_message="Add encoder",
        )
    except Exception as error:  # the library raises many types: no login, no access, no network
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CalcarineError(
            f"cannot push to {repository}: {first} Log in with `hf auth login` and check the "
            "name and your rights."
        ) from error
    return sent
