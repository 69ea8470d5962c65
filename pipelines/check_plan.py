"""What a run would read, make and cost."""

from dataclasses import dataclass, field

import pandas as pd

from calcarine.data.stored_rows import IN_MEMORY_BYTES
from calcarine.pipelines.config import Config


@dataclass(frozen=True)
class Extent:
    """How much data a subject has.

    Attributes
    ----------
    n_runs, n_trials, n_units, n_stimuli
        Numbers of one subject.
    run_mb
        Size of one run in memory.
    n_times
        Times of a response.
    warnings
        What deserves a look.
    channels
        Units table of sensors; None for voxels.
    made_mb
        What the `source` step writes for the subject beside what is counted from the rest.
    """

    n_runs: int
    n_trials: int
    n_units: int
    n_stimuli: int
    run_mb: float
    n_times: int = 1
    warnings: tuple[str, ...] = ()
    channels: pd.DataFrame | None = None
    made_mb: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What a run would read, make and cost.

    Attributes
    ----------
    reads, makes
        Lines for a person.
    disk_mb, memory_mb, minutes
        Estimates: of the whole tree, of the largest job, of all jobs on two cores.
    warnings
        What deserves a look and does not stop a run.
    """

    reads: list[str]
    makes: list[str]
    disk_mb: float
    memory_mb: float
    minutes: float
    warnings: list[str] = field(default_factory=list)


# Seconds on one core, seen on the phantom: of starting a job, of a million values of a recording,
# of a picture embedded once, of an epoch of 700 trials, of a generated picture. Seen on a large
# study (benchmarks/load.py): of a million responses in an encoder, from how many units on the
# first layer of a network decides what an epoch takes.
_JOB_S, _VALUES_S, _PICTURE_S, _EPOCH_S, _GENERATED_S = 6.0, 0.15, 0.02, 0.15, 0.25
_RESPONSES_S, _WIDE_UNITS = 0.08, 4000
# MB of a job without data; copies of responses that are held in memory (more stay on disk), and of
# the test trials, a tenth, with their controls
_BASE_MB, _COPIES, _TESTED_COPIES = 900, 3, 0.45


def make_plan(config: Config, extents: list[Extent]) -> Plan:
    """Estimate what a run costs.

    Parameters
    ----------
    config
        The configuration.
    extents
        One for each subject whose data could be looked at.
    """
    n_subjects, n_stimuli = len(config.subjects), max(e.n_stimuli for e in extents)
    values = sum(e.n_trials * e.n_units * e.n_times for e in extents)
    largest = max(extents, key=lambda e: e.n_trials * e.n_units * e.n_times)
    largest_mb = 4 * largest.n_trials * largest.n_units * largest.n_times / 1e6
    n_models = len(config.decode) + len(config.encode)
    jobs = n_subjects * (3 + n_models + len(config.reconstruct)) + len(config.embeddings)
    width = max(1.0, largest.n_units * largest.n_times / _WIDE_UNITS)
    epochs = sum(getattr(d, "n_epochs", 0) for d in config.decode.values())
    pictures = 8 * n_stimuli * 0.1 * len(config.reconstruct)
    seconds = (
        jobs * _JOB_S
        + sum(e.n_runs * e.run_mb / 4 for e in extents) * _VALUES_S
        + n_stimuli * len(config.embeddings) * _PICTURE_S
        + values * len(config.encode) * _RESPONSES_S / 1e6
        + n_subjects * epochs * _EPOCH_S * width * largest.n_trials / 700
        + n_subjects * pictures * _GENERATED_S
    )
    made = 4 * (values + n_models * 512 * sum(e.n_units for e in extents)) / 1e6
    made += 0.2 * 4 * values * len(config.encode) / 1e6 + sum(e.made_mb for e in extents)
    held_mb = min(largest_mb, IN_MEMORY_BYTES / 1e6)
    fit_mb = _COPIES * held_mb + _TESTED_COPIES * largest_mb
    simulated = sum(e.n_runs * e.run_mb / 2 for e in extents)
    return Plan(
        reads=[f"{config.bids}: {sum(e.n_runs for e in extents)} runs of {n_subjects} subjects"],
        makes=[
            f"{config.layout.out}: {sum(e.n_trials for e in extents)} trials, "
            f"{largest.n_units} units in the largest subject, {n_stimuli} stimuli",
            f"{len(config.embeddings)} embeddings, {n_models} models a subject, "
            f"{len(config.reconstruct)} reconstructions a subject",
            f"{n_subjects} reports and {config.layout.index}",
        ],
        disk_mb=made
        + (simulated if config.source.kind.startswith("phantom") else 0)
        + 5 * n_subjects,
        memory_mb=_BASE_MB + max(_COPIES * largest.run_mb, fit_mb),
        minutes=seconds / 60 / 2,
        warnings=_warnings(config, extents),
    )


def _warnings(config: Config, extents: list[Extent]) -> list[str]:
    from calcarine.data.meeg.check import montage_warnings

    sensors = {
        subject: e.channels
        for subject, e in zip(config.subjects, extents, strict=False)
        if e.channels is not None
    }
    return [w for e in extents for w in e.warnings] + montage_warnings(sensors)


def plan_text(plan: Plan) -> str:
    """Write a plan for the terminal."""
    lines = [f"reads  {line}" for line in plan.reads] + [f"makes  {line}" for line in plan.makes]
    lines += [f"note   {line}" for line in plan.warnings]
    return "\n".join(
        [
            *lines,
            f"needs  about {plan.disk_mb:,.0f} MB of disk, {plan.memory_mb:,.0f} MB of memory in "
            f"the largest job, {plan.minutes:,.0f} minutes on two cores",
        ]
    )
