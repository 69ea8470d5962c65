"""THINGS-EEG2 and THINGS-MEG: small files in the releases' own layout, and their traps."""

import pickle
import warnings

import mne
import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.events import read_events
from calcarine.data.meeg import things_eeg2, things_meg
from calcarine.data.meeg.cleaning import patch_segments
from calcarine.data.meeg.prepare import prepare_meeg
from calcarine.data.meeg.ready_epochs import read_epochs
from calcarine.data.meeg.settings import MeegReading, Windows
from calcarine.data.meeg.trials import read_meeg_trials
from calcarine.data.restricted_unpickler import read_array_dictionary
from calcarine.data.splits import hold_out
from calcarine.data.stimuli import read_stimuli

EEG_FACTS = things_eeg2.Facts(6, 2, (2, 4), (4, 8), 5, 200.0)
CHANNELS = ["O1", "Oz", "O2", "Pz", "Cz"]


def save_pickled(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, value)


def image_metadata(n_train=6, n_test=2):
    return {
        "train_img_files": [f"thing{i}_01b.jpg" for i in range(n_train)],
        "train_img_concepts": [f"{i + 1:05d}_thing{i}" for i in range(n_train)],
        "test_img_files": [f"probe{i}_05s.jpg" for i in range(n_test)],
        "test_img_concepts": [f"{i + 1:05d}_probe{i}" for i in range(n_test)],
    }


def raw_part(codes, seed=0, sfreq=200.0):
    rng = np.random.default_rng(seed)
    n = 400 + 40 * len(codes)
    stim = np.zeros(n)
    stim[200 + 40 * np.arange(len(codes))] = codes
    return {
        "raw_eeg_data": np.vstack([rng.normal(0, 1e-5, (5, n)), stim]),
        "ch_names": [*CHANNELS, "stim"],
        "ch_types": ["eeg"] * 5 + ["stim"],
        "sfreq": sfreq,
        "lowpass": 100.0,
        "highpass": 0.1,
    }


@pytest.fixture
def eeg2(tmp_path):
    """Two sessions; the first has a third presentation of one picture, and targets."""
    release = tmp_path / "release"
    save_pickled(release / "image_metadata.npy", image_metadata())
    for session in ("01", "02"):
        folder = release / "raw_data" / "sub-01" / f"ses-{session}"
        training = [1, 2, 3, 4, 5, 6, 99999, 6, 5, 4, 3, 2, 1]
        training += [3] if session == "01" else []
        save_pickled(folder / "raw_eeg_training.npy", raw_part(training))
        save_pickled(folder / "raw_eeg_test.npy", raw_part([1, 2, 99999, 2, 1, 1, 2, 1, 2], 1))
    rng = np.random.default_rng(5)
    for part, n, reps in (("training", 6, 4), ("test", 2, 8)):
        value = {
            "preprocessed_eeg_data": rng.normal(size=(n, reps, 5, 20)),
            "ch_names": CHANNELS,
            "times": np.linspace(-0.2, 0.75, 20),
        }
        save_pickled(
            release / "preprocessed_data" / "sub-01" / f"preprocessed_eeg_{part}.npy", value
        )
    return release


def test_a_dictionary_of_arrays_is_read(tmp_path):
    value = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": ["x", "y"],
        "c": np.float64(2.5),
        "d": {"e": 1},
    }
    for protocol in (2, 4, 5):
        path = tmp_path / f"{protocol}.npy"
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|O", "fortran_order": False, "shape": ()}
            )
            pickle.dump(np.array(value, dtype=object), file, protocol=protocol)
        found = read_array_dictionary(path)
        np.testing.assert_array_equal(found["a"], value["a"])
        assert {k: found[k] for k in "bcd"} == {k: value[k] for k in "bcd"}


class _Harmful:
    def __reduce__(self):
        return (print, ("this must never run",))


def test_what_would_run_code_is_refused(tmp_path, capsys):
    save_pickled(tmp_path / "bad.npy", {"a": _Harmful()})
    with pytest.raises(CalcarineError, match="it asks for builtins.print"):
        read_array_dictionary(tmp_path / "bad.npy")
    assert "never run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: np.save(p, np.zeros(3)), "not a dictionary"),
        (lambda p: save_pickled(p, [1, 2]), "no dictionary|expected a dictionary|not a dictionary"),
        (lambda p: p.write_bytes(b"nonsense"), "no dictionary of arrays"),
        (lambda p: None, "is not there"),
    ],
)
def test_other_files_are_refused(tmp_path, write, message):
    write(tmp_path / "a.npy")
    with pytest.raises(CalcarineError, match=message):
        read_array_dictionary(tmp_path / "a.npy")


def test_raw_release_becomes_bids(eeg2, tmp_path):
    bids = tmp_path / "bids"
    things_eeg2.convert_raw(eeg2, ["01"], bids, facts=EEG_FACTS)
    stimuli = read_stimuli(bids / "stimuli" / "stimuli.tsv")
    assert stimuli["stimulus_id"].tolist()[:2] == ["thing0_01b", "thing1_01b"]
    assert stimuli["concept"].tolist()[-1] == "probe1"
    assert (stimuli["file"] == "n/a").all()
    events = read_events(bids / "sub-01/ses-01/eeg/sub-01_ses-01_task-rsvp_run-01_events.tsv")
    assert (events["trial_type"] == "target").sum() == 1
    assert events["value"].tolist()[6] == "99999"
    # code 1 is the first picture
    assert events["stimulus"].tolist()[:2] == ["thing0_01b", "thing1_01b"]
    surplus = events[(events["phase"] == "unused") & (events["trial_type"] == "picture")]
    assert surplus["stimulus"].tolist() == ["thing2_01b"]
    assert surplus["onset"].iloc[0] == events["onset"].max()


def test_raw_release_is_read_by_the_ordinary_reader(eeg2, tmp_path):
    bids = tmp_path / "bids"
    things_eeg2.convert_raw(eeg2, ["01"], bids, facts=EEG_FACTS)
    reading = MeegReading(
        bids,
        "01",
        "rsvp",
        "eeg",
        bids / "stimuli" / "stimuli.tsv",
        stimulus_column="stimulus",
        ignore_trial_types=("target",),
        picks=["^O", "^P"],
        filter=None,
        epochs=Windows(-0.1, 0.15, (None, 0.0)),
    )
    runs, trials = read_meeg_trials(reading)
    trials = hold_out(trials, "declared", 0, validation=(), declared="phase")
    responses, _ = prepare_meeg(reading, runs, trials)
    assert responses.units["channel"].tolist() == ["O1", "Oz", "O2", "Pz"]
    counts = responses.trials.groupby(["split", "stimulus_id"]).size()
    assert set(counts["train"]) == {4}
    assert counts["test"].tolist() == [8, 8]
    source = read_array_dictionary(eeg2 / "raw_data/sub-01/ses-01/raw_eeg_training.npy")
    first = source["raw_eeg_data"][:4, 180:231] * 1e6
    expected = first - first[:, :21].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(responses.values[0], expected, atol=0.05)


def test_preprocessed_release_becomes_responses(eeg2, tmp_path):
    bids = tmp_path / "bids"
    things_eeg2.convert_preprocessed(eeg2, ["01"], bids, facts=EEG_FACTS)
    responses, _ = read_epochs(bids, "01", "eeg", bids / "stimuli" / "stimuli.tsv", ["^O"])
    assert responses.values.shape == (6 * 4 + 2 * 8, 3, 20)
    source = read_array_dictionary(eeg2 / "preprocessed_data/sub-01/preprocessed_eeg_test.npy")[
        "preprocessed_eeg_data"
    ]
    rows = (responses.trials["stimulus_id"] == "probe1_05s").to_numpy()
    np.testing.assert_allclose(responses.values[rows], source[1][:, :3], atol=1e-6)
    assert responses.trials["phase"].value_counts().to_dict() == {"train": 24, "test": 16}
    assert "training and test trials together" in (bids / "dataset_description.json").read_text()
    assert responses.sidecar["sampling_rate_hz"] == pytest.approx(20)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (things_eeg2.Facts(7, 2, (2, 4), (4, 8), 5, 200.0), "lists 6 training pictures"),
        (things_eeg2.Facts(6, 2, (2, 4), (4, 8), 63, 200.0), "5 EEG and 1 stimulus channels"),
        (things_eeg2.Facts(6, 2, (2, 4), (4, 8), 5, 1000.0), "at 200 Hz"),
        (None, "the release has 16540"),
    ],
)
def test_facts_of_the_eeg_release_are_checked(eeg2, tmp_path, facts, message):
    with pytest.raises(CalcarineError, match=message):
        things_eeg2.convert_raw(eeg2, ["01"], tmp_path / "bids", facts=facts)
    assert not (tmp_path / "bids").exists()


def test_shape_of_the_preprocessed_release_is_checked(eeg2, tmp_path):
    facts = things_eeg2.Facts(6, 2, (2, 4), (4, 9), 5, 200.0)
    with pytest.raises(CalcarineError, match=r"has the shape \(2, 8, 5, 20\); expected \(2, 9"):
        things_eeg2.convert_preprocessed(eeg2, ["01"], tmp_path / "bids", facts=facts)


def test_pictures_and_recording_that_do_not_belong_together(eeg2):
    images = things_eeg2.read_images(eeg2 / "image_metadata.npy", EEG_FACTS)["test"]
    with pytest.raises(CalcarineError, match="has the code 3; there are 2 pictures"):
        things_eeg2.events_of(np.array([0, 1, 3]), 100.0, images, "test", EEG_FACTS)


def test_concepts_on_both_sides_are_refused(tmp_path):
    value = image_metadata()
    value["test_img_concepts"][0] = "00077_thing3"  # another number, the same name
    save_pickled(tmp_path / "image_metadata.npy", value)
    with pytest.raises(CalcarineError, match="1 concepts are training and test concepts"):
        things_eeg2.read_images(tmp_path / "image_metadata.npy", EEG_FACTS)


def test_pictures_are_linked_where_they_are(eeg2, tmp_path):
    pictures = tmp_path / "pictures"
    value = image_metadata()
    for part, prefix in (("training", "train"), ("test", "test")):
        for file, concept in zip(
            value[f"{prefix}_img_files"], value[f"{prefix}_img_concepts"], strict=True
        ):
            path = pictures / f"{part}_images" / concept / file
            path.parent.mkdir(parents=True)
            from PIL import Image

            Image.new("RGB", (4, 4), (len(file), 3, 9)).save(path)
    things_eeg2.convert_raw(eeg2, ["01"], tmp_path / "bids", pictures, EEG_FACTS)
    folder = tmp_path / "bids" / "stimuli"
    stimuli = read_stimuli(folder / "stimuli.tsv")
    assert (folder / stimuli["file"].iloc[0]).is_file()
    assert (folder / "training_images").is_symlink()
    with pytest.raises(CalcarineError, match="everything but picture-based steps"):
        things_eeg2.convert_raw(eeg2, ["01"], tmp_path / "b", tmp_path / "none", EEG_FACTS)


# --- THINGS-MEG ------------------------------------------------------------------------------


def meg_info(n=6):
    info = mne.pick_info(mne.channels.read_meg_canonical_info("ctf151"), np.arange(n))
    mne.rename_channels(info, {info["ch_names"][0]: "MRO11-1609"})
    with info._unlock():
        info["sfreq"], info["lowpass"] = 1200.0, 600.0
        info["dev_head_t"]["trans"][2, 3] = 0.045
    return info


def meg_events(rows):
    sample = 1200 + 1800 * np.arange(len(rows))
    return pd.DataFrame(
        {
            "onset": sample / 1200,
            "duration": 0.5,
            "trial_type": [r[0] for r in rows],
            "things_category_nr": [r[2] for r in rows],
            "value": [r[1] for r in rows],
            "sample": sample,
        }
    )


@pytest.fixture
def meg(tmp_path):
    """Two sessions of one run each: three training pictures, one of a test concept, one test."""
    release = tmp_path / "release"
    runs = {
        "11": ("04", [("exp", 10.0, 1.0), ("test", 500.0, 5.0), ("catch", "N/A", "N/A")]),
        "12": ("01", [("exp", 20.0, 2.0), ("test", 500.0, 5.0), ("exp", 51.0, 5.0)]),
    }
    rng = np.random.default_rng(0)
    for session, (run, rows) in runs.items():
        folder = release / "sub-BIGMEG1" / f"ses-{session}" / "meg"
        folder.mkdir(parents=True)
        stem = f"sub-BIGMEG1_ses-{session}_task-main_run-{run}"
        table = meg_events(rows)
        table.to_csv(folder / f"{stem}_events.tsv", sep="\t", index=False)
        (folder / f"._{stem}_events.tsv").write_bytes(b"\x00\x05\x16\x07\xff\xfe")
        info = meg_info()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = mne.io.RawArray(1e-13 * rng.normal(size=(6, 18000)), info, verbose="error")
            raw.save(folder / f"{stem}_meg.fif", fmt="single", verbose="error")
        channels = pd.DataFrame({"name": info["ch_names"], "type": "MEGMAG", "units": "T"})
        channels["status"] = "good"
        channels.to_csv(folder / f"{stem}_channels.tsv", sep="\t", index=False)
    return release


def test_test_concepts_are_taken_out_of_training(meg, tmp_path):
    things_meg.convert_bids(meg, ["BIGMEG1"], tmp_path / "bids")
    folder = tmp_path / "bids" / "sub-BIGMEG1"
    second = read_events(next(folder.glob("ses-12/meg/*_events.tsv")))
    assert second["phase"].tolist() == ["train", "test", "unused"]
    assert second["stimulus"].tolist() == ["things-00020", "things-00500", "things-00051"]
    first = read_events(next(folder.glob("ses-11/meg/*_events.tsv")))
    by_kind = first.set_index("trial_type")
    assert by_kind.loc["catch", "stimulus"] == "n/a"
    assert by_kind.loc["exp", "onset"] == 1.0
    assert by_kind.loc["PATCH_dropout", "onset"] == 13.4
    stimuli = read_stimuli(tmp_path / "bids" / "stimuli" / "stimuli.tsv")
    assert stimuli.set_index("stimulus_id").loc["things-00051", "concept"] == "category-0005"


def test_linked_meg_is_read_by_the_ordinary_reader(meg, tmp_path):
    bids = tmp_path / "bids"
    things_meg.convert_bids(meg, ["BIGMEG1"], bids)
    link = next(bids.rglob("*_meg.fif"))
    assert link.is_symlink()
    reading = MeegReading(
        bids,
        "BIGMEG1",
        "main",
        "meg",
        bids / "stimuli" / "stimuli.tsv",
        sensors="mag",
        stimulus_column="stimulus",
        filter=None,
        bad_channels="drop",
        epochs=Windows(-0.1, 0.3, (None, 0.0)),
    )
    runs, trials = read_meeg_trials(reading)
    trials = hold_out(trials, "declared", 0, validation=(), declared="phase")
    responses, quality = prepare_meeg(reading, runs, trials)
    assert "MRO11-1609" not in responses.units["channel"].tolist()
    assert len(responses.units) == 5
    assert responses.sidecar["unit"] == "fT"
    assert quality["steps"][0] == "1 dropouts filled with the median"
    assert responses.units["z"].mean() > 0.05  # moved into the head frame


def test_a_dropout_is_filled_with_the_median():
    raw = mne.io.RawArray(
        np.random.default_rng(0).normal(size=(3, 1000)),
        mne.create_info(3, 100.0, "eeg"),
        verbose="error",
    )
    before = raw.get_data().copy()
    raw.set_annotations(mne.Annotations([2.0], [0.5], ["PATCH_dropout"]))
    patch_segments(raw)
    after = raw.get_data()
    medians = np.median(before, axis=1, keepdims=True)
    np.testing.assert_allclose(after[:, 200:250], np.repeat(medians, 50, axis=1))
    np.testing.assert_array_equal(after[:, :200], before[:, :200])
    np.testing.assert_array_equal(after[:, 250:], before[:, 250:])


def test_triggers_in_place_of_the_optical_sensor_are_refused(meg, tmp_path):
    path = next(meg.rglob("ses-12/meg/sub*_events.tsv"))
    table = pd.read_csv(path, sep="\t")
    table["onset"] -= 0.15
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(CalcarineError, match="onset and sample are 150 ms apart"):
        things_meg.convert_bids(meg, ["BIGMEG1"], tmp_path / "bids")


def test_facts_of_the_meg_release_are_checked(meg, tmp_path):
    with pytest.raises(CalcarineError, match="sessions 2 instead of 12; runs 2 instead of 120"):
        things_meg.convert_bids(meg, ["BIGMEG1"], tmp_path / "b", facts=things_meg.Facts())
    small = things_meg.Facts(2, 1, 1, 2, 3)
    things_meg.convert_bids(meg, ["BIGMEG1"], tmp_path / "b", facts=small)


def test_published_meg_epochs_become_responses(tmp_path):
    rng = np.random.default_rng(0)
    metadata = pd.DataFrame(
        {
            "trial_type": ["exp", "test", "catch", "exp", "test"],
            "things_image_nr": [10.0, 500.0, np.nan, 51.0, 500.0],
            "things_category_nr": [1.0, 5.0, np.nan, 5.0, 5.0],
            "session_nr": [1, 1, 1, 2, 2],
            "run_nr": [1, 1, 1, 1, 1],
        }
    )
    epochs = mne.EpochsArray(
        rng.normal(size=(5, 6, 30)), meg_info(), tmin=-0.1, metadata=metadata, verbose="error"
    )
    epochs.save(tmp_path / "preprocessed_P1-epo.fif", verbose="error")
    things_meg.convert_preprocessed(tmp_path, ["BIGMEG1"], tmp_path / "bids")
    found, _ = read_epochs(
        tmp_path / "bids", "BIGMEG1", "meg", tmp_path / "bids/stimuli/stimuli.tsv", None
    )
    assert found.values.shape == (4, 5, 30)
    assert found.trials["phase"].tolist() == ["train", "test", "unused", "test"]
    expected = epochs.get_data()[[0, 1, 3, 4], 1:]
    np.testing.assert_allclose(found.values, expected, rtol=1e-5)
    with pytest.raises(CalcarineError, match="epochs of 1 test and 2 training pictures"):
        things_meg.convert_preprocessed(tmp_path, ["BIGMEG1"], tmp_path / "c", things_meg.Facts())


def test_real_meg_events_are_read(shared_data, tmp_path):
    """One session of the real release: its events agree with its samples, its facts do not."""
    release = shared_data("openneuro-bids-metadata") / "ds004212"
    events = things_meg.read_subject_events(release, "BIGMEG1")
    assert len(events) == 10
    joined = pd.concat(events.values())
    first = next(iter(events.values()))
    assert len(first) == 226
    assert (joined["trial_type"] == "test").sum() == 200
    assert joined.loc[joined["trial_type"] == "test", "picture"].nunique() == 200
    phase = things_meg.phases(joined)
    assert not set(joined["category"][phase == "train"]) & set(joined["category"][phase == "test"])
    with pytest.raises(CalcarineError, match="sessions 1 instead of 12"):
        things_meg.check_facts(events, things_meg.Facts(), "BIGMEG1")
