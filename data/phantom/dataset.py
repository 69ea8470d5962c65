"""What every phantom's BIDS data set has, whatever was recorded: description, people, pictures."""

from pathlib import Path

from PIL import Image

from calcarine.data.atomic import new_folder, write_json
from calcarine.data.dataset_description import (
    dataset_description,
    write_description,
    write_participants,
)
from calcarine.data.phantom.experiment import ShownScenes
from calcarine.data.phantom.scene_captions import word_families
from calcarine.data.stimuli import write_stimuli

TASK = "scenes"
_MADE_BY = ({"Name": "calcarine", "Description": "A synthetic brain with planted tuning"},)
EVENT_COLUMNS = {
    "onset": "Seconds from the beginning of the recording",
    "duration": "Seconds for which the picture stays",
    "trial_type": "Category of the object",
    "stim_file": "Picture, relative to the folder stimuli/",
    "phase": "train or test; each has runs of its own",
    "combination": "seen, or held-out: no training scene has this category in this colour",
}


def write_dataset(
    bids: Path, name: str, derivatives: dict[str, str], scenes: ShownScenes, subjects: list[str]
) -> None:
    """Write what all subjects of a phantom share.

    Parameters
    ----------
    bids
        Root of the data set.
    name
        Its name.
    derivatives
        Folders below `derivatives/`, and what they hold.
    scenes
        Stimuli.
    subjects
        Labels.
    """
    write_description(bids, dataset_description(name, "raw", "CC0", made_by=_MADE_BY))
    for folder_name, title in derivatives.items():
        about = dataset_description(f"{name}: {title}", "derivative", "CC0", made_by=_MADE_BY)
        write_description(bids / "derivatives" / folder_name, about)
    write_participants(bids, subjects)
    columns = {column: {"Description": text} for column, text in EVENT_COLUMNS.items()}
    write_json(bids / f"task-{TASK}_events.json", columns)
    with new_folder(bids / "stimuli") as folder:
        for file, picture in zip(scenes.table["file"], scenes.pictures, strict=True):
            Image.fromarray(picture).save(folder / file)
        write_stimuli(folder / "stimuli.tsv", scenes.table)
        write_json(folder / "families.json", word_families())
