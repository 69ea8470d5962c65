import numpy as np
import pandas as pd
import pytest
from PIL import Image

from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import read_stimuli, stimulus_shas, write_stimuli


def write(path, *rows, header="stimulus_id\tfile\tconcept\tcaptions"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def picture(path, seed=0, size=(4, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_a_round_trip(tmp_path):
    table = pd.DataFrame(
        {
            "stimulus_id": ["01", "nan"],
            "file": ["a.png", "n/a"],
            "concept": ["cat", "n/a"],
            "captions": [["ein grüner Fisch", 'a "red" house'], []],
            "hue": ["3", "4"],
        }
    )
    write_stimuli(tmp_path / "stimuli.tsv", table)
    pd.testing.assert_frame_equal(read_stimuli(tmp_path / "stimuli.tsv"), table, check_dtype=False)


def test_concept_and_captions_may_be_absent(tmp_path):
    path = write(tmp_path / "s.tsv", "a\ta.png", header="stimulus_id\tfile")
    table = read_stimuli(path)
    assert table["concept"].tolist() == ["n/a"]
    assert table["captions"].tolist() == [[]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a\ta.png\tc\t[]", "a\tb.png\tc\t[]"], r"row 3: stimulus_id 'a' stands there a second"),
        (["a\ta.png\tc\ta cat"], "row 2: `captions` is 'a cat'; expected a JSON list"),
        (["a\ta.png\tc\t[1]"], "row 2: `captions`"),
        (["a\t../a.png\tc\t[]"], r"row 2: `file` '\.\./a\.png' leads out of"),
        (["a\t/etc/passwd\tc\t[]"], "row 2: `file` '/etc/passwd' leads out of"),
    ],
)
def test_broken_tables_are_refused(tmp_path, rows, message):
    with pytest.raises(CalcarineError, match=message):
        read_stimuli(write(tmp_path / "s.tsv", *rows))


def test_a_missing_table_or_column_is_named(tmp_path):
    with pytest.raises(CalcarineError, match="is not there. Write one with the columns"):
        read_stimuli(tmp_path / "s.tsv")
    with pytest.raises(CalcarineError, match="column `file` is missing"):
        read_stimuli(write(tmp_path / "s.tsv", "a", header="stimulus_id"))


def test_equal_content_has_an_equal_hash(tmp_path):
    picture(tmp_path / "a.png", 1)
    picture(tmp_path / "b.png", 2)
    with Image.open(tmp_path / "a.png") as same:
        same.save(tmp_path / "copy.bmp")
    for name in ("x", "y"):
        picture(tmp_path / name / "1.png", 3)
        picture(tmp_path / name / f"{name}2.png", 4)
    ids = ["a", "b", "copy", "x", "y", "none1", "none2"]
    files = ["a.png", "b.png", "copy.bmp", "x", "y", "n/a", "n/a"]
    shas = stimulus_shas(pd.DataFrame({"stimulus_id": ids, "file": files}), tmp_path)
    assert shas["a"] == shas["copy"]
    assert shas["x"] == shas["y"]
    assert shas.drop(["copy", "y"]).is_unique


def test_a_missing_picture_is_named_with_its_row(tmp_path):
    picture(tmp_path / "a.png")
    table = pd.DataFrame({"stimulus_id": ["a", "b"], "file": ["a.png", "gone.png"]})
    with pytest.raises(CalcarineError, match=r"row 3: the picture .*gone\.png is not there"):
        stimulus_shas(table, tmp_path)
    with pytest.raises(CalcarineError, match="row 3"):
        stimulus_shas(table.iloc[1:], tmp_path)


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    table = pd.DataFrame({"stimulus_id": ["a"], "file": ["a.png"]})
    with pytest.raises(CalcarineError, match=r"row 2: .*a\.png cannot be read as a picture"):
        stimulus_shas(table, tmp_path)
