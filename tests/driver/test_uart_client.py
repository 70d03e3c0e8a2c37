"""The serial client against a model of the device: wrong devices, damaged replies, dead lines."""

from __future__ import annotations

import ast
import os
import pty
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from finnspect_driver import uart
from finnspect_driver import uart_protocol as protocol
from finnspect_driver.uart import UartAccelerator
from finnspect_driver.uart_protocol import (
    DeviceError,
    IdentityError,
    LinkError,
    LinkTimeoutError,
    encode_reply,
)

BUILD_ID = "00112233445566778899aabbccddeeff"
FRAME, CLASSES = 16, 3


def info_payload(magic=b"FNSP", version=1, build_id=BUILD_ID):
    fields = (magic, version, 0, bytes.fromhex(build_id)[::-1], FRAME, CLASSES, 75_000_000, 64)
    return struct.pack("<4sHH16sIIII", *fields)


class Device:
    """Answers as the hardware does; ``damage`` may change each reply on its way."""

    def __init__(self, info=None, damage=None, error=None):
        self.info = info_payload() if info is None else info
        self.damage = damage or (lambda reply, count: reply)
        self.error = error
        self.requests = []
        self.out = bytearray()

    def write(self, data):
        command, tag, length = struct.unpack("<BBI", data[2:8])
        assert data == protocol.encode_request(command, tag, data[8 : 8 + length])
        self.requests.append((command, tag))
        if command == protocol.COMMAND_INFO:
            reply = encode_reply(protocol.REPLY_INFO, tag, self.info)
        elif self.error is not None:
            reply = encode_reply(protocol.REPLY_ERROR, tag, bytes([self.error]))
        else:
            image = np.frombuffer(data[8:-4], np.uint8).astype(int)
            values = [int(image.sum()) * (-1) ** k * (k + 1) for k in range(CLASSES)]
            reply = encode_reply(protocol.REPLY_INFER, tag, struct.pack(f"<{CLASSES}iI", *values, 1234))
        self.out += self.damage(reply, len(self.requests))
        return len(data)

    def read(self, size):
        data = bytes(self.out[:size])
        del self.out[:size]
        if not data:
            time.sleep(0.005)
        return data


def logits(image):
    return np.array([image.sum() * (-1) ** k * (k + 1) for k in range(CLASSES)], np.int32)


@pytest.fixture
def images():
    return np.random.default_rng(1).integers(0, 256, (4, 4, 4, 1), dtype=np.uint8)


def test_logits_and_cycles(images):
    accelerator = UartAccelerator(Device(), build_id=BUILD_ID.upper())
    got = accelerator.infer_batch(images)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, [logits(image.astype(int)) for image in images])
    assert accelerator.last_cycles == 1234


def test_an_image_need_not_be_contiguous(images):
    image = images[0].transpose(1, 0, 2)
    np.testing.assert_array_equal(UartAccelerator(Device()).infer(image), logits(image.astype(int)))


@pytest.mark.parametrize(
    "image", [np.zeros(15, np.uint8), np.zeros((4, 4), np.int8), np.zeros((4, 4), np.float32)]
)
def test_an_image_of_another_size_or_type_is_not_sent(image):
    device = Device()
    accelerator = UartAccelerator(device)
    with pytest.raises(ValueError, match="an image is 16 bytes of uint8, got"):
        accelerator.infer(image)
    assert [command for command, _ in device.requests] == [protocol.COMMAND_INFO]


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (info_payload(magic=b"NOPE"), "is not a finnspect accelerator"),
        (b"FN", "is not a finnspect accelerator"),
        (info_payload(version=2), "interface version 2, this driver version 1"),
        (info_payload() + b"x", "has 41 bytes, expected 40"),
    ],
)
def test_something_else_answers(info, message):
    with pytest.raises(IdentityError, match=message):
        UartAccelerator(Device(info=info))


def test_another_build_is_refused():
    with pytest.raises(IdentityError, match=f"runs build {BUILD_ID}, expected {'0' * 32}"):
        UartAccelerator(Device(), build_id="0" * 32)


def test_silence_ends_in_a_timeout():
    begun = time.monotonic()
    with pytest.raises(LinkTimeoutError, match=r"no answer within 0\.2 s .* is the bitstream loaded"):
        UartAccelerator(Device(damage=lambda reply, count: b""), timeout_s=0.2, retries=2)
    assert 0.6 <= time.monotonic() - begun < 3


def test_an_endless_stream_of_garbage_ends_in_a_timeout():
    class Noise(Device):
        def read(self, size):
            return b"\x5a\xa5" * (size // 2) + b"\x5a" * (size % 2)

    begun = time.monotonic()
    with pytest.raises(LinkTimeoutError):
        UartAccelerator(Noise(), timeout_s=0.3, retries=0)
    assert time.monotonic() - begun < 3


def test_noise_before_a_reply_is_skipped(images):
    noise = b"\x5a\x00\x5a\xa5\x81\x01\xff\xff\xff\xff\xa5\x5a"
    accelerator = UartAccelerator(Device(damage=lambda reply, count: noise + reply))
    np.testing.assert_array_equal(accelerator.infer(images[0]), logits(images[0].astype(int)))


@pytest.mark.parametrize("position", range(28))
def test_a_damaged_reply_is_asked_for_again(images, position):
    def damage(reply, count):
        if count != 2:
            return reply
        return reply[:position] + bytes([reply[position] ^ 0x10]) + reply[position + 1 :]

    device = Device(damage=damage)
    accelerator = UartAccelerator(device, timeout_s=0.05)
    np.testing.assert_array_equal(accelerator.infer(images[0]), logits(images[0].astype(int)))
    assert len(device.requests) == 3
    assert device.requests[1] != device.requests[2]  # another tag


def test_without_retries_a_damaged_reply_is_an_error(images):
    device = Device(damage=lambda reply, count: reply if count == 1 else reply[:-1] + b"?")
    accelerator = UartAccelerator(device, timeout_s=0.05, retries=0)
    with pytest.raises(LinkTimeoutError):
        accelerator.infer(images[0])


def test_a_late_answer_is_not_taken_for_the_next_one(images):
    held = []

    def damage(reply, count):
        if count == 2:  # the answer to the first image comes with the one to the second
            held.append(reply)
            return b""
        return b"".join(held) + reply

    accelerator = UartAccelerator(Device(damage=damage), timeout_s=0.05, retries=0)
    with pytest.raises(LinkTimeoutError):
        accelerator.infer(images[0])
    np.testing.assert_array_equal(accelerator.infer(images[1]), logits(images[1].astype(int)))


def test_the_next_image_is_sent_before_the_answer_is_read(images):
    """Two under way where the buffer holds two, one where it holds one; in order all the same."""
    for buffer_bytes, most in ((64, 2), (16, 1)):
        info = info_payload()[:-4] + struct.pack("<I", buffer_bytes)
        device = Device(info=info)
        unanswered = []

        def write(data, device=device, unanswered=unanswered):
            Device.write(device, data)
            unanswered.append(len(device.out) // (12 + 4 * CLASSES + 4))
            return len(data)

        accelerator = UartAccelerator(device)
        device.write = write
        got = accelerator.infer_batch(np.concatenate([images] * 3))
        np.testing.assert_array_equal(got, [logits(image.astype(int)) for image in images] * 3)
        assert max(unanswered) == most


@pytest.mark.parametrize("lost", range(2, 9))
def test_a_batch_survives_a_lost_answer(images, lost):
    device = Device(damage=lambda reply, count: b"" if count == lost else reply)
    got = UartAccelerator(device, timeout_s=0.05).infer_batch(np.concatenate([images] * 2))
    np.testing.assert_array_equal(got, [logits(image.astype(int)) for image in images] * 2)


def test_a_batch_with_a_wrong_image_leaves_the_port_usable(images):
    accelerator = UartAccelerator(Device())
    with pytest.raises(ValueError, match="an image is 16 bytes"):
        list(accelerator._stream([images[0], images[1], np.zeros(3, np.uint8)], 1))
    np.testing.assert_array_equal(accelerator.infer(images[3]), logits(images[3].astype(int)))


@pytest.mark.parametrize("code", [*protocol.ERRORS, 99])
def test_error_replies(images, code):
    device = Device(error=code)
    accelerator = UartAccelerator(device, timeout_s=0.05, retries=1)
    with pytest.raises(DeviceError, match=f"error {code}: ") as caught:
        accelerator.infer(images[0])
    assert caught.value.code == code
    again = code in (
        protocol.ERROR_CRC,
        protocol.ERROR_LENGTH,
        protocol.ERROR_TRUNCATED,
        protocol.ERROR_FRAMING,
    )
    assert len(device.requests) == (3 if again else 2)


@pytest.mark.parametrize("method", ["read", "write"])
def test_a_port_that_fails(images, method):
    device = Device()
    accelerator = UartAccelerator(device, timeout_s=0.05)

    def fail(_):
        raise OSError("device unplugged")

    setattr(device, method, fail)
    with pytest.raises(LinkError, match="device unplugged"):
        accelerator.infer(images[0])


def test_a_port_that_does_not_exist():
    with pytest.raises(LinkError, match=r"cannot open /dev/no-such-port at 3000000 baud"):
        UartAccelerator("/dev/no-such-port")


def test_a_port_opened_by_name(images):
    """Over a pseudo terminal, with pyserial, as over a USB bridge."""
    ours, theirs = pty.openpty()
    device = Device()
    stop = threading.Event()

    def serve():
        request = bytearray()
        while not stop.is_set():
            try:
                request += os.read(ours, 4096)
            except OSError:
                return
            while len(request) >= 12 and len(request) >= 12 + struct.unpack_from("<I", request, 4)[0]:
                size = 12 + struct.unpack_from("<I", request, 4)[0]
                device.write(bytes(request[:size]))
                del request[:size]
                os.write(ours, device.read(4096))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with UartAccelerator(os.ttyname(theirs), build_id=BUILD_ID, baud=115_200) as accelerator:
            got = accelerator.infer(images[0])
    finally:
        stop.set()
        os.close(theirs)
        os.close(ours)
    np.testing.assert_array_equal(got, logits(images[0].astype(int)))


def test_it_keeps_to_python_3_8_and_to_its_imports():
    trees = [
        ast.parse(Path(module.__file__).read_text(), feature_version=(3, 8)) for module in (uart, protocol)
    ]
    imported = {
        name.split(".")[0]
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        )
    }
    assert imported == {
        "finnspect_driver",
        "__future__",
        "collections",
        "struct",
        "time",
        "typing",
        "zlib",
        "numpy",
        "serial",
    }
