"""The virtual board: a real shell around a small real core, its memory, its faults, its process."""

import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from finnspect.errors import ConfigError, PackageError
from finnspect.sim.core import build_core
from finnspect.sim.verilator import CACHE_DIR
from finnspect.stages import write_whole
from finnspect.virtual_board import BoardError, Timing, VirtualBoard, open_board_model
from finnspect.virtual_board import model as model_module
from finnspect_driver import registers as regs
from virtual_zip import BUILD_ID, SOURCE, TARGET, make_net, small_graph, start_run

HEAVY = Timing(jitter=200, stall_address=200, stall_data=180, outstanding=2)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return make_net(tmp_path_factory.mktemp("net"), small_graph())


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A cache of programs for this file; the compiled runtime comes from the repository's."""
    folder = tmp_path_factory.mktemp("cache")
    CACHE_DIR.mkdir(parents=True, exist_ok=True)
    (folder / CACHE_DIR.name).symlink_to(CACHE_DIR)
    return folder / "virtual_board"


@pytest.fixture(scope="module")
def model(net, models):
    return open_board_model(net.path, models=models)


@pytest.fixture
def board(model):
    with VirtualBoard(model.executable) as board:
        yield board


def _read(board, count, net, target=TARGET):
    data = board.read_memory(target, 4 * count * net.core.classes)
    return np.frombuffer(data, np.int32).reshape(count, -1)


def _counter(board, low, high):
    return board.read_register(high) << 32 | board.read_register(low)


# -- what it computes ------------------------------------------------------------------------------


def test_the_hardware_says_what_it_is(board, net):
    assert board.read_register(regs.ID) == regs.ID_VALUE
    words = [regs.BUILD_ID0, regs.BUILD_ID1, regs.BUILD_ID2, regs.BUILD_ID3]
    assert "".join(f"{board.read_register(word):08x}" for word in words) == BUILD_ID
    assert board.read_register(regs.CLOCK_HZ) == 100_000_000
    assert board.read_register(regs.FRAME_BYTES) == net.core.frame_bytes == 63
    assert board.read_register(regs.OUTPUT_BYTES) == 4 * net.core.classes == 12


@pytest.mark.parametrize("timing", ["fast", "random", HEAVY], ids=["fast", "random", "heavy"])
@pytest.mark.parametrize("seed", [1, 2])
def test_logits_are_those_of_the_reference(model, net, timing, seed):
    with VirtualBoard(model.executable, timing, seed) as board:
        for count in (1, 2, 33):
            board.map(SOURCE, 4096)
            board.map(TARGET, 4096)
            images = net.images(count, seed=seed * 100 + count)
            before = board.read_memory(TARGET, 4096)
            start_run(board, images)
            assert board.run(1_000_000)[1]
            assert board.read_register(regs.STATUS) == regs.STATUS_IDLE | regs.STATUS_DONE
            np.testing.assert_array_equal(_read(board, count, net), net.logits(images))
            size = 4 * count * net.core.classes
            assert board.read_memory(TARGET, 4096)[size:] == before[size:]  # nothing behind the last logit
            board.unmap(SOURCE)
            board.unmap(TARGET)


def test_counters_agree_with_the_simulation_of_the_bare_core(board, net, tmp_path):
    images = net.images(40)
    bare = build_core(net.core, tmp_path / "core", optimize="-O1").run(images)
    board.map(SOURCE, 4096)
    board.map(TARGET, 4096)
    start_run(board, images)
    board.run(1_000_000)
    assert board.read_register(regs.COUNT_FRAMES) == board.read_register(regs.FRAMES_DONE) == len(images)
    busy = _counter(board, regs.COUNT_CYCLES_BUSY_LO, regs.COUNT_CYCLES_BUSY_HI)
    core = int(bare.frame_cycles[-1, 1] - bare.frame_cycles[0, 0])
    # Beside the core's own clocks: the start, the first read, the last write and its response.
    assert core <= busy <= core + 150
    statistics = board.statistics()
    assert statistics.read_beats == -(-images.size // 8)
    assert statistics.write_beats == -(-4 * net.core.classes * len(images) // 8)
    assert statistics.errors == 0
    assert statistics.clocks_per_second > 0


def test_the_same_seed_gives_the_same_clocks(model, net):
    def clocks(seed):
        with VirtualBoard(model.executable, "random", seed) as board:
            board.map(SOURCE, 4096)
            board.map(TARGET, 4096)
            start_run(board, net.images(5))
            return board.run(100_000)[0]

    assert clocks(7) == clocks(7)
    assert len({clocks(seed) for seed in range(5)}) > 1


def test_clocks_pass_only_when_asked(board, net):
    board.map(SOURCE, 4096)
    board.map(TARGET, 4096)
    start_run(board, net.images(30))
    before = board.statistics().clocks
    time.sleep(0.2)
    assert board.statistics().clocks == before
    assert board.run(10) == (10, False)
    assert board.statistics().clocks == before + 10
    passed, interrupt = board.run(10**9)
    assert interrupt and 0 < passed < 100_000
    assert board.run(50, until_interrupt=False) == (50, True)
    assert board.run(50) == (0, True)


def test_reset_forgets_a_run_but_not_the_memory(board, net):
    board.map(SOURCE, 4096)
    board.map(TARGET, 4096)
    images = net.images(20)
    start_run(board, images)
    board.run(200)
    assert board.read_register(regs.STATUS) & regs.STATUS_BUSY
    board.reset()
    board.run(100)
    assert board.read_register(regs.STATUS) == regs.STATUS_IDLE
    assert board.read_register(regs.COUNT_FRAMES) == 0
    assert board.read_memory(SOURCE, images.size) == images.tobytes()
    start_run(board, images)
    assert board.run(1_000_000)[1]
    np.testing.assert_array_equal(_read(board, 20, net), net.logits(images))


# -- what it refuses -------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["input", "output"])
def test_an_access_where_there_is_no_memory_is_an_error_of_the_run(board, net, missing):
    source, target = SOURCE, TARGET
    board.map(SOURCE, 4096)
    board.map(TARGET, 4096)
    images = net.images(8)
    board.write_memory(SOURCE, images.tobytes())
    if missing == "input":
        source, cause = SOURCE + 4096 - 128, regs.STATUS_READ_SLVERR_DECERR
        board.write_memory(source, images.tobytes()[:128])
    else:
        target, cause = TARGET + 4096 - 16, regs.STATUS_WRITE_SLVERR_DECERR
    for register, value in ((regs.INPUT_ADDR, source), (regs.OUTPUT_ADDR, target), (regs.FRAMES, 8)):
        board.write_register(register, value)
    board.write_register(regs.CONTROL, regs.CONTROL_START)
    assert board.run(1_000_000)[1]
    assert (
        board.read_register(regs.STATUS) & ~regs.STATUS_BUSY & ~regs.STATUS_IDLE == regs.STATUS_ERROR | cause
    )
    assert board.statistics().errors > 0
    board.run(1000, until_interrupt=False)
    start_run(board, images)  # and it works again
    assert board.run(1_000_000)[1]
    np.testing.assert_array_equal(_read(board, 8, net), net.logits(images))


def test_an_offset_without_a_register_is_refused(board):
    with pytest.raises(BoardError, match="read of the register at 0x3C was answered with SLVERR"):
        board.read_register(0x3C)
    with pytest.raises(BoardError, match="write to the register at 0x100 was answered with SLVERR"):
        board.write_register(0x100, 1)
    board.write_register(regs.ID, 5)  # read-only: ignored
    assert board.read_register(regs.ID) == regs.ID_VALUE


def test_memory_exists_where_it_was_mapped(board):
    board.map(SOURCE, 8192)
    for address, size in ((SOURCE, 1), (SOURCE + 8191, 5), (SOURCE - 4096, 4097), (0xFFFF_F000, 8192)):
        with pytest.raises(BoardError, match="cannot be mapped"):
            board.map(address, size)
    with pytest.raises(BoardError, match="cannot be mapped"):
        board.map(TARGET, 0)
    for address, size in ((SOURCE - 1, 2), (SOURCE + 8190, 3), (TARGET, 1)):
        with pytest.raises(BoardError, match="there is no memory at"):
            board.read_memory(address, size)
        with pytest.raises(BoardError, match="there is no memory at"):
            board.write_memory(address, bytes(size))
    with pytest.raises(BoardError, match="no memory was mapped at 0x20001000"):
        board.unmap(SOURCE + 4096)
    board.unmap(SOURCE)
    with pytest.raises(BoardError, match="there is no memory at"):
        board.read_memory(SOURCE, 1)


def test_fresh_memory_holds_garbage(board):
    board.map(SOURCE, 8192)
    first = board.read_memory(SOURCE, 8192)
    assert len(set(first)) > 200
    board.unmap(SOURCE)
    board.map(SOURCE, 8192)
    assert board.read_memory(SOURCE, 8192) != first


def test_large_memory_goes_in_and_out(board):
    data = np.random.default_rng(0).bytes(40 << 20)
    board.map(SOURCE, len(data))
    board.write_memory(SOURCE, data)
    assert board.read_memory(SOURCE, len(data)) == data


def test_unknown_timing_is_refused(model):
    with pytest.raises(ConfigError, match=r"unknown timing 'slow'.*\n.*fast, random"):
        VirtualBoard(model.executable, "slow")


# -- its process -----------------------------------------------------------------------------------


def test_a_closed_board_says_so(model):
    board = VirtualBoard(model.executable)
    assert board.alive
    board.close()
    board.close()
    assert board.closed and not board.alive
    with pytest.raises(BoardError, match="is closed"):
        board.read_register(0)


def test_a_killed_board_says_so(model):
    with VirtualBoard(model.executable) as board:
        os.kill(board._process.pid, signal.SIGKILL)
        with pytest.raises(BoardError, match=r"ended \(exit -9, killed by signal 9\)"):
            board.read_register(0)
        assert not board.alive


def test_a_crash_shows_the_last_lines(model):
    message = r"exit 2, a request was broken\):\n  unknown request 77"
    with VirtualBoard(model.executable) as board, pytest.raises(BoardError, match=message):
        board._request(77)


def test_a_silent_board_is_given_up(model):
    with VirtualBoard(model.executable, timeout_s=0.5) as board:
        os.kill(board._process.pid, signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(BoardError, match=r"did not answer within 0.5 s"):
            board.read_register(0)
        assert time.monotonic() - begun < 5


def test_a_missing_program_is_an_error(tmp_path):
    with pytest.raises(BoardError, match="does not run"):
        VirtualBoard(tmp_path / "Vtop")


def test_ctrl_c_leaves_the_board_in_order(board, net):
    board.map(SOURCE, 4096)
    board.map(TARGET, 4096)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        board.run(1 << 40)  # idle: no interrupt ever comes
    timer.join()
    images = net.images(10)
    start_run(board, images)
    assert board.run(1_000_000)[1]
    np.testing.assert_array_equal(_read(board, 10, net), net.logits(images))


def test_several_threads_may_use_it(board):
    wrong = []

    def use(address):
        board.map(address, 4096)
        for value in range(60):
            data = bytes([value]) * 4096
            board.write_memory(address, data)
            if board.read_memory(address, 4096) != data or board.read_register(regs.ID) != regs.ID_VALUE:
                wrong.append((address, value))

    threads = [threading.Thread(target=use, args=(0x1000_0000 + 8192 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- programs are built once -----------------------------------------------------------------------


def test_a_program_is_built_once_and_again_for_another_build_id(net, model, models, tmp_path, monkeypatch):
    built = []
    real = model_module.build
    monkeypatch.setattr(model_module, "build", lambda job, **kw: built.append(job.top) or real(job, **kw))
    again = open_board_model(net.path, models=models)
    assert again == model and not built
    other = make_net(tmp_path, net.graph, build_id="f" * 32)
    assert other.core.digest == net.core.digest
    with VirtualBoard(open_board_model(other.path, models=models).executable) as board:
        assert board.read_register(regs.BUILD_ID3) == 0xFFFF_FFFF
    assert built == ["virtual_board_top"]


def test_an_unfinished_program_is_built_again(net, model, models):
    folder = model.executable.parent
    (folder / "model.json").unlink()
    model.executable.write_bytes(b"half")
    again = open_board_model(net.path, models=models)
    with VirtualBoard(again.executable) as board:
        assert board.read_register(regs.ID) == regs.ID_VALUE
    assert not [path for path in models.iterdir() if path.name.startswith(".tmp-")]


def test_a_zip_without_rtl_is_refused(net, tmp_path, models):
    from finnspect.deploy import read_deploy, write_deploy

    info, contents = read_deploy(net.path)
    kept = {name: data for name, data in contents.items() if name.startswith("golden")}
    path = write_deploy(tmp_path / "old.zip", info, kept)
    with pytest.raises(PackageError, match="holds no RTL"):
        open_board_model(path, models=models)
    write_whole(path, net.path.read_bytes()[:-500])
    with pytest.raises(PackageError, match="truncated"):
        open_board_model(path, models=models)


def test_another_shell_is_refused(net, tmp_path, models):
    other = make_net(tmp_path, net.graph, board="ulx3s-85f")
    with pytest.raises(ConfigError, match="for the shell uart, not finnspect-axi"):
        open_board_model(other.path, models=models)


def test_settings_reach_the_hardware(net, models):
    from finnspect.deploy import read_deploy
    from finnspect.virtual_board import build_board_model
    from finnspect.virtual_board.model import settings_of

    settings = replace(settings_of(read_deploy(net.path)[0], net.core), clock_hz=62_500_000)
    model = build_board_model(net.core, "pynq-z1", settings, models=models)
    with VirtualBoard(model.executable) as board:
        assert board.read_register(regs.CLOCK_HZ) == 62_500_000
