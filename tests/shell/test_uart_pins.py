"""The serial shell at its pins: every kind of request, damage and timing that a line can show it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from finnspect.errors import ToolError
from finnspect.sim.uart import TIMEOUT_BYTES, UartSimulation
from finnspect_driver import uart_protocol as protocol
from finnspect_driver.uart import UartAccelerator
from finnspect_driver.uart_protocol import DeviceError, encode_request

BUILD_ID = "00112233445566778899aabbccddeeff"
IDLE = 200_000


class Wire:
    """Raw frames to and from a simulated board."""

    def __init__(self, simulation: UartSimulation) -> None:
        self.simulation = simulation
        self.reader = UartAccelerator.__new__(UartAccelerator)
        self.reader._port, self.reader._pending = simulation, bytearray()
        self.reader.timeout_s, self.reader._baud = 5.0, 0

    def reply(self) -> tuple[int, int, bytes]:
        return self.reader._read_reply(time.monotonic() + 5.0)

    def replies(self, count: int) -> list[tuple[int, int, bytes]]:
        return [self.reply() for _ in range(count)]

    def silent(self) -> bool:
        """Ask for information: true if its answer is the very next one."""
        self.simulation.write(encode_request(protocol.COMMAND_INFO, 77))
        return self.reply()[:2] == (protocol.REPLY_INFO, 77)


@pytest.fixture
def wire(grey):
    with UartSimulation(grey.model, idle_cycles=IDLE) as simulation:
        yield Wire(simulation)


def infer(image: np.ndarray, tag: int) -> bytes:
    return encode_request(protocol.COMMAND_INFER, tag, image.tobytes())


def logits_of(payload: bytes) -> np.ndarray:
    return np.frombuffer(payload[:-4], "<i4")


def error(code: int, tag: int) -> tuple[int, int, bytes]:
    return protocol.REPLY_ERROR, tag, bytes([code])


def test_info_says_what_was_built(grey):
    with UartSimulation(grey.model, idle_cycles=IDLE) as simulation:
        info = UartAccelerator(simulation, build_id=BUILD_ID).info()
    settings = grey.model.settings
    assert info.build_id == BUILD_ID
    assert (info.frame_bytes, info.classes) == (12, 6)
    assert (info.clock_hz, info.buffer_bytes) == (settings.clock_hz, settings.buffer_bytes)


@pytest.mark.parametrize(("frame_bytes", "classes", "elements"), [(12, 6, 1), (12, 1, 3), (300, 17, 4)])
def test_logits_for_every_beat_width(make_board, frame_bytes, classes, elements):
    board = make_board(frame_bytes, classes, elements)
    images = [board.image(seed) for seed in range(5)]
    with UartSimulation(board.model, idle_cycles=IDLE) as simulation:
        got = UartAccelerator(simulation).infer_batch(np.stack(images))
    np.testing.assert_array_equal(got, [board.logits(image) for image in images])


@pytest.mark.parametrize("gap_bits", [0, 1, 40])
@pytest.mark.parametrize("error_percent", [-2.5, -1.5, 0.0, 1.5, 2.5])
def test_gaps_between_bytes_and_wrong_baud_rates(grey, gap_bits, error_percent):
    options = {"gap_bits": gap_bits, "baud_error_percent": error_percent, "seed": 5, "idle_cycles": IDLE}
    images = [grey.image(seed) for seed in range(8)]
    with UartSimulation(grey.model, **options) as simulation:
        accelerator = UartAccelerator(simulation, retries=0)
        got = accelerator.infer_batch(np.stack(images))
    np.testing.assert_array_equal(got, [grey.logits(image) for image in images])


def test_cycles_are_the_core_s(grey):
    with UartSimulation(grey.model, idle_cycles=IDLE) as simulation:
        accelerator = UartAccelerator(simulation)
        cycles = []
        for delay in (0, 1, 3):
            accelerator.infer(grey.image(1, delay=delay))
            cycles.append(accelerator.last_cycles)
    # Twelve beats in, six logits out; the delay is in units of 256.
    assert cycles == [18, 18 + 256, 18 + 3 * 256]


def test_requests_back_to_back_are_answered_in_order(wire, grey):
    images = [grey.image(seed, delay=20) for seed in range(3)]
    stream = encode_request(protocol.COMMAND_INFO, 1) + infer(images[0], 2) + infer(images[1], 3)
    wire.simulation.write(stream + encode_request(protocol.COMMAND_INFO, 4) + infer(images[2], 5))
    replies = wire.replies(5)
    codes = [
        protocol.REPLY_INFO,
        protocol.REPLY_INFER,
        protocol.REPLY_INFER,
        protocol.REPLY_INFO,
        protocol.REPLY_INFER,
    ]
    assert [reply[:2] for reply in replies] == list(zip(codes, (1, 2, 3, 4, 5), strict=True))
    for image, reply in zip(images, (replies[1], replies[2], replies[4]), strict=True):
        np.testing.assert_array_equal(logits_of(reply[2]), grey.logits(image))


def test_busy_when_the_buffer_is_full(wire, grey):
    # One image is in the core for longer than the others take to come, two wait in the 32-byte buffer.
    images = [grey.image(seed, delay=255 if seed == 0 else 0) for seed in range(4)]
    wire.simulation.write(b"".join(infer(image, tag + 1) for tag, image in enumerate(images)))
    replies = wire.replies(4)
    assert replies[3] == error(protocol.ERROR_BUSY, 4)
    for image, reply in zip(images[:3], replies, strict=False):
        np.testing.assert_array_equal(logits_of(reply[2]), grey.logits(image))
    assert wire.silent()


def test_too_many_requests_are_lost_and_nothing_else(wire, grey):
    image = grey.image(0, delay=255)
    many = b"".join(encode_request(protocol.COMMAND_INFO, tag) for tag in range(2, 22))
    wire.simulation.write(infer(image, 1) + many)
    first = wire.reply()
    np.testing.assert_array_equal(logits_of(first[2]), grey.logits(image))
    wire.simulation.pause(200)
    wire.simulation.write(infer(grey.image(5), 99))
    tags = []
    while True:
        code, tag, payload = wire.reply()
        tags.append(tag)
        if code == protocol.REPLY_INFER:
            break
    np.testing.assert_array_equal(logits_of(payload), grey.logits(grey.image(5)))
    assert tags[-1] == 99
    assert tags[:-1] == sorted(tags[:-1])
    assert 4 <= len(tags) - 1 < 20


# Bytes of a request: 0 1 sync, 2 command, 3 tag, 4..7 length, 8..19 image, 20..23 check sum.
@pytest.mark.parametrize("position", range(24))
@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_every_damaged_byte_is_noticed(wire, grey, position, flip):
    image = grey.image(3)
    request = bytearray(infer(image, 9))
    request[position] ^= flip
    wire.simulation.write(bytes(request))
    wire.simulation.pause(TIMEOUT_BYTES + 8)
    if position < 2:
        assert wire.silent()  # no frame at all
    else:
        code, tag, payload = wire.reply()
        expected = {protocol.ERROR_CRC}
        if 4 <= position < 8:  # a length too large to believe, or another one
            expected |= {protocol.ERROR_LENGTH, protocol.ERROR_TRUNCATED}
        assert code == protocol.REPLY_ERROR
        assert payload[0] in expected
        assert tag == (9 ^ flip if position == 3 else 9)
    wire.simulation.write(infer(image, 10))
    _, tag, payload = wire.reply()
    assert tag == 10
    np.testing.assert_array_equal(logits_of(payload), grey.logits(image))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9, 19, 20, 23])
def test_a_truncated_request_is_given_up(wire, grey, size):
    image = grey.image(4)
    wire.simulation.write(infer(image, 9)[:size])
    wire.simulation.pause(TIMEOUT_BYTES + 8)
    if size >= 2:
        assert wire.reply() == error(protocol.ERROR_TRUNCATED, 9 if size >= 4 else 0)
    wire.simulation.write(infer(image, 10))
    _, tag, payload = wire.reply()
    assert tag == 10
    np.testing.assert_array_equal(logits_of(payload), grey.logits(image))


@pytest.mark.parametrize("position", [0, 1, 2, 5, 12, 23])
def test_a_missing_stop_bit(wire, grey, position):
    image = grey.image(6)
    request = infer(image, 9)
    wire.simulation.write(request[:position])
    wire.simulation.write_without_stop_bit(request[position])
    wire.simulation.write(request[position + 1 :])
    wire.simulation.pause(TIMEOUT_BYTES + 8)
    if position >= 2:
        assert wire.reply() == error(protocol.ERROR_FRAMING, 9 if position > 3 else 0)
    assert wire.silent()
    wire.simulation.write(infer(image, 10))
    np.testing.assert_array_equal(logits_of(wire.reply()[2]), grey.logits(image))


@pytest.mark.parametrize(
    ("command", "payload", "code"),
    [
        (0x00, b"", protocol.ERROR_COMMAND),
        (0x7F, b"abc", protocol.ERROR_COMMAND),
        (protocol.COMMAND_INFO, b"x", protocol.ERROR_LENGTH),
        (protocol.COMMAND_INFER, b"", protocol.ERROR_LENGTH),
        (protocol.COMMAND_INFER, bytes(11), protocol.ERROR_LENGTH),
        (protocol.COMMAND_INFER, bytes(13), protocol.ERROR_LENGTH),
        (protocol.COMMAND_INFER, bytes(500), protocol.ERROR_LENGTH),
    ],
)
def test_wrong_commands_and_lengths(wire, command, payload, code):
    wire.simulation.write(encode_request(command, 33, payload))
    wire.simulation.pause(TIMEOUT_BYTES + 8)
    assert wire.reply() == error(code, 33)
    assert wire.silent()


@pytest.mark.parametrize("kind", [0xF0, 0xF1, 0xF2])
def test_a_faulty_core_is_reset(wire, grey, kind):
    wire.simulation.write(infer(grey.image(1, kind=kind), 1))
    assert wire.reply() == error(protocol.ERROR_CORE, 1)
    for seed in (2, 3):
        wire.simulation.write(infer(grey.image(seed), seed))
        np.testing.assert_array_equal(logits_of(wire.reply()[2]), grey.logits(grey.image(seed)))


def test_a_fault_spares_the_image_behind_it(wire, grey):
    wire.simulation.write(infer(grey.image(1, kind=0xF0), 1) + infer(grey.image(2), 2))
    assert wire.reply() == error(protocol.ERROR_CORE, 1)
    np.testing.assert_array_equal(logits_of(wire.reply()[2]), grey.logits(grey.image(2)))


@pytest.mark.parametrize("sent", [5, 15, 24])
def test_the_reset_button_forgets_everything(wire, grey, sent):
    """Pressed within a request, or while the core works on one: no answer, then the next one is right."""
    wire.simulation.write(infer(grey.image(1, delay=255), 1)[:sent])
    wire.simulation.pause(4, reset=True)
    wire.simulation.pause(4)
    assert wire.silent()
    wire.simulation.write(infer(grey.image(2), 2))
    code, tag, payload = wire.reply()
    assert (code, tag) == (protocol.REPLY_INFER, 2)
    np.testing.assert_array_equal(logits_of(payload), grey.logits(grey.image(2)))


def test_random_garbage_never_stops_it(grey):
    rng = np.random.default_rng(12)
    with UartSimulation(grey.model, idle_cycles=IDLE) as simulation:
        accelerator = UartAccelerator(simulation, timeout_s=2.0, retries=3)
        for seed in range(40):
            garbage = bytearray(rng.integers(0, 256, int(rng.integers(1, 60)), dtype=np.uint8).tobytes())
            if seed % 2:  # looks like a frame at first
                garbage = bytearray(infer(grey.image(seed), 1))
                del garbage[int(rng.integers(2, 24))]
            simulation.write(bytes(garbage))
            image = grey.image(seed + 100)
            np.testing.assert_array_equal(accelerator.infer(image), grey.logits(image))


def test_a_corrupted_frame_goes_unanswered_without_retries(grey):
    with UartSimulation(grey.model, idle_cycles=IDLE) as simulation:
        accelerator = UartAccelerator(simulation, retries=0)

        class Damaging:
            read = staticmethod(simulation.read)

            @staticmethod
            def write(data: bytes) -> None:
                simulation.write(data[:10] + bytes([data[10] ^ 4]) + data[11:])

        accelerator._port = Damaging()
        with pytest.raises(DeviceError, match="check sum") as caught:
            accelerator.infer(grey.image(0))
        assert caught.value.code == protocol.ERROR_CRC


def test_a_simulation_that_ended_is_an_error(grey):
    with UartSimulation(grey.model, idle_cycles=IDLE) as simulation:
        simulation._process.kill()
        simulation._process.wait()
        with pytest.raises(ToolError, match="the simulation ended"):
            simulation.read(1)
