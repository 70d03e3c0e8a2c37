"""The service tells nothing to, and runs nothing for, those who were not invited."""

from __future__ import annotations

import pytest
from finnspect_driver.errors import SetupError
from finnspect_driver.serve.settings import Settings, check_door
from serve_bench import ONE, TOKEN, running, tensor


@pytest.fixture(scope="module")
def locked():
    with running(token=TOKEN) as bench:
        yield bench


PATHS = ["/v2", "/v2/models/bench", "/v2/models/bench/ready", "/metrics", "/live.json", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer é"]
)
def test_without_the_token_nothing_is_told(locked, path, given):
    headers = {} if given is None else {"authorization": given}
    status, answered, body = locked.ask(path, headers=headers)
    assert status == 401 and answered["www-authenticate"].startswith("Bearer") and b"bench" not in body


def test_without_the_token_nothing_is_run(locked):
    assert locked.infer(ONE)[0] == 401
    assert locked.ask("/classify", b"x")[0] == 401
    assert locked.accelerator.batches == []


def test_with_the_token(locked):
    header = {"authorization": f"Bearer {TOKEN}"}
    assert locked.json("/v2/models/bench", headers=header)[0] == 200
    assert locked.json("/v2/models/bench/infer", {"inputs": [tensor(ONE)]}, headers=header)[0] == 200
    assert locked.ask("/metrics", headers={**header, "host": "line3.factory:8080"})[0] == 200


def test_probes_and_the_empty_page_need_no_token(locked):
    assert locked.json("/v2/health/ready")[0] == 200
    for path in ("/", "/live.css", "/live.js"):
        status, headers, body = locked.ask(path)
        assert status == 200 and b"bench" not in body
        assert "default-src 'none'" in headers["content-security-policy"]


def test_other_web_pages_cannot_use_a_browser_on_this_machine():
    with running() as bench:
        assert bench.ask("/v2", headers={"host": "evil.example:8080"})[0] == 421
        assert bench.ask("/classify", b"x", {"origin": "https://evil.example"})[0] == 403
        own = "{}:{}".format(*bench.address)
        assert bench.ask("/v2", headers={"host": own, "origin": f"http://{own}"})[0] == 200
        for host in ("localhost", "localhost:80", "127.0.0.1", "[::1]:80"):
            assert bench.ask("/v2", headers={"host": host})[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.2.99", "pynq.local", ""])
def test_an_open_door_needs_a_token(host):
    with pytest.raises(SetupError, match="no token is set"):
        check_door(host, None)
    check_door(host, TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_none(host):
    check_door(host, None)


@pytest.mark.parametrize(
    "token", ["", "short", "0123456789 123456", "0123456789é123456", "0123456789\n123456"]
)
def test_poor_tokens_are_refused(token):
    with pytest.raises(SetupError, match="token"):
        check_door("127.0.0.1", token)


@pytest.mark.parametrize("change", [{"queue_images": 0}, {"request_images": 513}, {"body_bytes": 1 << 40}])
def test_settings_that_cannot_be(change):
    with pytest.raises(SetupError):
        Settings(**change)
