"""The house rules: folders, import direction, no pickle, packaging that is complete."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RANK = {"data": 0, "encoders": 1, "decoders": 2, "pipelines": 3}
SOURCES = sorted(p for room in RANK for p in (ROOT / room).rglob("*.py"))


def imported_modules(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names += [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_run_downward_only(path):
    here = RANK[path.relative_to(ROOT).parts[0]]
    for name in imported_modules(path):
        parts = name.split(".")
        assert parts[0] not in RANK, f"{path} imports {name}: use calcarine.{name}"
        if parts[0] == "calcarine" and len(parts) > 1 and parts[1] in RANK:
            assert RANK[parts[1]] <= here, f"{path} imports upward: {name}"


def test_rules_import_the_light_modules_only():
    allowed = {"calcarine.pipelines.config", "calcarine.pipelines.steps"}
    for path in (ROOT / "snakemake").rglob("*"):
        if path.name == "Snakefile" or path.suffix == ".smk":
            text = path.read_text(encoding="utf-8")
            found = set(re.findall(r"^\s*(?:from|import) (calcarine[\w.]*)", text, re.MULTILINE))
            assert found <= allowed, f"{path} imports {found - allowed}"
            for word in ("script:", "run:", "checkpoint "):
                assert not re.search(rf"^\s+{word}", text, re.MULTILINE), f"{path} uses {word}"


def test_the_workflow_folder_does_not_shadow_snakemake():
    assert not (ROOT / "snakemake" / "__init__.py").exists()


def test_every_package_is_listed_in_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    found = {"calcarine", "calcarine.snakemake"}
    for room in RANK:
        for init in (ROOT / room).rglob("__init__.py"):
            if "_root" not in init.parts:
                found.add(".".join(["calcarine", *init.parent.relative_to(ROOT).parts]))
    assert listed == found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_nothing_is_pickled(path):
    if path == ROOT / "data" / "restricted_unpickler.py":
        return  # reads third parties' dictionaries of arrays, lets nothing else through
    text = path.read_text(encoding="utf-8")
    banned = r"import pickle|import joblib|allow_pickle\s*=\s*True|weights_only\s*=\s*False"
    assert not re.search(banned, text)


def test_shipped_weights_are_small():
    sizes = [p.stat().st_size for p in ROOT.glob("*coders/weights/**/*") if p.is_file()]
    assert sum(sizes) <= 20 * 2**20


def test_constraints_name_no_host():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    assert "file:" not in text
    assert "@" not in text
