"""The command line. Everything heavy is imported by the command that needs it."""

import os
import platform
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from calcarine.data.errors import CalcarineError

app = typer.Typer(
    name="calcarine",
    help="Brain recordings to models of seeing: encoders, decoders, reconstructions, reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

TinyModel = Literal["clip", "judge", "unclip", "prefix"]
ConfigPath = Annotated[Path, typer.Argument(help="Configuration file (YAML).")]
PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=PASS_THROUGH)
def run(context: typer.Context, config: ConfigPath) -> None:
    """Run the whole workflow; what follows CONFIG goes to Snakemake (-n, -j 8, …)."""
    from calcarine.pipelines.config import load_config
    from calcarine.pipelines.workflow import become_workflow

    load_config(config)
    become_workflow(config, context.args)


@app.command()
def check(config: ConfigPath) -> None:
    """Validate configuration and data without running; list every problem and what will be made."""
    from calcarine.pipelines.check import check_config
    from calcarine.pipelines.check_plan import plan_text

    problems, plan = check_config(config)
    if plan is not None:
        typer.echo(plan_text(plan))
    if problems:
        typer.echo(f"\n{len(problems)} problem{'s' * (len(problems) > 1)}:", err=True)
        for problem in problems:
            typer.echo(f"- {problem}", err=True)
        raise typer.Exit(2)
    typer.echo("\nNo problem found.")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Root of a BIDS data set.")],
    out: Annotated[Path | None, typer.Option(help="Configuration file to write.")] = None,
    modality: Annotated[
        str | None, typer.Option(help="fmri, eeg or meg, if there are more.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="BIDS task, of several.")] = None,
) -> None:
    """Look through a BIDS folder and write a commented configuration for it."""
    from calcarine.pipelines.init import run as write_draft

    draft = write_draft(folder, out, modality, task)
    for note in draft.notes:
        typer.echo(f"- {note}")
    for line, why in draft.to_fill:
        typer.echo(f"- {draft.path}, line {line}: fill in {why}", err=True)
    typer.echo(f"\nWrote {draft.path}. Next: calcarine check {draft.path}")


@app.command(context_settings=PASS_THROUGH)
def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Where the output tree goes.")] = Path("out/demo"),
) -> None:
    """Run the phantom's fMRI, EEG and MEG, offline: ends with reports that open in a browser."""
    from calcarine.pipelines.demo import run as run_demo

    code = run_demo(out, context.args)
    if code == 0:
        typer.echo(f"\nOpen {(out / 'index.html').resolve().as_uri()} in a browser.")
    raise typer.Exit(code)


@app.command()
def step(
    name: Annotated[str, typer.Argument(help="prepare, embed, encode, decode, …")],
    config: ConfigPath,
    subject: Annotated[str | None, typer.Option(help="Subject label, without `sub-`.")] = None,
    item: Annotated[str | None, typer.Option("--name", help="Name in the section.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of numerical libraries.")] = None,
) -> None:
    """Run one step; the workflow's rules call this."""
    if threads is not None:
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[variable] = str(threads)
    if "SLURM_JOB_ID" in os.environ:  # the report of efficiency finds the job by this line
        array = "{SLURM_ARRAY_JOB_ID}_{SLURM_ARRAY_TASK_ID}"
        job = array if "SLURM_ARRAY_TASK_ID" in os.environ else "{SLURM_JOB_ID}"
        typer.echo(f"Slurm job {job.format_map(os.environ)} on {platform.node()}")
    from calcarine.pipelines.config import load_config
    from calcarine.pipelines.steps import run_step

    run_step(name, load_config(config), subject=subject, name=item)


@app.command()
def train(
    model: Annotated[TinyModel, typer.Argument(help="Which of the four.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; training goes on beside it.")],
    steps: Annotated[int | None, typer.Option(help="Optimisation steps.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of scenes, weights and order.")] = 0,
) -> None:
    """Train one of the phantom's tiny models; interrupted, it goes on where it was."""
    from calcarine.pipelines.train_phantom import run as train_phantom

    for name, value in train_phantom(model, out, steps, seed).items():
        typer.echo(f"{name}\t{value:.4f}")


@app.command("train-encoders")
def train_encoders(
    out: Annotated[Path, typer.Argument(help="Folder to write, a model folder a subject.")],
    subject: Annotated[list[str], typer.Option(help="Label; may be repeated.")] = ["01", "02"],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Seed of the phantom.")] = 0,
) -> None:
    """Simulate the phantom and fit the encoders that come with the package."""
    from calcarine.pipelines.train_phantom_encoders import run as fit_encoders

    for folder in fit_encoders(out, subject, seed):
        typer.echo(folder)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Model folder of an encoder.")],
    destination: Annotated[Path, typer.Argument(help="Folder to write.")],
    field: Annotated[
        list[str] | None, typer.Option(help='Field of the card, e.g. licence="CC BY 4.0".')
    ] = None,
    half: Annotated[bool, typer.Option(help="Weights in half precision.")] = False,
) -> None:
    """Write a folder that a stranger can load; an incomplete card is refused."""
    from calcarine.pipelines.sharing import export_model

    fields = dict(text.split("=", 1) for text in field or () if "=" in text)
    if len(fields) != len(field or ()):
        raise CalcarineError(f"--field got {field}; expected NAME=TEXT, each name once.")
    typer.echo(export_model(folder, destination, fields, half))


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(help="Folder that `export` wrote.")],
    repository: Annotated[str, typer.Argument(help="ORG/NAME on the Hugging Face hub.")],
    public: Annotated[bool, typer.Option(help="Let everybody see a new repository.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Check all, send nothing.")] = False,
) -> None:
    """Send an exported encoder to the hub, with your own login."""
    from calcarine.pipelines.sharing import push_model

    for line in push_model(folder, repository, not public, dry_run):
        typer.echo(("would send " if dry_run else "sent ") + line)


bank_app = typer.Typer(
    help="Banks of pictures that units are captioned with.", no_args_is_help=True
)
app.add_typer(bank_app, name="bank")


@bank_app.callback()
def bank_group() -> None:
    """Banks of pictures that units are captioned with."""


@bank_app.command("build")
def bank_build(
    folder: Annotated[Path, typer.Argument(help="Pictures, with stimuli.tsv or .txt captions.")],
    out: Annotated[Path | None, typer.Option(help="Bank to write; out/banks/NAME.")] = None,
    model: Annotated[str, typer.Option(help="Embedding model.")] = "calcarine:phantom-clip",
    without: Annotated[
        Path | None, typer.Option(help="Trial table whose test stimuli are left out.")
    ] = None,
    captioner: Annotated[
        str | None, typer.Option(help="local-dir:PATH, for pictures without captions.")
    ] = None,
) -> None:
    """Embed a folder of pictures, and their captions, as a bank."""
    from calcarine.pipelines.caption_banks import build_bank

    place = out or Path("out/banks") / folder.resolve().name
    made = build_bank(folder, place, model, without, captioner)
    typer.echo(f"{place}: {len(made.entries):,} pictures, {made.embed_dim} dimensions")


@app.command()
def caption(
    mask: Annotated[Path, typer.Option(help="Image that marks a piece of cortex.")],
    encoder: Annotated[
        str, typer.Option(help="Model folder of a ridge encoder, or a name (calcarine models).")
    ],
    bank: Annotated[
        Path | None, typer.Option(help="Bank; by default the encoder's training stimuli.")
    ] = None,
) -> None:
    """Say in words what the units in a mask respond to."""
    from calcarine.pipelines.caption_mask import caption_mask

    typer.echo(caption_mask(mask, encoder, bank))


@app.command()
def models() -> None:
    """List the embedding models, pretrained encoders and generators that can be loaded."""
    from calcarine.pipelines.catalogue import models_text

    typer.echo(models_text())


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="A model, embedding or output folder.")],
) -> None:
    """Tell what a model folder, an embedding folder or an output tree holds."""
    from calcarine.pipelines.catalogue import info_text

    typer.echo(info_text(path))


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Output tree of one run.")],
    second: Annotated[Path, typer.Argument(help="Output tree of the other.")],
    html: Annotated[Path | None, typer.Option(help="Also write a page to this file.")] = None,
) -> None:
    """Tell what differs between two runs; exit code 1 where something does."""
    from calcarine.data.atomic import write_text
    from calcarine.pipelines.compare import compare_trees, comparison_page, comparison_text

    found = compare_trees(first, second)
    if html is not None:
        write_text(html, comparison_page(found))
    typer.echo(comparison_text(found))
    raise typer.Exit(0 if found.same else 1)


@app.command()
def convert(
    release: Annotated[str, typer.Argument(help="Name of the release: haxby2001.")],
    source: Annotated[Path, typer.Argument(help="Folder of the release.")],
    pictures: Annotated[Path, typer.Argument(help="Folder of its pictures.")],
    destination: Annotated[Path, typer.Argument(help="BIDS folder to write.")],
) -> None:
    """Convert a public release into BIDS."""
    from calcarine.data.haxby2001 import convert_haxby2001

    converters = {"haxby2001": convert_haxby2001}
    if release not in converters:
        raise CalcarineError(f"there is no converter {release!r}; there is {sorted(converters)}.")
    converters[release](source, pictures, destination)


def main() -> None:
    """Run the command line; errors that a user can cause end in one message and exit code 2."""
    try:
        app(standalone_mode=True)
    except CalcarineError as error:
        sys.stderr.write(f"calcarine: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
