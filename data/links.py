"""Links that leave a data set: followed only where somebody said so."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from calcarine.data.errors import CalcarineError


def check_links(root: Path, folders: Iterable[Path], allowed: Sequence[Path]) -> None:
    """Refuse links that lead out of a data set.

    A picture, an events table or a volume that is a link shows whatever stands at its end: another
    person's data, or a file of the system. Links inside of the data set (git-annex) are followed.

    Parameters
    ----------
    root
        The data set.
    folders
        Where to look, below it.
    allowed
        Folders outside that links may lead to.

    Raises
    ------
    CalcarineError
        With the first links and where they lead.
    """
    inside = [place.resolve() for place in (root, *allowed)]
    found = []
    for link in _links(folders):
        try:
            target = link.resolve(strict=False)
        except (OSError, RuntimeError):  # a link to itself
            target = link
            inside_of = False
        else:
            inside_of = any(target.is_relative_to(place) for place in inside)
        if not inside_of or target.is_symlink():
            found.append(f"{link} is a link that leads out of the data set, to {target}")
    if found:
        more = f"\n… and {len(found) - 5} more" if len(found) > 5 else ""
        raise CalcarineError(
            "\n- ".join(["links leave the data set:", *found[:5]])
            + more
            + "\nPut the files in their place, or name the folder that they lie in in "
            "`source.follow_links`."
        )


def _links(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_symlink():
            yield folder
        for here, below, files in os.walk(folder):
            yield from (
                Path(here, name)
                for name in sorted([*below, *files])
                if Path(here, name).is_symlink()
            )
