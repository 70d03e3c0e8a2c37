"""A study on a real PostgreSQL server, with workers that share nothing else."""

import json
import signal

import pytest
from explore_bench import Process, document, space, states
from finnspect.cli import run
from postgres_bench import Server, postgres


@pytest.fixture(scope="module")
def server():
    with postgres() as running:
        yield running


def test_one_worker_is_killed_and_the_other_finishes_the_study(server: Server, tmp_path):
    where = ["--storage", server.url, "--grace", 4]
    one = Process(
        *space("2", "0.1,0.2,0.5,1"), "--trials", 4, "--study", "nets", "--out", tmp_path / "a", *where
    )
    one.wait_for("float epoch 1/2")
    one.process.send_signal(signal.SIGSTOP)  # in the middle of its trial, however quick this machine is
    two = Process("explore", "--join", "nets", "--out", tmp_path / "b", *where)
    two.wait_for("float epoch 1/2")  # the other's folder is another machine: trained here too
    one.kill()
    two.finish()

    found = document(tmp_path / "b", "nets")
    assert states(found) == {"complete": 4, "failed": 1}
    (lost,) = (row for row in found["trials"] if row["state"] == "failed")
    (retry,) = (row for row in found["trials"] if row["retry_of"] is not None)
    assert retry["retry_of"] == lost["trial"] and retry["point"] == lost["point"]
    assert lost["worker"] != retry["worker"]
    assert sorted(row["point"]["budget"] for row in found["trials"] if row["state"] == "complete") == [
        0.1,
        0.2,
        0.5,
        1.0,
    ]
    assert two.text.count("exporting") == 1
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
    assert states(json.loads(capsys.readouterr().out)) == {"complete": 4, "failed": 1}
