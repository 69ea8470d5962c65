"""Filtering and epoching against plain MNE calls on the same file, in one run.

Run with `python benchmarks/meeg_preprocessing.py`; prints a table. The aim is 1.3 or less.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import mne
import mne_bids
import numpy as np
import pandas as pd

from calcarine.data.meeg.cleaning import clean_run
from calcarine.data.meeg.reading import open_raw
from calcarine.data.meeg.settings import Filter, MeegReading, Notch, Windows
from calcarine.data.meeg.trials import measure_run, recordings_of
from calcarine.data.meeg.windows import run_windows
from calcarine.data.stimuli import read_stimuli

BAND, NOTCH = (0.1, 40.0), (50.0, 100.0)
WINDOW = (-0.2, 0.8)
SOA_S = 0.9


def write_recording(root: Path, n_channels: int, minutes: float, sfreq: float) -> Path:
    names = mne.channels.make_standard_montage("fsaverage_1005").ch_names[:n_channels]
    rng = np.random.default_rng(0)
    data = 1e-5 * rng.standard_normal((n_channels, int(60 * minutes * sfreq)))
    raw = mne.io.RawArray(data, mne.create_info(names, sfreq, "eeg"), verbose="error")
    raw.set_montage("fsaverage_1005", verbose="error")
    raw.info["line_freq"] = 50
    path = mne_bids.BIDSPath(subject="01", task="look", run="01", datatype="eeg", root=root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mne_bids.write_raw_bids(
            raw, path, format="BrainVision", allow_preload=True, verbose="error"
        )
    onset = np.arange(1.0, 60 * minutes - 1, SOA_S).round(3)
    events = pd.DataFrame({"onset": onset, "duration": 0.1, "trial_type": "a", "stim_file": "a"})
    folder = root / "sub-01" / "eeg"
    events.to_csv(folder / "sub-01_task-look_run-01_events.tsv", sep="\t", index=False)
    (root / "stimuli").mkdir()
    (root / "stimuli" / "stimuli.tsv").write_text("stimulus_id\tfile\na\tn/a\n")
    return root


def plain(root: Path) -> np.ndarray:
    """Do what a person types in a notebook, spectra before and after included."""
    path = root / "sub-01" / "eeg" / "sub-01_task-look_run-01_eeg.vhdr"
    raw = mne.io.read_raw_brainvision(path, preload=True, verbose="error")
    n_fft = int(4 * raw.info["sfreq"])
    raw.compute_psd("welch", n_fft=n_fft, fmax=150, verbose="error")
    raw.notch_filter(NOTCH, verbose="error")
    raw.filter(*BAND, verbose="error")
    raw.set_eeg_reference("average", verbose="error")
    raw.compute_psd("welch", n_fft=n_fft, fmax=150, verbose="error")
    table = pd.read_csv(path.with_name(path.name.replace("_eeg.vhdr", "_events.tsv")), sep="\t")
    samples = np.round(table["onset"].to_numpy() * raw.info["sfreq"]).astype(int)
    events = np.column_stack([samples, 0 * samples, 0 * samples + 1])
    epochs = mne.Epochs(
        raw,
        events,
        tmin=WINDOW[0],
        tmax=WINDOW[1],
        baseline=(None, 0),
        preload=True,
        verbose="error",
    )
    return (epochs.get_data(copy=False) * 1e6).astype(np.float32)


def ours(root: Path) -> np.ndarray:
    reading = MeegReading(
        root,
        "01",
        "look",
        "eeg",
        root / "stimuli" / "stimuli.tsv",
        notch_filter=Notch(NOTCH),
        filter=Filter(*BAND),
        set_eeg_reference="average",
        epochs=Windows(*WINDOW),
    )
    files = recordings_of(reading)[0]
    run = measure_run(reading, files, read_stimuli(reading.stimuli))
    clean = clean_run(open_raw(files, reading), files, reading, None)
    return run_windows(run, clean.raw, clean.names, reading.epochs).values


def seconds(work: Callable[[Path], np.ndarray], root: Path) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    values = work(root)
    return time.perf_counter() - start, values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--sfreq", type=float, default=500.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = write_recording(Path(folder), given.channels, given.minutes, given.sfreq)
        plain(root)  # warm the file cache and the imports
        times: dict[str, list[float]] = {"plain MNE": [], "calcarine": []}
        for _ in range(given.rounds):  # turn by turn, so that both see the same machine
            took, expected = seconds(plain, root)
            times["plain MNE"].append(took)
            took, found = seconds(ours, root)
            times["calcarine"].append(took)
        np.testing.assert_allclose(found, expected, atol=1e-3)
    best = {name: min(t) for name, t in times.items()}
    print(
        f"{given.channels} channels, {given.minutes:g} min at {given.sfreq:g} Hz, "
        f"{len(found)} windows; best of {given.rounds}"
    )
    print("| what | seconds | ratio |\n| --- | --- | --- |")
    for name, took in best.items():
        print(f"| {name} | {took:.2f} | {took / best['plain MNE']:.2f} |")


if __name__ == "__main__":
    main()
