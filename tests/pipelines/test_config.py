"""The configuration: valid ones are resolved, every mistake is named by its key."""

from pathlib import Path

import pytest
import yaml

from calcarine.data.errors import CalcarineError
from calcarine.pipelines.config import Config, dump_config, load_config, parse_config
from calcarine.pipelines.workflow import WORKFLOW

SHIPPED = sorted((WORKFLOW / "config").glob("*.yaml"))


def minimal() -> dict:
    return {
        "name": "tiny",
        "subjects": ["01"],
        "source": {"kind": "phantom"},
        "recording": {"modality": "fmri", "task": "scenes"},
        "embeddings": {"clip": {"model": "calcarine:phantom-clip"}},
        "decode": {"ridge-clip": {"kind": "ridge", "target": "clip"}},
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_configurations_are_valid_and_survive_a_round_trip(path):
    config = load_config(path)
    again = parse_config(yaml.safe_load(dump_config(config)), "round trip")
    assert again == config
    assert config.out == Path("out") / path.stem


def test_out_defaults_to_the_file_name(tmp_path):
    raw = minimal()
    del raw["name"]
    path = tmp_path / "My_Study.yaml"
    path.write_text(yaml.safe_dump(raw))
    config = load_config(path)
    assert config.out == Path("out/My_Study")
    assert config.name == "my-study"


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        (lambda c: c.update(sead=1), "sead", "no such key"),
        (lambda c: c["embeddings"]["clip"].update(leyer="x"), "embeddings.clip.leyer", "no such"),
        (lambda c: c.pop("recording"), "recording", "needed"),
        (lambda c: c.update(subjects=["sub-01"]), "subjects.0", "BIDS label"),
        (lambda c: c.update(subjects=["../x"]), "subjects.0", "BIDS label"),
        (lambda c: c["decode"]["ridge-clip"].update(target="clap"), "clap", "has ['clip']"),
        (lambda c: c["decode"].update({"a/b": {"kind": "ridge", "target": "clip"}}), "a/b", "name"),
        (lambda c: c["source"].update(n_train=3), "n_train", "greater than or equal to 60"),
        (lambda c: c["source"].update(kind="eeg"), "source", "phantom"),
        (lambda c: c.update(subjects=["01", "01"]), "subjects", "twice"),
    ],
)
def test_each_mistake_is_named_by_its_key(change, key, message):
    raw = minimal()
    change(raw)
    with pytest.raises(CalcarineError) as error:
        parse_config(raw, "x.yaml")
    assert key in str(error.value)
    assert message in str(error.value)


def test_all_mistakes_are_listed_at_once():
    raw = minimal() | {"sead": 1}
    raw["source"]["n_tests"] = 5
    with pytest.raises(CalcarineError, match=r"(?s)n_tests.*sead|sead.*n_tests"):
        parse_config(raw, "x.yaml")


def test_a_variable_without_default_must_be_set(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_PLACE", raising=False)
    path = tmp_path / "a.yaml"
    raw = minimal() | {"source": {"kind": "bids", "path": "${NO_SUCH_PLACE}/x"}}
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(CalcarineError, match="NO_SUCH_PLACE"):
        load_config(path)
    raw["source"]["path"] = "${NO_SUCH_PLACE:-/data}/x"
    path.write_text(yaml.safe_dump(raw))
    assert load_config(path).bids == Path("/data/x")


@pytest.mark.parametrize("text", ["a: [1", "- just\n- a list\n", "\x00"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(CalcarineError, match=r"a\.yaml"):
        load_config(path)


def test_every_field_says_what_it_means():
    def undocumented(model, where):
        for name, field in model.model_fields.items():
            parts = getattr(field.annotation, "__args__", (field.annotation,))
            for part in (field.annotation, *parts):
                if hasattr(part, "model_fields"):
                    yield from undocumented(part, f"{where}.{name}")
            nested = any(hasattr(p, "model_fields") for p in (field.annotation, *parts))
            if not field.description and not nested and name not in ("kind", "modality"):
                yield f"{where}.{name}"

    documented_by_their_section = {
        ".source",
        ".embeddings",
        ".encode",
        ".decode",
        ".reconstruct",
    }
    assert set(undocumented(Config, "")) <= documented_by_their_section
