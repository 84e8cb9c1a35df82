"""The same export on a real Ray cluster of two nodes, one of whose workers is killed at its work: the same rows.

Skipped where Ray is not installed: pip install 'desktop-logger[fleet]' (``make fleet`` does it, and more).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from desktop_logger.admin import books, engines
from desktop_logger.errors import Unavailable, UsageError
from tests.soak import organisation

RAY = importlib.util.find_spec("ray") is not None


@pytest.mark.fleet
@pytest.mark.skipif(not RAY, reason="NOT TESTED: Ray is not installed (pip install 'desktop-logger[fleet]')")
@pytest.mark.filterwarnings("ignore")
def test_a_lost_worker_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr(books, "BUNDLES_A_PART", 16)
    organisation.fleet(str(tmp_path), bundles=100)


def test_an_engine_that_is_not_there_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(Unavailable) as caught:
        engines.check("ray")
    assert "fleet" in str(caught.value.hint)
    with pytest.raises(UsageError, match="engine"):
        engines.check("spark")


def test_threads_give_every_result_and_stop_at_the_first_error() -> None:
    assert sorted(engines.run("local", lambda n: n * n, range(100), workers=3)) == [n * n for n in range(100)]

    def fails(number: int) -> int:
        if number == 5:
            raise Unavailable("the disk is full")
        return number

    with pytest.raises(Unavailable):
        list(engines.run("local", fails, range(1000), workers=2))
