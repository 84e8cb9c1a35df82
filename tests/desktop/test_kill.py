"""``kill -9`` of real processes at random moments: nothing acknowledged is lost, the ledger is never forked or torn."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop_logger import store
from desktop_logger.ledger import Ledger
from desktop_logger.records.layout import KEY, RECORD, Redacted
from tests.storage import Person

KILLS = int(os.environ.get("KILLS", "40"))
"""``make soak`` asks for more."""


class Child:
    """A forked process that runs ``work(say)`` until it is killed; what it said before is kept."""

    def __init__(self, work: Callable[[Callable[[str], None]], None]) -> None:
        self.read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(self.read)

                def say(text: str) -> None:
                    os.write(write, text.encode() + b"\n")

                work(say)
                status = 0
            finally:
                os._exit(status)
        os.close(write)

    def kill(self) -> list[list[str]]:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        with open(self.read, "rb") as pipe:
            return [line.split() for line in pipe.read().decode().split("\n")[:-1]]


def write_forever(person: Person, seed: int) -> Callable[[Callable[[str], None]], None]:
    """Segments of a few frames; says ``frame ID N`` only after the frame is on the medium, ``sealed ID`` likewise."""

    def work(say: Callable[[str], None]) -> None:
        chance = random.Random(seed)
        epoch, kek = person.kek()
        grant = person.grant()
        while True:
            segment = store.open_segment(person.home, person.clock, grant, kek, epoch)
            say(f"opened {segment.id}")
            for number in range(chance.randrange(1, 12)):
                segment.append("own", Redacted(RECORD.pack(number, KEY, 1, 0, 0, 0, number)))
                segment.tick("own")
                say(f"frame {segment.id} {number}")
                if chance.random() < 0.2:
                    segment.tick("release")
            segment.seal()
            say(f"sealed {segment.id}")

    return work


def note_forever(person: Person) -> Callable[[Callable[[str], None]], None]:
    """What a command does beside the writer: one ledger entry after the other."""

    def work(say: Callable[[str], None]) -> None:
        number = 0
        while True:
            store.note(person.home, person.clock, "stopped", gaps={"paused": number})
            say(f"noted {number}")
            number += 1

    return work


def purge_often(person: Person) -> Callable[[Callable[[str], None]], None]:
    """Record a little, then delete the oldest; says what it is about to delete before it does."""

    def work(say: Callable[[str], None]) -> None:
        while True:
            say(f"sealed {person.record(1)}")
            oldest = [info.id for info in store.segments(person.home)][:-3]
            if oldest:
                say(f"purging {' '.join(oldest)}")
                store.purge(person.home, person.clock, oldest)

    return work


def numbers(person: Person, segment: str) -> list[int]:
    data = person.read(segment).get("keyboard", b"")
    return [record[6] for record in RECORD.iter_unpack(data)]


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(str(tmp_path / "home"))


def test_nothing_acknowledged_is_lost_when_writers_are_killed(person: Person) -> None:
    chance = random.Random()
    acknowledged: dict[str, int] = {}
    sealed: set[str] = set()
    noted = 0
    for number in range(KILLS):
        writer = Child(write_forever(person, number))
        noter = Child(note_forever(person))
        time.sleep(chance.uniform(0.001, 0.12))
        said = writer.kill()
        noted += len(noter.kill())
        for what, segment, *rest in said:
            if what == "frame":
                acknowledged[segment] = int(rest[0]) + 1
            elif what == "sealed":
                sealed.add(segment)
        store.recover(person.home, person.clock)
        Ledger(person.home, person.clock).verify()
    report = store.verify(person.home, kek=person.kek()[1])
    assert report.ok
    verdicts = {each.id: each.verdict for each in report.segments}
    assert {verdicts[segment] for segment in sealed} <= {"ok"}
    for segment, count in acknowledged.items():
        found = numbers(person, segment)
        assert found[:count] == list(range(count)), (segment, count, found)
        assert len(found) <= count + 1  # at most the frame that was written and not yet acknowledged
    entries = Ledger(person.home, person.clock).entries()
    assert sum(entry["kind"] == "stopped" for entry in entries) >= noted
    frames = sum(acknowledged.values())
    print(f"{KILLS} kills: {frames} frames and {noted} ledger entries acknowledged, 0 lost")
    assert frames > 0
    assert noted > 0


def test_a_killed_purge_is_finished_and_keeps_the_rest(person: Person) -> None:
    chance = random.Random()
    sealed: list[str] = []
    condemned: set[str] = set()
    for _ in range(max(10, KILLS // 2)):
        child = Child(purge_often(person))
        time.sleep(chance.uniform(0.02, 0.12))
        for what, *segments in child.kill():
            if what == "sealed":
                sealed += segments
            else:
                condemned.update(segments)
        store.recover(person.home, person.clock)
    verdicts = person.verdicts(kek=person.kek()[1])
    assert set(verdicts.values()) <= {"ok", "recovered", "erased"}
    for segment in sealed:
        if segment not in condemned:
            assert verdicts[segment] == "ok"
            assert numbers(person, segment) == list(range(5))
    assert any(verdict == "erased" for verdict in verdicts.values())


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
