"""The driver on the real pynq package: overlay, bitstream, clocks, memory and registers, on a mock board."""

import shutil
from pathlib import Path

import numpy as np
import pynq
import pytest
from driver_fakes import make_zip, random_images, tiny_model
from finnspect_driver import DefectClassifier
from finnspect_driver.devices.base import Bitstream
from finnspect_driver.devices.pynq import PynqDevice
from finnspect_driver.errors import (
    BusyError,
    DeployError,
    HardwareError,
    MemoryExhaustedError,
    SetupError,
    WrongBoardError,
)
from pynq.ps import Clocks
from pynq_mock import MockBoard, bit_file

HWH = (Path(__file__).parents[1] / "data" / "pynq-z2.hwh").read_bytes()


@pytest.fixture(autouse=True)
def fresh_clocks():
    """PYNQ keeps the clocks of the first device it meets."""
    yield
    if hasattr(Clocks, "_real_instance"):
        delattr(Clocks, "_real_instance")


@pytest.fixture(autouse=True)
def xclbinutil(monkeypatch):
    """On a board a program of XRT makes this file; PYNQ carries one for a board's memory."""
    from pynq.pl_server import embedded_device

    monkeypatch.setattr(embedded_device, "_create_xclbin", lambda mem_dict: embedded_device.DEFAULT_XCLBIN)


@pytest.fixture
def board():
    return MockBoard()


@pytest.fixture
def device(board, tmp_path):
    return open_device(board, tmp_path)


def open_device(board, tmp_path, name="Pynq-Z2"):
    board_file = tmp_path / "pynq_board"
    board_file.write_bytes(name.encode() + b"\0")
    return PynqDevice(board, board_file=board_file, lock_file=tmp_path / "pl.lock")


def deploy_zip(tmp_path, hwh):
    files = {"bitstream/tiny.bit": bit_file()}
    return make_zip(tmp_path, files={**files, "bitstream/tiny.hwh": HWH} if hwh else files)


@pytest.mark.parametrize("hwh", [True, False])
def test_classify_validate_and_give_everything_back(board, device, tmp_path, hwh):
    before = board.memory_left
    with DefectClassifier(deploy_zip(tmp_path, hwh), device=device, batch=4) as classifier:
        assert board.memory_left < before
        assert classifier.validate().images == 10
        images = random_images(21)
        assert np.array_equal(classifier.logits(images), tiny_model().logits(images))
        assert classifier.check(images)
        assert classifier.info().device == "Pynq-Z2"
        assert classifier.benchmark(frames=9, singles=2).counters["frames"] == 9
    assert board.bos == []
    assert board.memory_left == before
    ((binary, parser),) = board.downloaded
    assert (
        binary == np.frombuffer(bytes(range(64)) * 4, "<u4").byteswap().tobytes()
    )  # as the manager wants it
    assert ("finnspect_0" in parser.ip_dict) == hwh


def test_overlay_is_used_where_there_is_a_handoff_file(board, device, tmp_path):
    with DefectClassifier(deploy_zip(tmp_path, True), device=device):
        assert isinstance(device._overlay, pynq.Overlay)
        assert device._overlay.finnspect_0.mmio.base_addr == 0x43C00000
    other = open_device(board, tmp_path)
    with DefectClassifier(deploy_zip(tmp_path, False), device=other):
        assert type(other._overlay) is pynq.Bitstream


def test_a_handoff_file_that_pynq_stumbles_over_is_left_out(board, device, tmp_path, caplog):
    vivado = b"\n".join(line for line in HWH.splitlines() if b"PSU__" not in line)
    files = {"bitstream/tiny.bit": bit_file(), "bitstream/tiny.hwh": vivado}
    with DefectClassifier(make_zip(tmp_path, files=files), device=device) as classifier:
        assert classifier.validate()
        assert Clocks.fclk0_mhz == 100.0
    # PYNQ 4.0 stumbles over it, the images' 3.1 does not.
    stumbles = int(pynq.__version__.split(".")[0]) >= 4
    assert ("PYNQ cannot use the .hwh" in caplog.text) == stumbles


@pytest.mark.parametrize("hwh", [True, False])
def test_clock_and_port_are_set(board, device, tmp_path, hwh):
    with DefectClassifier(deploy_zip(tmp_path, hwh), device=device):
        assert Clocks.fclk0_mhz == 100.0
        assert board.afi == {0x00: 0, 0x14: 0xF00}  # 64 bits, the other fields as they were


def test_without_programming_clock_and_port_are_set_all_the_same(board, device, tmp_path):
    board.mem_dict = {"PSDDR": {"base_address": 0, "idx": 0, "size": 1 << 28, "streaming": False}}
    with DefectClassifier(deploy_zip(tmp_path, False), device=device, download=False) as classifier:
        assert Clocks.fclk0_mhz == 100.0
        assert classifier.validate()
    assert board.downloaded == []


def bitstream(**changes):
    fields = {
        "name": "tiny.bit",
        "data": bit_file(),
        "hwh": None,
        "board": "pynq-z2",
        "part": "xc7z020clg400-1",
        "base_address": 0x43C00000,
        "span_bytes": 0x1000,
        "fclk_mhz": 100.0,
        "hp_bits": 64,
        "build_id": "0" * 32,
    }
    return Bitstream(**{**fields, **changes})


@pytest.mark.parametrize("wanted", [100.0, 125.0, 66.7, 71.5, 90.0, 33.3])
def test_the_clock_is_never_faster_than_the_design(device, wanted):
    if wanted == 90.0:  # 1000 / 12 is 7 % slower, 1000 / 11 faster: neither will do
        with pytest.raises(HardwareError, match="cannot be set to 90 MHz"):
            device.download(bitstream(fclk_mhz=wanted))
        return
    device.download(bitstream(fclk_mhz=wanted))
    assert 0.95 * wanted <= Clocks.fclk0_mhz <= 1.001 * wanted


def test_a_port_that_cannot_be_set_is_refused(board, device):
    board.afi_stuck = True
    with pytest.raises(
        HardwareError, match=r"HP0 is not 64 bits wide .* read channel's control at 0xf8008000"
    ):
        device.download(bitstream())


def test_a_forgotten_flush_or_invalidate_gives_wrong_data(board, device, tmp_path):
    for method in ("flush", "invalidate"):
        with DefectClassifier(deploy_zip(tmp_path, False), device=device, batch=16) as classifier:
            setattr(board, method, lambda *arguments: None)
            assert not classifier.validate(raise_on_mismatch=False)
        delattr(board, method)
        device = open_device(board, tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("Pynq-Z1", "built for pynq-z2, this is pynq-z1"), ("Ultra96", "make hw BOARD=ultra96")],
)
def test_another_board_is_refused(board, tmp_path, name, message):
    device = open_device(board, tmp_path, name)
    with pytest.raises(WrongBoardError, match=message):
        DefectClassifier(deploy_zip(tmp_path, False), device=device)
    assert board.downloaded == []


def test_another_architecture_and_another_part_are_refused(tmp_path):
    with pytest.raises(WrongBoardError, match="this is aarch64"):
        PynqDevice(
            MockBoard(arch="aarch64"), board_file=tmp_path / "none", lock_file=tmp_path / "l"
        ).download(bitstream())
    other = open_device(MockBoard(), tmp_path)
    with pytest.raises(WrongBoardError, match="a bit file for 7z010clg400, expected xc7z020clg400-1"):
        other.download(bitstream(data=bit_file(part="7z010clg400")))
    with pytest.raises(DeployError, match="virtual board only"):
        other.download(bitstream(data=None))


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (RuntimeError("EBUSY (16) /Bitstream in use by another program"), BusyError, "logic is in use"),
        (OSError("Device or resource busy"), BusyError, "logic is in use"),
        (PermissionError("Root permissions required."), SetupError, "run as root"),
        (RuntimeError("No space left on device"), SetupError, "PYNQ cannot load tiny.bit: No space"),
    ],
)
def test_a_bitstream_that_does_not_load(board, device, error, kind, message):
    board.refuse_download = error
    with pytest.raises(kind, match=message):
        device.download(bitstream())


def test_two_programs_do_not_share_the_logic(board, device, tmp_path):
    with pytest.raises(BusyError, match="another program uses the board's logic"):
        PynqDevice(board, board_file=tmp_path / "none", lock_file=tmp_path / "pl.lock")
    device.close()
    PynqDevice(board, board_file=tmp_path / "none", lock_file=tmp_path / "pl.lock").close()


@pytest.mark.parametrize("memory_bytes", [64, 5000])
def test_no_contiguous_memory(tmp_path, memory_bytes):
    board = MockBoard(memory_bytes=memory_bytes)
    with pytest.raises(MemoryExhaustedError, match="Cannot allocate memory") as caught:
        DefectClassifier(deploy_zip(tmp_path, False), device=open_device(board, tmp_path), batch=64)
    assert "smaller batch" in caught.value.remedy
    assert board.bos == []
    open_device(board, tmp_path).close()  # the lock is free again


def test_an_interrupt_frees_the_memory(board, device, tmp_path):
    board.axi.latency = 50
    wait, count = device.wait, 0

    def stop(seconds):
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        wait(seconds)

    device.wait = stop
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117 - the inner one must be left by the exception
        with DefectClassifier(deploy_zip(tmp_path, False), device=device, batch=4) as classifier:
            classifier.predict(random_images(40))
    assert board.bos == []
    assert not board.axi.busy


def test_off_a_board_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(pynq.Device, "_devices", [], raising=False)
    with pytest.raises(SetupError, match="pynq finds no device: No Devices Found"):
        PynqDevice(lock_file=tmp_path / "l")
    device = open_device(MockBoard(), tmp_path)
    with pytest.raises(SetupError, match="no bitstream is loaded"):
        device.read(0)
    assert shutil.which("xclbinutil") is None  # what the fixture above stands for
