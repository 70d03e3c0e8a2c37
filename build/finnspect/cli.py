"""The command ``finnspect``. Heavy libraries are imported by the commands that need them, when they do."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import warnings
from typing import Annotated, NoReturn

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
from finnspect.errors import FlowError

#: Exit code after Ctrl-C, as shells have it.
_INTERRUPTED = 128 + signal.SIGINT

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


def _terminated(_number: int, _frame: object) -> NoReturn:
    """Turn SIGTERM into an exception, so that temporary folders and child processes go."""
    raise SystemExit(128 + signal.SIGTERM)


def _say_stopped() -> None:
    sys.stderr.write("finnspect: stopped; finished stages are kept, the same command goes on from there\n")


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code, with one clear message for what a user can mend."""
    debug = "--debug" in arguments
    try:
        with contextlib.suppress(ValueError):  # not in the main thread: leave signals alone
            signal.signal(signal.SIGTERM, _terminated)
        result = app(args=arguments, prog_name="finnspect", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        if code == _INTERRUPTED:  # the parser turns Ctrl-C into this
            _say_stopped()
        return code
    except FlowError as error:
        if debug:
            raise
        sys.stderr.write(f"finnspect: {error}\n")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        if debug:
            raise
        sys.stderr.write(
            "finnspect: stopped; finished stages are kept, the same command goes on from there\n"
        )
        return 130
    except BrokenPipeError:  # `finnspect report | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        shown = getattr(error, "show", None)  # an error in the command line itself: click prints the usage
        if shown is not None:
            shown()
            return getattr(error, "exit_code", 2)
        if debug:
            raise
        sys.stderr.write(
            f"finnspect: internal error: {type(error).__name__}: {error}\n"
            "  remedy: run the same with `finnspect --debug ...` and report what it prints\n"
        )
        return 70


def main() -> NoReturn:
    """Entry point of the script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
