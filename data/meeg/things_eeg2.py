"""Converter of THINGS-EEG2 (Gifford et al. 2022, doi:10.1016/j.neuroimage.2022.119754).

Raw release: `raw_data/sub-XX/ses-YY/raw_eeg_{training,test}.npy` and `image_metadata.npy`.
Preprocessed release: `preprocessed_data/sub-XX/preprocessed_eeg_{training,test}.npy`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_folder
from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.bids_writing import write_data_set, write_eeg_run
from calcarine.data.meeg.ready_epochs import ReadyEpochs, write_epochs
from calcarine.data.meeg.things_stimuli import ThingsImages, write_things_stimuli
from calcarine.data.restricted_unpickler import read_array_dictionary

TASK = "rsvp"
TARGET = 99999  # Buzz Lightyear: the event that people counted
DURATION_S = 0.1
PARTS = {"training": "train", "test": "test"}


@dataclass(frozen=True)
class Facts:
    """What the release holds; a file that differs is refused.

    Attributes
    ----------
    n_training, n_test
        Pictures.
    repeats_per_session
        Presentations of a training and of a test picture in one session where it is shown.
    repeats
        Presentations in all sessions.
    n_channels
        EEG channels of the raw release.
    sampling_rate_hz
        Of the raw release.
    """

    n_training: int = 16540
    n_test: int = 200
    repeats_per_session: tuple[int, int] = (2, 20)
    repeats: tuple[int, int] = (4, 80)
    n_channels: int = 63
    sampling_rate_hz: float = 1000.0


def read_images(path: Path, facts: Facts) -> dict[str, ThingsImages]:
    """Read `image_metadata.npy`: the pictures of both parts.

    Raises
    ------
    CalcarineError
        The numbers of pictures are not those of the release, or concepts are shared.
    """
    found = read_array_dictionary(path)
    out = {}
    for part, prefix in (("training", "train"), ("test", "test")):
        files = [str(f) for f in found[f"{prefix}_img_files"]]
        concepts = [str(c) for c in found[f"{prefix}_img_concepts"]]
        out[part] = ThingsImages(files, concepts, f"{part}_images")
    for part, expected in (("training", facts.n_training), ("test", facts.n_test)):
        if len(out[part].files) != expected:
            raise CalcarineError(
                f"{path} lists {len(out[part].files)} {part} pictures; the release has {expected}."
            )
    shared = sorted(set(out["training"].names) & set(out["test"].names))
    if shared:
        raise CalcarineError(
            f"{path}: {len(shared)} concepts are training and test concepts, the first {shared[0]}."
        )
    return out


def events_of(
    stim: np.ndarray, sfreq: float, images: ThingsImages, part: str, facts: Facts
) -> pd.DataFrame:
    """Turn the stimulus channel into events.

    Code i is the i-th picture, counted from 1; targets show none. Presentations beyond the planned
    number are kept as events of the phase `unused`, the last ones first, so that nothing is
    dropped at random.

    Parameters
    ----------
    stim
        Stimulus channel, 0 between events, shape (n_samples,).
    sfreq
        Sampling rate in Hz.
    images
        Pictures of this part.
    part
        `training` or `test`.
    facts
        Planned numbers.

    Raises
    ------
    CalcarineError
        A code is no picture.
    """
    codes = np.asarray(stim).astype(np.int64).ravel()
    samples = np.flatnonzero(codes)
    codes = codes[samples]
    is_target = codes == TARGET
    wrong = codes[~is_target & ((codes < 1) | (codes > len(images.files)))]
    if len(wrong):
        raise CalcarineError(
            f"the {part} recording has the code {wrong[0]}; there are {len(images.files)} pictures "
            f"and targets ({TARGET}). Picture list and recording do not belong together."
        )
    ids = np.array([*images.stimulus_ids, "n/a"], dtype=object)
    shown = np.where(is_target, len(images.files), codes - 1)
    planned = facts.repeats_per_session[0 if part == "training" else 1]
    nth = pd.Series(codes).groupby(codes).cumcount().to_numpy()
    phase = np.where(nth < planned, PARTS[part], "unused")
    phase = np.where(is_target, "unused", phase)
    return pd.DataFrame(
        {
            "onset": samples / sfreq,
            "duration": DURATION_S,
            "trial_type": np.where(is_target, "target", "picture"),
            "stimulus": ids[shown],
            "phase": phase,
            "value": codes,
            "sample": samples,
        }
    )


def convert_raw(
    release: Path,
    subjects: Sequence[str],
    destination: Path,
    pictures: Path | None = None,
    facts: Facts | None = None,
) -> None:
    """Write the raw release as BIDS, whole or not at all.

    A session's training and test recordings are its runs 01 and 02.

    Parameters
    ----------
    release
        Folder with `raw_data` and `image_metadata.npy`.
    subjects, destination
        Labels such as `01`; root of the data set.
    pictures
        Folder with `training_images` and `test_images`; None: pictures are not there.
    facts
        What must hold; without it those of the release.

    Raises
    ------
    CalcarineError
        A file is missing, or is not what the release has.
    """
    facts = facts or Facts()
    images = read_images(release / "image_metadata.npy", facts)
    with new_folder(destination) as root:
        write_data_set(root, "THINGS-EEG2 (raw)", subjects, "CC BY 4.0")
        write_things_stimuli(root / "stimuli", images.values(), pictures)
        for subject in subjects:
            for folder in _sessions(release / "raw_data" / f"sub-{subject}"):
                for run, part in enumerate(PARTS, start=1):
                    path = folder / f"raw_eeg_{part}.npy"
                    session = folder.name.removeprefix("ses-")
                    data, events = _recording(path, images[part], part, facts)
                    write_eeg_run(
                        root, data, events, subject, TASK, f"{run:02d}", session, line_freq=50.0
                    )


def _sessions(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.glob("ses-*") if p.is_dir())
    if not found:
        raise CalcarineError(
            f"{folder} has no sessions ses-01 and so on. Correct `source.path`: the folder that "
            "holds raw_data."
        )
    return found


def _recording(
    path: Path, images: ThingsImages, part: str, facts: Facts
) -> tuple[Any, pd.DataFrame]:
    import mne

    found = read_array_dictionary(path)
    kinds, sfreq = [str(t) for t in found["ch_types"]], float(found["sfreq"])
    names = [str(n) for n in found["ch_names"]]
    values = np.asarray(found["raw_eeg_data"], dtype=np.float64)
    eeg = [i for i, kind in enumerate(kinds) if kind == "eeg"]
    stim = [i for i, kind in enumerate(kinds) if kind == "stim"]
    if len(eeg) != facts.n_channels or len(stim) != 1 or sfreq != facts.sampling_rate_hz:
        raise CalcarineError(
            f"{path} has {len(eeg)} EEG and {len(stim)} stimulus channels at {sfreq:g} Hz; the "
            f"release has {facts.n_channels} and 1 at {facts.sampling_rate_hz:g} Hz."
        )
    info = mne.create_info([names[i] for i in eeg], sfreq, "eeg")
    info.set_montage("easycap-M1", on_missing="ignore", match_case=False, verbose="error")
    raw = mne.io.RawArray(values[eeg], info, verbose="error")
    return raw, events_of(values[stim[0]], sfreq, images, part, facts)


def convert_preprocessed(
    release: Path,
    subjects: Sequence[str],
    destination: Path,
    pictures: Path | None = None,
    facts: Facts | None = None,
) -> None:
    """Write the preprocessed release as ready epochs, whole or not at all.

    The publisher's noise normalisation has seen the test trials of its session; the data set's
    description says so.

    Parameters
    ----------
    release
        Folder with `preprocessed_data` and `image_metadata.npy`.
    subjects, destination, pictures, facts
        See `convert_raw`.

    Raises
    ------
    CalcarineError
        A file is missing, or is not what the release has.
    """
    facts = facts or Facts()
    images = read_images(release / "image_metadata.npy", facts)
    with new_folder(destination) as root:
        name = (
            "THINGS-EEG2 (preprocessed by its publisher; noise normalisation fitted on training "
            "and test trials together)"
        )
        write_data_set(root, name, subjects, "CC BY 4.0")
        write_things_stimuli(root / "stimuli", images.values(), pictures)
        for subject in subjects:
            folder = release / "preprocessed_data" / f"sub-{subject}"
            parts = [
                _ready(folder / f"preprocessed_eeg_{part}.npy", images[part], part, facts)
                for part in PARTS
            ]
            write_epochs(root, subject, "eeg", ReadyEpochs.joined(parts))


def _ready(path: Path, images: ThingsImages, part: str, facts: Facts) -> ReadyEpochs:
    found = read_array_dictionary(path)
    values = np.asarray(found["preprocessed_eeg_data"])
    names = [str(n) for n in found["ch_names"]]
    times = np.asarray(found["times"], dtype=np.float64)
    n_repeats = facts.repeats[0 if part == "training" else 1]
    expected = (len(images.files), n_repeats, len(names), len(times))
    if values.shape != expected:
        raise CalcarineError(
            f"{path} has the shape {values.shape}; expected {expected} (pictures, repeats, "
            "channels, times)."
        )
    ids = np.repeat(images.stimulus_ids, n_repeats)
    trials = pd.DataFrame(
        {
            "session": "n/a",
            "run": part,
            "onset": np.arange(len(ids), dtype=float),
            "duration": DURATION_S,
            "stimulus": ids,
            "phase": PARTS[part],
        }
    )
    flat = values.reshape(len(ids), len(names), len(times)).astype(np.float32)
    return ReadyEpochs(flat, times, names, trials, "whitened (publisher's MVNN)", "easycap-M1")
