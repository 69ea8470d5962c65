"""Who is behind a subject label: the column `person` of participants.tsv."""

from pathlib import Path

from calcarine.data.errors import CalcarineError
from calcarine.data.tables import MISSING, read_table

PERSON_COLUMN = "person"


def persons_of(bids: Path) -> dict[str, str]:
    """Read which labels are one person.

    Somebody who was recorded twice has two labels. Where participants.tsv has a column `person`,
    people are told apart by it.

    Parameters
    ----------
    bids
        Root of the data set.

    Returns
    -------
    dict
        Person by subject label (without `sub-`); empty where the table or the column is absent.

    Raises
    ------
    CalcarineError
        The table cannot be read, or has the column and no `participant_id`.
    """
    path = bids / "participants.tsv"
    if not path.is_file():
        return {}
    table = read_table(path, "participants table")
    if PERSON_COLUMN not in table.columns:
        return {}
    if "participant_id" not in table.columns:
        raise CalcarineError(
            f"{path} has the column `{PERSON_COLUMN}` and no `participant_id`; it has "
            f"{list(table.columns)}. Add the column with labels such as sub-01."
        )
    rows = zip(table["participant_id"], table[PERSON_COLUMN], strict=True)
    return {label.removeprefix("sub-"): person for label, person in rows if person not in MISSING}


def shared_persons(bids: Path, held_out: tuple[str, ...], trained: tuple[str, ...]) -> list[str]:
    """List people who are held out under one label and trained on under another.

    Parameters
    ----------
    bids
        Root of the data set.
    held_out, trained
        Subject labels.
    """
    person = persons_of(bids)
    return [
        f"sub-{a} (held out) and sub-{b} (trained on) are the same person, {person[a]!r} in "
        "participants.tsv. Hold out both labels, or leave one out of `subjects`."
        for a in held_out
        for b in trained
        if a in person and person[a] == person.get(b)
    ]
