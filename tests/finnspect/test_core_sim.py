"""The simulation harness on a core of a register slice: what goes in comes out, faults are named."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from finnspect.emit import Accelerator
from finnspect.emit.network import Stream
from finnspect.errors import ConfigError
from finnspect.ir import IntType
from finnspect.paths import RTL_DIR
from finnspect.sim.core import CoreSim, build_core
from finnspect.sim.result import SimulationError, unpack_stream

BEATS, ELEMENTS = 6, 3  # a frame of 18 bytes; the logits are its first element of each beat

CORE = """
`default_nettype none
module finnspect_core (
    input wire clk, input wire rst_n,
    input wire [23:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready,
    output wire [31:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready,
    output wire m_axis_tlast
);
  wire [23:0] a_tdata = s_axis_tdata;
  wire a_tvalid = s_axis_tvalid;
  wire a_tready;
  wire [23:0] b_tdata;
  wire b_tvalid, b_tready;
  assign s_axis_tready = a_tready;
  logic [7:0] beats_q;
  always_ff @(posedge clk) begin
    if (!rst_n) beats_q <= 8'd0;
    else if (b_tvalid && b_tready) beats_q <= beats_q + 8'd1;
  end
  wire in_ready;
  assign a_tready = in_ready;
  wire [23:0] c_tdata;
  fs_skid #(.WIDTH(24)) u_skid (.clk, .rst_n,
      .s_axis_tdata(a_tdata), .s_axis_tvalid(a_tvalid), .s_axis_tready(in_ready),
      .m_axis_tdata(c_tdata), .m_axis_tvalid(VALID), .m_axis_tready(READY));
  assign b_tdata = DATA;
  WIRING
  fs_logits #(.BITS(8), .SIGNED(1), .CLASSES(6)) u_logits (.clk, .rst_n,
      .s_axis_tdata(b_tdata[7:0]), .s_axis_tvalid(b_tvalid), .s_axis_tready(b_tready),
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast);
  wire unused = &{1'b0, b_tdata[23:8]};
endmodule
`default_nettype wire
"""
SOUND = {"VALID": "b_tvalid", "READY": "b_tready", "DATA": "c_tdata", "WIRING": ""}
#: Stops for good after ten beats.
HANGS = SOUND | {
    "VALID": "c_tvalid",
    "READY": "c_tready",
    "WIRING": "wire c_tvalid, c_tready; wire open = beats_q < 8'd10;"
    "assign b_tvalid = c_tvalid && open; assign c_tready = b_tready && open;",
}
#: Withdraws an offer that is not taken at once.
DROPS = HANGS | {
    "WIRING": "wire c_tvalid, c_tready; logic seen_q; always_ff @(posedge clk)"
    " if (!rst_n) seen_q <= 1'b0; else seen_q <= b_tvalid && !b_tready;"
    "assign b_tvalid = c_tvalid && !seen_q; assign c_tready = b_tready && !seen_q;",
}
#: Changes its data while it waits.
MOVES = SOUND | {"DATA": "c_tdata ^ {24{turn_q}}"}
MOVES["WIRING"] = "logic turn_q; always_ff @(posedge clk) turn_q <= b_tvalid && !b_tready;"


def make(folder: Path, wiring: dict[str, str]) -> Accelerator:
    text = CORE
    for key, value in wiring.items():
        text = text.replace(key, value, 1)
    folder.mkdir(parents=True)
    (folder / "finnspect_core.sv").write_text(text)
    streams = [
        Stream(net, tensor, IntType(8, False), ELEMENTS, BEATS, 1, layer, "layer")
        for net, tensor, layer in (("a", "pixels", "pixels"), ("b", "copy", "skid"))
    ]
    manifest = {
        "format": "finnspect-accelerator",
        "format_version": 1,
        "name": "skid",
        "sources": [str(RTL_DIR / "fs_skid.sv"), str(RTL_DIR / "fs_logits.sv"), "finnspect_core.sv"],
        "input": {"width_bits": 24, "elements": ELEMENTS, "beats": BEATS, "shape": [2, 3, 3]},
        "output": {"classes": 6},
        "bound": {"layer": "skid", "cycles": BEATS},
        "instances": [],
        "streams": [stream.to_json() for stream in streams],
        "sha256": str(wiring),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Accelerator.load(folder)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    return build_core(make(folder / "acc", SOUND), folder / "sim", probe=True, random_init=True)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).integers(0, 256, (7, 2, 3, 3), dtype=np.uint8)


def expected(images):
    return images.reshape(len(images), BEATS, ELEMENTS)[:, :, 0].astype(np.int8).astype(np.int32)


@pytest.mark.parametrize(
    ("stall_in", "stall_out", "processes"), [(0, 0, 1), (0.5, 0, 1), (0.3, 0.7, 1), (0, 0.4, 3)]
)
def test_logits_and_streams_come_through(sound, images, stall_in, stall_out, processes):
    result = sound.run(images, stall_in=stall_in, stall_out=stall_out, processes=processes, seed=5)
    assert np.array_equal(result.logits, expected(images))
    for net in ("a", "b"):
        assert np.array_equal(result.streams[net].reshape(images.shape), images)
        (link,) = [link for link in result.links if link.stream.net == net]
        assert link.transfers == images.size // ELEMENTS
    if stall_out:
        assert sum(link.stalled for link in result.links) > 0
    json.dumps(result.to_json())


def test_cycle_counts(sound, images):
    result = sound.run(images)
    assert result.cycles_per_frame == BEATS
    assert result.efficiency == 1
    # A beat passes the slice and the logits' slice in a cycle each.
    assert result.latency_cycles == BEATS - 1 + 2
    assert result.frame_cycles[0, 0] == 0
    assert (result.links[0].stalled, result.links[1].stalled) == (0, 0)


def test_stalls_are_the_seed(sound, images):
    cycles = [sound.run(images, stall_in=0.4, stall_out=0.4, seed=s).cycles for s in (1, 1, 2)]
    assert cycles[0] == cycles[1] != cycles[2]


def test_progress_counts_frames(sound, images):
    seen = []
    sound.run(images, processes=2, progress=lambda done, total: seen.append((done, total)))
    assert max(seen) == (7, 7)


def test_a_second_build_does_nothing(sound):
    before = sound.executable.stat().st_mtime_ns
    again = build_core(sound.accelerator, sound.executable.parent, probe=True, random_init=True)
    assert again.executable.stat().st_mtime_ns == before
    assert again.build_seconds == sound.build_seconds


@pytest.mark.parametrize(
    ("wiring", "word", "stream"), [(HANGS, "hangs", "b"), (DROPS, "fell", "b"), (MOVES, "changed", "b")]
)
def test_faults_name_the_stream(tmp_path, images, wiring, word, stream):
    sim = build_core(make(tmp_path / "acc", wiring), tmp_path / "sim", probe=True, optimize="-O0")
    with pytest.raises(SimulationError, match=word) as caught:
        sim.run(images, stall_out=0.5, quiet_cycles=500)
    if word == "hangs":
        assert caught.value.streams == ("a",)
        assert "starved (ready, not valid): b" in str(caught.value)
    else:
        assert f"on {stream} in cycle" in str(caught.value)


def test_a_limit_on_cycles_ends_a_run(sound, images):
    with pytest.raises(SimulationError, match="stopped at 20 cycles"):
        sound.run(images, max_cycles=20)


def test_an_interrupt_leaves_no_process_behind(sound, images):
    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    begun = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):  # about a million cycles a beat: minutes
            sound.run(images, stall_in=0.999999, quiet_cycles=10**12, processes=2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert time.monotonic() - begun < 20
    assert psutil.Process().children() == []


def test_one_failing_slice_stops_the_others(sound, images, monkeypatch):
    real = CoreSim._run_slice

    def fails_on_the_second(self, part, *args):
        if np.array_equal(part[-1], images[-1]):
            raise SimulationError("planted")
        return real(self, part, *args)

    monkeypatch.setattr(CoreSim, "_run_slice", fails_on_the_second)
    begun = time.monotonic()
    with pytest.raises(SimulationError, match="planted"):
        sound.run(images, stall_in=0.999999, quiet_cycles=10**12, processes=2)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 2, 3, 4), np.uint8), np.zeros((1, 2, 3, 3), np.int8), np.zeros((0, 2, 3, 3), np.uint8)],
)
def test_wrong_images_are_refused(sound, images):
    with pytest.raises(ConfigError, match="takes uint8 images"):
        sound.run(images)


def test_unpacking_reads_low_bits_first():
    stream = Stream("s", "t", IntType(5, True), 9, 2, 1, "l", "layer")  # 45 bits, two words a beat
    values = np.random.default_rng(0).integers(-16, 16, (3, 2, 9))
    words = []
    for beat in values.reshape(-1, 9):
        packed = sum((int(v) & 31) << (5 * i) for i, v in enumerate(beat))
        words += [packed & 0xFFFFFFFF, packed >> 32]
    assert np.array_equal(unpack_stream(np.array(words, np.uint32), stream, 3), values)
    with pytest.raises(SimulationError, match="carried 6 beats, 4 frames have 8"):
        unpack_stream(np.array(words, np.uint32), stream, 4)
