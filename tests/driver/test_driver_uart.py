"""The classifier on a serial line, with a model of the device at the level of its protocol."""

import struct
import time

import numpy as np
import pytest
from driver_fakes import BUILD_ID, make_deploy, random_images, tiny_model
from finnspect_driver import DefectClassifier, DriverError
from finnspect_driver import uart_protocol as protocol
from finnspect_driver.errors import (
    BusyError,
    DeviceTimeoutError,
    HardwareError,
    IdentityError,
    SetupError,
)


class Port:
    """Answers as the hardware does, with the integers of the zip's model."""

    def __init__(self, build_id=BUILD_ID, classes=3):
        fields = (b"FNSP", 1, 0, bytes.fromhex(build_id)[::-1], 36, classes, 50_000_000, 128)
        self.info = struct.pack("<4sHH16sIIII", *fields)
        self.model = tiny_model()
        self.error = None
        self.silent = False
        self.images = 0
        self.out = bytearray()

    def write(self, data):
        command, tag, length = struct.unpack("<BBI", data[2:8])
        if self.silent:
            return len(data)
        if command == protocol.COMMAND_INFO:
            reply = protocol.encode_reply(protocol.REPLY_INFO, tag, self.info)
        elif self.error is not None:
            reply = protocol.encode_reply(protocol.REPLY_ERROR, tag, bytes([self.error]))
        else:
            self.images += 1
            image = np.frombuffer(data[8 : 8 + length], np.uint8).reshape(1, 6, 6, 1)
            logits = self.model.logits(image)[0].tolist()
            reply = protocol.encode_reply(protocol.REPLY_INFER, tag, struct.pack("<3iI", *logits, 100))
        self.out += reply
        return len(data)

    def read(self, size):
        data = bytes(self.out[:size])
        del self.out[:size]
        if not data:
            time.sleep(0.002)
        return data


@pytest.fixture
def deploy(tmp_path):
    return make_deploy(tmp_path, "uart", board="ulx3s-85f", part="LFE5U-85F")


def test_answers_checks_and_speed(deploy):
    port = Port()
    with DefectClassifier(deploy, device=port, batch=4) as classifier:
        assert classifier.validate().images == 10
        images = random_images(11)
        assert np.array_equal(classifier.logits(images), tiny_model().logits(images))
        assert classifier.check(images)
        info = classifier.info()
        assert (info.build_id, info.clock_hz, info.has_counters) == (BUILD_ID, 50_000_000, False)
        report = classifier.benchmark(frames=9, singles=2)
        assert report.hardware_fps is None
        assert "its rate, not the accelerator's" in str(report)
        assert classifier._backend.cycles_per_frame == 100


@pytest.mark.parametrize(
    ("port", "message"),
    [
        (Port(build_id="f" * 32), f"runs build {'f' * 32}, expected {BUILD_ID}"),
        (Port(classes=4), "gives 4 logits, the zip says 36 and 3"),
    ],
)
def test_another_device_is_refused(deploy, port, message):
    with pytest.raises(IdentityError, match=message):
        DefectClassifier(deploy, device=port)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(protocol.ERROR_BUSY, BusyError), (protocol.ERROR_CORE, HardwareError), (99, HardwareError)],
)
def test_errors_of_the_hardware(deploy, code, kind):
    port = Port()
    with DefectClassifier(deploy, device=port, batch=4, timeout_s=0.1) as classifier:
        port.error = code
        with pytest.raises(kind, match=f"error {code}") as caught:
            classifier.predict(random_images(9))
        assert caught.value.remedy
        port.error = None
        assert len(classifier.predict(random_images(9))) == 9


def test_silence(deploy):
    port = Port()
    with DefectClassifier(deploy, device=port, batch=4, timeout_s=0.05) as classifier:
        port.silent = True
        with pytest.raises(DeviceTimeoutError, match=r"no answer within 0\.05 s"):
            classifier.predict(random_images(2))
        port.silent = False
        assert len(classifier.predict(random_images(2))) == 2


def test_an_interrupt_gives_up_what_is_queued(deploy):
    port = Port()

    def pictures():
        yield from random_images(8)
        raise KeyboardInterrupt

    with DefectClassifier(deploy, device=port, batch=4) as classifier:
        with pytest.raises(KeyboardInterrupt):
            classifier.predict(pictures())
        assert len(classifier.predict(random_images(3))) == 3
    with pytest.raises(DriverError, match="is closed"):
        classifier.predict(random_images(3))


def test_a_port_that_is_not_there_and_pyserial_that_is_not_there(deploy, monkeypatch):
    with pytest.raises(HardwareError, match="cannot open /dev/no-such-port at 1000000 baud"):
        DefectClassifier(deploy, device="serial:/dev/no-such-port")
    monkeypatch.setitem(__import__("sys").modules, "serial", None)
    with pytest.raises(SetupError, match="needs pyserial") as caught:
        DefectClassifier(deploy, device="serial:/dev/ttyUSB0")
    assert "pip install pyserial" in caught.value.remedy
