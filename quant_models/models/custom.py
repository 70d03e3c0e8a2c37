"""A user's own network: ``path/to/net.py:factory`` in place of a name of the registry.

The factory is called with the number of classes and the input's shape (height, width, channels) and
returns a ``torch.nn.Module`` of brevitas layers that takes pixel codes 0 .. 255 (float32, N, C, H, W)
and returns logits (N, classes). The file must stand alone: it is copied into the training run. The float
twin is the same network with its quantizers switched off.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from finnspect.errors import ConfigError
from torch import nn

import quant_models.torch_compat  # noqa: F401  (before any brevitas layer is built)

_REMEDY = "write --model path/to/file.py:factory, where factory(classes, input_shape) returns the network"

#: What SIGTERM is turned into, while a command runs.
_TERMINATED = 128 + signal.SIGTERM


def is_custom(name: str) -> bool:
    """Whether a model's name is a file and a factory."""
    return ".py:" in name or name.endswith(".py")


def split_custom(name: str) -> tuple[Path, str]:
    """Return the file and the factory of ``path.py:factory``.

    Raises
    ------
    ConfigError
        No such file, or no name of a factory.
    """
    path, _, factory = name.rpartition(":")
    if not factory.isidentifier():
        raise ConfigError(f"model {name!r} names no factory", _REMEDY)
    if not Path(path).is_file():
        raise ConfigError(f"model {name!r}: there is no file {path}", _REMEDY)
    return Path(path), factory


def source_digest(name: str) -> str:
    """Return the SHA-256 of the file of a custom model; empty for a name of the registry."""
    return hashlib.sha256(split_custom(name)[0].read_bytes()).hexdigest() if is_custom(name) else ""


def build_custom(name: str, classes: int, input_shape: tuple[int, int, int]) -> nn.Module:
    """Call a user's factory and check that its network takes the input and gives the logits.

    Raises
    ------
    ConfigError
        The file or the factory fails, or the network has another interface.
    """
    path, factory = split_custom(name)
    make = getattr(_load(path), factory, None)
    if not callable(make):
        raise ConfigError(f"{path} has no function {factory!r}", _REMEDY)
    try:
        inspect.signature(make).bind(classes, input_shape)
    except TypeError as error:
        raise ConfigError(f"{path}: {factory} cannot be called: {error}", _REMEDY) from error
    with _failing(f"{path}: {factory} failed", "correct the file"):
        net = make(classes, input_shape)
    if not isinstance(net, nn.Module):
        raise ConfigError(f"{path}: {factory} returned a {type(net).__name__}", _REMEDY)
    _check(net, f"{path}: {factory}", classes, input_shape)
    return net


def float_twin(net: nn.Module) -> nn.Module:
    """Switch every quantizer of a network off, in place, and return it."""
    from brevitas.proxy.quant_proxy import QuantProxyFromInjector

    for module in net.modules():
        if isinstance(module, QuantProxyFromInjector):
            module.disable_quant = True
    return net


def _load(path: Path) -> object:
    # Not entered into sys.modules: two files of one name do not get in each other's way.
    spec = importlib.util.spec_from_file_location(f"user_model_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    remedy = "correct the file; it must stand alone, because it is copied into the training run"
    with _failing(f"{path} cannot be imported", remedy):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _failing(what: str, remedy: str) -> Iterator[None]:
    """Say that the user's code failed, also where it ends the program."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code == _TERMINATED:  # a signal, not the user's code
            raise
        raise ConfigError(f"{what}: {_told(error)}", remedy) from error


def _told(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@torch.no_grad()
def _check(net: nn.Module, where: str, classes: int, input_shape: tuple[int, int, int]) -> None:
    height, width, channels = input_shape
    training = net.training
    try:
        # Two images in training mode: brevitas quantizers that collect statistics have none before.
        out = net.train()(torch.full((2, channels, height, width), 128.0))
    except Exception as error:
        raise ConfigError(
            f"{where}: the network does not take pixel codes of shape (N, {channels}, {height}, {width}): "
            f"{_told(error)}",
            "give the network the input_shape that the factory is called with, or choose another image size",
        ) from error
    finally:
        net.train(training)
    if not isinstance(out, torch.Tensor) or tuple(out.shape) != (2, classes):
        shape = tuple(getattr(out, "shape", ()))
        raise ConfigError(
            f"{where}: the network returns {type(out).__name__} {shape}, expected a tensor (N, {classes})",
            "end with a dense layer of `classes` outputs that returns a plain tensor",
        )
