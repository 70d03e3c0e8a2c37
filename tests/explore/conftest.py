"""Networks this small gain nothing from threads, and lose much where other work runs beside them."""

import pytest


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
