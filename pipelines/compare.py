"""`calcarine compare`: what differs between two output trees, configuration to scores."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from calcarine.data.errors import CalcarineError
from calcarine.data.layout import Layout
from calcarine.data.scores import read_scores
from calcarine.pipelines.page import Block, Section, Table, Text, counted, number, render

_KEY = ["subject", "stage", "model", "target", "metric", "protocol", "split", "n_items"]
KEY = [*_KEY, "n_repeats"]
_ABSENT = "–"


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same in both trees; a dash stands for what is not there."""

    what: str
    first: str
    second: str


@dataclass(frozen=True)
class Comparison:
    """All differences between two output trees.

    Attributes
    ----------
    first, second
        The trees.
    configuration, versions, hashes
        Differing keys of the configuration, versions of packages, and content hashes of files
        (trials, responses, embeddings, predictions, scores).
    scores
        Rows of `metrics.tsv` that are not equal: `KEY`, then `value_first interval_first
        value_second interval_second verdict`. The verdict is `within` where each value lies in the
        other's interval, `apart` where one does not, `no interval` where there is none to judge
        by, and `only in first` or `only in second`.
    n_equal
        Number of score rows that are equal.
    """

    first: Path
    second: Path
    configuration: list[Difference]
    versions: list[Difference]
    hashes: list[Difference]
    scores: pd.DataFrame
    n_equal: int

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.configuration or self.versions or self.hashes or len(self.scores))


def compare_trees(first: Path, second: Path) -> Comparison:
    """Compare two output trees.

    Parameters
    ----------
    first, second
        Output trees, as `calcarine run` writes them.

    Raises
    ------
    CalcarineError
        A folder is no output tree, or the two share no subject.
    """
    subjects = [_subjects(first), _subjects(second)]
    shared = sorted(set(subjects[0]) & set(subjects[1]))
    if not shared:
        raise CalcarineError(
            f"{first} has the subjects {subjects[0]}, {second} has {subjects[1]}: none is in both. "
            "Compare two runs on the same people."
        )
    origins = [_origins(tree, shared) for tree in (first, second)]
    scores, n_equal = _scores(first, second, shared)
    return Comparison(
        first,
        second,
        _differences(*(_flat(_configuration(tree)) for tree in (first, second))),
        _differences(*(o["versions"] for o in origins)),
        _differences(*({k: v[:12] for k, v in o["hashes"].items()} for o in origins)),
        scores,
        n_equal,
    )


def _subjects(tree: Path) -> list[str]:
    found = sorted(p.parent.name.removeprefix("sub-") for p in tree.glob("sub-*/metrics.tsv"))
    if not found:
        raise CalcarineError(
            f"{tree} is no output tree with scores: expected sub-…/metrics.tsv in it. Name the "
            "folder that `out` of a finished run stands for."
        )
    return found


def _configuration(tree: Path) -> dict[str, Any]:
    path = Layout(tree).config
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CalcarineError(
            f"{path} cannot be read ({error}). Run the workflow again to write it."
        ) from error
    return {key: value for key, value in found.items() if key != "out"}


def _flat(value: Any, key: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        parts = [_flat(v, f"{key}.{k}" if key else str(k)) for k, v in value.items()]
        return {k: v for part in parts for k, v in part.items()}
    return {key: json.dumps(value, ensure_ascii=False)}


def _origins(tree: Path, subjects: list[str]) -> dict[str, dict[str, str]]:
    """Gather versions and hashes of the subjects' provenance."""
    versions: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for subject in subjects:
        path = Layout(tree).provenance(subject)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CalcarineError(
                f"{path} cannot be read ({error}). Run the `report` step of sub-{subject} again."
            ) from error
        versions |= found["versions"]
        git = found.get("git")
        versions["commit"] = (
            _ABSENT
            if git is None
            else f"{git['commit'][:12]}" + (" and changes" if git["changed"] else "")
        )
        hashes |= found["hashes"]
    return {"versions": versions, "hashes": hashes}


def _differences(first: Mapping[str, str], second: Mapping[str, str]) -> list[Difference]:
    names = [*first, *(name for name in second if name not in first)]
    both = [(name, first.get(name, _ABSENT), second.get(name, _ABSENT)) for name in names]
    return [Difference(*three) for three in both if three[1] != three[2]]


def _scores(first: Path, second: Path, subjects: list[str]) -> tuple[pd.DataFrame, int]:
    tables = []
    for tree in (first, second):
        rows = [read_scores(Layout(tree).metrics(subject)) for subject in subjects]
        tables.append(pd.concat(rows, ignore_index=True).drop_duplicates(KEY))
    joined = tables[0].merge(
        tables[1],
        on=KEY,
        how="outer",
        suffixes=("_first", "_second"),
        indicator="where",
        sort=False,
    )
    equal = joined["where"] == "both"
    for name in ("value", "ci_low", "ci_high"):
        a, b = joined[f"{name}_first"], joined[f"{name}_second"]
        equal &= (a == b) | (a.isna() & b.isna())
    apart = joined[~equal]
    out = apart[KEY].copy()
    for side in ("first", "second"):
        out[f"value_{side}"] = apart[f"value_{side}"]
        ends = zip(apart[f"ci_low_{side}"], apart[f"ci_high_{side}"], strict=True)
        out[f"interval_{side}"] = [f"{number(low)} to {number(high)}" for low, high in ends]
    out["verdict"] = [_verdict(row) for _, row in apart.iterrows()]
    return out.reset_index(drop=True), int(equal.sum())


def _verdict(row: pd.Series) -> str:
    if row["where"] != "both":
        return "only in first" if row["where"] == "left_only" else "only in second"
    ends = row[["ci_low_first", "ci_high_first", "ci_low_second", "ci_high_second"]]
    if not np.isfinite(ends.to_numpy(dtype=np.float64)).all():
        return "no interval"
    inside = row["ci_low_first"] <= row["value_second"] <= row["ci_high_first"]
    inside &= row["ci_low_second"] <= row["value_first"] <= row["ci_high_second"]
    return "within" if inside else "apart"


def comparison_blocks(found: Comparison) -> list[Section]:
    """Lay a comparison out as sections of a page."""
    sections = [Section("verdict", "In short", [Text(in_short(found))])]
    parts = (
        ("configuration", "Configuration", "key", found.configuration),
        ("versions", "Versions", "package", found.versions),
        ("files", "Files", "file (content hash)", found.hashes),
    )
    for anchor, title, head, differences in parts:
        rows = [(d.what, d.first, d.second) for d in differences]
        heads = [head, "first", "second"]
        blocks: list[Block] = [Table(f"{title}: what differs", heads, rows, n_text=3)]
        sections.append(Section(anchor, title, blocks if rows else [Text("No difference.")]))
    heads = [*KEY, "first", "interval", "second", "interval", "verdict"]
    scored = [
        [
            *(str(row[name]) for name in KEY),
            number(row["value_first"]),
            row["interval_first"],
            number(row["value_second"]),
            row["interval_second"],
            row["verdict"],
        ]
        for _, row in found.scores.iterrows()
    ]
    table = Table("Score rows that differ", heads, scored, n_text=7)
    return [*sections, Section("scores", "Scores", [table if scored else Text("No difference.")])]


def in_short(found: Comparison) -> str:
    """Say in one paragraph what differs."""
    if found.same:
        return (
            f"{found.first} and {found.second} are the same: configuration, versions, files and "
            f"{counted(found.n_equal, 'score row')}."
        )
    verdicts = found.scores["verdict"].value_counts().to_dict() if len(found.scores) else {}
    told = ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items()))
    return (
        f"{found.first} (first) and {found.second} (second) differ in "
        f"{counted(len(found.configuration), 'key')} of the configuration, "
        f"{counted(len(found.versions), 'version')} and {counted(len(found.hashes), 'file')}. "
        f"{counted(found.n_equal, 'score row')} equal, {len(found.scores)} not"
        f"{f' ({told})' if told else ''}; `within`: each value lies in the other's interval."
    )


def comparison_text(found: Comparison) -> str:
    """Write a comparison for the terminal."""
    lines = [in_short(found)]
    parts = (found.configuration, found.versions, found.hashes)
    for title, differences in zip(("configuration", "versions", "files"), parts, strict=True):
        if differences:
            lines += ["", f"{title}:"]
            lines += [f"  {d.what}: {d.first} | {d.second}" for d in differences]
    if len(found.scores):
        lines += ["", "scores:"]
        for _, row in found.scores.iterrows():
            name = " ".join(str(row[key]) for key in KEY)
            first = f"{number(row['value_first'])} ({row['interval_first']})"
            second = f"{number(row['value_second'])} ({row['interval_second']})"
            lines.append(f"  {name}: {first} | {second} {row['verdict']}")
    return "\n".join(lines)


def comparison_page(found: Comparison) -> str:
    """Render a comparison as one self-contained page."""
    title = f"{found.first.name} and {found.second.name}"
    return render("comparison.html.j2", {"title": title, "sections": comparison_blocks(found)})
