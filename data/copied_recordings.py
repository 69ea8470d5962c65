"""Recordings that are there twice: the same bytes, or the same responses, under two names."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.digests import file_sha

_PROBE_BYTES = 1 << 16
_N_PROBES = 5


def data_file(recording: Path) -> Path:
    """Name the file that holds the samples of a recording.

    Parameters
    ----------
    recording
        A file, of which others may be part (`.vhdr` beside `.eeg`, `.set` beside `.fdt`), or a
        folder, as CTF writes them.

    Returns
    -------
    pathlib.Path
        The largest file of it.
    """
    if recording.is_dir():
        files = [p for p in recording.rglob("*") if p.is_file()]
    else:
        stem = recording.name.split(".")[0]
        files = [p for p in recording.parent.glob(f"{stem}.*") if p.is_file()]
    return max(files, key=lambda p: (p.stat().st_size, p.name), default=recording)


def copied_recordings(recordings: Mapping[str, Path]) -> list[str]:
    """List recordings that are byte-identical.

    Files are compared by size, then by a few samples of their bytes, then whole.

    Parameters
    ----------
    recordings
        The file of each run, by the run's name (see `data_file`).

    Returns
    -------
    list of str
        One sentence a pair.
    """
    by_content: dict[str, str] = {}
    found = []
    for name in _doubtful(recordings):
        content = file_sha(recordings[name])
        first = by_content.setdefault(content, name)
        if first != name:
            found.append(
                f"run {name} is a copy of run {first}: {recordings[name].name} and "
                f"{recordings[first].name} are byte-identical. One recording must not stand in a "
                "data set twice; remove the copy or put the right file in its place."
            )
    return found


def _doubtful(recordings: Mapping[str, Path]) -> Iterator[str]:
    """Give the recordings that agree with another one in size and in a few samples."""
    probes = {n: _probe(p) for n, p in recordings.items() if p.is_file() and p.stat().st_size}
    counts = pd.Series(probes.values(), dtype="str").value_counts()
    yield from (n for n, probe in probes.items() if counts[probe] > 1)


def _probe(path: Path) -> str:
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for start in np.linspace(0, max(0, size - _PROBE_BYTES), _N_PROBES).astype(int):
            file.seek(int(start))
            digest.update(file.read(_PROBE_BYTES))
    return digest.hexdigest()


def same_responses(responses: Mapping[str, np.ndarray], names: Mapping[str, np.ndarray]) -> list:
    """List trials whose responses are equal to the last bit.

    Noise does not repeat itself: such a trial is the same measurement, whatever its file or label.
    Responses without any variance over units are not looked at.

    Parameters
    ----------
    responses
        Responses of each subject, shape (n_trials, …).
    names
        Their trial ids, shape (n_trials,).

    Returns
    -------
    list of tuple of str
        (first trial, its copy), in the order of the responses.
    """
    seen: dict[bytes, str] = {}
    found = []
    for subject, values in responses.items():
        for trial, row in zip(names[subject], values, strict=True):
            if np.ptp(row) == 0:
                continue
            key = hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=16).digest()
            key += str(row.shape).encode()
            first = seen.setdefault(key, str(trial))
            if first != str(trial):
                found.append((first, str(trial)))
    return found
