"""BIDS file names: entities, labels, and which file applies to which recording."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from calcarine.data.errors import CalcarineError

NO_LABEL = "n/a"


def entities_of(name: str) -> dict[str, str]:
    """Take a BIDS file name apart.

    Examples
    --------
    >>> entities_of("sub-01_task-scenes_run-02_bold.nii.gz")
    {'sub': '01', 'task': 'scenes', 'run': '02', 'suffix': 'bold', 'ending': '.nii.gz'}
    """
    stem, dot, ending = name.partition(".")
    *pairs, suffix = stem.split("_")
    found = {p.partition("-")[0]: p.partition("-")[2] for p in pairs if "-" in p}
    return found | {"suffix": suffix, "ending": dot + ending}


def check_labels(path: Path, entities: dict[str, str]) -> None:
    """Refuse a recording whose session or run has a label that is none.

    Labels become parts of trial ids and names of folds.

    Raises
    ------
    CalcarineError
        A label holds something else than letters and digits.
    """
    for key in ("ses", "run"):
        label = entities.get(key, "0")
        if not (label.isascii() and label.isalnum()):
            raise CalcarineError(
                f"{path}: the label {key}-{label} is none of BIDS; expected letters and digits. "
                "Rename the file."
            )


def same_label(a: str, b: str) -> bool:
    """Compare labels; numbers are equal whatever their zeros (`1` is `01`)."""
    return a == b or (a.isdigit() and b.isdigit() and int(a) == int(b))


def files_in(folder: Path) -> Iterator[Path]:
    """List the files of a folder in sorted order."""
    # names that begin with a dot are AppleDouble files and the like, never data
    yield from sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def inherited(
    root: Path, folder: Path, entities: dict[str, str], suffixes: Sequence[str], ending: str
) -> list[Path]:
    """List the files that apply to a recording by the inheritance principle, nearest last.

    Parameters
    ----------
    root, folder
        Data set and the folder of the recording; all folders between are searched.
    entities
        Entities of the recording; a file applies when it has no others and none that differ.
    suffixes, ending
        Which files, for instance `("events",)` and `.tsv`.
    """
    if not folder.is_relative_to(root):
        return []
    levels = [root]
    for part in folder.relative_to(root).parts:
        levels.append(levels[-1] / part)
    ignored = {"suffix", "ending", "desc"}
    out = []
    for level in (lev for lev in levels if lev.is_dir()):
        here = []
        for path in files_in(level):
            own = entities_of(path.name)
            applies = all(entities.get(k) == v for k, v in own.items() if k not in ignored)
            if own["suffix"] in suffixes and own["ending"] == ending and applies:
                here.append((len(own), path))
        out += [path for _, path in sorted(here)]
    return out
