"""``finnspect-board serve``: the service around one accelerator."""

from __future__ import annotations

import argparse
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from finnspect_driver.classifier import DefectClassifier
from finnspect_driver.errors import SetupError
from finnspect_driver.serve.protocol import Verdict
from finnspect_driver.serve.settings import Settings, check_door

_log = logging.getLogger(__name__)
DESCRIPTION = "Serve the accelerator over HTTP: Open Inference Protocol, picture files, metrics, a live page."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that :func:`run` reads, without the zip and the device."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on [%(default)s]")
    parser.add_argument("--port", type=int, default=8080, help="port, 0 takes a free one [%(default)s]")
    door = parser.add_mutually_exclusive_group()
    door.add_argument("--token-file", type=Path, help="file with the token that clients must send")
    door.add_argument("--token", help="the token itself; other users of this machine can see it")
    default = Settings()
    parser.add_argument(
        "--queue", type=int, default=default.queue_images, help="images that may wait [%(default)s]"
    )
    parser.add_argument(
        "--max-images", type=int, default=default.request_images, help="images in a request [%(default)s]"
    )
    parser.add_argument(
        "--max-body-mib", type=int, default=default.body_bytes >> 20, help="size of a request [%(default)s]"
    )
    parser.add_argument(
        "--max-megapixels",
        type=int,
        default=default.picture_pixels >> 20,
        help="2^20 pixels of a picture [%(default)s]",
    )


def run(args: argparse.Namespace, open_classifier: Callable[[], DefectClassifier]) -> None:
    """Serve until SIGINT or SIGTERM.

    Parameters
    ----------
    args
        Options of :func:`add_arguments`.
    open_classifier
        Opens the accelerator; called after the options were found right and the port free.

    Raises
    ------
    DriverError
        An option is wrong, the port is taken, a package is missing, or the accelerator cannot be used.
    """
    token = _token(args)
    check_door(args.host, token)
    settings = Settings(
        queue_images=args.queue,
        request_images=min(args.max_images, args.queue),
        body_bytes=args.max_body_mib << 20,
        bodies_bytes=max(Settings.bodies_bytes, args.max_body_mib << 20),
        picture_pixels=args.max_megapixels << 20,
    )
    try:
        from finnspect_driver.serve import server
    except ImportError as error:
        raise SetupError(
            f"the service's packages are not installed: {error}",
            "pip install 'finnspect-driver[serve]' (Python 3.10 or newer)",
        ) from error
    listener = _listen(args.host, args.port)
    try:
        with open_classifier() as classifier:
            model = model_of(classifier)
            _log.info("serving %s at http://%s", model.name, _address(listener))
            server.serve(model, settings, token, listener)
    finally:
        listener.close()


def _token(args: argparse.Namespace) -> str | None:
    if args.token_file is None:
        return args.token
    try:
        return args.token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            f"cannot read the token file {args.token_file}: {error}", "check the path"
        ) from error


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise SetupError(
            f"cannot listen on {host} port {port}: {error}", "choose another --host or --port"
        ) from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def model_of(classifier: DefectClassifier) -> Any:
    """Return what the service needs of a classifier: a :class:`finnspect_driver.serve.app.Model`."""
    from finnspect_driver.serve.app import Model

    deploy, info = classifier.deploy, classifier.info()

    def classify(images: np.ndarray) -> list[Verdict]:
        return [
            Verdict(p.name, -1 if p.unknown else p.index, float(p.score), p.logits, p.unknown)
            for p in classifier.predict(images)
        ]

    return Model(
        name=deploy.name,
        classes=deploy.classes,
        shape=deploy.input_shape,
        prepare=classifier.preprocess,
        classify=classify,
        counters=classifier.counters,
        info={
            "board": deploy.board,
            "shell": info.shell,
            "device": info.device,
            "build_id": info.build_id or "not told by this shell",
        },
    )
