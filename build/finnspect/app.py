"""The command line itself: what commands there are, and the options of all of them."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Annotated

import typer

from finnspect import __version__
from finnspect.commands import (
    accuracy,
    build,
    compare,
    datasets,
    deploy,
    doctor,
    explore,
    export,
    models,
    report,
    simulate,
    train,
)

app = typer.Typer(
    name="finnspect",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First steps: `finnspect doctor` looks at this machine, `finnspect build` makes a bitstream "
    "of the model that comes with finnspect. Every command has its own --help with examples.",
)
for module in (doctor, train, models, accuracy, explore, export, build, simulate, report, compare, deploy):
    app.command(name=module.NAME, epilog=module.EXAMPLES)(module.command)
app.add_typer(datasets.app, name=datasets.NAME, epilog=datasets.EXAMPLES)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"finnspect {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show logs, and the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """From a folder of surface images to a bit-exact FPGA accelerator."""
    del version
    if not debug:
        warnings.simplefilter("ignore")  # libraries' notes to their authors
    logging.basicConfig(
        level=logging.INFO if debug else logging.ERROR, format="%(name)s: %(message)s", stream=sys.stderr
    )
