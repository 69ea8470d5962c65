import hashlib
import json
import subprocess

import pytest
from fixtures.report_tree import build_tree, phantom_config

from calcarine.data.atomic import write_text
from calcarine.pipelines.provenance import costs, git_state, hashes, versions, write_provenance


@pytest.fixture
def config(tmp_path):
    config = phantom_config(
        tmp_path / "out",
        encode={},
        decode={"lda-category": {"kind": "lda", "target": "category"}},
        reconstruct={},
    )
    build_tree(config, "01")
    return config


def test_hashes_are_those_of_the_files(config):
    found = hashes(config, "01")
    path = "sub-01/predictions/decoder-lda-category/predictions.npy"
    expected = hashlib.sha256((config.layout.out / path).read_bytes()).hexdigest()
    assert found[path] == expected
    assert not any(name.startswith("sub-02") for name in found)


def test_costs_are_this_subjects_and_the_shared_jobs(config):
    head = "s\th:m:s\tmax_rss\tcpu_time\n"
    write_text(config.layout.benchmark("decode", "01_lda-category"), f"{head}-\t-\t120.5\t3\n")
    write_text(config.layout.benchmark("decode", "02_lda-category"), f"{head}9\t-\t120.5\t3\n")
    rows = {(row["step"], row["job"]): row for row in costs(config, "01")}
    assert rows["decode", "01_lda-category"]["s"] is None  # too short to be measured
    assert rows["decode", "01_lda-category"]["max_rss"] == 120.5
    assert rows["embed", "clip"]["s"] == 12.5
    assert ("decode", "02_lda-category") not in rows


def test_the_file_is_json_with_time_and_host(config):
    written = json.loads(write_provenance(config, "01").read_text(encoding="utf-8"))
    assert written["written_at"].endswith("+00:00")
    assert written["host"]
    assert written["seed"] == config.seed
    assert written["versions"]["numpy"] == versions()["numpy"]


def test_a_folder_that_no_checkout_tracks_has_no_commit(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "provenance.py").write_text("")
    assert git_state(tmp_path) is None


def test_a_checkout_says_its_commit_and_whether_it_changed(tmp_path):
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@x"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "provenance.py").write_text("")
    git("add", "provenance.py")
    git("commit", "-qm", "x")
    assert git_state(tmp_path) == {"commit": git("rev-parse", "HEAD"), "changed": False}
    (tmp_path / "provenance.py").write_text("changed")
    assert git_state(tmp_path)["changed"] is True
