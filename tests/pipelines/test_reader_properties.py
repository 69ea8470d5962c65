"""Readers of tables and configurations take any text: a value that holds, or one clear error."""

import json
import string

import numpy as np
import pandas as pd
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from calcarine.data.errors import CalcarineError
from calcarine.data.events import numbers_of, read_events
from calcarine.data.leaks import concept_key
from calcarine.data.stimuli import parse_captions, read_stimuli, write_stimuli
from calcarine.data.tables import read_table
from calcarine.data.trials import TRIAL_COLUMNS, read_trials, write_trials
from calcarine.pipelines.config import Config, dump_config, load_config, parse_config

quick = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
plain = st.text(string.ascii_letters + string.digits + "-_.é漢<>&'=@$", min_size=1, max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | cells,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(cells, inner, max_size=3),
    max_leaves=8,
)
BASE = {
    "name": "any",
    "out": "out",
    "subjects": ["01"],
    "source": {"kind": "phantom"},
    "recording": {"modality": "fmri", "task": "scenes"},
    "embeddings": {"clip": {"model": "calcarine:phantom-clip"}},
    "encode": {"clip": {"kind": "ridge", "embedding": "clip"}},
    "decode": {"ridge": {"kind": "ridge", "target": "clip"}},
}


def answers(read, *arguments):
    """Give what a reader returns, or None where it refuses as it should."""
    try:
        return read(*arguments)
    except CalcarineError:
        return None


@quick
@given(st.binary(max_size=300))
@example(b"")
@example(b"\xff\xfeo\0n\0")
@example(b'onset\tduration\n"4\t2\n')
@example(b"onset\tonset\n1\t2\n")
@example(b"\n\x01")
@example(b" \n\n1\t2\n")
def test_any_bytes_are_a_table_or_an_error(tmp_path, content):
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    table = answers(read_table, path, "table")
    if table is not None:
        assert not table.columns.duplicated().any()
        assert table.map(lambda cell: isinstance(cell, str)).all(axis=None)
    events = answers(read_events, path)
    if events is not None:
        assert np.isfinite(events["onset"]).all()
        assert events["onset"].is_monotonic_increasing
    answers(read_stimuli, path)
    answers(read_trials, path)


@quick
@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=5))
@example([("=1+1", "2", "s0"), ("1", "1e400", "../x")])
def test_any_cells_are_events_or_an_error(tmp_path, rows):
    path = tmp_path / "events.tsv"
    lines = ["onset\tduration\tstim_file", *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    events = answers(read_events, path)
    if events is not None:
        assert np.isfinite(events["onset"]).all()
        assert not (events["duration"] < 0).any()
        assert events["row"].between(2, len(events) + 1).all()


@quick
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=6))
def test_numbers_come_back_as_they_were_written(values):
    column = pd.Series([repr(v) for v in values], name="onset", dtype="str")
    np.testing.assert_array_equal(numbers_of(column, "t", allow_missing=False), values)


@quick
@given(cells)
@example("1_000")
@example("٣")
@example("0x10")
@example(" 4 ")
def test_a_number_is_one_for_everybody(text):
    column = pd.Series([text], name="onset", dtype="object")
    found = answers(numbers_of, column, "t", False)
    if found is not None:
        assert text.isascii()
        assert "_" not in text
        assert found[0] == float(text)


@quick
@given(
    st.lists(
        st.tuples(plain, plain, st.lists(cells, max_size=2)),
        min_size=1,
        max_size=5,
        unique_by=lambda row: row[0],
    )
)
def test_stimuli_that_are_written_are_read_again_or_refused(tmp_path, rows):
    table = pd.DataFrame(
        {
            "stimulus_id": [r[0] for r in rows],
            "file": "n/a",
            "concept": [r[1] for r in rows],
            "captions": [r[2] for r in rows],
        }
    )
    path = tmp_path / "stimuli.tsv"
    write_stimuli(path, table)
    found = answers(read_stimuli, path)
    if found is not None:
        pd.testing.assert_frame_equal(found, table, check_dtype=False)


@quick
@given(st.lists(st.text(alphabet="./\\abc~ é", max_size=14), min_size=1, max_size=4))
@example(["../../etc/passwd"])
@example(["a/../../b"])
@example(["./../x"])
@example(["a/.."])
def test_no_file_of_a_table_leads_out_of_its_folder(tmp_path, names):
    path = tmp_path / "stimuli.tsv"
    rows = ["stimulus_id\tfile", *(f"s{i}\t{name}" for i, name in enumerate(names))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = answers(read_stimuli, path)
    if found is not None:
        for name in found["file"]:
            inside = (tmp_path / name).resolve()
            assert inside.is_relative_to(tmp_path.resolve())
            assert inside != tmp_path.resolve()


@quick
@given(json_values)
def test_captions_are_lists_of_texts_or_an_error(value):
    text = json.dumps(value)
    found = answers(parse_captions, text, "row 2")
    if found is not None:
        assert found == value
        assert all(isinstance(caption, str) for caption in found)


@quick
@given(st.lists(plain, min_size=1, max_size=5, unique=True), st.integers(0, 2**31))
def test_trials_that_are_written_are_read_again(tmp_path, names, seed):
    rng = np.random.default_rng(seed)
    trials = pd.DataFrame({c: names for c in TRIAL_COLUMNS})
    trials["onset_s"] = np.sort(rng.uniform(0, 1e4, len(names)))
    trials["duration_s"], trials["repeat"] = 1.5, 1
    path = tmp_path / "trials.tsv"
    write_trials(path, trials)
    pd.testing.assert_frame_equal(read_trials(path), trials, check_dtype=False)


@quick
@given(plain)
def test_a_concept_has_one_key_whatever_its_capitals(name):
    assert concept_key(name.upper()) == concept_key(name.lower()) == concept_key(f" {name}_")


@quick
@given(st.sampled_from(sorted(Config.model_fields)), json_values)
def test_any_value_of_a_section_is_taken_or_refused(section, value):
    config = answers(parse_config, {**BASE, section: value}, "test")
    if config is not None:
        again = parse_config(yaml.safe_load(dump_config(config)), "test")
        assert again == config


@quick
@given(st.dictionaries(cells, json_values, max_size=4))
def test_keys_that_are_not_there_are_named(more):
    unknown = set(more) - set(Config.model_fields)
    config = answers(parse_config, {**BASE, **{k: more[k] for k in unknown}}, "test")
    assert (config is None) == bool(unknown)


@quick
@given(st.binary(max_size=200))
@example(b"a: &a [*a]")
@example(b"!!python/object/apply:os.system [true]")
@example(b"? {a: b}\n: c")
@example(b"name: 2001-99-99")
@example(b"name: 0b\n")
def test_any_bytes_are_a_configuration_or_an_error(tmp_path, content):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    answers(load_config, path)


@quick
@given(st.text(max_size=120))
def test_any_text_is_a_configuration_or_an_error(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8", errors="ignore")
    answers(load_config, path)
