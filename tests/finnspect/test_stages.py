"""The stage runner: whole, once, again only when inputs change."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from finnspect import stages
from finnspect.errors import FlowError, ToolError
from finnspect.progress import Progress
from finnspect.stages import DiskFullError, StageRunner, read_marker, write_whole


class Recorder(Progress):
    def __init__(self):
        self.lines = []

    def line(self, text):
        self.lines.append(text)

    def step(self, title):
        self.lines.append(title)
        return super().step(title)


def _write(text, name="result.txt"):
    def body(folder):
        (folder / name).write_text(text)

    return body


def _run(root, inputs=1, body=None, progress=None, **options):
    with StageRunner(root, progress) as runner:
        return runner.run("one", version=1, inputs={"x": inputs}, body=body or _write("a"), **options)


def _leftovers(root):
    return [p.name for p in root.iterdir() if p.name.startswith(".tmp")]


def _forbidden(_folder):
    raise AssertionError("a finished stage ran again")


def test_a_stage_is_finished_once_and_skipped_with_the_same_inputs(tmp_path):
    first = _run(tmp_path)
    assert not first.cached
    assert (first.folder / "result.txt").read_text() == "a"
    again = _run(tmp_path, body=_forbidden)
    assert again.cached
    assert (again.key, again.digest, again.seconds) == (first.key, first.digest, first.seconds)
    marker = read_marker(first.folder)
    assert marker["inputs"] == {"x": 1} and marker["files"] == {"result.txt": 1}
    assert _leftovers(tmp_path) == []


def test_bodies_get_absolute_folders_so_that_tools_may_run_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []
    result = _run(Path("out"), body=lambda folder: (seen.append(folder), _write("a")(folder)))
    assert seen[0].is_absolute() and result.folder == tmp_path / "out" / "one"


def test_changed_inputs_run_it_again_and_say_which_changed(tmp_path):
    first = _run(tmp_path, inputs=1)
    recorder = Recorder()
    second = _run(tmp_path, inputs=2, body=_write("b", "other.txt"), progress=recorder)
    assert not second.cached and second.key != first.key and second.digest != first.digest
    assert sorted(p.name for p in second.folder.iterdir()) == ["other.txt", "stage.json"]
    assert any("changed: x" in line for line in recorder.lines)


def test_version_of_the_stage_is_part_of_its_key(tmp_path):
    _run(tmp_path)
    with StageRunner(tmp_path) as runner:
        assert not runner.run("one", version=2, inputs={"x": 1}, body=_write("a")).cached


def test_the_digest_covers_the_products_alone(tmp_path):
    def body_with_log(text):
        def body(folder):
            _write("a")(folder)
            (folder / "run.log").write_text(text)

        return body

    a = _run(tmp_path / "a", body=body_with_log("took 1 s"), products=("*.txt",))
    b = _run(tmp_path / "b", body=body_with_log("took 2 s"), products=("*.txt",))
    c = _run(tmp_path / "c", body=body_with_log("took 2 s"))
    assert a.digest == b.digest != c.digest


@pytest.mark.parametrize("damage", ["removed", "shortened", "marker"])
def test_a_damaged_folder_is_not_taken_for_finished(tmp_path, damage):
    folder = _run(tmp_path).folder
    if damage == "removed":
        (folder / "result.txt").unlink()
    elif damage == "shortened":
        (folder / "result.txt").write_text("")
    else:
        (folder / "stage.json").write_text((folder / "stage.json").read_text()[:40])
    again = _run(tmp_path, body=_write("b"))
    assert not again.cached and (folder / "result.txt").read_text() == "b"


@pytest.mark.parametrize("error", [ToolError("it failed", "mend it"), KeyboardInterrupt(), ValueError("bug")])
def test_a_stage_that_fails_leaves_nothing(tmp_path, error):
    def body(folder):
        (folder / "half.txt").write_text("half")
        raise error

    with pytest.raises(type(error)):
        _run(tmp_path, body=body)
    assert not (tmp_path / "one").exists() and _leftovers(tmp_path) == []
    assert not _run(tmp_path).cached


def test_the_logs_of_a_failed_stage_are_kept_and_named_by_the_error(tmp_path):
    def body(folder):
        (folder / "tool.log").write_text("what the tool said")
        raise ToolError(f"it failed, see {folder / 'tool.log'}", f"look into {folder}")

    with pytest.raises(ToolError) as caught:
        _run(tmp_path, body=body)
    log = tmp_path / "one.failed" / "tool.log"
    assert log.read_text() == "what the tool said"
    assert caught.value.message == f"it failed, see {log}"
    assert caught.value.remedy == f"look into {log.parent}"
    assert not _run(tmp_path).cached and not log.exists()


def test_a_failing_rerun_keeps_the_old_result_under_its_old_key(tmp_path):
    _run(tmp_path, inputs=1)

    def body(_folder):
        raise ToolError("it failed")

    with pytest.raises(ToolError):
        _run(tmp_path, inputs=2, body=body)
    assert _run(tmp_path, inputs=1, body=_forbidden).cached
    assert not _run(tmp_path, inputs=2).cached


def _killed_child(root):
    def body(folder):
        (folder / "half.txt").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)

    _run(root, body=body)


def test_what_a_killed_process_left_is_cleared_and_its_lock_is_free(tmp_path):
    child = multiprocessing.get_context("fork").Process(target=_killed_child, args=(tmp_path,))
    child.start()
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    assert _leftovers(tmp_path) and not (tmp_path / "one").exists()
    assert not _run(tmp_path).cached
    assert _leftovers(tmp_path) == []


def _slow_child(root, log):
    def body(folder):
        with Path(log).open("a") as file:
            file.write("begin\n")
        time.sleep(0.5)
        _write("a")(folder)
        with Path(log).open("a") as file:
            file.write("end\n")

    _run(root, body=body)


def test_parallel_builds_of_a_folder_wait_for_each_other(tmp_path):
    context = multiprocessing.get_context("fork")
    log = tmp_path / "log"
    children = [context.Process(target=_slow_child, args=(tmp_path / "b", log)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert log.read_text().split() == ["begin", "end"], "one ran, the others found it finished"


def test_waiting_for_another_build_is_said(tmp_path):
    recorder = Recorder()
    child = multiprocessing.get_context("fork").Process(target=_slow_child, args=(tmp_path, tmp_path / "log"))
    child.start()
    while not (tmp_path / "log").exists():
        time.sleep(0.01)
    assert _run(tmp_path, body=_forbidden, progress=recorder).cached
    child.join(30)
    assert any("another finnspect" in line for line in recorder.lines)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_is_said_clearly(tmp_path, code, wrapped):
    def body(folder):
        (folder / "half.txt").write_text("half")
        try:
            raise OSError(code, os.strerror(code))
        except OSError as error:
            if wrapped:
                raise RuntimeError("the archive writer failed") from error
            raise

    with pytest.raises(DiskFullError, match="is full") as caught:
        _run(tmp_path, body=body)
    assert "OUT=" in caught.value.remedy
    assert not (tmp_path / "one").exists() and _leftovers(tmp_path) == []


def test_a_tool_that_failed_on_a_full_disk_is_seen_by_the_free_space(tmp_path, monkeypatch):
    usage = type(shutil.disk_usage(tmp_path))(10**9, 10**9, 0)
    monkeypatch.setattr(stages.shutil, "disk_usage", lambda _path: usage)

    def body(_folder):
        raise ToolError("yosys stopped with status 1")

    with pytest.raises(DiskFullError, match=r"0\.0 MB free"):
        _run(tmp_path, body=body)


def test_a_full_disk_while_the_marker_is_written_leaves_nothing(tmp_path, monkeypatch):
    whole = Path.write_text

    def full(self, text, *args, **kwargs):
        if self.name == "stage.json":
            whole(self, text[:20])
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(self, text, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DiskFullError):
        _run(tmp_path)
    monkeypatch.undo()
    assert not _run(tmp_path).cached


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FlowError, match="cannot write to"), StageRunner(tmp_path / "file" / "out"):
        pass


def test_write_whole_keeps_the_old_file_when_writing_fails(tmp_path, monkeypatch):
    path = write_whole(tmp_path / "sub" / "a.json", "old")
    assert path.read_text() == "old" and path.stat().st_mode & 0o777 == 0o644

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError):
        write_whole(path, "new")
    assert [p.name for p in path.parent.iterdir()] == ["a.json"] and path.read_text() == "old"


def test_hash_of_a_value_does_not_depend_on_order():
    assert stages.digest_of({"a": 1, "b": [2]}) == stages.digest_of(json.loads('{"b": [2], "a": 1}'))
