"""Writing EEG runs as raw BIDS (BrainVision)."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from calcarine.data.atomic import write_text
from calcarine.data.dataset_description import (
    dataset_description,
    write_description,
    write_participants,
)


def write_data_set(root: Path, name: str, subjects: Sequence[str], licence: str = "") -> None:
    """Write what all subjects of a data set share."""
    write_description(root, dataset_description(name, "raw", licence))
    write_participants(root, subjects)
    write_text(root / ".bidsignore", "stimuli/\n*_epochs.*\n")


def write_eeg_run(
    root: Path,
    raw: Any,
    events: pd.DataFrame,
    subject: str,
    task: str,
    run: str,
    session: str | None = None,
    line_freq: float = 50.0,
) -> None:
    """Write one run with its events, all their columns.

    Parameters
    ----------
    root
        Data set.
    raw
        `mne.io.BaseRaw`, loaded.
    events
        `onset duration trial_type` and more; onset in seconds from the first sample.
    subject, task, run, session
        BIDS labels.
    line_freq
        Frequency of the mains in Hz.
    """
    import mne
    import mne_bids

    # RawArray: mne-bids would copy a file of another format as it stands
    plain = mne.io.RawArray(raw.get_data(), raw.info, verbose="error")
    plain.info["line_freq"] = line_freq
    target = mne_bids.BIDSPath(
        subject=subject,
        session=session,
        task=task,
        run=run,
        datatype="eeg",
        suffix="eeg",
        root=root,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mne_bids.write_raw_bids(
            plain, target, format="BrainVision", allow_preload=True, overwrite=True, verbose="error"
        )
    # own table: mne-bids would write its own columns and numbers only
    file = target.copy().update(suffix="events", extension=".tsv").fpath
    rounded = events.assign(onset=events["onset"].round(6))
    rounded.to_csv(file, sep="\t", index=False, na_rep="n/a", lineterminator="\n")
