"""What each job of a run asked for and what it used: CPU, memory, time.

Where Slurm keeps accounts (`sacct`), they say what a job used; elsewhere Snakemake's measurements
do. The figures differ between two runs, so they stand on a page of their own.
"""

import ast
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from calcarine.data.atomic import write_text
from calcarine.data.layout import Layout
from calcarine.pipelines.page import Block, Section, Table, Text, counted, render

SACCT_COLUMNS = ("JobID", "State", "ElapsedRaw", "TotalCPU", "MaxRSS", "ReqMem", "AllocCPUS")
_SLURM_LINE = re.compile(r"^Slurm job (\d+(?:_\d+)?) on (\S+)$", re.MULTILINE)
_UNITS_MB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2, "": 1 / 1024**2}
_HEADS = (
    *("step", "job", "measured by", "Slurm job", "node"),
    *("time (s)", "of asked", "CPU (s)", "threads", "of asked", "memory (MB)", "asked", "of asked"),
)


@dataclass(frozen=True)
class JobUse:
    """One job.

    Attributes
    ----------
    step, job
        Step, and what it was run for (`01_contrastive-clip`).
    seconds, cpu_s, memory_mb
        Used: elapsed seconds, CPU seconds, largest resident memory; NaN where nobody measured.
    threads, asked_mb, asked_s
        Asked for: threads, memory, time; NaN where it is not known.
    slurm_job, node
        Where it ran on a cluster; empty elsewhere.
    measured_by
        `snakemake` or `sacct`.
    """

    step: str
    job: str
    seconds: float
    cpu_s: float
    memory_mb: float
    threads: float
    asked_mb: float
    asked_s: float
    slurm_job: str = ""
    node: str = ""
    measured_by: str = "snakemake"


def ask_sacct(jobs: Sequence[str]) -> str | None:
    """Ask Slurm's accounting for jobs; None where there is no accounting."""
    if shutil.which("sacct") is None:
        return None
    call = ["sacct", "--noheader", "--parsable2", f"--format={','.join(SACCT_COLUMNS)}"]
    try:
        done = subprocess.run(
            [*call, f"--jobs={','.join(jobs)}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 and done.stdout.strip() else None


def write_efficiency(
    layout: Layout, name: str, accounts: Callable[[Sequence[str]], str | None] = ask_sacct
) -> Path:
    """Write `logs/efficiency.html` of a finished run.

    Parameters
    ----------
    layout
        The output tree.
    name
        Of the configuration.
    accounts
        Gives sacct's answer for Slurm jobs, or None.

    Returns
    -------
    pathlib.Path
        What was written.
    """
    jobs = measured_jobs(layout)
    on_slurm = [job.slurm_job for job in jobs if job.slurm_job]
    answer = accounts(on_slurm) if on_slurm else None
    if answer is not None:
        jobs = with_accounts(jobs, answer)
    blocks: list[Block] = [
        Text(_in_short(jobs)),
        Table("One row a job", _HEADS, [_row(j) for j in jobs], 5),
    ]
    sections = [Section("jobs", "Asked for and used", blocks)]
    html = render("efficiency.html.j2", {"title": name, "sections": sections})
    write_text(layout.efficiency, html)
    return layout.efficiency


def measured_jobs(layout: Layout) -> list[JobUse]:
    """Read what Snakemake measured of each job, and what the job had asked for."""
    found = []
    for path in sorted((layout.out / "logs").glob("*/*.benchmark.tsv")):
        table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
        if not len(table):
            continue
        row = table.iloc[-1]
        asked = _resources(row.get("resources"))
        job = path.name.removesuffix(".benchmark.tsv")
        told = _SLURM_LINE.findall(_text(layout.log(path.parent.name, job)))
        slurm_job, node = told[-1] if told else ("", "")
        found.append(
            JobUse(
                step=path.parent.name,
                job=job,
                seconds=_number(row.get("s")),
                cpu_s=_number(row.get("cpu_time")),
                memory_mb=_number(row.get("max_rss")),
                threads=_number(row.get("threads")),
                asked_mb=_number(asked.get("mem_mb")),
                asked_s=60 * _number(asked.get("runtime")),
                slurm_job=slurm_job,
                node=node,
            )
        )
    return found


def with_accounts(jobs: Sequence[JobUse], answer: str) -> list[JobUse]:
    """Put what sacct knows in the place of Snakemake's measurements.

    Parameters
    ----------
    jobs
        From `measured_jobs`.
    answer
        sacct's lines with `SACCT_COLUMNS`, separated by `|`; memory stands in a job's steps.
    """
    whole: dict[str, dict[str, str]] = {}
    memory: dict[str, float] = {}
    for line in answer.splitlines():
        values = dict(zip(SACCT_COLUMNS, line.split("|"), strict=False))
        number = values["JobID"].split(".")[0]
        if number == values["JobID"]:
            whole[number] = values
        memory[number] = max(memory.get(number, 0.0), _memory_mb(values.get("MaxRSS", "")))
    return [
        replace(
            job,
            seconds=_number(known["ElapsedRaw"]),
            cpu_s=_cpu_seconds(known["TotalCPU"]),
            memory_mb=memory[job.slurm_job] or job.memory_mb,
            threads=_number(known["AllocCPUS"]),
            asked_mb=_memory_mb(known["ReqMem"]) or job.asked_mb,
            measured_by="sacct",
        )
        if (known := whole.get(job.slurm_job)) is not None
        else job
        for job in jobs
    ]


def _in_short(jobs: Sequence[JobUse]) -> str:
    used_h = sum(job.cpu_s for job in jobs if job.cpu_s == job.cpu_s) / 3600
    held_h = sum(s for job in jobs if (s := job.seconds * job.threads) == s) / 3600
    by = " and ".join(sorted({job.measured_by for job in jobs})) or "nobody"
    return (
        f"{counted(len(jobs), 'job')}, measured by {by}: {used_h:.2f} CPU hours used of "
        f"{held_h:.2f} held (threads times time). Only the attempt that succeeded is listed. "
        "Memory and time are asked for once for all jobs of a rule and doubled at each retry; what "
        "is far below what was asked for can be lowered in a profile (`set-resources`, "
        "`set-threads`), which changes no result. A job that took less than some seconds may show "
        "no memory."
    )


def _row(job: JobUse) -> list[str]:
    return [
        *(job.step, job.job, job.measured_by, job.slurm_job or "–", job.node or "–"),
        *(_told(job.seconds, 1), _share(job.seconds, job.asked_s)),
        *(_told(job.cpu_s, 1), _told(job.threads, 0)),
        _share(job.cpu_s, job.seconds * job.threads),
        *(_told(job.memory_mb, 0), _told(job.asked_mb, 0), _share(job.memory_mb, job.asked_mb)),
    ]


def _told(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if value == value else "–"


def _share(used: float, asked: float) -> str:
    return f"{100 * used / asked:.0f} %" if asked > 0 and used == used else "–"


def _resources(text: object) -> dict[str, object]:
    try:
        found = ast.literal_eval(str(text))
    except (ValueError, SyntaxError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float:
    return float(pd.to_numeric(value, errors="coerce"))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _memory_mb(text: str) -> float:
    """Read `4000M`, `1.5G`, `250K`, `4Gn`; 0 where nothing is said."""
    found = re.match(r"([\d.]+)([KMGT]?)", text.strip())
    return float(found.group(1)) * _UNITS_MB[found.group(2)] if found else 0.0


def _cpu_seconds(text: str) -> float:
    """Read `[days-][hours:]minutes:seconds`."""
    days, _, clock = text.rpartition("-")
    parts = [float(part) for part in clock.split(":")]
    seconds = sum(part * 60.0**i for i, part in enumerate(reversed(parts)))
    return seconds + 86400 * float(days or 0)
