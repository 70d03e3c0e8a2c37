"""A study on a real PostgreSQL server, with workers that share nothing else."""

import json
import signal
from contextlib import ExitStack

import pytest
from explore_bench import Process, document, space, states
from finnspect.cli import run
from postgres_bench import Server, postgres


@pytest.fixture(scope="module")
def server():
    with postgres() as running:
        yield running


@pytest.fixture
def processes():
    """Begin processes that end with the test, however it ends."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(Process(*arguments))


def test_two_workers_are_killed_and_a_third_finishes_the_study(server: Server, tmp_path, processes):
    where = ["--storage", server.url, "--grace", 4]
    begun = [*space("2", "0.1,0.2,0.5,1"), "--trials", 4, "--study", "nets", "--out", tmp_path / "a", *where]
    doomed = [processes(*begun)]
    doomed[0].wait_for("float epoch 1/2")
    doomed[0].process.send_signal(signal.SIGSTOP)  # in the middle of its trial, however quick this machine is
    doomed.append(processes("explore", "--join", "nets", "--out", tmp_path / "b", *where))
    doomed[1].wait_for("float epoch 1/2")
    doomed[1].process.send_signal(signal.SIGSTOP)
    last = processes("explore", "--join", "nets", "--out", tmp_path / "c", *where)
    last.wait_for("float epoch 1/2")  # the others' folders are other machines: trained here too
    for each in doomed:
        each.kill()
    last.finish()

    found = document(tmp_path / "c", "nets")
    assert states(found) == {"complete": 4, "failed": 2}
    rows = {row["trial"]: row for row in found["trials"]}
    lost = {number for number, row in rows.items() if row["state"] == "failed"}
    again = {row["retry_of"]: row for row in rows.values() if row["retry_of"] is not None}
    assert set(again) == lost
    for number in lost:
        assert again[number]["point"] == rows[number]["point"]
        assert again[number]["worker"] != rows[number]["worker"]
    done = [row for row in rows.values() if row["state"] == "complete"]
    assert sorted(row["point"]["budget"] for row in done) == [0.1, 0.2, 0.5, 1.0]
    assert len({row["worker"] for row in done}) == 1
    # Four trials that differ in folding only: one training.
    assert last.text.count("quant epoch 1/2") == last.text.count("exporting") == 1
    assert found["front"]


def test_begin_and_join_on_the_server_say_what_is_wrong(server: Server, tmp_path, capsys):
    def fails(*arguments):
        assert run([*map(str, arguments), "--out", str(tmp_path)]) == 1
        said = capsys.readouterr().err
        assert "remedy: " in said and "Traceback" not in said
        return said

    where = ("--storage", server.url)
    assert "study 'nets' was begun with" in fails("explore", "--study", "nets", *where)
    said = fails("explore", "--join", "net", *where)
    assert "no study 'net' in postgresql" in said and "its studies: nets" in said
    said = fails("explore", "--join", "nets", "--storage", server.url.replace("/postgres", "/nodatabase"))
    assert 'database "nodatabase" does not exist' in said
    # The results can be read from any machine.
    assert run(["explore", "--join", "nets", *where, "--out", str(tmp_path), "--json"]) == 0
    assert states(json.loads(capsys.readouterr().out)) == {"complete": 4, "failed": 2}
