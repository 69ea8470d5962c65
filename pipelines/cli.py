"""The command line. Everything heavy is imported by the command that needs it."""

import os
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

TinyModel = Literal["clip", "judge", "unclip"]
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


@app.command(context_settings=PASS_THROUGH)
def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Where the output tree goes.")] = Path("out/demo"),
) -> None:
    """Run the phantom, offline, in minutes: ends with a report that opens in a browser."""
    from calcarine.pipelines.workflow import WORKFLOW, run_workflow

    config = WORKFLOW / "config" / "phantom.yaml"
    code = run_workflow(config, ["--config", f"out={out}", *context.args])
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
    from calcarine.pipelines.config import load_config
    from calcarine.pipelines.steps import run_step

    run_step(name, load_config(config), subject=subject, name=item)


@app.command()
def train(
    model: Annotated[TinyModel, typer.Argument(help="Which of the three.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; training goes on beside it.")],
    steps: Annotated[int | None, typer.Option(help="Optimisation steps.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of scenes, weights and order.")] = 0,
) -> None:
    """Train one of the phantom's tiny models; interrupted, it goes on where it was."""
    from calcarine.pipelines.train_phantom import run as train_phantom

    for name, value in train_phantom(model, out, steps, seed).items():
        typer.echo(f"{name}\t{value:.4f}")


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
