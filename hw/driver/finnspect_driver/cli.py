"""``finnspect-board``: the classifier from a shell."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from finnspect_driver.classifier import DefectClassifier
from finnspect_driver.deployzip import DeployZip, read_deploy
from finnspect_driver.errors import DriverError
from finnspect_driver.images import each
from finnspect_driver.serve import command as serve

_EXAMPLES = """examples
  finnspect-board info classifier.zip                        what is in the zip, and what the hardware says
  finnspect-board validate classifier.zip                    golden vectors, every integer compared
  finnspect-board validate classifier.zip --images folder/   any images, against the zip's integer model
  finnspect-board benchmark classifier.zip --frames 2000     frames a second, latency, counters
  finnspect-board predict classifier.zip folder/ more.png    one line an image
  finnspect-board predict classifier.zip folder/ --device virtual --json
  finnspect-board serve classifier.zip                       answers over HTTP, with a live page
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 (an error, a mismatch), 2 (usage), 130 (Ctrl-C)."""
    args = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if args.verbose or args.run is _serve else logging.WARNING,
        format="%(name)s: %(message)s",
    )
    try:
        return args.run(args)
    except DriverError as error:
        print(f"finnspect-board: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("finnspect-board: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is left would only complain at exit.
        sys.stdout = None  # type: ignore[assignment]
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="finnspect-board",
        description="Run a defect classifier on the accelerator of its deploy zip.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.required = True

    def add(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("zip", type=Path, help="deploy zip")
        command.add_argument(
            "--device",
            default="auto",
            help="auto, pynq, virtual or serial:<port>, as in serial:/dev/ttyUSB0 [%(default)s]",
        )
        command.add_argument("--batch", type=int, help="images in a run of the hardware [chosen by size]")
        command.add_argument(
            "--timeout", type=float, default=10.0, metavar="S", help="seconds without progress [%(default)g]"
        )
        command.add_argument(
            "--no-download", action="store_true", help="take the bitstream that is loaded already"
        )
        command.add_argument("-v", "--verbose", action="store_true", help="say more")
        return command

    info = add("info", _info, "Show what is in a deploy zip and what the hardware says of itself.")
    info.add_argument("--zip-only", action="store_true", help="do not touch the hardware")
    validate = add("validate", _validate, "Compare every integer with the golden vectors.")
    validate.add_argument(
        "--images", type=Path, nargs="+", help="pictures or folders, compared with the integer model as well"
    )
    benchmark = add("benchmark", _benchmark, "Measure throughput, latency and where the time goes.")
    benchmark.add_argument("--frames", type=int, default=512, help="images of the run [%(default)s]")
    predict = add("predict", _predict, "Classify pictures.")
    predict.add_argument("images", type=Path, nargs="+", help="pictures or folders")
    for command in (info, validate, benchmark, predict):
        command.add_argument("--json", action="store_true", help="print JSON")
    serve.add_arguments(add("serve", _serve, serve.DESCRIPTION))
    return parser


def _open(args: argparse.Namespace, deploy: DeployZip | None = None) -> DefectClassifier:
    return DefectClassifier(
        deploy or args.zip,
        device=args.device,
        batch=args.batch,
        timeout_s=args.timeout,
        download=not args.no_download,
    )


def _show(args: argparse.Namespace, document: Any, text: str) -> None:
    print(json.dumps(document, indent=1) if args.json else text)


def _info(args: argparse.Namespace) -> int:
    deploy = read_deploy(args.zip)
    accelerator = deploy.accelerator
    height, width, channels = deploy.input_shape
    reject = accelerator.get("reject") or {"rule": "none"}
    lines = [
        f"{args.zip}: every byte as it was made",
        f"  model       {deploy.name}",
        f"  board       {deploy.board} ({accelerator['part']}), shell {deploy.shell}",
        f"  build id    {deploy.build_id}",
        f"  clock       {deploy.clock_mhz:g} MHz",
        f"  image       {height} x {width} x {channels}, {accelerator['preprocessing']['color']}",
        f"  classes     {', '.join(deploy.classes)}",
        f"  reject      {reject['rule']}" + ("" if reject["rule"] == "none" else f" {reject['threshold']:g}"),
        f"  expected    {1 / deploy.seconds_per_frame:,.1f} frames/s (simulated)",
        f"  driver      {', '.join(n for n in deploy.contents if n.endswith('.whl')) or 'none inside'}",
    ]
    document = {"zip": str(args.zip), "accelerator": accelerator, "hardware": None}
    if not args.zip_only:
        with _open(args, deploy) as classifier:
            hardware = document["hardware"] = classifier.info().to_dict()
        clock = hardware["clock_hz"]
        lines += [
            f"hardware on {hardware['device']}",
            f"  build id    {hardware['build_id'] or 'not told by this shell'}",
            f"  interface   {hardware['interface_version'] or 'not told by this shell'}",
            f"  clock       {'not told by this shell' if clock is None else f'{clock / 1e6:g} MHz'}",
        ]
        lines += [f"  note        {hardware['note']}"] if hardware["note"] else []
    _show(args, document, "\n".join(lines))
    return 0


def _validate(args: argparse.Namespace) -> int:
    with _open(args) as classifier:
        reports = [classifier.validate(raise_on_mismatch=False)]
        if args.images:
            reports.append(classifier.check(_pictures(args.images), raise_on_mismatch=False))
    lines = []
    for report in reports:
        lines.append(str(report))
        lines += [
            f"  image {m.image}, class {m.index}: got {m.got}, expected {m.expected}"
            for m in report.mismatches[:20]
        ]
        if len(report.mismatches) > 20:
            lines.append(f"  and {len(report.mismatches) - 20} more")
    _show(args, [report.to_dict() for report in reports], "\n".join(lines))
    return 0 if all(reports) else 1


def _benchmark(args: argparse.Namespace) -> int:
    with _open(args) as classifier:
        report = classifier.benchmark(frames=args.frames)
    _show(args, report.to_dict(), str(report))
    return 0


def _pictures(paths: Sequence[Path]) -> Iterator[Path]:
    return each(list(paths))


def _predict(args: argparse.Namespace) -> int:
    paths = list(_pictures(args.images))
    documents = []
    with _open(args) as classifier:
        for path, prediction in zip(paths, classifier.stream(paths)):
            if args.json:
                documents.append({"image": str(path), **prediction.to_dict()})
                continue
            doubt = f" (best: {prediction.best_name})" if prediction.unknown else ""
            print(f"{path}\t{prediction.name}\t{prediction.score:.4f}{doubt}")
    if args.json:
        print(json.dumps(documents, indent=1))
    return 0


def _serve(args: argparse.Namespace) -> int:
    serve.run(args, lambda: _open(args))
    return 0


if __name__ == "__main__":
    sys.exit(main())
