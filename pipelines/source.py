"""Step `source`: put the recording into BIDS where it is not there yet."""

from collections.abc import Callable

from calcarine.data.errors import CalcarineError
from calcarine.data.haxby2001 import convert_haxby2001
from calcarine.data.kriegeskorte92 import convert_kriegeskorte92
from calcarine.data.meeg import things_eeg2, things_meg
from calcarine.data.meeg.importing import Import, ImportedStimulus, import_recordings
from calcarine.data.meeg.sample_tables import SampleTable
from calcarine.data.phantom.bids_fmri import write_shared, write_subject
from calcarine.data.phantom.experiment import Experiment
from calcarine.data.phantom.meeg import bids_meeg
from calcarine.data.phantom.meeg.experiment import SensorExperiment
from calcarine.pipelines import betas
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import Haxby2001Source, PhantomMeegSource, PhantomSource
from calcarine.pipelines.config_geometry import Kriegeskorte92Source
from calcarine.pipelines.config_meeg import RecordingsSource, ThingsEeg2Source, ThingsMegSource


def experiment_of(config: Config) -> Experiment:
    """Read the phantom's experiment from the configuration."""
    assert isinstance(config.source, PhantomSource)
    return Experiment(**config.source.model_dump(exclude={"kind"}), seed=config.seed)


def _phantom(config: Config, subject: str | None) -> None:
    experiment = experiment_of(config)
    if subject is None:
        write_shared(config.bids, experiment, list(config.subjects))
    else:
        write_subject(config.bids, experiment, subject)


def sensor_experiment_of(config: Config) -> SensorExperiment:
    """Read the EEG or MEG phantom's experiment from the configuration."""
    assert isinstance(config.source, PhantomMeegSource)
    return SensorExperiment(**config.source.model_dump(exclude={"kind"}), seed=config.seed)


def _phantom_meeg(config: Config, subject: str | None) -> None:
    experiment = sensor_experiment_of(config)
    if subject is None:
        bids_meeg.write_shared(config.bids, experiment, list(config.subjects))
    else:
        datatype = config.recording.datatype
        bids_meeg.write_subject(config.bids, datatype, experiment, subject)


def _haxby2001(config: Config, subject: str | None) -> None:
    assert isinstance(config.source, Haxby2001Source)
    if subject is None:
        convert_haxby2001(config.source.path, config.source.pictures, config.bids)
    else:
        _must_have(config, subject)


def _kriegeskorte92(config: Config, subject: str | None) -> None:
    assert isinstance(config.source, Kriegeskorte92Source)
    if subject is None:
        convert_kriegeskorte92(config.source.path, config.bids)
    else:
        _must_have(config, subject)


def _must_have(config: Config, subject: str) -> None:
    """Refuse a subject that a converted release does not have."""
    if not (config.bids / f"sub-{subject}").is_dir():
        there = sorted(p.name for p in config.bids.glob("sub-*"))
        raise CalcarineError(
            f"{config.bids} has no sub-{subject}; the release has {there}. Correct `subjects`."
        )


def import_of(config: Config) -> Import:
    """Read from the configuration which files become which runs."""
    source = config.source
    assert isinstance(source, RecordingsSource)
    table = source.table
    return Import(
        path=source.path,
        files=source.files,
        task=source.task,
        stimuli={n: ImportedStimulus(**s.model_dump()) for n, s in source.stimuli.items()},
        line_freq=source.line_freq,
        table=None if table is None else SampleTable(**table.model_dump()),
        n_blocks=source.n_blocks,
        gap_s=source.gap_s,
    )


def _recordings(config: Config, subject: str | None) -> None:
    if subject is None:
        import_recordings(import_of(config), config.subjects, config.bids)


def _things_eeg2(config: Config, subject: str | None) -> None:
    source = config.source
    assert isinstance(source, ThingsEeg2Source)
    if subject is None:
        convert = {"raw": things_eeg2.convert_raw, "preprocessed": things_eeg2.convert_preprocessed}
        convert[source.layout](source.path, config.subjects, config.bids, source.pictures)


def _things_meg(config: Config, subject: str | None) -> None:
    source = config.source
    assert isinstance(source, ThingsMegSource)
    if subject is None:
        facts = things_meg.Facts() if source.complete else None
        if source.layout == "bids":
            things_meg.convert_bids(source.path, config.subjects, config.bids, facts=facts)
        else:
            things_meg.convert_preprocessed(source.path, config.subjects, config.bids, facts)


def _nothing(config: Config, subject: str | None) -> None:
    """Leave a BIDS data set where it stands."""


SOURCES: dict[str, Callable[[Config, str | None], None]] = {
    "phantom": _phantom,
    "phantom-meeg": _phantom_meeg,
    "haxby2001": _haxby2001,
    "kriegeskorte92": _kriegeskorte92,
    "recordings": _recordings,
    "things-eeg2": _things_eeg2,
    "things-meg": _things_meg,
    **dict.fromkeys(betas.CONVERTERS, betas.convert),
    "bids": _nothing,
}


def run(config: Config, subject: str | None = None) -> None:
    """Make the BIDS data set, or one subject's part of it.

    Parameters
    ----------
    config
        The analysis.
    subject
        Label: write this subject's recording. None: write what all subjects share, or convert a
        whole release.

    Raises
    ------
    CalcarineError
        The release is not there, the experiment is impossible, or nothing can be written.
    """
    SOURCES[config.source.kind](config, subject)
