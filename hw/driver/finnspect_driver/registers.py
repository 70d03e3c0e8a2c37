"""Registers of the finnspect-axi shell.

Generated from hw/shell/registers.rdl by `python -m finnspect.registers`; do not edit.
"""

#: Bytes from the first register to behind the last.
SIZE = 0x5C

#: Identity.
ID = 0x00
ID_VALUE = 0x46494E53

#: Version of this register map.
INTERFACE_VERSION = 0x04
INTERFACE_VERSION_VALUE = 0x00000001

#: Build id, digits 1 to 8.
BUILD_ID0 = 0x08

#: Build id, digits 9 to 16.
BUILD_ID1 = 0x0C

#: Build id, digits 17 to 24.
BUILD_ID2 = 0x10

#: Build id, digits 25 to 32.
BUILD_ID3 = 0x14

#: Control.
CONTROL = 0x18
CONTROL_START = 0x00000001
CONTROL_SOFT_RESET = 0x00000002
CONTROL_CLEAR = 0x00000004

#: Status.
STATUS = 0x1C
STATUS_IDLE = 0x00000001
STATUS_BUSY = 0x00000002
STATUS_DONE = 0x00000004
STATUS_ERROR = 0x00000008
STATUS_READ_SLVERR_DECERR = 0x00000100
STATUS_WRITE_SLVERR_DECERR = 0x00000200
STATUS_ZERO_LENGTH = 0x00000400
STATUS_UNALIGNED = 0x00000800
STATUS_START_WHILE_BUSY = 0x00001000
STATUS_CORE_TIMEOUT = 0x00002000
STATUS_OUT_OF_RANGE = 0x00004000
STATUS_CORE_FAULT = 0x00008000

#: Address of the images.
INPUT_ADDR = 0x20

#: Address of the logits.
OUTPUT_ADDR = 0x24

#: Frames to run.
FRAMES = 0x28
FRAMES_MAX = 0x00100000

#: Frames done.
FRAMES_DONE = 0x2C

#: Core clock.
CLOCK_HZ = 0x30

#: Bytes of an image.
FRAME_BYTES = 0x34

#: Bytes of an answer.
OUTPUT_BYTES = 0x38

#: Busy clocks, low half.
COUNT_CYCLES_BUSY_LO = 0x40

#: Busy clocks, high half.
COUNT_CYCLES_BUSY_HI = 0x44

#: Starved clocks, low half.
COUNT_STARVED_LO = 0x48

#: Starved clocks, high half.
COUNT_STARVED_HI = 0x4C

#: Stalled clocks, low half.
COUNT_STALLED_LO = 0x50

#: Stalled clocks, high half.
COUNT_STALLED_HI = 0x54

#: Frames since reset.
COUNT_FRAMES = 0x58

#: Mask in STATUS -> name and meaning of an error.
ERROR_CAUSES = {
    STATUS_READ_SLVERR_DECERR: (
        "read_slverr_decerr",
        "Memory answered a read with SLVERR or DECERR; the run was given up.",
    ),
    STATUS_WRITE_SLVERR_DECERR: (
        "write_slverr_decerr",
        "Memory answered a write with SLVERR or DECERR; the run was given up.",
    ),
    STATUS_ZERO_LENGTH: (
        "zero_length",
        "A start with FRAMES at zero was refused.",
    ),
    STATUS_UNALIGNED: (
        "unaligned",
        "A start with INPUT_ADDR or OUTPUT_ADDR not a multiple of 8 was refused.",
    ),
    STATUS_START_WHILE_BUSY: (
        "start_while_busy",
        "A start while busy was refused; the run under way is not disturbed.",
    ),
    STATUS_CORE_TIMEOUT: (
        "core_timeout",
        "The core neither took pixels nor gave logits for too long, though it could; the run was given up.",
    ),
    STATUS_OUT_OF_RANGE: (
        "out_of_range",
        "A start with more than 1048576 frames, or with buffers that reach beyond 4 GiB, was refused.",
    ),
    STATUS_CORE_FAULT: (
        "core_fault",
        "The core marked a wrong logit as a frame's last; the run was given up.",
    ),
}
