"""The steps of the workflow: what each is called with, depends on, and is made of.

Light on purpose: the Snakefile imports this module in every job. The steps themselves are
imported when they run.
"""

import ast
import hashlib
import importlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from calcarine.data.errors import CalcarineError
from calcarine.pipelines.config import Config

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("data", "encoders", "decoders", "pipelines")

# kinds of encoders and decoders that are solved, not trained: they have no use for a GPU
CLOSED_FORM = frozenset(
    {"ridge", "direction-ridge", "banded", "joint", "lda", "svm", "riemann", "xdawn"}
)


@dataclass(frozen=True)
class Step:
    """One step: `run(config, *arguments)` in its own module.

    Attributes
    ----------
    module
        Module of `calcarine.pipelines` that has `run`.
    arguments
        What it is called with beside the configuration: `subject`, `name`, both or nothing.
    sections
        Configuration sections whose change makes it run again; a section that is a table of
        names is looked up by `name`.
    """

    module: str
    arguments: tuple[str, ...]
    sections: tuple[str, ...]


# sections that are tables of names
_TABLES = (
    "embeddings",
    "encode",
    "decode",
    "over_time",
    "reconstruct",
    "geometry",
    "caption",
    "few_pictures",
)
_SCIENCE = tuple(n for n in Config.model_fields if n not in ("out", "container"))

STEPS: dict[str, Step] = {
    "source": Step("source", ("subject",), ("source", "seed")),
    "prepare": Step("prepare", ("subject",), ("source", "recording", "split", "seed")),
    "embed": Step("embed", ("name",), ("source", "embeddings")),
    "encode": Step("encode", ("subject", "name"), ("encode", "scaling", "seed")),
    "decode": Step("decode", ("subject", "name"), ("decode", "scaling", "seed")),
    "decode-group": Step("decode_group", ("name",), ("decode", "scaling", "seed", "subjects")),
    "over-time": Step("over_time", ("subject", "name"), ("over_time", "scaling", "seed")),
    "reconstruct": Step("reconstruct", ("subject", "name"), ("reconstruct", "seed")),
    "few-pictures": Step(
        "few_pictures", ("subject", "name"), ("few_pictures", "scaling", "seed", "subjects")
    ),
    "geometry": Step("geometry", ("subject", "name"), ("geometry", "seed")),
    "caption": Step("caption", ("subject", "name"), ("caption", "seed")),
    "evaluate": Step(
        "evaluate",
        ("subject",),
        ("source", "scaling", *_TABLES[1:], "integration", "comparisons", "evaluate", "seed"),
    ),
    "evaluate-group": Step("evaluate_group", (), ("geometry", "evaluate", "subjects", "seed")),
    "report": Step("report", ("subject",), _SCIENCE),
    "index": Step("report_index", (), ("name", "subjects", "claim_limit")),
}


def step_named(name: str) -> Step:
    """Find a step.

    Raises
    ------
    CalcarineError
        There is no such step.
    """
    if name not in STEPS:
        raise CalcarineError(f"there is no step {name!r}; the steps are {list(STEPS)}.")
    return STEPS[name]


def run_step(
    step_name: str, config: Config, subject: str | None = None, name: str | None = None
) -> None:
    """Import a step and run it.

    Parameters
    ----------
    step_name
        One of `STEPS`.
    config
        The configuration.
    subject, name
        As the step asks for; `source` runs its shared part without a subject.

    Raises
    ------
    CalcarineError
        An argument is missing or is not wanted.
    """
    step = step_named(step_name)
    arguments = {"subject": subject, "name": name}
    given = {key: value for key, value in arguments.items() if value is not None}
    optional = {"subject"} if step_name == "source" else set()
    missing = set(step.arguments) - set(given) - optional
    extra = set(given) - set(step.arguments)
    if missing or extra:
        raise CalcarineError(
            f"the step {step_name!r} takes {[f'--{a}' for a in step.arguments] or 'no argument'}; "
            f"missing: {sorted(missing)}, not wanted: {sorted(extra)}."
        )
    if "subject" in given and given["subject"] not in config.subjects:
        raise CalcarineError(
            f"subject {given['subject']!r} is not in the configuration: {list(config.subjects)}."
        )
    module = importlib.import_module(f"calcarine.pipelines.{step.module}")
    module.run(config, *(given.get(a) for a in step.arguments))


def settings_digest(name: str, config: Config, item: str | None = None) -> str:
    """Hash the part of the configuration that a step depends on: 12 hexadecimal digits."""
    values: dict[str, Any] = {}
    dumped = config.model_dump(mode="json")
    for section in step_named(name).sections:
        value = dumped[section]
        if item is not None and section in _TABLES:
            value = value[item]
        values[section] = value
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def code_digest(name: str) -> str:
    """Hash the source of a step and of every calcarine module it imports: 12 hexadecimal digits.

    Snakemake watches rules, not imported packages; with this among a rule's parameters a step
    reruns when its code has changed.
    """
    paths = _closure(ROOT / "pipelines" / f"{step_named(name).module}.py")
    if ROOT / "pipelines" / "page.py" in paths:  # which renders the templates
        paths |= set((ROOT / "pipelines" / "templates").iterdir())
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _closure(start: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_file():
            found.add(path)
            waiting.extend(_imports(path))
    return found


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found += [_path_of(name) for name in names if name.startswith("calcarine.")]
    return tuple(p for p in found if p is not None)


def _path_of(module: str) -> Path | None:
    room, *rest = module.split(".")[1:]
    if room not in ROOMS:
        return None
    base = ROOT.joinpath(room, *rest)
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)
