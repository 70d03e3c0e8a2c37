"""Numbers of the serial shell: baud rate, buffer, generated package, staged files."""

from __future__ import annotations

import re

import pytest
from finnspect.board import load_board
from finnspect.emit import Accelerator
from finnspect.errors import ConfigError, ResourceError
from finnspect.shell import buffer_bytes, choose_baud, shell_settings, stage_design

BOARD = load_board("ulx3s-85f")
BUILD_ID = "0123456789abcdef0123456789abcdef"


def accelerator(folder, height=64, width=64, elements=1, classes=6):
    (folder / "mem").mkdir(parents=True)
    (folder / "finnspect_core.sv").write_text("// core\n")
    (folder / "mem" / "w.mem").write_text("0\n")
    manifest = {
        "sources": ["finnspect_core.sv"],
        "images": ["mem/w.mem"],
        "input": {"elements": elements, "beats": height * width},
        "output": {"classes": classes},
    }
    return Accelerator(folder, manifest)


@pytest.mark.parametrize(
    ("clock_hz", "nominal", "divider"),
    [
        (75_000_000, 3_000_000, 25),
        (60_000_000, 3_000_000, 20),
        (90_000_000, 3_000_000, 30),
        (100_000_000, 3_000_000, 33),  # 1.0 % fast
        (80_000_000, 3_000_000, 27),  # 1.2 % slow
        (40_000_000, 3_000_000, 13),  # 2.6 % fast: too much, and 2 Mbaud divides evenly
        (25_000_000, 3_000_000, 8),  # 4.2 % fast
        (70_000_000, 3_000_000, 23),
    ],
)
def test_the_fastest_rate_that_divides_well(clock_hz, nominal, divider):
    rate = choose_baud(BOARD.uart, clock_hz)
    fits = abs(clock_hz / divider / nominal - 1) <= BOARD.uart.max_error_percent / 100
    assert ((rate.nominal, rate.divider) == (nominal, divider)) == fits
    assert rate.nominal in BOARD.uart.baud_rates
    assert abs(rate.error_percent) <= BOARD.uart.max_error_percent
    assert rate.error_percent == pytest.approx(100 * (clock_hz / rate.divider / rate.nominal - 1))
    for better in BOARD.uart.baud_rates[: BOARD.uart.baud_rates.index(rate.nominal)]:
        division = max(1, round(clock_hz / better))
        error = abs(clock_hz / division / better - 1)
        assert division < 8 or error > BOARD.uart.max_error_percent / 100


def test_a_clock_without_a_baud_rate():
    uart = BOARD.uart.model_copy(update={"baud_rates": [3_000_000], "max_error_percent": 0.1})
    with pytest.raises(ConfigError, match=r"3000000 \(\+1\.01 %\)"):
        choose_baud(uart, 100_000_000)


@pytest.mark.parametrize(
    ("frame", "depth"),
    [(1, 4), (12, 32), (4096, 8192), (4097, 16384), (49_152, 65_536), (150_528, 262_144)],
)
def test_the_buffer_holds_two_images_where_there_is_room(frame, depth):
    assert buffer_bytes(frame, BOARD) == depth


def test_an_image_too_large_for_the_board_says_by_how_much():
    with pytest.raises(ResourceError, match=r"256 DP16KD as a buffer, ulx3s-85f has 208 \(48 too many\)"):
        buffer_bytes(300_000, BOARD)


def test_settings_and_the_package_that_carries_them(tmp_path):
    settings = shell_settings(accelerator(tmp_path, elements=3), BOARD, 60.0, BUILD_ID)
    values = dict(re.findall(r"localparam int unsigned (\w+) = (\d+);", settings.package()))
    assert {name: int(value) for name, value in values.items()} == {
        "PLL_INPUT_DIV": 1,
        "PLL_FEEDBACK_DIV": 1,
        "PLL_LOOP_DIV": 24,
        "PLL_OUTPUT_DIV": 10,
        "CLOCK_HZ": 60_000_000,
        "UART_DIVIDER": 20,
        "UART_TIMEOUT_CYCLES": 15_000_000,
        "CORE_TIMEOUT_CYCLES": 1 << 26,
        "FRAME_BYTES": 12_288,
        "BUFFER_BYTES": 32_768,
        "CLASSES": 6,
        "IN_WIDTH": 24,
    }
    assert f"BUILD_ID = 128'h{BUILD_ID};" in settings.package()
    assert settings.link_fps == pytest.approx(3e6 / 10 / (12_288 + 12))


def test_the_default_clock_is_the_board_s(tmp_path):
    settings = shell_settings(accelerator(tmp_path), BOARD, None, BUILD_ID)
    assert settings.clock_mhz == BOARD.clock.default_mhz


@pytest.mark.parametrize("build_id", ["", "0" * 31, "G" * 32, "A" * 32])
def test_a_build_id_is_128_bits_of_hex(tmp_path, build_id):
    with pytest.raises(ConfigError, match="32 hexadecimal digits"):
        shell_settings(accelerator(tmp_path), BOARD, None, build_id)


@pytest.mark.parametrize("simulation", [False, True])
def test_staging_copies_everything_in_order(tmp_path, simulation):
    source = accelerator(tmp_path / "core")
    settings = shell_settings(source, BOARD, None, BUILD_ID)
    names = stage_design(source, BOARD, settings, tmp_path / "out", simulation=simulation)
    assert names[0] == "finnspect_build.sv"
    assert names.index("fs_uart_pkg.sv") < names.index("fs_uart_shell.sv") < names.index("top.sv")
    assert ("EHXPLLL.sv" in names) == (not simulation)
    assert len(names) == len(set(names))
    assert all((tmp_path / "out" / name).is_file() for name in [*names, "mem/w.mem"])
    twin = (tmp_path / "out" / "ecp5_pll.sv").read_text()
    assert ("Behavioural twin" in twin) == simulation
