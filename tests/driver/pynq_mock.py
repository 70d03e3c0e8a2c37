"""A Zynq-7000 board for the real pynq package: ``/dev/mem``, XRT and the FPGA manager are models.

PYNQ's own code runs from ``Overlay``, ``Bitstream``, ``MMIO``, ``allocate`` and ``Clocks`` down to the
methods of a device; those are here.
"""

import struct

import numpy as np
import pynq
from driver_fakes import AxiDevice
from pynq.pl_server.embedded_device import DEFAULT_XCLBIN, EmbeddedXrtMemory, _get_bitstream_handler
from pynq.pl_server.xclbin_parser import XclBin

SLCR, AFI0, ACCELERATOR = 0xF8000000, 0xF8008000, 0x43C00000


def bit_file(part="7z020clg400", payload=bytes(range(64)) * 4):
    """A bit file: the header that tools write, then words."""

    def field(key, text):
        data = text.encode() + b"\0"
        return key + struct.pack(">H", len(data)) + data

    head = struct.pack(">H", 9) + bytes([0x0F, 0xF0] * 4 + [0]) + struct.pack(">H", 1)
    head += field(b"a", "top;UserID=0XFFFFFFFF;Version=1") + field(b"b", part)
    head += field(b"c", "2026/11/23") + field(b"d", "12:00:00")
    return head + b"e" + struct.pack(">I", len(payload)) + payload


class Words:
    """A window of 32-bit registers, as the array that ``MMIO`` indexes."""

    def __init__(self, read, write):
        self._read, self._write = read, write

    def __getitem__(self, index):
        return np.uint32(self._read(4 * index))

    def __setitem__(self, index, value):
        self._write(4 * index, int(value))


class Bo:
    """A buffer object of XRT: two copies of its memory, sync carries data between them."""

    def __init__(self, board, size, address):
        self.board = board
        self.size = size
        self.address = address
        self.view = np.full(size, 0x55, np.uint8)
        self.device_view = np.full(size, 0xAA, np.uint8)
        self.device_address = address


class MockBoard(pynq.Device):
    """The board. Registers of the accelerator are the model of the driver's own tests."""

    def __init__(self, memory_bytes=1 << 22, arch="armv7l"):
        super().__init__("mock_board")
        self.name = "mock"
        self.arch = arch
        self.capabilities = {"MEMORY_MAPPED": True}
        self.axi = AxiDevice()
        self.axi.live = self.bos = []
        self.memory_left = memory_bytes
        self.slcr = np.zeros(0x80, np.uint32)
        self.slcr[0x108 // 4] = 20 << 12  # I/O PLL: 20 x 50 MHz
        self.slcr[0x170 // 4] = 8 << 8 | 1 << 20  # FCLK0 as booted: 125 MHz
        self.afi = {0x00: 1, 0x14: 0xF01}  # HP0 as booted: 32 bits
        self.afi_stuck = False
        self.downloaded = []
        self.syncs = []
        self.refuse_download = None
        self.timestamp = ""
        self._next = 0x18000000

    # -- FPGA manager

    def get_bitfile_metadata(self, bitfile_name, partial=False):
        return _get_bitstream_handler(bitfile_name).get_parser(partial=partial)

    def download(self, bitstream, parser=None):
        if self.refuse_download is not None:
            raise self.refuse_download
        parser = parser or XclBin(xclbin_data=DEFAULT_XCLBIN)
        self.downloaded.append((_get_bitstream_handler(bitstream.bitfile_name).get_bin_data(), parser))
        self.post_download(bitstream, parser, self.name)

    def post_download(self, bitstream, parser, name="mock"):
        super().post_download(bitstream, parser, name)

    # -- /dev/mem

    def mmap(self, base_addr, length):
        if base_addr == SLCR:
            assert length <= 0x200
            return self.slcr
        if base_addr == AFI0:
            return Words(self.afi.__getitem__, self._write_afi)
        assert base_addr == ACCELERATOR, hex(base_addr)
        return Words(self.axi.read, self.axi.write)

    def _write_afi(self, offset, value):
        assert offset in self.afi
        if not self.afi_stuck:
            self.afi[offset] = value

    # -- XRT

    @property
    def default_memory(self):
        if not getattr(self, "mem_dict", None):
            raise RuntimeError("Overlay is not downloaded")
        return EmbeddedXrtMemory(self, next(v for v in self.mem_dict.values() if v["base_address"] == 0))

    def allocate(self, shape, dtype, **kwargs):
        assert kwargs.get("cacheable") == 1
        # Off a board PYNQ cannot unmap; with a cache it gives the memory back to that instead.
        return self.default_memory.allocate(shape, dtype, **kwargs, cache=self)

    def allocate_bo(self, size, idx, cacheable):
        if size > self.memory_left:
            raise RuntimeError("BO allocation failed: Cannot allocate memory")
        self.memory_left -= size
        bo = Bo(self, size, self._next)
        self._next += -(-size // 4096) * 4096
        self.bos.append(bo)
        return bo

    def map_bo(self, bo):
        return bo.view

    def get_device_address(self, bo):
        return bo.address

    def return_pointer(self, pointer):
        assert not self.axi.busy, "memory is freed under a running accelerator"
        self.bos.remove(pointer[0])
        self.memory_left += pointer[0].size

    def flush(self, bo, offset, ptr, size):
        self.syncs.append("flush")
        bo.device_view[offset : offset + size] = bo.view[offset : offset + size]

    def invalidate(self, bo, offset, ptr, size):
        self.syncs.append("invalidate")
        bo.view[offset : offset + size] = bo.device_view[offset : offset + size]
