"""Tables as text: what stands before the header."""

import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.tables import read_table


def test_lines_without_anything_before_the_header_are_no_rows(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("\n\na\tb\n1\t2\n")
    table = read_table(path, "table")
    assert list(table.columns) == ["a", "b"]
    assert table.to_numpy().tolist() == [["1", "2"]]


def test_a_header_that_is_read_in_two_ways_is_no_table(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text(" \n1\t2\n")
    with pytest.raises(CalcarineError, match="cannot be read as a table"):
        read_table(path, "table")
