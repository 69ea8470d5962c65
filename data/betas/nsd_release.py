"""The Natural Scenes Dataset as released: its folders, and which picture was in which trial.

The facts that this module relies on are checked, because every one of them has been got wrong in
print: order of axes, scale, numbers that start at 1, sessions that are missing.

References
----------
Allen et al. 2022, doi:10.1038/s41593-021-00962-x.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io

from calcarine.data.errors import CalcarineError

N_SESSIONS = (40, 40, 32, 30, 40, 32, 40, 30)
N_TRIALS, N_RUNS, N_SLOTS, SLOT_S, SHOWN_S = 750, 12, 75, 4.0, 3.0
N_PICTURES, N_SHARED, N_OF_SUBJECT = 73_000, 1000, 10_000


@dataclass(frozen=True)
class NsdReading:
    """What to read of one subject.

    Attributes
    ----------
    path
        Folder that holds `nsddata`, `nsddata_betas` and `nsddata_stimuli`.
    subject
        `01` … `08`.
    space
        `func1pt8mm`, `func1mm` or `fsaverage`.
    version
        Folder of the betas.
    mask
        ROI file whose labels above 0 are read; `cortex`: where `nsdgeneral` is not −1.
    rois
        ROI files that name regions.
    sessions
        Numbers from 1; None: all that were released.
    """

    path: Path
    subject: str
    space: str = "func1pt8mm"
    version: str = "betas_fithrf_GLMdenoise_RR"
    mask: str = "nsdgeneral"
    rois: tuple[str, ...] = ("prf-visualrois",)
    sessions: tuple[int, ...] | None = None

    @property
    def number(self) -> int:
        """Number of the subject, from 1."""
        if self.subject not in {f"{n:02d}" for n in range(1, 9)}:
            raise CalcarineError(f"NSD has the subjects 01 … 08; got {self.subject!r}.")
        return int(self.subject)

    @property
    def betas(self) -> Path:
        """Folder of the betas."""
        subject = f"subj{self.number:02d}"
        return self.path / "nsddata_betas" / "ppdata" / subject / self.space / self.version

    @property
    def chosen_sessions(self) -> tuple[int, ...]:
        """Sessions that are read; refuses those that do not exist."""
        released = tuple(range(1, N_SESSIONS[self.number - 1] + 1))
        wrong = sorted(set(self.sessions or ()) - set(released))
        if wrong:
            raise CalcarineError(
                f"source.sessions names {wrong}; subject {self.subject} of NSD has the sessions "
                f"1 … {released[-1]}."
            )
        return released if self.sessions is None else tuple(sorted(set(self.sessions)))


def design_file(path: Path) -> Path:
    """Give the place of the experiment's design."""
    return path / "nsddata" / "experiments" / "nsd" / "nsd_expdesign.mat"


def stimulus_info_file(path: Path) -> Path:
    """Give the place of the table of pictures."""
    return path / "nsddata" / "experiments" / "nsd" / "nsd_stim_info_merged.csv"


def read_design(path: Path) -> dict[str, np.ndarray]:
    """Read `nsd_expdesign.mat` and check what is known of it.

    Returns
    -------
    dict
        `masterordering` (30000,), `subjectim` (8, 10000), `sharedix` (1000,), all counting from 1,
        and `stimpattern` (40, 12, 75).

    Raises
    ------
    CalcarineError
        The file is absent, or is not the design of NSD.
    """
    file = design_file(path)
    try:
        found = scipy.io.loadmat(file)
    except (OSError, ValueError, NotImplementedError, TypeError) as error:
        raise CalcarineError(
            f"{file} cannot be read ({error}). Correct `source.path`: the folder that holds "
            "nsddata, nsddata_betas and nsddata_stimuli."
        ) from error
    wanted = {
        "masterordering": (max(N_SESSIONS) * N_TRIALS,),
        "subjectim": (len(N_SESSIONS), N_OF_SUBJECT),
        "sharedix": (N_SHARED,),
        "stimpattern": (max(N_SESSIONS), N_RUNS, N_SLOTS),
    }
    out = {}
    for name, shape in wanted.items():
        values = np.asarray(found.get(name, []))
        values = values.ravel() if len(shape) == 1 else values
        if values.shape != shape:
            raise CalcarineError(f"{file}: {name} has the shape {values.shape}; expected {shape}.")
        out[name] = values.astype(np.int64)
    _check_counts_from_1(file, out)
    return out


def _check_counts_from_1(file: Path, design: dict[str, np.ndarray]) -> None:
    limits = {"masterordering": N_OF_SUBJECT, "subjectim": N_PICTURES, "sharedix": N_PICTURES}
    for name, largest in limits.items():
        low, high = int(design[name].min()), int(design[name].max())
        if low < 1 or high > largest:
            raise CalcarineError(
                f"{file}: {name} runs from {low} to {high}; numbers of NSD's design count from 1 "
                f"to {largest}."
            )
    n_shown = design["stimpattern"].sum(axis=(1, 2))
    if (n_shown != N_TRIALS).any():
        raise CalcarineError(
            f"{file}: stimpattern shows {sorted(set(n_shown.tolist()))} pictures a session; every "
            f"session of NSD has {N_TRIALS}."
        )
    first = np.sort(design["subjectim"][:, :N_SHARED], axis=1)
    if not (first == np.sort(design["sharedix"])).all():
        raise CalcarineError(
            f"{file}: the first {N_SHARED} pictures of each subject are not the shared ones."
        )


def read_stimulus_info(path: Path) -> pd.DataFrame:
    """Read `nsd_stim_info_merged.csv`: one row a picture, in the order of the picture file.

    Raises
    ------
    CalcarineError
        The table is absent, lacks a column, or its `nsdId` is not its row.
    """
    file = stimulus_info_file(path)
    try:
        table = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise CalcarineError(f"{file} cannot be read ({error}). Correct `source.path`.") from error
    wanted = ["nsdId", "cocoId", "cocoSplit", "shared1000"]
    wanted += [f"subject{s}_rep{r}" for s in range(1, len(N_SESSIONS) + 1) for r in range(3)]
    missing = [name for name in wanted if name not in table]
    if missing:
        raise CalcarineError(f"{file} lacks the columns {missing[:6]}; it has {list(table)[:12]}.")
    if len(table) != N_PICTURES or (table["nsdId"] != np.arange(N_PICTURES)).any():
        raise CalcarineError(
            f"{file} has {len(table)} rows, or a `nsdId` that is not its row counted from 0; "
            f"expected {N_PICTURES} rows in order."
        )
    return table


def nsd_events(reading: NsdReading) -> pd.DataFrame:
    """List the trials of the chosen sessions.

    Design and table of pictures are two records of the same experiment; they must agree in every
    trial.

    Returns
    -------
    pandas.DataFrame
        `session run onset duration stimulus_id phase nsd_id`, one row a trial. `phase` is `test`
        for the shared pictures, which all subjects saw.

    Raises
    ------
    CalcarineError
        A file is absent, breaks a known fact, or the two disagree.
    """
    design, info = read_design(reading.path), read_stimulus_info(reading.path)
    parts = []
    for session in reading.chosen_sessions:
        trials = np.arange(N_TRIALS) + (session - 1) * N_TRIALS
        number = design["masterordering"][trials]
        nsd_id = design["subjectim"][reading.number - 1, number - 1] - 1
        run, slot = np.nonzero(design["stimpattern"][session - 1])
        parts.append(
            pd.DataFrame(
                {
                    "session": f"{session:02d}",
                    "run": [f"{r + 1:02d}" for r in run],
                    "onset": SLOT_S * slot,
                    "duration": SHOWN_S,
                    "stimulus_id": [stimulus_id(i) for i in nsd_id],
                    "phase": np.where(number <= N_SHARED, "test", "train"),
                    "nsd_id": nsd_id,
                    "nsd_trial": trials + 1,
                }
            )
        )
    events = pd.concat(parts, ignore_index=True)
    _check_agreement(reading, events, info)
    return events


def _check_agreement(reading: NsdReading, events: pd.DataFrame, info: pd.DataFrame) -> None:
    shown = info.iloc[events["nsd_id"]]
    repeats = shown[[f"subject{reading.number}_rep{r}" for r in range(3)]].to_numpy()
    agrees = (repeats == events["nsd_trial"].to_numpy()[:, None]).any(axis=1)
    agrees &= shown["shared1000"].to_numpy(dtype=bool) == (events["phase"] == "test").to_numpy()
    if not agrees.all():
        first = events.iloc[int(np.argmin(agrees))]
        raise CalcarineError(
            f"{design_file(reading.path).name} and {stimulus_info_file(reading.path).name} "
            f"disagree in {int((~agrees).sum())} trials of subject {reading.subject}, the first "
            f"trial {first['nsd_trial']} with picture {first['nsd_id']}. Use the files of one "
            "release."
        )


def stimulus_id(nsd_id: int) -> str:
    """Name a picture by its number from 0."""
    return f"nsd-{nsd_id:05d}"
