"""The workflow as Snakemake sees it: lint, the graph, what reruns."""

import re
import subprocess
import sys

import pytest
import yaml

from calcarine.data.errors import CalcarineError
from calcarine.pipelines import steps
from calcarine.pipelines.config import load_config
from calcarine.pipelines.decoder_sections import MAKERS
from calcarine.pipelines.encoder_sections import FITTERS
from calcarine.pipelines.workflow import WORKFLOW, snakemake_command

PHANTOM = WORKFLOW / "config" / "phantom.yaml"


def snakemake(*arguments, config=PHANTOM, cwd):
    command = snakemake_command(config, arguments)
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """Edges (from, to) between jobs of the phantom's workflow, by their first label line."""
    done = snakemake("--dag", "dot", "--quiet", cwd=tmp_path_factory.mktemp("dag"))
    assert done.returncode == 0, done.stderr
    names = dict(re.findall(r'(\d+)\[label = "([\w-]+)', done.stdout))
    return [(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", done.stdout)]


def test_snakemake_finds_nothing_to_complain_about(tmp_path):
    done = snakemake("--lint", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout


def test_nothing_upstream_depends_on_a_test_metric(graph):
    after = {"evaluate", "evaluate_group"}
    while new := {b for a, b in graph if a in after} - after:
        after |= new
    assert after == {"evaluate", "evaluate_group", "report", "index", "all"}


def test_every_step_has_its_rule(graph):
    rules = {re.sub(r"_.*", "", name) for edge in graph for name in edge}
    # this configuration has voxels and no `few_pictures`
    elsewhere = {"over", "few"}
    assert {name.split("-")[0] for name in steps.STEPS} - elsewhere <= rules
    text = "".join(p.read_text() for p in sorted((WORKFLOW / "rules").glob("*.smk")))
    for name in steps.STEPS:
        assert f"calcarine step {name} " in text


def test_every_rule_of_the_cluster_says_what_it_needs():
    text = "".join(p.read_text() for p in sorted((WORKFLOW / "rules").glob("*.smk")))
    parts = re.split(r"^ *rule (\w+):\n", text, flags=re.MULTILINE)[1:]
    rules = dict(zip(parts[::2], parts[1::2], strict=True))
    local = {"index"}
    assert {"source_subject", "prepare", "caption", "report", *local} <= set(rules)
    for name in set(rules) - local:
        for line in ("threads: ", "mem_mb=growing(", "runtime=growing(", "log:", "benchmark:"):
            assert line in rules[name], (name, line)
    needs_gpu = {name for name, rule in rules.items() if "gpu=" in rule}
    assert needs_gpu == {"embed", "encode", "decode", "decode_group", "reconstruct", "caption"}
    # platform and retries belong to the profile
    assert not re.search(r"partition|account|retries", text)


def test_every_kind_is_solved_or_trained():
    trained = {"contrastive", "sensor-contrastive", "roi-query", "read-out", "response-optimised"}
    assert {*FITTERS, *MAKERS} == steps.CLOSED_FORM | trained
    assert not steps.CLOSED_FORM & trained


def test_only_rules_that_train_ask_for_a_gpu(tmp_path):
    raw = yaml.safe_load(PHANTOM.read_text())
    raw["decode"] = {"ridge-clip": {"kind": "ridge", "target": "clip"}}
    for section in ("reconstruct", "caption", "few_pictures"):
        raw.pop(section, None)
    asked = {}
    network = {"kind": "roi-query", "embeddings": ["clip-layer3"]}
    sections = {"ridge": raw["encode"]["clip"], "roi-query": network}
    for name, section in sections.items():
        raw["encode"]["second"] = section
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(raw))
        done = snakemake("-n", "--forceall", config=path, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = re.findall(
            r"^rule (\w+):\n(?:.+\n)*?    resources: (.*)$", done.stdout, re.MULTILINE
        )
        asked[name] = {rule for rule, told in found if re.search(r"\bgpu=1\b", told)}
        assert {rule for rule, _ in found} > {"prepare", "encode", "decode"}
    assert asked == {"ridge": {"embed"}, "roi-query": {"embed", "encode"}}


def test_a_bundled_profile_takes_the_place_of_the_default():
    command = snakemake_command(PHANTOM, ["-n", "--profile", "slurm"])
    assert "--profile" not in command
    assert command[command.index("--workflow-profile") + 1].endswith("profiles/slurm")


@pytest.mark.parametrize("limit", [["-j", "8"], ["-j8"], ["--jobs=8"], ["--resources", "gpu=2"]])
def test_arrays_are_off_where_jobs_are_held_back(limit):
    command = snakemake_command(PHANTOM, ["--profile", "slurm", *limit])
    assert command[command.index("--slurm-array-jobs") + 1] == ""
    own = snakemake_command(PHANTOM, ["--profile", str(WORKFLOW / "profiles" / "slurm"), *limit])
    assert "--slurm-array-jobs" in own
    assert "--slurm-array-jobs" not in snakemake_command(PHANTOM, ["--profile", "slurm"])
    assert "--slurm-array-jobs" not in snakemake_command(PHANTOM, limit)


def test_the_slurm_profile_is_understood(tmp_path):
    done = snakemake(
        "-n", "--quiet", "--workflow-profile", str(WORKFLOW / "profiles" / "slurm"), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_the_page_for_administrators_explains_every_line_of_the_profile():
    profile = yaml.safe_load((WORKFLOW / "profiles" / "slurm" / "profile.yaml").read_text())
    page = (WORKFLOW.parent / "docs" / "cluster-administrator.md").read_text()
    lines = re.findall(r"^\| `([\w-]+)(?:: ([^`]*))?` \|", page, re.MULTILINE)
    explained = {key: value for key, value in lines if key in profile or value}
    assert set(profile) <= set(explained)
    for key, value in explained.items():
        assert not value or yaml.safe_load(value) == profile[key], key


def test_settings_digest_follows_its_own_section_only(tmp_path):
    config = load_config(PHANTOM)
    raw = yaml.safe_load(PHANTOM.read_text())
    raw["decode"]["ridge-clip"]["n_folds"] = 3
    path = tmp_path / "phantom.yaml"
    path.write_text(yaml.safe_dump(raw))
    changed = load_config(path)
    same = steps.settings_digest("decode", changed, "contrastive-clip")
    assert same == steps.settings_digest("decode", config, "contrastive-clip")
    other = steps.settings_digest("decode", changed, "ridge-clip")
    assert other != steps.settings_digest("decode", config, "ridge-clip")


def test_code_digest_follows_imports(tmp_path, monkeypatch):
    room = tmp_path / "pipelines"
    room.mkdir()
    (tmp_path / "data").mkdir()
    (room / "embed.py").write_text("from calcarine.data.one import x\n")
    (tmp_path / "data" / "one.py").write_text("x = 1\n")
    (tmp_path / "data" / "two.py").write_text("y = 1\n")
    monkeypatch.setattr(steps, "ROOT", tmp_path)
    before = steps.code_digest("embed")
    (tmp_path / "data" / "two.py").write_text("y = 2\n")
    assert steps.code_digest("embed") == before
    (tmp_path / "data" / "one.py").write_text("x = 2\n")
    assert steps.code_digest("embed") != before


def test_a_step_says_which_arguments_it_wants():
    config = load_config(PHANTOM)
    with pytest.raises(CalcarineError, match=r"prepare.*missing: .*subject"):
        steps.run_step("prepare", config)
    with pytest.raises(CalcarineError, match="no step 'prepair'"):
        steps.run_step("prepair", config)
    with pytest.raises(CalcarineError, match="'09' is not in the configuration"):
        steps.run_step("prepare", config, subject="09")


def test_the_command_line_answers_without_heavy_imports():
    code = (
        "import sys; from calcarine.pipelines import cli; from calcarine.pipelines import steps;"
        "heavy = {'torch', 'nilearn', 'mne', 'pandas', 'numpy', 'sklearn', 'matplotlib'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_broken_configuration_ends_in_one_message_and_exit_code_2(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("name: broken\nsead: 1\n")
    for command in ("run", "check"):
        done = subprocess.run(
            [sys.executable, "-m", "calcarine.pipelines", command, str(path)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 2
        assert "sead: there is no such key" in done.stderr
        assert "Traceback" not in done.stderr
