"""What every BIDS data set says of itself: name, version, licence, people."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from calcarine.data.atomic import write_json, write_text

BIDS_VERSION = "1.10.0"
MADE_BY: Sequence[dict[str, str]] = ({"Name": "calcarine"},)


def dataset_description(
    name: str,
    kind: Literal["raw", "derivative"],
    licence: str = "",
    reference: str = "",
    authors: Sequence[str] = (),
    made_by: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:
    """Give the content of `dataset_description.json`.

    Parameters
    ----------
    name
        Of the data set.
    kind
        `raw` or `derivative`.
    licence, reference, authors
        Left out where nothing is known; `reference` is one address.
    made_by
        Programs, with `Name` and whatever else; BIDS wants to know them of a derivative, for which
        calcarine is named where nothing is given.
    """
    about: dict[str, Any] = {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": kind}
    made_by = made_by or (MADE_BY if kind == "derivative" else ())
    told = {
        "GeneratedBy": list(made_by),
        "License": licence,
        "Authors": list(authors),
        "ReferencesAndLinks": [reference] if reference else [],
    }
    return about | {key: value for key, value in told.items() if value}


def write_description(folder: Path, description: dict[str, Any]) -> None:
    """Write `dataset_description.json` into a folder."""
    write_json(folder / "dataset_description.json", description)


def write_participants(root: Path, subjects: Iterable[str]) -> None:
    """Write `participants.tsv` with one row a subject, from labels without `sub-`."""
    lines = ["participant_id", *(f"sub-{subject}" for subject in subjects)]
    write_text(root / "participants.tsv", "\n".join(lines) + "\n")
