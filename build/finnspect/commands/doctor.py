"""``finnspect doctor``."""

from __future__ import annotations

import json

import typer

from finnspect.commands.options import JsonOption, examples

NAME = "doctor"
EXAMPLES = examples(
    ("Look at this machine", "finnspect doctor"),
    ("The same for a program; the exit code says it too", "finnspect doctor --json"),
)


def command(as_json: JsonOption = False) -> None:
    """Say which tools and packages were found, what each missing one is needed for, and how to get it.

    The exit code is 0 when a model can be trained, simulated and built for the default board.
    """
    from finnspect.doctor import healthy, run_checks, to_json

    checks = run_checks()
    if as_json:
        typer.echo(json.dumps(to_json(checks), indent=1))
    else:
        _print(checks)
    raise typer.Exit(0 if healthy(checks) else 1)


def _print(checks: list) -> None:
    from finnspect.doctor import healthy

    titles = {
        "system": "Programs",
        "package": "Python packages and pip-installed tools",
        "optional": "Optional: the default road does without",
    }
    width = max(len(check.name) for check in checks)
    for group, title in titles.items():
        typer.echo(f"\n{title}")
        for check in (check for check in checks if check.group == group):
            mark = "ok" if check.ok else "--" if group == "optional" else "NO"
            typer.echo(
                f"  {mark}  {check.name:<{width}}  {check.version or 'not found':<18} {check.needed_for}"
            )
            if not check.ok:
                space = " " * (width + 8)
                if check.problem:
                    typer.echo(f"{space}problem: {check.problem}")
                typer.echo(f"{space}to get it: {check.remedy}")
    if healthy(checks):
        typer.echo("\nAll that the default road needs is here: `finnspect build` works.")
    else:
        lacking = [check.name for check in checks if not check.ok and check.group != "optional"]
        typer.echo(f"\nNot ready: {', '.join(lacking)}. See above for how to get each.")
