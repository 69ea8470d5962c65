"""What `calcarine check` says of a data set as a whole: where it lies, and what is there twice."""

from collections.abc import Callable
from pathlib import Path

from calcarine.data.errors import CalcarineError
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import BidsSource


def data_set_problems(config: Config) -> list[str]:
    """Say whether the output tree would be written among the recordings."""
    if not isinstance(config.source, BidsSource):
        return []
    root, out = config.source.path.resolve(), config.layout.out.resolve()
    if not out.is_relative_to(root) or out.is_relative_to(root / "derivatives"):
        return []
    return [
        f"out: {out} lies inside the data set {root}, which is only read; expected a folder "
        "outside of it, or below its derivatives/. Choose another `out`."
    ]


def recording_problems(config: Config) -> list[str]:
    """Look for one recording, or one person, under two names, over all subjects."""
    from calcarine.pipelines.leak_check import check_people, recording_copies

    find = FINDERS.get(config.recording.modality, lambda config, subject: [])
    problems = recording_copies(r for s in config.subjects for r in find(config, s))
    try:
        for decoder in config.decode.values():
            check_people(config, decoder.held_out_subjects)
    except CalcarineError as error:
        problems.append(str(error))
    return problems


def _fmri_recordings(config: Config, subject: str) -> list[tuple[str, Path]]:
    from calcarine.data.fmri_trials import runs_of
    from calcarine.pipelines.fmri_reading import fmri_reading

    return [(run.name, run.bold[0]) for run in runs_of(fmri_reading(config, subject))]


def _meeg_recordings(config: Config, subject: str) -> list[tuple[str, Path]]:
    from calcarine.data.meeg.trials import recordings_of
    from calcarine.pipelines.meeg_reading import meeg_reading

    return [(run.name, run.recording) for run in recordings_of(meeg_reading(config, subject))]


FINDERS: dict[str, Callable[[Config, str], list[tuple[str, Path]]]] = {
    "fmri": _fmri_recordings,
    "eeg": _meeg_recordings,
    "meg": _meeg_recordings,
}
