"""The virtual board finds what AXI3 does not allow."""

import subprocess

import pytest
from finnspect.paths import SIM_DIR
from finnspect.sim.verilator import CACHE_DIR
from finnspect.virtual_board import BoardError, VirtualBoard, open_board_model
from finnspect.virtual_board import model as model_module
from finnspect_driver import registers as regs
from virtual_zip import SOURCE, TARGET, make_net, small_graph, start_run

MUTANTS = {
    "wlast": (
        "fs_dma_write.sv",
        "w.last = left_q == 5'd1",
        "w.last = left_q == 5'd2",
        "WLAST is wrong",
    ),
    "wid": ("fs_dma_write.sv", "w.id = '0", "w.id = 6'd1", "WID is 1, the burst's AWID 0"),
    "size": ("fs_dma_bursts.sv", "m_axi.size = 3'd3", "m_axi.size = 3'd2", "AxSIZE is 2"),
    "id": ("fs_axi_slave_burst.sv", "assign id = ", "assign id = ~", "GP0 answers with ID"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_shell_that_breaks_axi3_is_caught(tmp_path, monkeypatch, name):
    net = make_net(tmp_path / "net", small_graph())
    file, old, new, message = MUTANTS[name]
    real = model_module.stage_design

    def mutated(accelerator, board, settings, folder, **options):
        sources = real(accelerator, board, settings, folder, **options)
        text = (folder / file).read_text()
        assert text.count(old) == 1
        (folder / file).write_text(text.replace(old, new))
        return sources

    monkeypatch.setattr(model_module, "stage_design", mutated)
    real_job = model_module.VerilatorJob
    monkeypatch.setattr(model_module, "VerilatorJob", lambda **kw: real_job(**{**kw, "optimize": "-O1"}))
    cache = tmp_path / "virtual_board"
    (tmp_path / CACHE_DIR.name).symlink_to(CACHE_DIR)
    model = open_board_model(net.path, models=cache)
    with (
        VirtualBoard(model.executable) as board,
        pytest.raises(BoardError, match=rf"exit 4, the design broke the AXI3 protocol\)(.|\n)*{message}"),
    ):
        board.map(SOURCE, 4096)
        board.map(TARGET, 4096)
        start_run(board, net.images(3))
        board.run(100_000)
        board.read_register(regs.STATUS)


CHECKS = r"""
#include "virtual_board_memory.h"
int main(int argc, char** argv) {
    const uint32_t address = std::strtoul(argv[1], nullptr, 0), len = std::atoi(argv[2]);
    AddressChannel a{true, 0, address, len, 3, 1, 0};
    check_burst(a, "a read");
    Still<AddressChannel> still;
    still.check(a, false, "the address");
    if (argc > 3) a.address += 8;
    if (argc > 4) a.valid = false;
    still.check(a, true, "the address");
    a.address += 64;
    still.check(a, false, "the address");
    return 0;
}
"""


def test_bursts_and_held_payloads_are_checked(tmp_path):
    (tmp_path / "check.cpp").write_text(CHECKS)
    program = tmp_path / "check"
    subprocess.run(
        ["g++", "-std=c++17", f"-I{SIM_DIR}", str(tmp_path / "check.cpp"), "-o", str(program)], check=True
    )

    def run(*arguments):
        done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    assert run("0x0", "15") == (0, "")
    assert run("0xf80", "15") == (0, "")
    assert run("0xff8", "0") == (0, "")
    for arguments, message in (
        (("0xf88", "15"), "crosses 4 KiB"),
        (("0xff8", "1"), "crosses 4 KiB"),
        (("0x1000", "16"), "more than 16 beats"),
        (("0x1004", "1"), "not aligned"),
        (("0x0", "3", "change"), "changed before it was taken"),
        (("0x0", "3", "", "withdraw"), "changed before it was taken"),
    ):
        code, text = run(*arguments)
        assert code == 4 and message in text, arguments
