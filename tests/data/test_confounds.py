import numpy as np
import pandas as pd
import pytest

from calcarine.data.confounds import framewise_displacement, read_confounds
from calcarine.data.errors import CalcarineError

MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]


@pytest.fixture
def table(rng):
    return pd.DataFrame(rng.normal(size=(9, 6)), columns=MOTION)


def write(path, table):
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def test_columns_are_standardised(tmp_path, table):
    path = write(tmp_path / "c.tsv", table)
    found = read_confounds(path, ["rot_z", "trans_x"], 9, "run-01")
    expected = table[["rot_z", "trans_x"]]
    expected = (expected - expected.mean()) / expected.std(ddof=0)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_leading_gaps_become_the_mean(tmp_path, table):
    table["trans_x_derivative1"] = table["trans_x"].diff()
    path = write(tmp_path / "c.tsv", table)
    found = read_confounds(path, ["trans_x_derivative1"], 9, "run-01")
    assert found[0, 0] == pytest.approx(0, abs=1e-12)
    assert found[:, 0].std() == pytest.approx(1)


def test_constant_columns_are_left_out(tmp_path, table):
    table["flat"] = 3.0
    path = write(tmp_path / "c.tsv", table)
    assert read_confounds(path, ["flat", "rot_x"], 9, "run-01").shape == (9, 1)


def test_none_are_wanted():
    assert read_confounds(None, (), 9, "run-01").shape == (9, 0)


def test_what_is_missing_is_named(tmp_path, table):
    path = write(tmp_path / "c.tsv", table)
    with pytest.raises(CalcarineError, match=r"no column 'trans_w'; near it are \['trans_"):
        read_confounds(path, ["trans_w"], 9, "run-01")
    with pytest.raises(CalcarineError, match=r"c\.tsv has 9 rows; the run has 12 volumes"):
        read_confounds(path, ["trans_x"], 12, "run-01")
    with pytest.raises(CalcarineError, match="sub-01_run-01 has no confounds table"):
        read_confounds(None, ["trans_x"], 9, "sub-01_run-01")


def test_a_gap_in_the_middle_is_refused(tmp_path, table):
    table.loc[4, "rot_y"] = np.nan
    path = write(tmp_path / "c.tsv", table)
    with pytest.raises(CalcarineError, match="row 6: `rot_y` is n/a in the middle"):
        read_confounds(path, ["rot_y"], 9, "run-01")


def test_displacement_is_powers(tmp_path, table):
    path = write(tmp_path / "c.tsv", table)
    steps = np.abs(np.diff(table.to_numpy(), axis=0))
    expected = [0.0, *(steps[:, :3].sum(axis=1) + 50 * steps[:, 3:].sum(axis=1))]
    np.testing.assert_allclose(framewise_displacement(path, 9), expected)


def test_the_tables_own_displacement_is_taken(tmp_path, table):
    table["framewise_displacement"] = [np.nan, *range(8)]
    path = write(tmp_path / "c.tsv", table)
    np.testing.assert_array_equal(framewise_displacement(path, 9), [0, *range(8)])


def test_no_displacement_without_motion(tmp_path, table):
    assert framewise_displacement(None, 9) is None
    assert framewise_displacement(write(tmp_path / "c.tsv", table[["rot_x"]]), 9) is None


def test_displacement_of_real_data_is_that_of_its_motion(shared_data, tmp_path):
    root = shared_data("openneuro-bids-metadata") / "ds001499" / "derivatives"
    path = next(root.rglob("*run-01_bold_confounds.tsv"))
    raw = pd.read_csv(path, sep="\t", na_values=["n/a"])
    own = framewise_displacement(path, len(raw))
    again = write(tmp_path / "c.tsv", raw[["X", "Y", "Z", "RotX", "RotY", "RotZ"]])
    np.testing.assert_allclose(framewise_displacement(again, len(raw)), own, atol=1e-4)
