"""`calcarine check`: every problem of a configuration and its data, and what a run would make."""

import os
from collections.abc import Callable
from pathlib import Path

from calcarine.data.errors import CalcarineError
from calcarine.data.kriegeskorte92 import FILE
from calcarine.pipelines.check_data_set import data_set_problems, recording_problems
from calcarine.pipelines.check_meeg import (
    epochs_extent,
    meeg_extent,
    recordings_extents,
    release_problems,
)
from calcarine.pipelines.check_plan import Extent, Plan, make_plan
from calcarine.pipelines.config import Config, load_config
from calcarine.pipelines.config_data import (
    BidsSource,
    Haxby2001Source,
    PhantomMeegSource,
    PhantomSource,
)
from calcarine.pipelines.config_geometry import Kriegeskorte92Source
from calcarine.pipelines.data_links import check_data_set_links


def check_config(path: Path) -> tuple[list[str], Plan | None]:
    """Look for problems without running anything.

    Parameters
    ----------
    path
        Configuration file.

    Returns
    -------
    tuple
        One text a problem, each with file, key or row; and the plan, where one can be made.
    """
    try:
        config = load_config(path)
    except CalcarineError as error:
        return _split(error), None
    problems = output_problems(config.layout.out) + data_set_problems(config)
    problems += model_problems(config)
    found, extents = SOURCES[config.source.kind](config)
    problems += found
    return problems, make_plan(config, extents) if extents else None


def _split(error: CalcarineError) -> list[str]:
    head, *items = str(error).split("\n- ")
    return [f"{head.rstrip(':')}: {item}" for item in items] or [head]


def output_problems(out: Path) -> list[str]:
    """Say why the output tree could not be written, if so."""
    place = out.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        return [f"out: {place} is a file; expected a folder. Choose another `out`."]
    if not os.access(place, os.W_OK | os.X_OK):
        return [f"out: no permission to write into {place}. Choose another `out` or mend it."]
    return []


def model_problems(config: Config) -> list[str]:
    """Load each embedding model and find each generator that the configuration names."""
    # torch and the model libraries take seconds to import
    from calcarine.decoders.generator import generator_source
    from calcarine.encoders.embedding_models import load_embedding_model
    from calcarine.pipelines.embed import CODES
    from calcarine.pipelines.given_embeddings import GIVEN, read_given

    problems = []
    for name, section in config.embeddings.items():
        if section.model in CODES and CODES[section.model].input == section.input:
            continue
        try:
            if section.model.startswith(GIVEN):
                read_given(section, name)
                continue
            model = load_embedding_model(section.model, section.layer, section.pooling)
            if section.input == "captions":
                model.embed_texts(["a picture"])
        except CalcarineError as error:
            problems.append(f"embeddings.{name}: {str(error).removeprefix(f'embeddings.{name}: ')}")
    for name, chosen in config.reconstruct.items():
        try:
            generator_source(chosen.generator)
        except CalcarineError as error:
            problems.append(f"reconstruct.{name}.generator: {error}")
    return problems


Found = tuple[list[str], list[Extent]]


def _phantom(config: Config) -> Found:
    source = config.source
    assert isinstance(source, PhantomSource)
    n_frames = max(source.shot_frames, 1)  # of a film, each the stimulus of a volume
    n_trials = n_frames * (source.n_train + source.n_test * source.n_test_repeats)
    n_runs = -(-n_trials // source.trials_per_run)
    every_s = source.tr_s if source.shot_frames else source.soa_s
    volumes = source.trials_per_run * every_s / source.tr_s
    extent = Extent(
        n_runs,
        n_trials,
        source.n_voxels,
        n_frames * (source.n_train + source.n_test),
        volumes * 40_000 * 4 / 1e6,
    )
    return [], [extent] * len(config.subjects)


def _phantom_meeg(config: Config) -> Found:
    from calcarine.data.phantom.meeg.devices import device_of
    from calcarine.pipelines.source import sensor_experiment_of

    source = config.source
    assert isinstance(source, PhantomMeegSource)
    experiment = sensor_experiment_of(config)
    n_trials = source.n_train + source.n_train_again + source.n_test * source.n_test_repeats
    n_samples = source.trials_per_run * source.soa_s * source.sampling_rate_hz
    problems, extents = [], []
    for subject in config.subjects:
        try:
            device = device_of(config.recording.datatype, experiment, subject)
        except CalcarineError as error:
            problems.append(str(error))
            continue
        n_channels = len(device.channels)
        extents.append(
            Extent(
                -(-n_trials // source.trials_per_run),
                n_trials,
                round(n_channels * source.sampling_rate_hz),  # about one second a trial
                source.n_train + source.n_test,
                n_samples * n_channels * 4 / 1e6,
            )
        )
    return list(dict.fromkeys(problems)), extents


def _haxby2001(config: Config) -> Found:
    source = config.source
    assert isinstance(source, Haxby2001Source)
    problems = [
        f"source.{key}: the folder {folder} is not there; correct the path or set the variable "
        "that it is made of."
        for key, folder in (("path", source.path), ("pictures", source.pictures))
        if not folder.is_dir()
    ]
    return problems, [Extent(12, 96, 530, 8, 121 * 800 * 4 / 1e6)]


def _bids(config: Config) -> Found:
    assert isinstance(config.source, BidsSource)
    if not config.bids.is_dir():
        return [f"source.path: the data set {config.bids} is not there; correct the path."], []
    try:
        check_data_set_links(config, config.subjects)
    except CalcarineError as error:
        return [str(error)], []
    problems: list[str] = []
    extents: list[Extent] = []
    for subject in config.subjects:
        found, extent = RECORDINGS[config.recording.modality](config, subject)
        problems += [f"sub-{subject}: {text}" for text in found]
        extents += [extent] if extent is not None else []
    if not problems:
        problems = recording_problems(config)
    return list(dict.fromkeys(problems)), extents


def _fmri(config: Config, subject: str) -> tuple[list[str], Extent | None]:
    from calcarine.data.fmri import check_choice_of_shapes, open_space, response_window_s
    from calcarine.data.fmri_check import find_problems
    from calcarine.data.fmri_trials import read_fmri_trials
    from calcarine.pipelines.fmri_reading import fmri_reading
    from calcarine.pipelines.leak_check import split_leaks, with_delays
    from calcarine.pipelines.prepare import declare_split

    reading = fmri_reading(config, subject)
    problems, trials = find_problems(reading)
    if trials is None:
        return problems, None
    try:
        trials = declare_split(trials, config.split, config.seed)
        window = with_delays(config, response_window_s(reading.responses, trials))
        problems += split_leaks(config, trials, window)
        check_choice_of_shapes(reading.responses, trials)
    except CalcarineError as error:
        problems.append(str(error))
    runs = read_fmri_trials(reading)[0]
    n_units = open_space(reading, runs).n_units
    volumes = max(run.timing.n_volumes for run in runs)
    return problems, Extent(
        len(runs),
        len(trials),
        n_units,
        trials["stimulus_id"].nunique(),
        volumes * n_units * 4 / 1e6,
    )


def _dissimilarities(config: Config, subject: str) -> tuple[list[str], Extent | None]:
    from calcarine.data.dissimilarities import read_dissimilarities

    try:
        found = read_dissimilarities(config.bids / f"sub-{subject}" / "dissimilarities")
    except CalcarineError as error:
        return [str(error)], None
    n_sessions, n_stimuli = len(found.rdms), len(found.stimuli)
    size_mb = n_sessions * n_stimuli**2 * 4 / 1e6
    return [], Extent(n_sessions, n_sessions * n_stimuli, n_stimuli, n_stimuli, size_mb)


def _kriegeskorte92(config: Config) -> Found:
    source = config.source
    assert isinstance(source, Kriegeskorte92Source)
    problems = []
    if not (source.path / FILE).is_file():
        problems.append(
            f"source.path: {source.path / FILE} is not there; correct the path or set the variable "
            "that it is made of."
        )
    return problems, [Extent(2, 184, 92, 92, 0.1)] * len(config.subjects)


# of a picture that the source step stores; those of other releases stay where they are
PICTURE_MB = {"nsd": 0.35}


def _betas(config: Config) -> Found:
    from calcarine.pipelines.betas import open_betas

    problems, extents = [], []
    for subject in config.subjects:
        try:
            found = open_betas(config, subject)
        except CalcarineError as error:
            problems.append(f"sub-{subject}: {error}")
            continue
        n_trials, n_units = len(found.events), len(found.units)
        run_mb = max(found.session_sizes) * n_units * 4 / 1e6
        n_stimuli = found.events["stimulus_id"].nunique()
        pictures_mb = PICTURE_MB.get(config.source.kind, 0.0) * n_stimuli
        sizes = (len(found.sessions), n_trials, n_units, n_stimuli, run_mb)
        extents.append(Extent(*sizes, made_mb=pictures_mb))
    return list(dict.fromkeys(problems)), extents


SOURCES: dict[str, Callable[[Config], Found]] = {
    "kriegeskorte92": _kriegeskorte92,
    "phantom": _phantom,
    "phantom-meeg": _phantom_meeg,
    "haxby2001": _haxby2001,
    "recordings": recordings_extents,
    "things-eeg2": release_problems,
    "things-meg": release_problems,
    "nsd": _betas,
    "generic-object-decoding": _betas,
    "bold5000": _betas,
    "bids": _bids,
}
RECORDINGS: dict[str, Callable[[Config, str], tuple[list[str], Extent | None]]] = {
    "fmri": _fmri,
    "dissimilarities": _dissimilarities,
    "eeg": meeg_extent,
    "meg": meeg_extent,
    "epochs": epochs_extent,
}
