"""Limits of the service, and where it may listen."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from finnspect_driver.errors import SetupError

MIN_TOKEN_CHARACTERS = 16


@dataclass(frozen=True)
class Settings:
    """Limits; times in seconds.

    Attributes
    ----------
    queue_images
        Images that may wait for the accelerator; more are refused with 503.
    request_images
        Images in one inference request.
    body_bytes
        Size of one request's body.
    bodies_bytes
        Size of all bodies that are being received or decoded at a time.
    picture_pixels
        Pixels of one picture, before it is resized.
    connections
        Connections that may be open at a time.
    head_s
        From an opened connection, or the answer before, to the end of a request's head.
    body_s
        From a request's head to the end of its body.
    write_s
        That a client may leave an answer unread.
    request_s
        From the end of the body to the answer.
    shutdown_s
        For requests under way when the service stops.
    """

    queue_images: int = 512
    request_images: int = 256
    body_bytes: int = 8 << 20
    bodies_bytes: int = 32 << 20
    picture_pixels: int = 4 << 20
    connections: int = 128
    head_s: float = 10.0
    body_s: float = 20.0
    write_s: float = 10.0
    request_s: float = 30.0
    shutdown_s: float = 10.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise SetupError(f"the service's {name} is {value}", "give a number above zero")
        if self.request_images > self.queue_images:
            raise SetupError(
                f"a request may hold {self.request_images} images, the queue only {self.queue_images}",
                "make queue_images at least request_images",
            )
        if self.body_bytes > self.bodies_bytes:
            raise SetupError(
                f"one body may hold {self.body_bytes} bytes, all together only {self.bodies_bytes}",
                "make bodies_bytes at least body_bytes",
            )


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_door(host: str, token: str | None) -> None:
    """Refuse to listen where others reach the service without a token.

    Raises
    ------
    SetupError
        ``host`` is not loopback and there is no token, or the token is too easy to guess or cannot be sent.
    """
    if token is None:
        if not is_loopback(host):
            raise SetupError(
                f"{host} can be reached by other machines, and no token is set",
                "give --token-file FILE (or --token), or listen on 127.0.0.1",
            )
        return
    if len(token) < MIN_TOKEN_CHARACTERS:
        raise SetupError(
            f"the token has {len(token)} characters, at least {MIN_TOKEN_CHARACTERS} are needed",
            "make one: python3 -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SetupError("the token has characters that no header can carry", "use letters, digits, - and _")
