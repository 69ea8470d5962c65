"""Files of devices and of EEGLAB become BIDS; real recordings have their documented counts."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.events import read_events
from calcarine.data.meeg.importing import Import, ImportedStimulus, block_of, import_recordings
from calcarine.data.meeg.prepare import prepare_meeg
from calcarine.data.meeg.sample_tables import SampleTable, read_sample_table
from calcarine.data.meeg.settings import Filter, MeegReading, Windows
from calcarine.data.meeg.trials import read_meeg_trials
from calcarine.data.splits import folds, leave_one_out
from calcarine.data.stimuli import read_stimuli

TABLE = SampleTable(marker="mark", sampling_rate_hz=100.0, time="t", channel_types={"AUX": "misc"})


def write_csv(path, n_samples=3000, rate=100.0, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 10, (n_samples, 4)).round(3)
    table = pd.DataFrame(values, columns=["Cz", "O1", "O2", "AUX"])
    table.insert(0, "t", (1000 + np.arange(n_samples) / rate).round(3))
    table["mark"] = 0
    table.loc[100::200, "mark"] = 1
    table.loc[200::200, "mark"] = 2
    table.to_csv(path, index=False)
    return table


def plan(folder, **changes):
    stimuli = {
        "house": ImportedStimulus({"mark": "1"}, "house", ["a house"]),
        "face": ImportedStimulus({"mark": "2"}, "face", columns={"alive": "yes"}),
    }
    settings = {"table": TABLE, "n_blocks": 4, **changes}
    return Import(folder, {"01": ["*.csv*"]}, "look", stimuli, **settings)


def test_samples_and_markers_are_those_of_the_file(tmp_path):
    table = write_csv(tmp_path / "a.csv")
    raw, events = read_sample_table(tmp_path / "a.csv", TABLE)
    assert raw.ch_names == ["Cz", "O1", "O2", "AUX"]
    assert raw.get_channel_types() == ["eeg"] * 3 + ["misc"]
    np.testing.assert_allclose(raw.get_data()[1], table["O1"] * 1e-6, atol=1e-15)
    assert events["onset"].tolist() == (np.flatnonzero(table["mark"]) / 100).tolist()
    assert events["mark"].tolist() == [f"{m}" for m in table["mark"][table["mark"] > 0]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t.drop(columns="mark"), r"lacks the columns \['mark'\]"),
        (lambda t: t.assign(mark=0), "marks no event"),
        (lambda t: t.assign(O1=t["O1"].where(t.index != 7)), "row 9: `O1` is no number; 1 samples"),
        (lambda t: t.assign(t=t["t"] * 1000), r"samples in .* are 0\.1 Hz"),
        (lambda t: t.drop(columns="AUX"), r"lacks the columns \['AUX'\]"),
    ],
)
def test_damaged_tables_are_refused(tmp_path, damage, message):
    damage(write_csv(tmp_path / "a.csv")).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(CalcarineError, match=message):
        read_sample_table(tmp_path / "b.csv", TABLE)


def test_import_and_ordinary_reader_give_back_the_recording(tmp_path):
    table = write_csv(tmp_path / "a.csv.csv")
    import_recordings(plan(tmp_path), ["01"], tmp_path / "bids")
    events = read_events(tmp_path / "bids/sub-01/eeg/sub-01_task-look_run-01_events.tsv")
    assert len(events) == 29
    assert events["stimulus"].value_counts().to_dict() == {"house": 15, "face": 14}
    assert (events["trial_type"] == events["stimulus"]).all()
    stimuli = read_stimuli(tmp_path / "bids/stimuli/stimuli.tsv")
    assert stimuli["alive"].tolist() == ["n/a", "yes"]
    reading = MeegReading(
        tmp_path / "bids",
        "01",
        "look",
        "eeg",
        tmp_path / "bids/stimuli/stimuli.tsv",
        stimulus_column="stimulus",
        montage="fsaverage_1005",
        filter=None,
        epochs=Windows(0.0, 0.5, None),
    )
    runs, trials = read_meeg_trials(reading)
    trials = leave_one_out(trials, "declared", "block")
    responses, _ = prepare_meeg(reading, runs, trials)
    assert responses.units["channel"].tolist() == ["Cz", "O1", "O2"]
    expected = table[["Cz", "O1", "O2"]].to_numpy()[100:151].T
    np.testing.assert_allclose(responses.values[0], expected, atol=1e-4)


def test_blocks_share_no_sample(tmp_path):
    write_csv(tmp_path / "a.csv")
    write_csv(tmp_path / "b.csv", seed=1)
    import_recordings(plan(tmp_path), ["01"], tmp_path / "bids")
    own = [
        read_events(tmp_path / f"bids/sub-01/eeg/sub-01_task-look_run-{r}_events.tsv")
        for r in ("01", "02")
    ]
    assert [set(e["block"]) - {"n/a"} for e in own] == [{"01a", "01b"}, {"02a", "02b"}]
    first = own[0]
    last_of_a = first["onset"][first["block"] == "01a"].max()
    assert first["onset"][first["block"] == "01b"].min() - last_of_a >= 2.0


def test_many_runs_stay_whole():
    assert block_of(np.array([0.1, 59.0]), 60.0, "03", 1, 1.0) == ["03", "03"]


def test_trials_of_no_block_are_not_used():
    trials = pd.DataFrame({"block": ["a", "a", "n/a", "b", "c"], "run": "01", "session": "n/a"})
    split = leave_one_out(trials, "declared", "block")
    assert split["split"].tolist() == ["fold-a", "fold-a", "unused", "fold-b", "fold-c"]
    assert all(2 not in {*f.train, *f.validation, *f.test} for f in folds(split))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": None}, r"say what its columns mean in `source\.table`"),
        ({"files": {"02": ["*.csv"]}}, r"knows the subjects \['02'\]"),
        ({"files": {"01": ["*.edf"]}}, r"'\*\.edf' fits no file"),
        ({"stimuli": {"cat": ImportedStimulus({"mark": "7"}, "cat")}}, "no event shows 'cat'"),
        ({"stimuli": {"cat": ImportedStimulus({"type": "7"}, "cat")}}, "names the column 'type'"),
    ],
)
def test_rules_that_fit_nothing_are_named_and_leave_nothing(tmp_path, change, message):
    write_csv(tmp_path / "a.csv")
    settings = {"files": {"01": ["*.csv"]}, **change}
    base = plan(tmp_path)
    given = {**base.__dict__, **settings}
    with pytest.raises(CalcarineError, match=message):
        import_recordings(Import(**given), ["01"], tmp_path / "bids")
    assert not (tmp_path / "bids").exists()


def test_consumer_eeg_has_its_documented_events(shared_data, tmp_path):
    release = shared_data("muse-n170")
    for subject, number, n_events, n_runs in (
        ("01", "1", 1174, 6),
        ("02", "2", 395, 2),
        ("11", "11", 192, 1),
    ):
        stimuli = {
            "house": ImportedStimulus({"Marker0": "1"}, "house"),
            "face": ImportedStimulus({"Marker0": "2"}, "face"),
        }
        table = SampleTable("Marker0", 256.0, "timestamps", channel_types={"Right AUX": "misc"})
        files = {subject: [f"subject{number}/session1/*.csv"]}
        bids = tmp_path / subject
        import_recordings(
            Import(release, files, "n170", stimuli, table=table, n_blocks=4), [subject], bids
        )
        found = sorted(bids.rglob("*_events.tsv"))
        assert len(found) == n_runs
        assert sum(len(read_events(p)) for p in found) == n_events


def test_eeglab_tutorial_has_its_documented_peak(shared_data, tmp_path):
    """SOURCE.md: Pz +26.9 µV at 430 ms after 1–30 Hz and baseline; 80 squares, 74 presses."""
    stimuli = {
        "square1": ImportedStimulus({"type": "square", "position": "1"}, "square"),
        "square2": ImportedStimulus({"type": "square", "position": "2"}, "square"),
        "response": ImportedStimulus({"type": "rt"}, "response"),
    }
    release = shared_data("eeglab-sample")
    given = Import(release, {"01": ["eeglab_data.set"]}, "attention", stimuli, n_blocks=5)
    import_recordings(given, ["01"], tmp_path / "bids")
    reading = MeegReading(
        tmp_path / "bids",
        "01",
        "attention",
        "eeg",
        tmp_path / "bids/stimuli/stimuli.tsv",
        stimulus_column="stimulus",
        channel_types={"EOG1": "eog", "EOG2": "eog"},
        filter=Filter(1.0, 30.0),
        epochs=Windows(-0.2, 0.8, (-0.2, 0.0)),
    )
    runs, trials = read_meeg_trials(reading)
    assert trials["concept"].value_counts().to_dict() == {"square": 80, "response": 74}
    assert (trials["stimulus_id"] == "square1").sum() == 40
    responses, _ = prepare_meeg(reading, runs, leave_one_out(trials, "declared", "block"))
    squares = responses.values[(responses.trials["concept"] == "square").to_numpy()]
    assert len(squares) == 80
    mean = squares.mean(axis=0)[responses.units["channel"].tolist().index("Pz")]
    times = np.array(responses.sidecar["times_s"])
    assert mean.max() == pytest.approx(26.9, abs=1.0)
    assert times[mean.argmax()] == pytest.approx(0.430, abs=0.010)
