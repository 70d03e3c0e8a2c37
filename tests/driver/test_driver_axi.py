"""The back end of the AXI shell when things go wrong: one clear error each, and no memory lost."""

import numpy as np
import pytest
from driver_fakes import CLASSES, AxiDevice, make_deploy, random_images, tiny_model
from finnspect_driver import DefectClassifier, DriverError
from finnspect_driver import registers as regs
from finnspect_driver.backends.finnspect_axi import FinnspectAxi
from finnspect_driver.errors import (
    BusyError,
    DeployError,
    DeviceTimeoutError,
    HardwareError,
    IdentityError,
    ImageError,
    MemoryExhaustedError,
)


@pytest.fixture
def deploy(tmp_path):
    return make_deploy(tmp_path)


def test_the_board_is_told_what_it_needs(deploy):
    device = AxiDevice()
    FinnspectAxi(device, deploy, 4, program=False).close()
    ((bitstream, program),) = device.downloads
    assert program is False
    assert (bitstream.base_address, bitstream.fclk_mhz, bitstream.hp_bits) == (0x43C00000, 100.0, 64)
    assert bitstream.data == deploy.bitstream
    assert (bitstream.board, bitstream.part) == ("pynq-z2", "xc7z020clg400-1")


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({regs.ID: 0xFFFFFFFF}, "no finnspect accelerator answers .* identity 0xffffffff"),
        ({regs.INTERFACE_VERSION: 9}, "speaks interface version 9, the zip 1, this driver 1"),
        ({regs.BUILD_ID0: 0xDEADBEEF}, "runs build deadbeef89abcdef0123456789abcdef"),
        ({regs.BUILD_ID3: 0}, "runs build 0123456789abcdef0123456700000000"),
        ({regs.FRAME_BYTES: 35}, "takes 35 bytes and gives 12 an image"),
    ],
)
def test_other_hardware_is_refused(deploy, constants, message):
    device = AxiDevice(constants=constants)
    with pytest.raises(IdentityError, match=message):
        FinnspectAxi(device, deploy, 4)
    assert (device.live, device.closed) == ([], 1)


def test_a_zip_of_another_interface_version_is_refused(tmp_path):
    with pytest.raises(IdentityError, match="the zip 2, this driver 1"):
        FinnspectAxi(AxiDevice(), make_deploy(tmp_path, interface_version=2), 4)


def test_a_zip_without_an_address_is_refused(tmp_path):
    device = AxiDevice()
    with pytest.raises(DeployError, match="no axi section"):
        FinnspectAxi(device, make_deploy(tmp_path, axi=None), 4)
    assert device.closed == 1


def test_a_busy_device_is_refused_and_left_alone(deploy):
    device = AxiDevice(latency=1000)
    device.values.update({regs.FRAMES: 1})
    device._start()
    with pytest.raises(BusyError, match="another program uses it"):
        FinnspectAxi(device, deploy, 4, program=False)
    assert device.busy  # whoever uses it is not disturbed


@pytest.mark.parametrize("memory_bytes", [100, 200, 350, 600])
def test_no_memory_left(deploy, memory_bytes):
    device = AxiDevice(memory_bytes=memory_bytes)
    with pytest.raises(MemoryExhaustedError):
        FinnspectAxi(device, deploy, 8)
    assert device.live == []


def test_no_memory_left_for_a_single_image_comes_later(deploy):
    device = AxiDevice(memory_bytes=2 * (8 * 36 + 8 * 12))
    with DefectClassifier(deploy, device=device, batch=8) as classifier:
        with pytest.raises(MemoryExhaustedError):
            classifier.predict(random_images(1))
        assert len(classifier.predict(random_images(8))) == 8
    assert device.live == []


@pytest.mark.parametrize("address", [0x10000004, 0xFFFFFFF8])
def test_memory_that_the_hardware_cannot_reach(deploy, address):
    device = AxiDevice(first_address=address)
    with pytest.raises(HardwareError, match=rf"at {address:#x}; the accelerator needs"):
        FinnspectAxi(device, deploy, 4)
    assert device.live == []


@pytest.mark.parametrize("cause", list(regs.ERROR_CAUSES))
def test_every_error_cause_is_named_with_a_remedy(deploy, cause):
    device = AxiDevice(faults={"error": cause})
    with DefectClassifier(deploy, device=device, batch=4) as classifier:
        with pytest.raises(HardwareError, match=regs.ERROR_CAUSES[cause][0]) as caught:
            classifier.predict(random_images(9))
        assert caught.value.causes == (regs.ERROR_CAUSES[cause][0],)
        assert caught.value.remedy
        device.faults.clear()
        got = classifier.logits(random_images(9))  # and it works again
        assert np.array_equal(got, tiny_model().logits(random_images(9)))
    assert device.live == []


def test_hardware_that_hangs_is_stopped(deploy):
    device = AxiDevice(faults={"hang": True})
    with DefectClassifier(deploy, device=device, batch=4, timeout_s=0.05) as classifier:
        with pytest.raises(DeviceTimeoutError, match=r"finished no image in 0\.05 s \(0 of 4 done"):
            classifier.predict(random_images(9))
        assert not device.busy
        device.faults.clear()
        assert len(classifier.predict(random_images(9))) == 9
    assert device.live == []


def test_progress_extends_the_time(deploy):
    device = AxiDevice(faults={"hang": True})
    waits = 0

    def advance():
        nonlocal waits
        waits += 1
        device.values[regs.FRAMES_DONE] = waits
        if waits == 40:
            device.faults.clear()
        __import__("time").sleep(0.005)

    device.on_wait = advance
    with DefectClassifier(deploy, device=device, batch=64, timeout_s=0.05) as classifier:
        assert len(classifier.predict(random_images(64))) == 64


def test_hardware_that_does_not_stop_keeps_its_memory(deploy):
    device = AxiDevice(faults={"hang": True})
    classifier = DefectClassifier(deploy, device=device, batch=4, timeout_s=0.03)
    device.faults["no-reset"] = True
    with pytest.raises(DeviceTimeoutError, match="did not end its reset"):
        classifier.predict(random_images(2))
    with pytest.raises(HardwareError, match="restart the board"):
        classifier.predict(random_images(2))
    classifier.close()
    assert device.live  # it may still write there
    assert device.closed == 1


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_an_interrupt_in_the_middle_frees_everything(deploy, interrupt):
    device = AxiDevice(latency=5)
    count = 0

    def stop():
        nonlocal count
        count += 1
        if count == 4:
            raise interrupt

    device.on_wait = stop
    with pytest.raises(interrupt):  # noqa: SIM117 - the inner one must be left by the exception
        with DefectClassifier(deploy, device=device, batch=4) as classifier:
            classifier.predict(random_images(40))
    assert (device.live, device.closed, device.busy) == ([], 1, False)


def test_an_interrupt_in_a_users_generator_frees_everything(deploy):
    device = AxiDevice(latency=5)

    def pictures():
        yield from random_images(10)
        raise KeyboardInterrupt

    with DefectClassifier(deploy, device=device, batch=4) as classifier:
        with pytest.raises(KeyboardInterrupt):
            classifier.predict(pictures())
        assert not device.busy
        assert len(classifier.predict(random_images(9))) == 9
    assert device.live == []


def test_an_interrupt_while_opening_frees_everything(deploy):
    device = AxiDevice()
    allocate, count = device.allocate, 0

    def stop(*arguments):
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return allocate(*arguments)

    device.allocate = stop
    with pytest.raises(KeyboardInterrupt):
        DefectClassifier(deploy, device=device, batch=4)
    assert (device.live, device.closed) == ([], 1)


def test_closing_twice_and_using_after(deploy):
    device = AxiDevice()
    classifier = DefectClassifier(deploy, device=device, batch=4)
    classifier.close()
    classifier.close()
    assert device.live == []
    with pytest.raises(DriverError, match="is closed"):
        classifier.predict(random_images(2))


def test_closing_while_it_runs(deploy):
    device = AxiDevice(latency=1000)
    backend = FinnspectAxi(device, deploy, 4)
    backend.submit(random_images(4))
    backend.submit(random_images(4))
    with pytest.raises(DriverError, match="under way already"):
        backend.submit(random_images(4))
    backend.close()
    assert (device.live, device.busy) == ([], False)


def test_batches_and_handles(deploy):
    backend = FinnspectAxi(AxiDevice(), deploy, 4)
    with pytest.raises(ImageError, match=r"1 to 4, 6, 6, 1\), got uint8 \(5, 6, 6, 1\)"):
        backend.submit(random_images(5))
    first, second = backend.submit(random_images(3, 1)), backend.submit(random_images(2, 2))
    model = tiny_model()
    assert np.array_equal(backend.result(second), model.logits(random_images(2, 2)))  # any order
    assert np.array_equal(backend.result(first), model.logits(random_images(3, 1)))
    with pytest.raises(DriverError, match="read before"):
        backend.result(first)
    assert len(CLASSES) == 3
    backend.close()


def test_counters_read_in_the_moment_of_a_carry(deploy):
    device = AxiDevice()
    backend = FinnspectAxi(device, deploy, 4)
    high = iter([0, 1, 1, 1])
    low = iter([0x00000001, 0x00000002])
    read = device.read

    def carry(offset):
        if offset == regs.COUNT_CYCLES_BUSY_HI:
            return next(high)
        return next(low) if offset == regs.COUNT_CYCLES_BUSY_LO else read(offset)

    device.read = carry
    assert backend.counters().busy_cycles == 1 << 32 | 2
    device.read = read
    backend.close()
