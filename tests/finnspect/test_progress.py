"""What is shown while the flow runs."""

import io
import time

import pytest
from finnspect.progress import LiveProgress, PlainProgress, clock, counted
from rich.console import Console


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (60, "1 min 00 s"), (425, "7 min 05 s")],
)
def test_durations_are_short(seconds, text):
    assert clock(seconds) == text


def test_steps_and_notes_are_lines_with_the_time():
    stream = io.StringIO()
    progress = PlainProgress(stream)
    with progress.step("bitstream"):
        progress.note("300 cells")
        progress.note("synthesis")
        progress.note("routing, 500 arcs to go")
        progress.note("routing, 400 arcs to go")
    progress.line("bitstream done")
    assert stream.getvalue().splitlines() == [
        "[  0:00] bitstream",
        "[  0:00]   300 cells",
        "[  0:00]   synthesis",
        "[  0:00]   routing, 500 arcs to go",
        "[  0:00] bitstream done",
    ]


def test_notes_that_count_are_printed_now_and_then():
    stream = io.StringIO()
    progress = PlainProgress(stream, quiet_s=0.1)
    begun = time.monotonic()
    with progress.step("train"):
        for epoch in range(30):
            progress.note(f"epoch {epoch}")
            time.sleep(0.01)
    assert 2 <= stream.getvalue().count("epoch") <= 1 + (time.monotonic() - begun) / 0.1


def test_a_silent_step_is_said_to_run():
    stream = io.StringIO()
    with PlainProgress(stream, quiet_s=0.04).step("place and route"):
        time.sleep(0.4)
    assert "place and route: still running, 0." in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("float epoch 3/40: loss 0.812, accuracy 91.20 %, 1.2 s", (3, 40)),
        ("neu-det: 500 of 1800 images", (500, 1800)),
        ("routing, 400 arcs to go", None),
        ("9 of 4", None),
        ("0 of 0", None),
    ],
)
def test_notes_that_count(text, expected):
    assert counted(text) == expected


def test_a_terminal_shows_a_bar_where_a_note_counts():
    stream = io.StringIO()
    progress = LiveProgress(Console(file=stream, force_terminal=True, width=120))

    def shown():
        progress._live.refresh()
        text = stream.getvalue()
        stream.truncate(0)
        return text

    with progress.step("train"):
        progress.note("reading")
        text = shown()
        assert "reading" in text and "\u2501" not in text
        progress.note("float epoch 1/4: loss 1.0")
        text = shown()
        assert "epoch 1/4" in text and "\u2501" in text
        progress.note("float epoch 4/4: loss 0.5")
        assert "epoch 4/4" in shown()
        assert progress._live.tasks[0].percentage == 100
    progress.note("done")
    assert "  done" in stream.getvalue()
