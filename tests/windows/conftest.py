"""Wine for these tests, or a loud reason why not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import wine


@pytest.fixture(scope="session", autouse=True)
def windows() -> Iterator[None]:
    """CPython for Windows, started once, so that no test waits for Wine's own services."""
    if not wine.there():
        pytest.skip("no CPython for Windows under Wine here: make windows")
    status, out, errors = wine.run("-c", "import sys; print(sys.platform)")
    assert (status, out) == (0, "win32\n"), errors
    yield
    wine.end()
