"""FINN's own shell: a model of its two DMAs and its packed outputs, and the back end on it."""

import hashlib

import numpy as np
import pytest
from driver_fakes import FakeDevice, make_deploy, random_images, tiny_model
from finnspect_driver import DefectClassifier
from finnspect_driver.backends.finn_iodma import unpack, word_bytes
from finnspect_driver.errors import (
    BusyError,
    DeployError,
    DeviceTimeoutError,
    HardwareError,
    IdentityError,
)

IDMA, ODMA = 0x40000000, 0x40010000


def pack(logits, bits, pe):
    """Words of PE elements, element 0 in the low bits, padded to bytes: by Python's integers."""
    rows = []
    for row in logits.tolist():
        for start in range(0, len(row), pe):
            word = sum(
                (value & ((1 << bits) - 1)) << (bits * i) for i, value in enumerate(row[start : start + pe])
            )
            rows.append(word.to_bytes(word_bytes(bits, pe), "little"))
    return np.frombuffer(b"".join(rows), np.uint8)


class Dma:
    """Registers of a DMA made by HLS: start and idle, done cleared by reading."""

    def __init__(self):
        self.values = {0x10: 0, 0x14: 0, 0x1C: 0}
        self.idle = True
        self.done = False

    def read_control(self):
        value = (0 if self.idle else 1) | (2 if self.done else 0) | (4 if self.idle else 0)
        self.done = False
        return value

    @property
    def address(self):
        return self.values[0x14] << 32 | self.values[0x10]


class IodmaDevice(FakeDevice):
    """FINN's shell: the accelerator runs once both DMAs were started, and ends after some looks at it."""

    def __init__(self, bits=16, pe=1, latency=3, **memory):
        super().__init__(**memory)
        self.idma, self.odma = Dma(), Dma()
        self.model = tiny_model()
        self.bits, self.pe, self.latency = bits, pe, latency
        self.hang = False
        self.runs = []
        self._left = 0

    def memory_in_use(self):
        return self._left > 0

    def _dma(self, offset):
        return (self.idma, offset) if offset < 0x10000 else (self.odma, offset - 0x10000)

    def read(self, offset):
        dma, register = self._dma(offset)
        assert register == 0
        if self._left > 0 and not self.hang:
            self._left -= 1
            if self._left == 0:
                self._finish()
        return dma.read_control()

    def write(self, offset, value):
        assert 0 <= value < 1 << 32
        dma, register = self._dma(offset)
        assert dma.idle, "a DMA is touched while it runs"
        if register != 0:
            assert register in dma.values
            dma.values[register] = value
            return
        assert value == 1
        dma.idle = False
        if dma is self.idma:
            assert not self.odma.idle, "the output DMA must be started first"
            assert self.idma.values[0x1C] == self.odma.values[0x1C] > 0
            self._left = self.latency

    def _finish(self):
        count = self.idma.values[0x1C]
        source = self.at(self.idma.address, 36 * count).reshape(count, 6, 6, 1)
        packed = pack(self.model.logits(source), self.bits, self.pe)
        self.at(self.odma.address, len(packed))[:] = packed
        self.runs.append(count)
        for dma in (self.idma, self.odma):
            dma.idle = dma.done = True


def finn(bits=16, pe=1, signed=True):
    link = {"idma_address": IDMA, "odma_address": ODMA, "fclk_mhz": 100.0}
    return {**link, "output_bits": bits, "output_pe": pe, "output_signed": signed}


@pytest.mark.parametrize(("bits", "pe"), [(16, 1), (16, 3), (13, 1), (13, 3), (17, 3), (32, 1), (24, 1)])
def test_answers_are_exact_whatever_their_packing(tmp_path, bits, pe):
    device = IodmaDevice(bits, pe)
    deploy = make_deploy(tmp_path, "finn-iodma", finn=finn(bits, pe))
    with DefectClassifier(deploy, device=device, batch=4) as classifier:
        assert classifier.validate().images == 10
        images = random_images(21)
        assert np.array_equal(classifier.logits(images), tiny_model().logits(images))
        assert classifier.check(images)
        assert classifier.predict(images[0])[0].index in (0, 1, 2)
    assert device.runs[:3] == [4, 4, 2]
    assert (device.live, device.closed) == ([], 1)


@pytest.mark.parametrize("bits", [1, 2, 5, 8, 11, 16, 23, 31, 32])
@pytest.mark.parametrize("pe", [1, 2, 5])
@pytest.mark.parametrize("signed", [True, False])
def test_unpack_undoes_pack(bits, pe, signed):
    bits = bits - (bits == 32 and not signed)  # the result is int32
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    values = np.random.RandomState(bits * pe).randint(low, high, (7, 4 * pe), dtype=np.int64)
    values[0, :2] = low, high - 1
    packed = pack(values, bits, pe).reshape(7, 4, word_bytes(bits, pe))
    assert np.array_equal(unpack(packed, bits, pe, signed), values)


def test_it_says_plainly_what_it_does_not_have(tmp_path):
    deploy = make_deploy(tmp_path, "finn-iodma", finn=finn())
    with DefectClassifier(deploy, device=IodmaDevice(), batch=4) as classifier:
        info = classifier.info()
        assert (info.build_id, info.interface_version, info.clock_hz) == (None, None, None)
        assert not info.has_counters
        assert "no build id, no counters" in info.note
        assert classifier.counters() is None
        report = classifier.benchmark(frames=12, singles=3)
        assert report.hardware_fps is None
        assert report.compute_s > 0
        assert "no counters" in str(report)


def test_its_identity_is_the_bit_files_hash(tmp_path):
    deploy = make_deploy(tmp_path, "finn-iodma", finn=finn())
    assert deploy.build_id == hashlib.sha256(deploy.bitstream).hexdigest()[:32]
    other = make_deploy(tmp_path, "finn-iodma", finn=finn(), build_id="0" * 32)
    with pytest.raises(IdentityError, match="SHA-256 begins with"):
        DefectClassifier(other, device=IodmaDevice())
    with pytest.raises(IdentityError, match="cannot be told from another"):
        DefectClassifier(deploy, device=IodmaDevice(), download=False)


def test_the_window_covers_both_dmas(tmp_path):
    device = IodmaDevice()
    DefectClassifier(make_deploy(tmp_path, "finn-iodma", finn=finn()), device=device).close()
    ((bitstream, _),) = device.downloads
    assert (bitstream.base_address, bitstream.span_bytes) == (IDMA, 0x20000)
    assert bitstream.fclk_mhz == 100.0


@pytest.mark.parametrize("name", ["idma", "odma"])
def test_a_dma_that_is_busy_is_refused(tmp_path, name):
    device = IodmaDevice()
    getattr(device, name).idle = False
    with pytest.raises(BusyError, match="DMA on fake board is not idle"):
        DefectClassifier(make_deploy(tmp_path, "finn-iodma", finn=finn()), device=device)
    assert (device.live, device.closed) == ([], 1)


def test_a_hang_ends_in_a_timeout_and_keeps_the_memory(tmp_path):
    device = IodmaDevice()
    deploy = make_deploy(tmp_path, "finn-iodma", finn=finn())
    classifier = DefectClassifier(deploy, device=device, batch=4, timeout_s=0.05)
    device.hang = True
    with pytest.raises(DeviceTimeoutError, match="did not finish 4 images"):
        classifier.predict(random_images(9))
    with pytest.raises(HardwareError, match="no reset"):
        classifier.predict(random_images(9))
    classifier.close()
    assert device.live
    assert device.closed == 1


def test_an_interrupt_waits_for_the_run_and_frees_everything(tmp_path):
    device = IodmaDevice(latency=6)
    count = 0

    def stop():
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt

    device.on_wait = stop
    deploy = make_deploy(tmp_path, "finn-iodma", finn=finn())
    with DefectClassifier(deploy, device=device, batch=4) as classifier:
        with pytest.raises(KeyboardInterrupt):
            classifier.predict(random_images(20))
        assert len(classifier.predict(random_images(5))) == 5
    assert device.live == []


def test_a_zip_that_does_not_say_enough_is_refused(tmp_path):
    with pytest.raises(DeployError, match="no finn section"):
        DefectClassifier(make_deploy(tmp_path, "finn-iodma", finn=None), device=IodmaDevice())
    with pytest.raises(DeployError, match="2 PE do not divide 3 classes"):
        DefectClassifier(make_deploy(tmp_path, "finn-iodma", finn=finn(pe=2)), device=IodmaDevice())
