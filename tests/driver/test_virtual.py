"""The classifier on the virtual board: the driver's own code above a simulated shell and core."""

import os
import signal
import sys
import threading

import numpy as np
import pytest
from finnspect.board import load_board
from finnspect.config import find_package
from finnspect.deploy import pack_build
from finnspect.emit import emit_accelerator
from finnspect.folding import choose_folding
from finnspect.frontend import compile_package
from finnspect.package import ModelPackage
from finnspect.paths import ROOT
from finnspect.reference import logits as reference_logits
from finnspect.sim.core import build_core
from finnspect.toolchains.simulated import build_nothing
from finnspect.virtual_board import Timing
from finnspect_driver import registers as regs
from finnspect_driver.backends.finnspect_axi import FinnspectAxi, bitstream_of
from finnspect_driver.classifier import DefectClassifier
from finnspect_driver.deployzip import read_deploy
from finnspect_driver.devices.virtual import VirtualBuffer, VirtualDevice, open_device
from finnspect_driver.errors import (
    DeployError,
    DeviceTimeoutError,
    HardwareError,
    IdentityError,
    MemoryExhaustedError,
    SetupError,
    WrongBoardError,
)
from virtual_zip import BUILD_ID, make_net, small_graph


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return make_net(tmp_path_factory.mktemp("net"), small_graph(classes=5, shape=(6, 7, 2), seed=4))


@pytest.fixture(scope="module")
def deploy(net):
    return read_deploy(net.path)


@pytest.fixture
def device(deploy):
    device = VirtualDevice(deploy)
    yield device
    device.close()


@pytest.fixture
def logged_in(device, deploy):
    device.download(bitstream_of(deploy))
    return device


# -- the classifier --------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3, None])
def test_every_integer_is_the_reference_s(net, batch):
    images = net.images(20, seed=1)
    with DefectClassifier(net.path, device="virtual", batch=batch) as classifier:
        np.testing.assert_array_equal(classifier.logits(images), net.logits(images))
        assert classifier.validate().mismatches == []
        assert classifier.check(net.images(7, seed=2)).mismatches == []
        info = classifier.info()
        assert (info.shell, info.device, info.build_id) == ("finnspect-axi", "virtual pynq-z2", BUILD_ID)
        assert info.clock_hz == 100_000_000
        assert classifier.counters().frames == 20 + 9 + 7


def test_memory_that_others_use_changes_nothing(net, deploy):
    images = net.images(24, seed=5)
    for seed in range(3):
        timing = Timing(jitter=150, stall_address=180, stall_data=160, outstanding=3)
        device = VirtualDevice(deploy, timing, seed)
        with DefectClassifier(deploy, device=device, batch=5) as classifier:
            np.testing.assert_array_equal(classifier.logits(images), net.logits(images))


def test_predictions_follow_the_integers(net):
    images = net.images(10, seed=6)
    with DefectClassifier(net.path, device="virtual") as classifier:
        predictions = classifier.predict(images)
    expected = net.logits(images)
    assert [p.index for p in predictions] == expected.argmax(axis=1).tolist()


def test_a_fault_in_the_weights_is_found(net, tmp_path):
    core = net.core.path
    image = sorted(core.glob("mem/*"))[-1]
    lines = image.read_text().split("\n")
    lines[0] = f"{int(lines[0], 16) ^ 1:0{len(lines[0])}x}"
    faulty = make_net(tmp_path, net.graph, build_id="a" * 32)
    from finnspect.deploy import read_deploy as read_build
    from finnspect.deploy import write_deploy

    info, contents = read_build(faulty.path)
    name = f"core/mem/{image.name}"
    contents[name] = "\n".join(lines).encode()
    kept = {key: data for key, data in contents.items() if "/" in key or key == "golden.npz"}
    write_deploy(faulty.path, info, kept)
    with DefectClassifier(faulty.path, device="virtual") as classifier:
        report = classifier.validate(raise_on_mismatch=False)
    assert report.mismatches


def test_everything_is_given_back(net, deploy):
    device = VirtualDevice(deploy)
    with DefectClassifier(deploy, device=device, batch=4) as classifier:
        classifier.predict(net.images(9))
        assert device.taken_bytes > 0
        process = device._board._process
    assert device.taken_bytes == 0
    assert device.closed and process.poll() is not None


def test_ctrl_c_in_the_middle_gives_everything_back(net, deploy):
    device = VirtualDevice(deploy)
    images = np.concatenate([net.images(50)] * 100)
    with DefectClassifier(deploy, device=device, batch=50) as classifier:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            while True:
                classifier.logits(images)
        np.testing.assert_array_equal(classifier.logits(images[:9]), net.logits(images[:9]))
    assert device.taken_bytes == 0 and device.closed


# -- the two views of a buffer ---------------------------------------------------------------------


class ForgetfulDevice(VirtualDevice):
    """A driver whose calls of one method never reach the hardware."""

    forgets = ""

    def allocate(self, shape, dtype):
        buffer = super().allocate(shape, dtype)
        setattr(buffer, self.forgets, lambda: None)
        return buffer


class ForgetsFlush(ForgetfulDevice):
    forgets = "flush"


class ForgetsInvalidate(ForgetfulDevice):
    forgets = "invalidate"


@pytest.mark.parametrize("kind", [ForgetsFlush, ForgetsInvalidate])
def test_a_forgotten_flush_or_invalidate_gives_wrong_logits(net, deploy, kind):
    images = net.images(12, seed=8)
    with DefectClassifier(deploy, device=kind(deploy)) as classifier:
        assert not np.array_equal(classifier.logits(images), net.logits(images))
        assert classifier.validate(raise_on_mismatch=False).mismatches


class ForgetfulBackend(FinnspectAxi):
    """Never invalidates before it reads the answers."""

    def result(self, handle):
        handle.target.invalidate = lambda: None
        return super().result(handle)


def test_a_back_end_that_forgets_to_invalidate_is_found(net, deploy, device):
    backend = ForgetfulBackend(device, deploy, batch=4)
    images = net.images(4)
    assert not np.array_equal(backend.infer(images), net.logits(images))
    backend.close()


def test_both_views_begin_as_garbage_and_meet_only_when_told(logged_in):
    buffer = logged_in.allocate((64, 8), np.int32)
    assert isinstance(buffer, VirtualBuffer)
    assert buffer.array.shape == (64, 8) and buffer.array.dtype == np.int32
    assert buffer.device_address % 4096 == 0

    def hardware():
        return logged_in.read_memory(buffer.device_address, buffer.array.nbytes)

    assert len(np.unique(buffer.array)) > 500
    assert hardware() != buffer.array.tobytes()
    buffer.array[...] = np.arange(512).reshape(64, 8)
    assert hardware() != buffer.array.tobytes()
    buffer.flush()
    assert hardware() == np.arange(512, dtype=np.int32).tobytes()
    logged_in.write_memory(buffer.device_address, bytes(2048))
    assert buffer.array.any()
    buffer.invalidate()
    assert not buffer.array.any()
    buffer.free()
    buffer.free()
    with pytest.raises(Exception, match="was freed"):
        buffer.flush()


def test_an_accelerator_that_uses_freed_memory_meets_an_error(logged_in, net):
    source, target = (logged_in.allocate((4096,), np.uint8) for _ in range(2))
    for register, value in (
        (regs.INPUT_ADDR, source.device_address),
        (regs.OUTPUT_ADDR, target.device_address),
        (regs.FRAMES, 3),
    ):
        logged_in.write(register, value)
    target.free()
    logged_in.write(regs.CONTROL, regs.CONTROL_START)
    logged_in.wait(1e-3)
    assert logged_in.read(regs.STATUS) & regs.STATUS_WRITE_SLVERR_DECERR


# -- errors ----------------------------------------------------------------------------------------


def test_memory_runs_out(net, deploy):
    device = VirtualDevice(deploy, memory_bytes=64 << 10)
    with pytest.raises(MemoryExhaustedError, match="no contiguous"):
        DefectClassifier(deploy, device=device, batch=1000)
    assert device.closed and device.taken_bytes == 0


def test_a_crash_is_told_with_its_last_lines(net, deploy):
    device = VirtualDevice(deploy)
    classifier = DefectClassifier(deploy, device=device)
    os.kill(device._board._process.pid, signal.SIGABRT)
    with pytest.raises(HardwareError, match=r"the virtual board ended .*killed by signal 6"):
        classifier.logits(net.images(2))
    classifier.close()
    assert device.taken_bytes == 0


def test_registers_need_a_bitstream_and_a_window(device, deploy):
    with pytest.raises(SetupError, match="no bitstream is loaded"):
        device.read(regs.ID)
    device.download(bitstream_of(deploy))
    assert device.read(regs.ID) == regs.ID_VALUE
    for offset in (2, -4, 0x1000):
        with pytest.raises(HardwareError, match="no register"):
            device.read(offset)
    with pytest.raises(HardwareError, match="SLVERR"):
        device.write(0x200, 1)


def test_another_bitstream_is_refused(device, net, tmp_path):
    other = read_deploy(make_net(tmp_path, net.graph, build_id="b" * 32).path)
    with pytest.raises(WrongBoardError, match="simulates build"):
        device.download(bitstream_of(other))


def test_hardware_of_another_build_is_refused(device, deploy, monkeypatch):
    monkeypatch.setitem(deploy.accelerator, "interface_version", 2)
    with pytest.raises(IdentityError, match="interface version 1, the zip 2"):
        DefectClassifier(deploy, device=device)


def test_a_download_forgets_a_run_unless_it_is_not_wanted(logged_in, deploy):
    logged_in.write(regs.FRAMES, 77)
    logged_in.download(bitstream_of(deploy), program=False)
    assert logged_in.read(regs.FRAMES) == 77
    logged_in.download(bitstream_of(deploy))
    assert logged_in.read(regs.FRAMES) == 0


def test_a_board_that_makes_no_progress_is_given_up(net, deploy):
    class Frozen(VirtualDevice):
        def wait(self, seconds):
            pass

        def write(self, offset, value):
            super().write(offset, value & ~regs.CONTROL_START if offset == regs.CONTROL else value)

    classifier = DefectClassifier(deploy, device=Frozen(deploy), timeout_s=0.3)
    with classifier, pytest.raises(DeviceTimeoutError, match=r"no image in 0.3 s"):
        classifier.logits(net.images(2))


def test_the_zip_has_no_bitstream_for_a_real_board(deploy):
    with pytest.raises(DeployError, match=r"holds no bitstream.*\n.*device='virtual'"):
        DefectClassifier(deploy, device="pynq")


def test_without_finnspect_the_remedy_is_named(deploy, monkeypatch):
    monkeypatch.setitem(sys.modules, "finnspect.virtual_board", None)
    with pytest.raises(SetupError, match="make bootstrap"):
        open_device(deploy)


def test_a_shell_without_a_simulation_is_refused(deploy, monkeypatch):
    monkeypatch.setitem(deploy.accelerator, "shell", "finn-iodma")
    with pytest.raises(SetupError, match="no simulated device for the shell finn-iodma"):
        open_device(deploy)


# -- the serial board ------------------------------------------------------------------------------


def test_the_serial_board_is_simulated_too(tmp_path):
    net = make_net(tmp_path, small_graph(seed=9), board="ulx3s-85f")
    images = net.images(6, seed=1)
    with DefectClassifier(net.path, device="virtual") as classifier:
        assert classifier.info().device == "virtual ulx3s-85f"
        np.testing.assert_array_equal(classifier.logits(images), net.logits(images))
        assert classifier.validate().mismatches == []
        process = classifier._backend._link._port._process
    assert process.poll() is not None


# -- the shipped model -----------------------------------------------------------------------------


NEU = ROOT.parent / "shared" / "data" / "NEU-DET.tar.xz"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The shipped package, packed as a build with `--toolchain none` packs it."""
    folder = tmp_path_factory.mktemp("shipped")
    package, board = ModelPackage.load(find_package("cnv_w4a4-synthetic")), load_board("pynq-z2")
    graph = compile_package(package, folder / "graph").graph
    graph.save(folder / "graph")
    core = emit_accelerator(graph, choose_folding(graph, 73_728), folder / "core")
    build_nothing(core, board, None, "1" * 32, folder / "bits")
    path = folder / "shipped.zip"
    pack_build(
        path,
        package,
        board,
        graph_dir=folder / "graph",
        core_dir=core.path,
        bitstream_dir=folder / "bits",
        simulation={"cycles_per_frame": float(core.bound.cycles)},
    )
    return path, package, graph, core


def _textures(shape, count):
    """Plates with gradients, scratches and spots."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[: shape[0], : shape[1]]
    images = []
    for index in range(count):
        plate = 120 + 40 * np.sin((x * rng.normal() + y * rng.normal()) / 6) + rng.normal(0, 10, shape[:2])
        if index % 3 == 1:
            plate[np.abs(x - y * rng.uniform(0.2, 2)) < 2] += 90
        elif index % 3 == 2:
            plate[(x - rng.integers(64)) ** 2 + (y - rng.integers(64)) ** 2 < 60] -= 80
        images.append(np.clip(plate, 0, 255).astype(np.uint8)[..., None])
    return np.stack(images)


def test_the_shipped_model_is_exact_and_as_quick_as_its_core(shipped):
    path, package, graph, core = shipped
    golden = package.golden()
    images = np.concatenate([golden.images, _textures(package.input_shape, 16)])
    with DefectClassifier(path, device="virtual", batch=32) as classifier:
        assert classifier.validate().mismatches == []
        before = classifier.counters()
        np.testing.assert_array_equal(classifier.logits(images), reference_logits(graph, images))
        counted = classifier.counters() - before
    assert counted.frames == len(images) == 32
    # One run: every image takes the slowest layer's cycles, the first the whole pipeline.
    bound = core.bound.cycles
    assert bound * len(images) <= counted.busy_cycles <= bound * (len(images) + 2)
    assert counted.starved_cycles < 0.001 * counted.busy_cycles
    assert counted.stalled_cycles == 0


@pytest.mark.slow
@pytest.mark.skipif(not NEU.exists(), reason="the NEU-DET archive is not beside the checkout")
def test_the_whole_test_split_of_neu_det(shipped, tmp_path):
    from quant_models.datasets import load_dataset, split_dataset

    path, package, graph, core = shipped
    dataset = load_dataset("neu-det", NEU, package.info.preprocessing, None)
    images = dataset.images[split_dataset(dataset, seed=0).test]
    assert len(images) == 360
    with DefectClassifier(path, device="virtual", batch=len(images)) as classifier:
        np.testing.assert_array_equal(classifier.logits(images), reference_logits(graph, images))
        counted = classifier.counters()
    bare = build_core(core, tmp_path / "bare").run(images)
    cycles = int(bare.frame_cycles[-1, 1] - bare.frame_cycles[0, 0]) + 1
    assert counted.frames == 360
    # Beside the core's own clocks: the start, the first read, the last write and its answer.
    assert cycles <= counted.busy_cycles <= cycles + 150
    assert counted.starved_cycles < 150
    assert counted.stalled_cycles == 0
