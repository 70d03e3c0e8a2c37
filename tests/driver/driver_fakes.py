"""Deploy zips and devices for the driver's tests; needs only numpy and the driver.

The devices are models at the level of registers and memory. Processor and hardware see two copies of each
buffer, so that a forgotten flush or invalidate gives wrong data.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import numpy as np
from finnspect_driver import registers as regs
from finnspect_driver.deployzip import read_deploy
from finnspect_driver.devices.base import Buffer, Device
from finnspect_driver.errors import MemoryExhaustedError
from finnspect_driver.reference import IntegerModel

SHAPE = (6, 6, 1)
CLASSES = ["good", "scratch", "pit"]
BUILD_ID = "0123456789abcdef" * 2
BASE = 0x43C00000


def model_files(seed=1):
    """dataflow.json and dataflow.npz of a small random network: 3x3, staircase, pool, dense."""
    rng = np.random.RandomState(seed)
    arrays = {
        "conv.weights": rng.randint(-7, 8, (4, 9)).astype(np.int64),
        "conv.activation.thresholds": np.sort(rng.randint(-4000, 4000, (4, 15)), axis=1).astype(np.int64),
        "dense.weights": rng.randint(-7, 8, (3, 36)).astype(np.int64),
    }

    def tensor(shape, dtype):
        return {"shape": shape, "dtype": dtype}

    def layer(kind, name, source, target, **fields):
        return {"kind": kind, "name": name, "inputs": [source], "outputs": [target], **fields}

    def window(name, source, target, kernel, pad):
        return layer("sliding_window", name, source, target, kernel=kernel, stride=[1, 1], pad=pad)

    stairs = {"staircase": {"array": "conv.activation.thresholds"}, "base": 0}
    types = {"weight_dtype": {"type": "INT4"}, "acc_dtype": {"type": "INT16"}}
    document = {
        "format": "finnspect-dataflow",
        "format_version": 2,
        "name": "tiny",
        "input": "in",
        "output": "logits",
        "tensors": {
            "in": tensor([6, 6, 1], "UINT8"),
            "w0": tensor([6, 6, 9], "UINT8"),
            "a0": tensor([6, 6, 4], "UINT4"),
            "p0": tensor([3, 3, 4], "UINT4"),
            "w1": tensor([1, 1, 36], "UINT4"),
            "logits": tensor([1, 1, 3], "INT16"),
        },
        "layers": [
            window("swg0", "in", "w0", [3, 3], [1, 1, 1, 1]),
            layer(
                "matvec", "conv", "w0", "a0", weights={"array": "conv.weights"}, activation=stairs, **types
            ),
            layer("max_pool", "pool", "a0", "p0", kernel=[2, 2], stride=[2, 2], pad=[0, 0, 0, 0]),
            window("swg1", "p0", "w1", [3, 3], [0, 0, 0, 0]),
            layer(
                "matvec",
                "dense",
                "w1",
                "logits",
                weights={"array": "dense.weights"},
                activation=None,
                **types,
            ),
        ],
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return {"model/dataflow.json": json.dumps(document).encode(), "model/dataflow.npz": buffer.getvalue()}


def tiny_model(seed=1):
    files = model_files(seed)
    with np.load(io.BytesIO(files["model/dataflow.npz"])) as npz:
        return IntegerModel(json.loads(files["model/dataflow.json"]), dict(npz))


def random_images(count, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (count, *SHAPE)).astype(np.uint8)


def seal(contents):
    """A zip of ``contents`` with its manifest and closing check sum."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    manifest = {"format": "finnspect-deploy", "format_version": 1, "sha256": digests}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in {**contents, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, data)
        archive.comment = b"sha256:" + b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def accelerator_json(shell="finnspect-axi", **changes):
    document = {
        "format": "finnspect-accelerator-info",
        "format_version": 1,
        "name": "tiny-random",
        "board": "pynq-z2",
        "part": "xc7z020clg400-1",
        "shell": shell,
        "interface_version": 1,
        "build_id": BUILD_ID,
        "clock_mhz": 100.0,
        "input": {"shape": list(SHAPE), "dtype": "uint8", "layout": "NHWC", "frame_bytes": 36},
        "output": {"shape": [1, 1, 3], "dtype": "int32", "layout": "NHWC", "frame_bytes": 12},
        "uart": {"baud": 1000000, "protocol": "docs/uart.md"} if shell == "uart" else None,
        "axi": {"base_address": BASE, "fclk_mhz": 100.0} if shell == "finnspect-axi" else None,
        "logit_scale": [0.01, 0.01, 0.01],
        "logit_bias": [0.0, 0.0, 0.0],
        "classes": CLASSES,
        "ties": "lowest index",
        "reject": {"rule": "none"},
        "preprocessing": {"color": "grey", "height": 6, "width": 6, "resize": "area", "scale": 1 / 255},
        "bitstream": "bitstream/tiny.bit",
        "cycles_per_frame": 100.0,
    }
    return {**document, **changes}


def zip_contents(shell="finnspect-axi", files=None, **changes):
    golden = io.BytesIO()
    images = random_images(10, seed=5)
    logits = tiny_model().logits(images)
    labels = np.full(10, -1, np.int64)
    np.savez_compressed(golden, images=images, logits_int=logits, labels=labels)
    contents = {
        "bitstream/tiny.bit": bytes(range(256)) * 4,
        "golden.npz": golden.getvalue(),
        "classes.json": json.dumps(CLASSES).encode(),
        **model_files(),
        **(files or {}),
    }
    if shell == "finn-iodma":
        changes.setdefault("build_id", hashlib.sha256(contents["bitstream/tiny.bit"]).hexdigest()[:32])
    return {**contents, "accelerator.json": json.dumps(accelerator_json(shell, **changes)).encode()}


def make_zip(folder, shell="finnspect-axi", files=None, **changes):
    """Write a deploy zip and return its path."""
    path = folder / "tiny.zip"
    path.write_bytes(seal(zip_contents(shell, files, **changes)))
    return path


def make_deploy(folder, shell="finnspect-axi", files=None, **changes):
    return read_deploy(make_zip(folder, shell, files, **changes))


class FakeBuffer(Buffer):
    """Two copies of some memory; only flush and invalidate carry data between them."""

    def __init__(self, device, shape, dtype, address):
        self.array = (
            np.full(shape, 0x55, np.uint8).view(dtype) if dtype == np.uint8 else np.empty(shape, dtype)
        )
        self.array[...] = 0x55
        self.device_address = address
        self.device_view = np.full(self.array.nbytes, 0xAA, np.uint8)
        self._device = device
        self.freed = 0

    def flush(self):
        assert not self.freed
        self._device.log.append("flush")
        self.device_view[:] = np.frombuffer(self.array.tobytes(), np.uint8)

    def invalidate(self):
        assert not self.freed
        self._device.log.append("invalidate")
        self.array[...] = np.frombuffer(self.device_view.tobytes(), self.array.dtype).reshape(
            self.array.shape
        )

    def free(self):
        assert not self._device.memory_in_use(), "memory is freed under a running accelerator"
        if not self.freed:
            self._device.live.remove(self)
        self.freed += 1


class FakeDevice(Device):
    """Memory of a board, counted; a subclass adds registers."""

    name = "fake board"

    def __init__(self, memory_bytes=1 << 24, first_address=0x10000000):
        self.live = []
        self.log = []
        self.downloads = []
        self.closed = 0
        self.waits = 0
        self.on_wait = None
        self._room = memory_bytes
        self._next = first_address

    def memory_in_use(self):
        return False

    def download(self, bitstream, program=True):
        self.downloads.append((bitstream, program))

    def allocate(self, shape, dtype):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if sum(buffer.array.nbytes for buffer in self.live) + size > self._room:
            raise MemoryExhaustedError(f"no room for {size} bytes", "free some")
        buffer = FakeBuffer(self, shape, dtype, self._next)
        self._next += -(-size // 4096) * 4096
        self.live.append(buffer)
        return buffer

    def at(self, address, size):
        """The hardware's view of ``size`` bytes at an address."""
        for buffer in self.live:
            start = address - buffer.device_address
            if start >= 0 and start + size <= len(buffer.device_view):
                return buffer.device_view[start : start + size]
        raise AssertionError(f"the hardware touches {address:#x}, which is not its memory")

    def wait(self, seconds):
        assert seconds > 0
        self.waits += 1
        if self.on_wait is not None:
            self.on_wait()

    def close(self):
        self.closed += 1


class AxiDevice(FakeDevice):
    """The registers of ``finnspect-axi``. A run ends after ``latency`` looks at STATUS.

    Parameters
    ----------
    faults
        ``hang`` (no progress), ``error`` (a mask of STATUS after start), ``no-reset`` (a reset never ends),
        ``flip`` (an image number in a run whose first logit is off by one).
    """

    def __init__(self, latency=3, model=None, constants=None, faults=None, **memory):
        super().__init__(**memory)
        self.model = model or tiny_model()
        self.latency = latency
        self.faults = faults or {}
        self.runs = []
        self.starts_while_busy = 0
        self._left = 0
        self._status = 0
        self._resetting = False
        words = [int(BUILD_ID[i : i + 8], 16) for i in range(0, 32, 8)]
        self.values = {
            regs.ID: regs.ID_VALUE,
            regs.INTERFACE_VERSION: regs.INTERFACE_VERSION_VALUE,
            **dict(zip((regs.BUILD_ID0, regs.BUILD_ID1, regs.BUILD_ID2, regs.BUILD_ID3), words)),  # noqa: B905
            regs.CLOCK_HZ: 100_000_000,
            regs.FRAME_BYTES: 36,
            regs.OUTPUT_BYTES: 12,
            **(constants or {}),
        }
        self._clear_counters()

    def _clear_counters(self):
        for offset in range(regs.COUNT_CYCLES_BUSY_LO, regs.SIZE, 4):
            self.values[offset] = 0
        self.values[regs.FRAMES_DONE] = 0

    @property
    def busy(self):
        return self._left > 0 or self._resetting

    def memory_in_use(self):
        return self.busy

    def read(self, offset):
        assert offset % 4 == 0 and 0 <= offset < regs.SIZE
        if offset != regs.STATUS:
            return self.values.get(offset, 0)
        if self._left > 0 and "hang" not in self.faults:
            self._left -= 1
            if self._left == 0:
                self._finish()
        return self._status | (regs.STATUS_BUSY if self.busy else regs.STATUS_IDLE)

    def write(self, offset, value):
        assert type(value) is int and 0 <= value < 1 << 32
        if offset != regs.CONTROL:
            assert offset in (regs.INPUT_ADDR, regs.OUTPUT_ADDR, regs.FRAMES)
            self.values[offset] = value
            return
        if value & regs.CONTROL_CLEAR:
            self._status = 0
        if value & regs.CONTROL_SOFT_RESET:
            self._left = self._status = 0
            self._resetting = "no-reset" in self.faults
            self._clear_counters()
        if value & regs.CONTROL_START:
            self._start()

    def _start(self):
        if self.busy:
            self.starts_while_busy += 1
            self._status |= regs.STATUS_ERROR | regs.STATUS_START_WHILE_BUSY
            return
        if "error" in self.faults:
            self._status |= regs.STATUS_ERROR | self.faults["error"]
            return
        assert self.values[regs.FRAMES] > 0
        self._status &= ~regs.STATUS_DONE
        self._left = self.latency
        self.values[regs.FRAMES_DONE] = 0
        self.log.append("start")

    def _finish(self):
        count = self.values[regs.FRAMES]
        source = self.at(self.values[regs.INPUT_ADDR], 36 * count).reshape(count, *SHAPE)
        logits = self.model.logits(source)
        if "flip" in self.faults and self.faults["flip"] < count:
            logits[self.faults["flip"], 0] += 1
        self.at(self.values[regs.OUTPUT_ADDR], 12 * count)[:] = np.frombuffer(
            logits.astype("<i4").tobytes(), np.uint8
        )
        self.values[regs.FRAMES_DONE] = count
        self.values[regs.COUNT_FRAMES] += count
        busy = self.values[regs.COUNT_CYCLES_BUSY_LO] + 100 * count
        self.values[regs.COUNT_CYCLES_BUSY_LO] = busy
        self._status |= regs.STATUS_DONE
        self.runs.append(count)
        self.log.append("done")
