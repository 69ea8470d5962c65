import json

import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.layout import Layout
from calcarine.data.responses import Responses, read_responses, units_sha, write_responses


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "out")


@pytest.fixture
def responses(rng):
    trials = pd.DataFrame(
        {
            "trial_id": [f"t{i}" for i in range(5)],
            "subject": "01",
            "session": "n/a",
            "run": "01",
            "onset_s": np.arange(5) / 3,
            "duration_s": 1.0,
            "stimulus_id": list("abcab"),
            "stimulus_sha": list("abcab"),
            "concept": "n/a",
            "repeat": [1, 1, 1, 2, 2],
            "split": "train",
            "split_group": "x",
        }
    )
    units = pd.DataFrame({"i": [0, 1, 2], "j": 0, "k": 7, "x": 0.5, "roi": ["V1", "n/a", "n/a"]})
    units["ncsnr"] = [0.1, np.nan, 0.3]
    return Responses(rng.normal(size=(5, 3)).astype(np.float32), trials, units, {"space": "func"})


def test_a_round_trip(layout, responses):
    write_responses(layout, "01", responses)
    found = read_responses(layout, "01")
    np.testing.assert_array_equal(found.values, responses.values)
    assert isinstance(found.values, np.memmap)
    assert found.trials["stimulus_id"].tolist() == list("abcab")
    assert found.units["roi"].tolist() == ["V1", "n/a", "n/a"]
    assert found.units["ncsnr"].isna().tolist() == [False, True, False]
    assert found.sidecar["shape"] == [5, 3]
    assert found.sidecar["space"] == "func"
    assert found.sidecar["units_sha"] == units_sha(found.units)


def test_no_region_at_all_stays_text(layout, responses):
    responses.units["roi"] = "n/a"
    write_responses(layout, "01", responses)
    assert read_responses(layout, "01").units["roi"].tolist() == ["n/a"] * 3


def test_responses_with_times_are_kept(layout, responses, rng):
    values = rng.normal(size=(5, 3, 4)).astype(np.float32)
    write_responses(layout, "01", Responses(values, responses.trials, responses.units, {}))
    np.testing.assert_array_equal(read_responses(layout, "01").values, values)


def test_another_order_of_trials_is_an_error(layout, responses):
    write_responses(layout, "01", responses)
    path = layout.trials("01")
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows[::-1]]) + "\n")
    with pytest.raises(CalcarineError, match="order of trials"):
        read_responses(layout, "01")


def test_another_split_is_no_other_order(layout, responses):
    write_responses(layout, "01", responses)
    path = layout.trials("01")
    path.write_text(path.read_text().replace("train", "test"))
    assert read_responses(layout, "01").trials["split"].tolist() == ["test"] * 5


def test_shapes_that_disagree_are_refused(layout, responses):
    wrong = Responses(responses.values[:, :2], responses.trials, responses.units, {})
    with pytest.raises(CalcarineError, match=r"shape \(5, 2\); expected \(5, 3\)"):
        write_responses(layout, "01", wrong)


def test_a_value_that_is_not_finite_is_named(layout, responses):
    responses.values[3, 1] = np.inf
    with pytest.raises(CalcarineError, match=r"1 response values .* trial t3, unit \{'i': 1"):
        write_responses(layout, "01", responses)


def test_a_failing_write_keeps_what_was_there(layout, responses):
    write_responses(layout, "01", responses)
    folder = layout.trials("01").parent
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    broken = Responses(responses.values + 1, responses.trials, responses.units, {"x": object()})
    with pytest.raises(TypeError):
        write_responses(layout, "01", broken)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_an_array_of_another_shape_is_an_error(layout, responses):
    write_responses(layout, "01", responses)
    np.save(layout.responses("01"), responses.values[:4])
    with pytest.raises(CalcarineError, match=r"has shape \(4, 3\); its sidecar says \[5, 3\]"):
        read_responses(layout, "01")


def test_a_truncated_array_is_an_error(layout, responses):
    write_responses(layout, "01", responses)
    path = layout.responses("01")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CalcarineError, match="cannot be read"):
        read_responses(layout, "01")


def test_pickled_arrays_are_not_read(layout, responses):
    write_responses(layout, "01", responses)
    np.save(layout.responses("01"), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(CalcarineError, match="cannot be read"):
        read_responses(layout, "01")


def test_a_missing_file_names_the_step(layout, responses):
    with pytest.raises(CalcarineError, match="Run the `prepare` step for sub-01"):
        read_responses(layout, "01")


def test_units_need_an_index():
    with pytest.raises(CalcarineError, match="needs voxel indices"):
        units_sha(pd.DataFrame({"x": [1.0]}))
    one = pd.DataFrame({"i": [1, 2], "j": 0, "k": 0, "x": 0.1})
    assert units_sha(one) == units_sha(one.assign(x=9.0))
    assert units_sha(one) != units_sha(one.iloc[::-1])


def test_the_sidecar_is_json(layout, responses):
    write_responses(layout, "01", responses)
    assert json.loads(layout.responses("01").with_suffix(".json").read_text())["shape"] == [5, 3]
