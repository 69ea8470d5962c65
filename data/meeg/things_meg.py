"""Converter of THINGS-MEG (Hebart et al. 2023, doi:10.7554/eLife.82580; OpenNeuro ds004212).

BIDS release: recordings stay where they are and are linked; events.tsv is written anew, with
picture, concept and phase. Preprocessed release: `preprocessed_P{n}-epo.fif`.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder
from calcarine.data.bids_names import entities_of
from calcarine.data.errors import CalcarineError
from calcarine.data.events import MISSING, numbers_of, read_events
from calcarine.data.meeg.bids_writing import write_data_set
from calcarine.data.meeg.channels import positions
from calcarine.data.meeg.ready_epochs import ReadyEpochs, write_epochs
from calcarine.data.stimuli import NO_PICTURE, write_stimuli

TASK = "main"
BROKEN_CHANNEL = "MRO11-1609"
# subject, session, run, start in seconds: the amplifier dropped out for 0.2 s
DROPOUTS = (("BIGMEG1", "11", "04", 13.4), ("BIGMEG2", "10", "02", 59.8))
_DROPOUT_S = 0.2
_RATE_HZ = 1200.0
_BLOCK = 500  # epochs in memory as float64 at a time


@dataclass(frozen=True)
class Facts:
    """What the release holds; a data set that differs is refused.

    Attributes
    ----------
    n_sessions, n_runs
        Sessions of a subject, runs of a session.
    n_test, n_test_repeats
        Test pictures, and how often each is shown.
    n_training
        Training pictures, each shown once.
    """

    n_sessions: int = 12
    n_runs: int = 10
    n_test: int = 200
    n_test_repeats: int = 12
    n_training: int = 22248


def read_subject_events(release: Path, subject: str) -> dict[Path, pd.DataFrame]:
    """Read the events of all runs of a subject.

    Onsets are those of the optical sensor, which events.tsv gives as samples too; the image_on of
    the sample attributes and the hardware triggers lie about 150 ms beside them and are not used.

    Returns
    -------
    dict
        By file: `onset duration trial_type picture category` (the latter two integers, −1 for
        catch trials).

    Raises
    ------
    CalcarineError
        Nothing is there, or onset and sample disagree.
    """
    found = sorted(release.glob(f"sub-{subject}/ses-*/meg/sub-*_task-{TASK}_run-*_events.tsv"))
    if not found:
        raise CalcarineError(
            f"{release} has no events of sub-{subject}, task {TASK}. Correct `source.path` and "
            "`subjects` (BIGMEG1 to BIGMEG4)."
        )
    return {path: _events(path) for path in found}


def _events(path: Path) -> pd.DataFrame:
    table = read_events(path)
    needed = {"sample", "value", "things_category_nr"}
    if not needed <= set(table.columns):
        raise CalcarineError(
            f"{path} lacks the columns {sorted(needed - set(table.columns))}; the release has them."
        )
    samples = numbers_of(table["sample"], str(path), allow_missing=False)
    apart = np.abs(table["onset"].to_numpy() - samples / _RATE_HZ)
    if apart.max() > 0.002:
        row = int(table["row"].iloc[apart.argmax()])
        raise CalcarineError(
            f"{path}, row {row}: onset and sample are {1000 * apart.max():.0f} ms apart; in the "
            "release they agree (optical sensor). Was the onset replaced by a trigger's?"
        )
    whole = {}
    for name, column in (("picture", "value"), ("category", "things_category_nr")):
        cells = table[column].replace({m: "n/a" for m in (*MISSING, "N/A")})
        numbers = numbers_of(cells, str(path), allow_missing=True)
        whole[name] = np.where(np.isnan(numbers), -1, numbers).astype(int)
    keep = table[["onset", "duration", "trial_type", "row"]]
    return keep.assign(**whole)


def phases(events: pd.DataFrame) -> np.ndarray:
    """Say which trials train and which test.

    Training trials of the 200 test concepts are not used: the release shows other pictures of the
    test concepts in training, and a model that has seen them is not zero-shot.

    Parameters
    ----------
    events
        All events of a subject.

    Returns
    -------
    numpy.ndarray
        `train`, `test` or `unused`, shape (n_events,).
    """
    kind = events["trial_type"].to_numpy(dtype=str)
    is_test = kind == "test"
    tested = set(events.loc[is_test, "category"])
    is_shown = (kind == "exp") & ~events["category"].isin(tested).to_numpy()
    return np.where(is_test, "test", np.where(is_shown, "train", "unused"))


def check_facts(events: dict[Path, pd.DataFrame], facts: Facts, subject: str) -> None:
    """Refuse a subject that is not whole.

    Raises
    ------
    CalcarineError
        With what differs.
    """
    joined = pd.concat(events.values())
    names = [entities_of(p.name) for p in events]
    test = joined[joined["trial_type"] == "test"]
    per_picture = test["picture"].value_counts()
    found = {
        "sessions": (len({n["ses"] for n in names}), facts.n_sessions),
        "runs": (len(names), facts.n_sessions * facts.n_runs),
        "test pictures": (len(per_picture), facts.n_test),
        "fewest repeats of a test picture": (int(per_picture.min()), facts.n_test_repeats),
        "most repeats of a test picture": (int(per_picture.max()), facts.n_test_repeats),
        "training pictures": (
            joined.loc[joined["trial_type"] == "exp", "picture"].nunique(),
            facts.n_training,
        ),
    }
    differs = [f"{what} {n} instead of {m}" for what, (n, m) in found.items() if n != m]
    if differs:
        raise CalcarineError(
            f"sub-{subject} is not what the release has: {'; '.join(differs)}. Get the missing "
            "runs, or set `source.complete` to false to go on with what is there."
        )


def stimulus_name(picture: int) -> str:
    """Name a picture by its number in THINGS."""
    return f"things-{picture:05d}"


def convert_bids(
    release: Path,
    subjects: Sequence[str],
    destination: Path,
    pictures: pd.DataFrame | None = None,
    facts: Facts | None = None,
) -> None:
    """Write a BIDS data set that links the recordings and says what was shown.

    Dropouts become annotations `PATCH_dropout`, which preprocessing fills with the channel's
    median; the broken channel is marked as bad.

    Parameters
    ----------
    release
        Root of the data set.
    subjects
        Labels such as `BIGMEG1`.
    destination
        Root of the data set to write.
    pictures
        `picture file concept` where they are known; file relative to a linked folder.
    facts
        What must hold; None: a part of the release will do.

    Raises
    ------
    CalcarineError
        A file is missing, or is not what the release has.
    """
    with new_folder(destination) as root:
        write_data_set(root, "THINGS-MEG", subjects, "CC0")
        shown: dict[int, int] = {}
        for subject in subjects:
            events = read_subject_events(release, subject)
            if facts is not None:
                check_facts(events, facts, subject)
            phase = phases(pd.concat(events.values()))
            start = 0
            for path, table in events.items():
                own = table.assign(phase=phase[start : start + len(table)])
                start += len(table)
                _write_run(path, own, root / path.parent.relative_to(release), subject)
                seen = own[own["picture"] >= 0]
                shown |= dict(zip(seen["picture"], seen["category"], strict=True))
        (root / "stimuli").mkdir()
        write_stimuli(root / "stimuli" / "stimuli.tsv", _stimuli(shown, pictures))


def _stimuli(shown: dict[int, int], pictures: pd.DataFrame | None) -> pd.DataFrame:
    known = {} if pictures is None else pictures.set_index("picture").to_dict("index")
    rows = []
    for picture in sorted(shown):
        told = known.get(picture, {})
        rows.append(
            {
                "stimulus_id": stimulus_name(picture),
                "file": told.get("file", NO_PICTURE),
                "concept": told.get("concept", f"category-{shown[picture]:04d}"),
                "captions": [],
            }
        )
    return pd.DataFrame(rows)


def _write_run(path: Path, events: pd.DataFrame, folder: Path, subject: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = path.name.removesuffix("_events.tsv")
    recordings = [p for p in path.parent.glob(f"{stem}_meg.*") if p.suffix != ".json"]
    if len(recordings) != 1:
        raise CalcarineError(
            f"{path.parent} has {[p.name for p in recordings]} for {stem}; expected one "
            "recording (.ds). Get it from the publisher."
        )
    (folder / recordings[0].name).symlink_to(recordings[0].resolve())
    for ending in ("meg.json", "coordsystem.json"):
        if (path.parent / f"{stem}_{ending}").is_file():
            shutil.copyfile(path.parent / f"{stem}_{ending}", folder / f"{stem}_{ending}")
    _write_channels(path.parent / f"{stem}_channels.tsv", folder / f"{stem}_channels.tsv")
    own = entities_of(path.name)
    table = pd.DataFrame(
        {
            "onset": events["onset"].round(6),
            "duration": events["duration"],
            "trial_type": events["trial_type"],
            "stimulus": [stimulus_name(p) if p >= 0 else "n/a" for p in events["picture"]],
            "phase": events["phase"],
        }
    )
    drops = [
        {"onset": at, "duration": _DROPOUT_S, "trial_type": "PATCH_dropout"}
        for who, session, run, at in DROPOUTS
        if (who, session, run) == (subject, own["ses"], own["run"])
    ]
    table = pd.concat([table, pd.DataFrame(drops)], ignore_index=True).sort_values("onset")
    table.to_csv(folder / path.name, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def _write_channels(source: Path, destination: Path) -> None:
    if not source.is_file():
        return
    table = pd.read_csv(source, sep="\t", dtype="str", keep_default_na=False)
    status = table["status"] if "status" in table.columns else "good"
    is_broken = table["name"].str.startswith(BROKEN_CHANNEL)
    table["status"] = pd.Series(status, index=table.index).where(~is_broken, "bad")
    table.to_csv(destination, sep="\t", index=False, lineterminator="\n")


def convert_preprocessed(
    release: Path, subjects: Sequence[str], destination: Path, facts: Facts | None = None
) -> None:
    """Write the publisher's epochs as ready epochs, one subject in memory at a time.

    Parameters
    ----------
    release
        Folder with `preprocessed_P1-epo.fif` and so on.
    subjects
        Labels whose last digit is the number in the file name.
    destination, facts
        See `convert_bids`.

    Raises
    ------
    CalcarineError
        A file is missing, or its metadata lack a column.
    """
    import mne

    with new_folder(destination) as root:
        name = "THINGS-MEG (epochs of its publisher: 0.1–40 Hz, z-scored to baseline)"
        write_data_set(root, name, subjects, "CC0")
        shown: dict[int, int] = {}
        for subject in subjects:
            path = release / f"preprocessed_P{subject[-1]}-epo.fif"
            if not path.is_file():
                raise CalcarineError(f"{path} is not there. Correct `source.path` or `subjects`.")
            epochs = mne.read_epochs(path, preload=False, verbose="error")
            events = _metadata(epochs.metadata, path)
            if facts is not None:
                _check_pictures(events, facts, subject)
            seen = events[events["picture"] >= 0]
            shown |= dict(zip(seen["picture"], seen["category"], strict=True))
            write_epochs(root, subject, "meg", _ready(epochs, events))
        (root / "stimuli").mkdir()
        write_stimuli(root / "stimuli" / "stimuli.tsv", _stimuli(shown, None))


_METADATA = ("trial_type", "things_image_nr", "things_category_nr", "session_nr", "run_nr")


def _metadata(table: pd.DataFrame | None, path: Path) -> pd.DataFrame:
    missing = [n for n in _METADATA if table is None or n not in table.columns]
    if table is None or missing:
        raise CalcarineError(f"{path}: the epochs' metadata lack {missing}; the release has them.")
    numbers = table[["things_image_nr", "things_category_nr"]].apply(pd.to_numeric, errors="coerce")
    whole = numbers.fillna(-1).astype(int)
    return pd.DataFrame(
        {
            "trial_type": table["trial_type"].astype(str).to_numpy(),
            "picture": whole["things_image_nr"].to_numpy(),
            "category": whole["things_category_nr"].to_numpy(),
            "session": [f"{int(s):02d}" for s in table["session_nr"]],
            "run": [f"{int(r):02d}" for r in table["run_nr"]],
        }
    )


def _check_pictures(events: pd.DataFrame, facts: Facts, subject: str) -> None:
    test = events.loc[events["trial_type"] == "test", "picture"].value_counts()
    training = events.loc[events["trial_type"] == "exp", "picture"].nunique()
    if len(test) != facts.n_test or training != facts.n_training:
        raise CalcarineError(
            f"sub-{subject} has epochs of {len(test)} test and {training} training pictures; the "
            f"release has {facts.n_test} and {facts.n_training}. Set `source.complete` to false "
            "to go on with what is there."
        )


def _ready(epochs: Any, events: pd.DataFrame) -> ReadyEpochs:
    info = epochs.info
    names = [n for n in info["ch_names"] if not n.startswith(BROKEN_CHANNEL)]
    kept = np.flatnonzero((events["picture"] >= 0).to_numpy())
    values = np.empty((len(kept), len(names), len(epochs.times)), dtype=np.float32)
    for start in range(0, len(kept), _BLOCK):
        rows = kept[start : start + _BLOCK]
        values[start : start + len(rows)] = epochs[rows].get_data(picks=names)
    phase = phases(events)
    own = events.iloc[kept]
    trials = pd.DataFrame(
        {
            "session": own["session"].to_numpy(),
            "run": own["run"].to_numpy(),
            "onset": own.groupby(["session", "run"]).cumcount().to_numpy(dtype=float),
            "duration": 0.5,
            "trial_type": own["trial_type"].to_numpy(),
            "stimulus": [stimulus_name(p) for p in own["picture"]],
            "phase": phase[kept],
        }
    )
    xyz = positions(info, names).round(6)
    channels = pd.DataFrame(
        {"channel": names, "type": "mag", **{axis: xyz[:, i] for i, axis in enumerate("xyz")}}
    )
    times = np.asarray(epochs.times)
    return ReadyEpochs(values, times, names, trials, "z (baseline of each epoch)", channels)
