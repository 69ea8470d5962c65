"""Starting Snakemake on the workflow that the package ships."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

WORKFLOW = Path(__file__).resolve().parent.parent / "snakemake"


def snakemake_command(config: Path, arguments: Sequence[str]) -> list[str]:
    """Compose the Snakemake call.

    Parameters
    ----------
    config
        Configuration file.
    arguments
        Further Snakemake arguments. `--profile NAME` with the name of a profile that the package
        ships (`default`, `slurm`) means that one.

    Returns
    -------
    list of str
        The command.
    """
    passed = list(arguments)
    for i, argument in enumerate(passed[:-1]):
        if argument == "--profile":
            bundled = WORKFLOW / "profiles" / passed[i + 1]
            folder = bundled if bundled.is_dir() else Path(passed[i + 1])
            if _loses_jobs(folder, passed):
                passed += ["--slurm-array-jobs", ""]
            if bundled.is_dir():
                # as workflow profile it takes the place of the default one, unmixed
                passed[i : i + 2] = ["--workflow-profile", str(bundled)]
            break
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(WORKFLOW / "Snakefile")]
    # --configfile takes a list: it goes last so that it cannot swallow other arguments
    return [*command, *passed, "--configfile", str(config)]


def _loses_jobs(profile: Path, arguments: Sequence[str]) -> bool:
    """Tell whether a limit of jobs meets array jobs.

    Version 2.8.0 of the Slurm plugin forgets the jobs of an array while others of the rule are held
    back, and waits for them for ever; jobs one by one are not forgotten.
    """
    limits = ("-j", "--jobs", "--resources", "--max-jobs-per-timespan")
    file = profile / "profile.yaml"
    return (
        any(argument.startswith(limits) for argument in arguments)
        and not any(argument.startswith("--slurm-array-jobs") for argument in arguments)
        and file.is_file()
        and "\nslurm-array-jobs:" in file.read_text(encoding="utf-8")
    )


def run_workflow(config: Path, arguments: Sequence[str]) -> int:
    """Run the workflow and return Snakemake's exit code."""
    command = snakemake_command(config, arguments)
    return subprocess.run(command, check=False, env=_environment()).returncode


def become_workflow(config: Path, arguments: Sequence[str]) -> NoReturn:
    """Become Snakemake, so that a signal to `calcarine run` reaches what it is meant for."""
    command = snakemake_command(config, arguments)
    sys.stdout.flush()
    os.execve(command[0], command, _environment())


def _environment() -> dict[str, str]:
    # rules call `calcarine`: the one beside this interpreter, also where no environment is active
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path}
