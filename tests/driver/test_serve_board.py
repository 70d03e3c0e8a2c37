"""``finnspect-board serve`` around the virtual board: the command, the network, the RTL, and back."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from serve_bench import Bench, FakeAccelerator, tensor, wait_for
from virtual_zip import make_net, small_graph


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return make_net(tmp_path_factory.mktemp("net"), small_graph(classes=5, shape=(6, 7, 1), seed=4))


def test_served_logits_are_the_reference_s(net):
    command = ["-m", "finnspect_driver.cli", "serve", str(net.path), "--device", "virtual", "--port", "0"]
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(300, process.kill)
    watchdog.start()
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            found = re.search(r"serving (\S+) at http://127.0.0.1:(\d+)", line)
            if found:
                break
        assert found, "".join(said)
        name, bench = found[1], Bench(FakeAccelerator(), None, ("127.0.0.1", int(found[2])))

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return bench.json("/v2/health/ready")[0] == 200
            return False

        wait_for(answers, "the first answer", 60)
        metadata = bench.json(f"/v2/models/{name}")[1]
        assert metadata["inputs"][0]["shape"] == [-1, 6, 7, 1]
        images = net.images(20, seed=9)
        status, answer = bench.json(f"/v2/models/{name}/infer", {"inputs": [tensor(images)]})
        assert status == 200
        outputs = {output["name"]: output["data"] for output in answer["outputs"]}
        assert np.array_equal(np.array(outputs["logits"]).reshape(20, 5), net.logits(images))
        text = bench.ask("/metrics")[2].decode()
        assert "finnspect_hardware_frames_total 20.0" in text
        assert 'shell="finnspect-axi"' in text and json.dumps(name) in text
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate()
        assert process.returncode == 0, rest
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


def test_a_zip_that_is_none_is_told_in_a_sentence(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK rubbish")
    command = ["-m", "finnspect_driver.cli", "serve", str(tmp_path / "x.zip"), "--port", "0"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "truncated" in done.stderr and "Traceback" not in done.stderr
