import dataclasses

import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions, read_predictions, write_predictions


@pytest.fixture
def predictions(rng):
    rows = [
        (brain, n, how, s)
        for brain, n, how in (
            ("measured", 1, "signal"),
            ("measured", 3, "signal"),
            ("measured", 3, "embedding"),
            ("noise", 3, "signal"),
        )
        for s in ("01", "02")
    ]
    items = pd.DataFrame(rows, columns=["brain", "n_repeats", "averaging", "stimulus_id"])
    items = items.assign(item=range(8), concept="n/a", fold="1")
    values = rng.normal(size=(8, 4)).astype(np.float32)
    return Predictions(values, items, {"model": "ridge", "target": "clip"}, values + 1)


def test_a_round_trip(tmp_path, predictions):
    write_predictions(tmp_path / "p", predictions)
    found = read_predictions(tmp_path / "p")
    np.testing.assert_array_equal(found.values, predictions.values)
    np.testing.assert_array_equal(found.measured, predictions.measured)
    pd.testing.assert_frame_equal(found.items, predictions.items, check_dtype=False)
    assert found.sidecar == predictions.sidecar


def test_measured_values_are_optional(tmp_path, predictions):
    write_predictions(tmp_path / "p", dataclasses.replace(predictions, measured=None))
    assert read_predictions(tmp_path / "p").measured is None


def test_selection(predictions):
    most = predictions.most_repeats()
    np.testing.assert_array_equal(most.values, predictions.values[2:4])
    np.testing.assert_array_equal(most.measured, predictions.measured[2:4])
    assert most.items["stimulus_id"].tolist() == ["01", "02"]
    assert most.items.index.tolist() == [0, 1]
    np.testing.assert_array_equal(
        predictions.select("measured", 1, "signal").values, predictions.values[:2]
    )
    assert len(predictions.select("shuffled", None, "signal").values) == 0


def test_tables_that_do_not_fit_are_refused(tmp_path, predictions):
    short = dataclasses.replace(predictions, values=predictions.values[:3])
    with pytest.raises(CalcarineError, match="ridge: 3 rows, 8 items"):
        write_predictions(tmp_path / "p", short)
    bare = dataclasses.replace(predictions, items=predictions.items.drop(columns="fold"))
    with pytest.raises(CalcarineError, match=r"missing columns \['fold'\]"):
        write_predictions(tmp_path / "p", bare)
    write_predictions(tmp_path / "p", predictions)
    np.save(tmp_path / "p" / "predictions.npy", predictions.values[:3])
    with pytest.raises(CalcarineError, match="has 3 predictions, 8 items"):
        read_predictions(tmp_path / "p")


def test_what_is_no_prediction_folder_is_named(tmp_path):
    with pytest.raises(CalcarineError, match="is not a prediction folder"):
        read_predictions(tmp_path / "nothing")
