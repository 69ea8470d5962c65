"""Opening one EEG or MEG run with what BIDS says about it."""

import re
import warnings
from typing import Any

import numpy as np

from calcarine.data.bids_names import entities_of, inherited
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json
from calcarine.data.meeg.channels import check_positions, picked, sensor_names
from calcarine.data.meeg.recordings import MeegFiles
from calcarine.data.meeg.settings import MeegReading

_RATE_TOLERANCE = 0.01
_EDF_PARTS = re.compile(r"^eeg[ _-]+|[ _-]+(ref|le|avg|a1|a2|m1|m2|cz)$", re.IGNORECASE)
_OLD_NAMES = {"t3": "t7", "t4": "t8", "t5": "p7", "t6": "p8"}


def open_raw(files: MeegFiles, reading: MeegReading) -> Any:
    """Open a run: channel types, bad channels and positions as BIDS and the configuration say.

    The samples stay on disk until they are asked for. Of the annotations only those that mark bad
    segments are kept (`BAD_…`, whose trials are left out, and `PATCH_…`, which are filled); trials
    are read from events.tsv, which has more columns.

    Returns
    -------
    mne.io.BaseRaw
        With `info["bads"]` filled.

    Raises
    ------
    CalcarineError
        The file is damaged, a part of it is missing, or its channels are not what was stated.
    """
    raw = _read(files)
    _check_samples(raw, files)
    _set_types(raw, files, reading)
    if reading.montage is not None:
        montage = spelled_as(standard_montage(reading.montage), raw.ch_names)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw.set_montage(montage, match_case=False, on_missing="ignore", verbose="error")
    names = sensor_names(raw.info, reading.sensors)
    if not names:
        there = sorted(set(raw.get_channel_types()))
        raise CalcarineError(
            f"{files.recording} has no channel of type {reading.sensors!r}; it has {there}. "
            "Correct `recording.modality` or `recording.channel_types`."
        )
    chosen = picked(names, reading.picks, files.name)
    check_positions(raw.info, chosen, files.name)
    unknown = sorted(set(reading.bads) - set(raw.ch_names))
    if unknown:
        raise CalcarineError(
            f"{files.name}: recording.bads names {unknown}, which are no channels; there are "
            f"{raw.ch_names[:12]}."
        )
    raw.info["bads"] = sorted({*raw.info["bads"], *reading.bads}, key=raw.ch_names.index)
    kept = [a["description"].lower().startswith(("bad", "patch")) for a in raw.annotations]
    raw.set_annotations(raw.annotations[np.flatnonzero(kept)])
    return raw


def _read(files: MeegFiles) -> Any:
    import mne_bids

    path = mne_bids.get_bids_path_from_fname(files.recording, check=False)
    try:
        with warnings.catch_warnings():
            # mne-bids warns of every optional file that is not there
            warnings.simplefilter("ignore")
            return mne_bids.read_raw_bids(path, verbose="error")
    except Exception as error:  # the readers raise whatever their format's parser does
        text = " ".join(str(error).split())
        hint = "Get the file again, or mend its sidecars."
        if "plit" in text and ("not exist" in text or "missing" in text.lower()):
            hint = "A part of a split FIF recording is missing: put all parts beside each other."
        raise CalcarineError(
            f"{files.recording} cannot be read ({type(error).__name__}: {text[:300]}). {hint}"
        ) from error


def _check_samples(raw: Any, files: MeegFiles) -> None:
    if raw.n_times < 2:
        raise CalcarineError(
            f"{files.recording} holds {raw.n_times} samples; expected a recording. Get it again."
        )


def rate_warnings(files: MeegFiles, sfreq: float) -> list[str]:
    """Say which sidecars state another sampling rate than the recording."""
    folder, entities = files.recording.parent, entities_of(files.recording.name)
    out = []
    for path in inherited(files.root, folder, entities, (files.datatype,), ".json"):
        stated = read_json(path).get("SamplingFrequency")
        if isinstance(stated, int | float) and abs(stated - sfreq) > _RATE_TOLERANCE * sfreq:
            out.append(
                f"{path} says that {files.name} was sampled at {stated:g} Hz, the recording says "
                f"{sfreq:g} Hz, which is used. If the sidecar is right, every latency is wrong."
            )
    return out


def _set_types(raw: Any, files: MeegFiles, reading: MeegReading) -> None:
    unknown = sorted(set(reading.channel_types) - set(raw.ch_names))
    if unknown:
        raise CalcarineError(
            f"{files.name}: recording.channel_types names {unknown}, which are no channels; there "
            f"are {raw.ch_names[:12]}."
        )
    try:
        raw.set_channel_types(dict(reading.channel_types), on_unit_change="ignore", verbose="error")
    except (KeyError, ValueError) as error:
        raise CalcarineError(f"recording.channel_types: {error}") from error


def spelled_as(montage: Any, names: list[str]) -> Any:
    """Give a montage whose electrodes are spelled as a recording spells them.

    EDF writes `EEG Fp1-Ref`; older caps call T7, T8, P7, P8 by the names T3, T4, T5, T6.

    Parameters
    ----------
    montage
        `mne.channels.DigMontage`.
    names
        Channels of the recording.
    """
    known = {n.lower(): n for n in montage.ch_names}
    spelled: dict[str, str] = {}
    for name in names:
        plain = _EDF_PARTS.sub("", name).strip().lower()
        found = known.get(name.lower(), known.get(plain, known.get(_OLD_NAMES.get(plain, ""))))
        if found is not None:
            spelled.setdefault(found, name)
    # names that a recording uses for something else must not be taken twice
    taken = set(spelled.values())
    free = {n: f"{n} (not recorded)" for n in montage.ch_names if n in taken and n not in spelled}
    out = montage.copy()
    out.rename_channels({**free, **spelled})
    return out


def standard_montage(name: str) -> Any:
    """Give one of MNE's montages; names that changed between versions are understood.

    Raises
    ------
    CalcarineError
        There is no such montage.
    """
    import mne

    known = mne.channels.get_builtin_montages()
    # MNE 1.13 calls standard_1005 colin27_1005, and older ones do not know fsaverage_1005
    other = {
        "standard_1005": "colin27_1005",
        "standard_1020": "colin27_1020",
        "colin27_1005": "standard_1005",
        "colin27_1020": "standard_1020",
        "fsaverage_1005": "standard_1005",
        "fsaverage_1020": "standard_1020",
    }
    chosen = name if name in known else other.get(name, name)
    if chosen not in known:
        raise CalcarineError(f"recording.montage {name!r} is not known; MNE has {known}.")
    return mne.channels.make_standard_montage(chosen)
