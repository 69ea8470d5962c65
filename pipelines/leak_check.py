"""The leak check of a configuration: trial table, pictures, recordings, people."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.copied_recordings import copied_recordings, data_file, same_responses
from calcarine.data.errors import CalcarineError
from calcarine.data.leaks import find_leaks, refuse_leaks
from calcarine.data.participants import shared_persons
from calcarine.data.splits import folds
from calcarine.data.stimuli import read_stimuli
from calcarine.data.stimulus_copies import check_allowed_pairs, find_stimulus_copies
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import SplitSection

_OF_THE_TABLE = ("stimulus", "concept", "run", "session")


def checked_units(split: SplitSection) -> tuple[str, ...]:
    """List what must not stand on both sides: `split.disjoint`, and the unit of the split."""
    return (*split.disjoint, *({split.by} & set(_OF_THE_TABLE) - set(split.disjoint)))


def with_delays(config: Config, window_s: tuple[float, float]) -> tuple[float, float]:
    """Widen the window of a sample by what the delays of encoders reach.

    A sample of a film uses what was shown before it, so that its neighbours use the same.
    """
    reach = [delay for section in config.encode.values() for delay in section.at_delays_s]
    return window_s[0] - max([0.0, *reach]), window_s[1] - min([0.0, *reach])


def split_leaks(config: Config, trials: pd.DataFrame, window_s: tuple[float, float]) -> list[str]:
    """List what stands on both sides of the split of one subject.

    The unit of the split is looked at even where `split.disjoint` does not name it, in every
    spelling; pictures are compared by what they show.

    Parameters
    ----------
    config
        The configuration.
    trials
        Trial table with a split.
    window_s
        See `find_leaks`.
    """
    split = config.split
    check_allowed_pairs(split.allowed_pairs, trials, split.disjoint)
    units = checked_units(split)
    leaks = find_leaks(trials, units, window_s, split.allowed_pairs)
    if "stimulus" in units:
        folder = config.stimuli.parent
        stimuli = read_stimuli(config.stimuli)
        leaks += find_stimulus_copies(trials, stimuli, folder, split.allowed_pairs)
    return leaks


def allowed_notes(config: Config) -> list[str]:
    """Say which pairs the leak check let pass, for the report."""
    return [
        f"The leak check let {a} and {b} stand on both sides of the split, because "
        "`split.allowed_pairs` says that they are different things."
        for a, b in config.split.allowed_pairs
    ]


def recording_copies(recordings: Iterable[tuple[str, Path]]) -> list[str]:
    """List runs that are byte-identical; each is given by its name and its file or folder."""
    return copied_recordings({name: data_file(path) for name, path in recordings})


def check_before_reading(
    config: Config,
    trials: pd.DataFrame,
    window_s: tuple[float, float],
    recordings: Iterable[tuple[str, Path]],
) -> None:
    """Stop where the split leaks or a recording is there twice.

    Raises
    ------
    CalcarineError
        With the first leaks and how many there are.
    """
    copies = recording_copies(recordings)
    if copies:
        raise CalcarineError("the leak check found copied recordings:\n- " + "\n- ".join(copies))
    refuse_leaks(split_leaks(config, trials, window_s))


def check_responses(values: np.ndarray, trials: pd.DataFrame) -> None:
    """Refuse responses that were measured once and stand there twice.

    Raises
    ------
    CalcarineError
        With the first pairs of trials.
    """
    found = same_responses({"": values}, {"": trials["trial_id"].to_numpy(dtype=str)})
    if found:
        pairs = "; ".join(f"{a} and {b}" for a, b in found[:5])
        raise CalcarineError(
            f"the leak check found {len(found)} trials whose responses equal those of another "
            f"trial to the last bit: {pairs}. One measurement stands in the data twice (a run that "
            "was converted again, a trial that was listed again). Remove the copy."
        )


def check_items(items: pd.DataFrame, trials: pd.DataFrame, model: str) -> None:
    """Refuse predictions of stimuli that their fold was not tested on.

    A gallery that holds training items makes retrieval another task, and a score of training items
    is none.

    Parameters
    ----------
    items
        Table of a prediction's items.
    trials
        Trial table with a split.
    model
        For the message.

    Raises
    ------
    CalcarineError
        With the first item.
    """
    shown = trials["stimulus_id"].to_numpy(dtype=str)
    tested = {(f.name, s) for f in folds(trials) for s in shown[f.test]}
    keys = zip(items["fold"].astype(str), items["stimulus_id"].astype(str), strict=True)
    strange = sorted({key for key in keys if key not in tested})
    if strange:
        raise CalcarineError(
            f"the leak check found {len(strange)} items of {model} that are no test stimuli of "
            f"their fold, the first {strange[0][1]!r} of fold {strange[0][0]!r}. Predictions and "
            "split do not belong together; run the step that made them again."
        )


def check_people(config: Config, held_out: tuple[str, ...]) -> None:
    """Refuse to hold out a person who is trained on under another label.

    Raises
    ------
    CalcarineError
        participants.tsv says so.
    """
    trained = tuple(s for s in config.subjects if s not in held_out)
    shared = shared_persons(config.bids, held_out, trained)
    if shared:
        raise CalcarineError("the leak check found shared people:\n- " + "\n- ".join(shared))


def check_other_recordings(
    responses: dict[str, np.ndarray], trials: dict[str, pd.DataFrame], held_out: tuple[str, ...]
) -> None:
    """Refuse to hold out a subject whose recordings are also another subject's.

    Parameters
    ----------
    responses, trials
        Responses and trial table of each subject.
    held_out
        Subjects who are tested and never trained on.

    Raises
    ------
    CalcarineError
        A response of somebody who is held out equals one of somebody who is trained on.
    """
    names = {
        s: np.array([f"sub-{s}:{trial}" for trial in t["trial_id"]]) for s, t in trials.items()
    }
    subject = {name: s for s, own in names.items() for name in own}
    found = [
        (a, b)
        for a, b in same_responses(responses, names)
        if (subject[a] in held_out) != (subject[b] in held_out)
    ]
    if found:
        raise CalcarineError(
            f"the leak check found {len(found)} responses of a held-out subject among those of "
            f"another one, the first {found[0][0]} = {found[0][1]}: one person stands there under "
            "two labels. Correct `hold_out` or `subjects`."
        )
