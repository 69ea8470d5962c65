from pathlib import Path
from typing import get_args

import pytest

from calcarine.data.errors import CalcarineError
from calcarine.pipelines import check, source
from calcarine.pipelines.config import Config, parse_config
from calcarine.pipelines.config_data import (
    Haxby2001Source,
    PhantomMeegSource,
    PhantomSource,
    Source,
)


def config_of(out: Path, modality: str = "fmri", **given) -> Config:
    raw = {
        "name": "small",
        "out": str(out),
        "subjects": ["01", "02"],
        "source": given,
        "recording": {"modality": modality, "task": "scenes"},
        "embeddings": {"category": {"model": "concept-codes", "input": "concepts"}},
    }
    return parse_config(raw, "test")


def test_the_experiment_takes_every_key_of_the_configuration(tmp_path):
    given = {"n_train": 61, "n_test": 13, "n_held_out": 2, "tr_s": 2.5, "amplitude": 0.5}
    experiment = source.experiment_of(config_of(tmp_path, kind="phantom", **given))
    for name in PhantomSource.model_fields:
        if name != "kind":
            expected = given.get(name, PhantomSource.model_fields[name].default)
            assert getattr(experiment, name) == expected


def test_the_sensor_experiment_takes_every_key_of_the_configuration(tmp_path):
    given = {"n_train_again": 30, "montages": {"02": "biosemi32"}, "soa_s": 1.2, "amplitude": 0.5}
    config = config_of(tmp_path, "eeg", kind="phantom-meeg", **given)
    experiment = source.sensor_experiment_of(config)
    for name, field in PhantomMeegSource.model_fields.items():
        if name != "kind":
            default = field.get_default(call_default_factory=True)
            assert getattr(experiment, name) == given.get(name, default)


def test_sensors_are_simulated_for_eeg_and_meg_only(tmp_path):
    small = {"n_train": 60, "n_train_again": 0, "n_test": 12, "n_test_repeats": 2}
    small |= {"n_voxels": 60, "n_sessions": 1}
    config = config_of(tmp_path, "fmri", kind="phantom-meeg", **small)
    with pytest.raises(CalcarineError, match="recording.modality reads 'func'"):
        source.run(config, "01")
    config = config_of(tmp_path, "eeg", kind="phantom-meeg", montage="biosemi16", **small)
    source.run(config, None)
    source.run(config, "01")
    assert list(config.bids.glob("sub-01/ses-01/eeg/*.vhdr"))


def test_the_phantom_is_written_in_two_parts(tmp_path):
    small = {"n_train": 60, "n_test": 12, "n_test_repeats": 2, "n_voxels": 60, "n_sessions": 1}
    config = config_of(tmp_path, kind="phantom", **small)
    source.run(config, None)
    assert config.stimuli.is_file()
    assert (config.bids / "participants.tsv").read_text().split() == [
        "participant_id",
        "sub-01",
        "sub-02",
    ]
    assert not list(config.bids.glob("sub-*"))
    source.run(config, "02")
    assert [p.name for p in config.bids.glob("sub-*")] == ["sub-02"]


def test_a_bids_folder_is_left_alone(tmp_path):
    config = config_of(tmp_path / "out", kind="bids", path=str(tmp_path / "bids"))
    source.run(config, None)
    source.run(config, "01")
    assert not list(tmp_path.iterdir())


def test_a_subject_that_the_release_lacks_is_named(tmp_path):
    given = {"path": str(tmp_path), "pictures": str(tmp_path)}
    config = config_of(tmp_path / "out", kind="haxby2001", **given)
    assert isinstance(config.source, Haxby2001Source)
    (config.bids / "sub-01").mkdir(parents=True)
    source.run(config, "01")
    with pytest.raises(CalcarineError, match=r"no sub-02; the release has \['sub-01'\]"):
        source.run(config, "02")


def test_every_kind_of_source_has_its_maker():
    sections = get_args(get_args(Source)[0])
    kinds = {section.model_fields["kind"].default for section in sections}
    assert len(kinds) == len(sections) > 1
    assert set(source.SOURCES) == kinds
    assert set(check.SOURCES) == kinds
