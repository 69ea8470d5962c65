"""The pictures of the THINGS data sets as a stimulus table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import NO_PICTURE, write_stimuli


@dataclass(frozen=True)
class ThingsImages:
    """Pictures of one part of a release.

    Attributes
    ----------
    files
        File names such as `aardvark_01b.jpg`.
    concepts
        Concept folders such as `00001_aardvark`.
    folder
        Folder of this part below the folder of pictures.
    """

    files: Sequence[str]
    concepts: Sequence[str]
    folder: str

    @property
    def stimulus_ids(self) -> list[str]:
        """File names without their ending."""
        return [Path(f).stem for f in self.files]

    @property
    def names(self) -> list[str]:
        """Concepts by name, without their number (numbers of releases do not agree)."""
        return [c.partition("_")[2] if c.partition("_")[0].isdigit() else c for c in self.concepts]


def write_things_stimuli(
    folder: Path, parts: Iterable[ThingsImages], pictures: Path | None
) -> None:
    """Write stimuli.tsv, with a link to the pictures where they are there.

    Pictures are under terms and stay where the user put them.

    Parameters
    ----------
    folder
        `stimuli` of the data set.
    parts
        Pictures.
    pictures
        Folder that holds the parts' folders; None: file is `n/a`.

    Raises
    ------
    CalcarineError
        A picture is not there.
    """
    folder.mkdir(parents=True)
    rows = []
    for part in parts:
        for file, own, name in zip(part.files, part.concepts, part.names, strict=True):
            place = f"{part.folder}/{own}/{file}"
            if pictures is not None and not (pictures / place).is_file():
                raise CalcarineError(
                    f"the picture {pictures / place} is not there. Correct `source.pictures`, or "
                    "leave it out: everything but picture-based steps then runs from embeddings."
                )
            rows.append(
                {
                    "stimulus_id": Path(file).stem,
                    "file": NO_PICTURE if pictures is None else place,
                    "concept": name,
                    "captions": [],
                }
            )
        if pictures is not None:
            (folder / part.folder).symlink_to((pictures / part.folder).resolve())
    write_stimuli(folder / "stimuli.tsv", pd.DataFrame(rows))
