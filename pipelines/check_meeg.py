"""What `calcarine check` looks at in EEG and MEG recordings."""

from calcarine.data.errors import CalcarineError
from calcarine.pipelines.check_plan import Extent
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_meeg import EpochsRecording, ThingsEeg2Source, ThingsMegSource


def recordings_extents(config: Config) -> tuple[list[str], list[Extent]]:
    """Look whether files that are not in BIDS yet open, and whether the rules fit their events."""
    from calcarine.data.meeg.importing import name_events, read_recording, runs_of
    from calcarine.pipelines.source import import_of

    plan = import_of(config)
    if not plan.path.is_dir():
        return [f"source.path: the folder {plan.path} is not there; correct the path."], []
    problems = [
        f"source.stimuli.{name}.pictures: {stimulus.pictures} is not there; correct the path."
        for name, stimulus in plan.stimuli.items()
        if stimulus.pictures is not None and not stimulus.pictures.exists()
    ]
    extents: list[Extent] = []
    for subject in config.subjects:
        n_trials, n_runs, largest, n_channels = 0, 0, 0.0, 0
        try:
            for path in runs_of(plan, subject):
                raw, events = read_recording(path, plan.table)
                named = name_events(events, plan, str(path))
                n_trials += int((named["stimulus"] != "n/a").sum())
                n_runs, n_channels = n_runs + 1, len(raw.ch_names)
                largest = max(largest, 8 * raw.n_times * n_channels / 1e6)
        except CalcarineError as error:
            problems.append(f"sub-{subject}: {error}")
            continue
        extents.append(Extent(n_runs, n_trials, n_channels, len(plan.stimuli), largest, 100))
    return problems, extents


def release_problems(config: Config) -> tuple[list[str], list[Extent]]:
    """Look whether a release's folder is there; its files are checked when it is converted."""
    source = config.source
    assert isinstance(source, ThingsEeg2Source | ThingsMegSource)
    problems = []
    if not source.path.is_dir():
        problems.append(f"source.path: the folder {source.path} is not there; correct the path.")
    is_ready = source.layout == "preprocessed"
    if is_ready != (config.recording.modality == "epochs"):
        problems.append(
            f"recording.modality is {config.recording.modality!r}; `source.layout: "
            f"{source.layout}` needs {'epochs' if is_ready else 'eeg or meg'}."
        )
    return problems, []


def meeg_extent(config: Config, subject: str) -> tuple[list[str], Extent | None]:
    """Walk through the recording of one subject."""
    from calcarine.data.meeg.check import find_problems
    from calcarine.pipelines.leak_check import split_leaks
    from calcarine.pipelines.meeg_reading import meeg_reading
    from calcarine.pipelines.prepare import declare_split

    reading = meeg_reading(config, subject)
    found = find_problems(reading)
    if found.trials is None or found.units is None:
        return found.problems, None
    problems = list(found.problems)
    try:
        trials = declare_split(found.trials, config.split, config.seed)
        problems += split_leaks(config, trials, reading.epochs.span_s)
    except CalcarineError as error:
        problems.append(str(error))
    rate = (reading.resample_sfreq or found.runs[0].sfreq) / reading.epochs.decim
    seconds = reading.epochs.tmax - reading.epochs.tmin
    longest = max(run.length_s * run.sfreq for run in found.runs)
    return problems, Extent(
        len(found.runs),
        len(found.trials),
        len(found.units),
        found.trials["stimulus_id"].nunique(),
        8 * longest * len(found.units) / 1e6,
        int(seconds * rate) + 1,
        tuple(found.warnings),
        found.units,
    )


def epochs_extent(config: Config, subject: str) -> tuple[list[str], Extent | None]:
    """Read the epochs of one subject."""
    from calcarine.data.meeg.ready_epochs import read_epochs
    from calcarine.pipelines.leak_check import split_leaks
    from calcarine.pipelines.prepare import declare_split

    recording = config.recording
    assert isinstance(recording, EpochsRecording)
    try:
        found, _ = read_epochs(
            config.bids, subject, recording.datatype, config.stimuli, recording.picks
        )
        trials = declare_split(found.trials, config.split, config.seed)
        times = found.sidecar["times_s"]
        problems = split_leaks(config, trials, (times[0], times[-1]))
    except CalcarineError as error:
        return [str(error)], None
    size = found.values.nbytes / 1e6
    n_stimuli = trials["stimulus_id"].nunique()
    extent = Extent(1, len(trials), len(found.units), n_stimuli, size, len(times))
    return problems, extent
