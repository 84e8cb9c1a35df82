"""Wine for these tests, one test at a time, or a loud reason why not."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator

import pytest

from . import wine


@pytest.fixture(scope="session")
def started() -> None:
    """CPython for Windows, started once, so that no test waits for Wine's own services. They end by themselves."""
    status, out, errors = wine.run("-c", "import sys; print(sys.platform)")
    assert (status, out) == (0, "win32\n"), errors


@pytest.fixture(autouse=True)
def windows(request: pytest.FixtureRequest) -> Iterator[None]:
    """The prefix, which has one keyboard and one window in front: two tests at once would meddle with each other."""
    if not wine.there():
        pytest.skip("no CPython for Windows under Wine here: make windows")
    with (wine.PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        request.getfixturevalue("started")
        yield
