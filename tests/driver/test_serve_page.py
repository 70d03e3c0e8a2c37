"""The live page, in a real browser: what it shows, at two widths, with and without a token."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from chromium_bench import Browser, chromium
from finnspect_driver.serve.recent import png, thumbnail
from PIL import Image
from serve_bench import TOKEN, Bench, running

WIDE, NARROW = (1280, 900), (360, 780)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def surface(level: int, size: int = 150) -> bytes:
    """A striped picture whose mean is ``level``, as a PNG file."""
    rows = np.add.outer(np.arange(size), np.arange(size))
    stripes = np.where(rows % 30 < 15, level - 20, level + 20).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(stripes).save(file, "PNG")
    return file.getvalue()


def send(bench: Bench, *levels: int, headers: dict[str, str] | None = None) -> None:
    for level in levels:
        assert bench.ask("/classify", surface(level), headers)[0] == 200
        time.sleep(0.06)  # more than the pause between two kept pictures


@pytest.fixture(scope="module")
def busy():
    """A service that has seen pictures of every verdict."""
    with running() as bench:
        send(bench, 40, 120, 230, 60, 100, 140)
        flat = np.full((1, 8, 8, 1), 200, np.uint8)
        assert bench.infer(flat)[0] == 200
        yield bench


VERDICTS = (
    "[...document.querySelectorAll('#verdicts tr')].map(r => [r.cells[0].innerText, r.cells[1].innerText])"
)
CARDS = "[...document.querySelectorAll('#recent .verdict')].map(v => v.innerText)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (NARROW, False), (WIDE, True)])
def test_it_shows_pictures_verdicts_and_rate(browser: Browser, busy: Bench, size, dark, tmp_path):
    browser.complaints.clear()
    browser.requested.clear()
    browser.size(*size, dark=dark)
    browser.go(busy.url + "/")
    browser.until("document.querySelectorAll('#recent li').length === 7")
    assert browser.value("document.getElementById('state').innerText") == "Live"
    assert browser.value("document.getElementById('model').innerText") == "bench"
    assert dict(browser.value(VERDICTS)) == {"clean": "2", "scratch": "3", "pit": "1", "unknown": "1"}
    assert browser.value(CARDS) == ["unknown", "scratch", "scratch", "clean", "pit", "scratch", "clean"]
    assert float(browser.value("document.getElementById('rate').innerText")) > 0
    browser.until("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert browser.value("document.images[1].naturalWidth") == 75  # 150 pixels, every second
    assert browser.value(OVERFLOW) == 0, "the page is wider than the window"
    # Every request went to the service itself, and nothing was complained of, by the page's policy neither.
    assert {url.split("?")[0] for url in browser.requested if not url.startswith("data:")} <= {
        busy.url + path for path in ("/", "/live.css", "/live.js", "/live.json")
    }
    assert browser.complaints == []
    shot = browser.screenshot(tmp_path / f"page-{size[0]}{'-dark' if dark else ''}.png")
    pixels = np.asarray(Image.open(shot).convert("RGB"))
    assert pixels.shape == (size[1], size[0], 3)
    ground = pixels[5, 5].astype(int).sum()
    assert (ground < 150) if dark else (ground > 650)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50, "an empty page"


def test_verdicts_can_be_told_without_colour(browser: Browser, busy: Bench):
    browser.size(*WIDE)
    browser.go(busy.url + "/")
    browser.until("document.querySelectorAll('#recent li').length === 7")
    style = "getComputedStyle(document.querySelectorAll('#recent li')[{}]).borderTopStyle"
    mark = "getComputedStyle(document.querySelectorAll('#recent .verdict')[{}], '::before').content"
    assert browser.value(style.format(0)) == "dashed" and browser.value(style.format(1)) == "solid"
    assert "?" in browser.value(mark.format(0)) and browser.value(mark.format(1)) == "none"
    alt = browser.value("document.images[1].alt")
    assert alt == "image 6, read as scratch"


# Contrast of WCAG: 4.5 to 1 for text.
CONTRAST = """
(() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = parse(c).map((v) => {
    v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; const p = parse(c);
    if (p.length < 4 || p[3] > 0) return c; } return "rgb(255, 255, 255)"; };
  let worst = [99, ""];
  for (const e of document.querySelectorAll("h1, h1 span, h2, p, dt, dd, th, td, .verdict, .note")) {
    if (!e.innerText || !e.offsetParent) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, e.tagName + " " + e.innerText.slice(0, 30)];
  }
  return worst;
})()
"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_contrast(browser: Browser, busy: Bench, dark):
    browser.size(*WIDE, dark=dark)
    browser.go(busy.url + "/")
    browser.until("document.querySelectorAll('#recent li').length === 7")
    ratio, where = browser.value(CONTRAST)
    assert ratio >= 4.5, where


def test_it_follows_what_happens_and_says_when_it_does_not(browser: Browser):
    browser.size(*WIDE)
    with running() as bench:
        browser.go(bench.url + "/")
        browser.until("document.getElementById('state').innerText === 'Live'")
        assert browser.value("document.getElementById('empty').offsetParent !== null")
        send(bench, 40)
        browser.until(f"{CARDS}.length === 1")
        assert browser.value("document.getElementById('empty').offsetParent === null")
        bench.accelerator.error = RuntimeError("planted")
        assert bench.ask("/classify", surface(40))[0] == 500
        browser.until("document.getElementById('state').innerText.startsWith('Not ready')")
        bench.accelerator.error = None
        send(bench, 120)
        browser.until("document.getElementById('state').innerText === 'Live'")
        address = bench.address
    browser.until("document.getElementById('state').innerText.startsWith('No answer since')")
    assert browser.value(CARDS) == ["scratch", "clean"], "what was shown stays"
    # Another start at the same place: the page begins anew without being loaded again.
    with running(at=address) as bench:
        browser.until("document.getElementById('state').innerText === 'Live'")
        send(bench, 230)
        browser.until(f"JSON.stringify({CARDS}) === '[\"pit\"]'")


def test_no_more_cards_than_fit(browser: Browser):
    with running() as bench:
        browser.go(bench.url + "/")
        send(bench, *[40] * 40)
        browser.until("document.getElementById('images').innerText === '40'")
        browser.until(f"{CARDS}.length === 24")


def test_names_of_classes_are_text(browser: Browser):
    """A class is called what its makers want; nothing in a name becomes part of the page."""
    with running(classes=["<img src=x onerror=alert(1)>", "a" * 200, "ok & <b>"]) as bench:
        browser.size(*NARROW)
        browser.complaints.clear()
        browser.go(bench.url + "/")
        send(bench, 40, 120)
        browser.until(f"{CARDS}.length >= 1")
        names = [name for name, _ in browser.value(VERDICTS)]
        assert names == ["<img src=x onerror=alert(1)>", "a" * 200, "ok & <b>"]
        assert browser.value(OVERFLOW) == 0
        assert browser.complaints == []


def test_it_asks_for_the_token(browser: Browser):
    with running(token=TOKEN) as bench:
        browser.go(bench.url + "/")
        browser.until("document.getElementById('state').innerText === 'This service needs a token'")
        assert browser.value("document.getElementById('main').offsetParent === null")
        give = "document.getElementById('token').value = {!r}; document.querySelector('#door button').click()"
        browser.value(give.format("not the token"))
        browser.until("document.getElementById('state').innerText === 'That token was not accepted'")
        browser.value(give.format(TOKEN))
        browser.until("document.getElementById('state').innerText === 'Live'")
        assert browser.value("document.getElementById('door').offsetParent === null")
        send(bench, 40, headers={"authorization": f"Bearer {TOKEN}"})
        browser.until(f"{CARDS}.length === 1")
        assert TOKEN not in browser.value("location.href")
        browser.value("sessionStorage.clear()")


@pytest.mark.parametrize("shape", [(5, 7), (96, 96), (1, 1), (13, 200, 3), (300, 100, 1)])
def test_thumbnails_are_pngs_of_the_picture(shape):
    picture = np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)
    small = thumbnail(picture)
    assert max(small.shape[:2]) <= 96 and not np.shares_memory(small, picture)
    step = -(-max(shape[:2]) // 96)
    wanted = picture[::step, ::step]
    got = np.asarray(Image.open(io.BytesIO(png(small))))
    assert np.array_equal(got, wanted[..., 0] if wanted.ndim == 3 and wanted.shape[2] == 1 else wanted)


def test_a_fast_line_is_sampled():
    """Counting goes on for every image; pictures are kept at a pace that people can see."""
    with running() as bench:
        batch = np.full((50, 8, 8, 1), 10, np.uint8)
        for _ in range(10):
            assert bench.infer(batch)[0] == 200
        view = bench.json("/live.json")[1]
        assert view["images"] == 500 and view["verdicts"] == {"clean": 500}
        assert 24 <= view["last"] < 200 and len(view["recent"]) == 24
        assert bench.json(f"/live.json?after={view['last']}")[1]["recent"] == []


def test_the_server_can_be_made_twice():
    """No state outside the objects: two services in one process."""
    with running() as one, running() as two:
        send(one, 40)
        assert one.json("/live.json")[1]["images"] == 1
        assert two.json("/live.json")[1]["images"] == 0
