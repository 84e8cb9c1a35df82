"""``kill -9`` of real processes at random moments: nothing acknowledged is lost, the ledger is never forked or torn."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop_logger import store
from tests.storage import Person
from tests.trials import kills
from tests.trials.kills import Child

KILLS = int(os.environ.get("KILLS", "200"))
"""``make soak`` makes 20,000 (see ``tests.soak.storage``)."""


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(str(tmp_path / "home"))


def test_nothing_acknowledged_is_lost_when_writers_commands_and_purges_are_killed(tmp_path: Path) -> None:
    figures = kills.run(str(tmp_path), KILLS)
    print(figures)
    assert figures["kills"] + figures["purge kills"] >= KILLS
    assert figures["frames"] > 0
    assert figures["entries"] > 0
    assert figures["erased"] > 0


def test_a_stopped_lock_holder_is_named(person: Person) -> None:
    from desktop_logger.errors import Unavailable

    def work(say: Callable[[str], None]) -> None:
        with store.locked(person.home):
            say("held")
            time.sleep(60)

    child = Child(work)
    os.read(child.read, 5)
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(Unavailable, match=rf"process {child.pid}, which is stopped"), store.locked(person.home, 0.1):
        pass
    child.kill()
    with store.locked(person.home, 0.1):
        pass
