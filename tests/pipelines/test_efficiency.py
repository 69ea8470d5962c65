import subprocess

import pytest

from calcarine.data.layout import Layout
from calcarine.pipelines import efficiency
from calcarine.pipelines.efficiency import measured_jobs, with_accounts, write_efficiency

HEAD = (
    "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\tjobid\t"
    "rule_name\twildcards\tparams\tthreads\tcpu_usage\tresources\tinput_size_mb\n"
)
ROW = (
    "50.00\t0:00:50\t{rss}\t1\t1\t1\t0\t0\t80\t60.00\t4\tdecode\t{{'subject': '01'}}\t{{}}\t2\t80\t"
    "{{'tmpdir': '/tmp', 'mem_mb': 4000, 'runtime': 60, 'gpu': 1}}\t{{}}\n"
)


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path / "out")
    for name, rss in (("01_clip", "1000.00"), ("02_clip", "-")):
        path = layout.benchmark("decode", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + ROW.format(rss=rss))
    layout.log("decode", "01_clip").write_text("a line\nSlurm job 7_1 on n1\nSlurm job 9 on n2\n")
    return layout


def test_what_snakemake_measured_stands_beside_what_was_asked(layout):
    first, second = measured_jobs(layout)
    assert (first.step, first.job, first.measured_by) == ("decode", "01_clip", "snakemake")
    assert (first.seconds, first.cpu_s, first.memory_mb) == (50, 60, 1000)
    assert (first.threads, first.asked_mb, first.asked_s) == (2, 4000, 3600)
    assert (first.slurm_job, first.node) == ("9", "n2")  # the last attempt
    assert (second.slurm_job, second.node) == ("", "")
    assert second.memory_mb != second.memory_mb


def test_benchmarks_without_resources_are_read_too(tmp_path):
    layout = Layout(tmp_path)
    path = layout.benchmark("embed", "clip")
    path.parent.mkdir(parents=True)
    path.write_text("s\th:m:s\tmax_rss\tcpu_time\n3.00\t0:00:03\t20.00\t1.00\n")
    (job,) = measured_jobs(layout)
    assert job.seconds == 3
    assert job.asked_mb != job.asked_mb
    assert "–" in write_efficiency(layout, "study").read_text()


def test_accounts_take_the_place_of_measurements(layout):
    # as sacct 22.05 answers, for a job with a step and for a task of an array
    answer = (
        "9|COMPLETED|9|00:00.270||500M|1\n"
        "9.batch|COMPLETED|9|00:00.014|10756K||1\n"
        "9.0|COMPLETED|6|00:00.256|208744K||1\n"
        "2_1|COMPLETED|4|00:01.006||300M|2\n"
        "2_1.batch|COMPLETED|4|00:01.006|161380K||2\n"
    )
    first, second = with_accounts(measured_jobs(layout), answer)
    assert (first.seconds, first.cpu_s, first.memory_mb) == (9, 0.27, 208744 / 1024)
    assert (first.threads, first.asked_mb, first.measured_by) == (1, 500, "sacct")
    assert second.measured_by == "snakemake"
    layout.log("decode", "02_clip").write_text("Slurm job 2_1 on n2\n")
    _, second = with_accounts(measured_jobs(layout), answer)
    assert (second.threads, second.cpu_s, second.measured_by) == (2, 1.006, "sacct")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:01.500", 1.5), ("01:02:03", 3723), ("2-00:00:10", 172810), ("12:00", 720)],
)
def test_slurms_clock(text, seconds):
    assert efficiency._cpu_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "mb"), [("4000M", 4000), ("2G", 2048), ("1.5Gn", 1536), ("512K", 0.5), ("", 0)]
)
def test_slurms_memory(text, mb):
    assert efficiency._memory_mb(text) == mb


def test_the_page_says_who_measured(layout):
    asked = []

    def accounts(jobs):
        asked.append(list(jobs))
        return "9|COMPLETED|100|01:30|2000M|4000M|4\n"

    text = write_efficiency(layout, "study <b>", accounts).read_text()
    assert asked == [["9"]]
    assert layout.efficiency.name == "efficiency.html"
    for cell in ("sacct", "snakemake", "50 %", "22 %", "n2", "study &lt;b&gt;"):
        assert cell in text
    without = write_efficiency(layout, "study", lambda jobs: None).read_text()
    assert "sacct" not in without
    # 60 CPU seconds in 50 s on 2 threads
    assert "60 %" in without


def test_a_cluster_without_accounting_is_no_error(tmp_path, monkeypatch):
    sacct = tmp_path / "sacct"
    sacct.write_text("#!/bin/sh\necho Slurm accounting storage is disabled >&2\nexit 1\n")
    sacct.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert efficiency.ask_sacct(["1"]) is None
    sacct.write_text("#!/bin/sh\necho '1|COMPLETED|1|00:01|1K|1M|1'\n")
    assert efficiency.ask_sacct(["1"]).startswith("1|COMPLETED")
    monkeypatch.setattr(subprocess, "run", None)
    monkeypatch.setattr(efficiency.shutil, "which", lambda name: None)
    assert efficiency.ask_sacct(["1"]) is None
