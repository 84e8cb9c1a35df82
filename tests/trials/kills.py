"""``kill -9`` of real writers and commands at random moments: nothing acknowledged is lost, doubled or out of order."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

from desktop_logger import store
from desktop_logger.ledger import Ledger
from desktop_logger.records.layout import KEY, RECORD, Redacted
from tests.storage import Person

KILLS_A_HOME = 25
"""Then a new home: checking grows with the ledger, and a fresh store is where most goes on."""


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


def writers(person: Person, kills: int, chance: random.Random, longest_s: float = 0.12) -> dict[str, int]:
    """Kill a writer and a command ``kills`` times; check what both had acknowledged."""
    acknowledged: dict[str, int] = {}
    sealed: set[str] = set()
    noted = 0
    for number in range(kills):
        writer = Child(write_forever(person, number))
        noter = Child(note_forever(person))
        time.sleep(chance.uniform(0.001, longest_s))
        said = writer.kill()
        noted += len(noter.kill())
        for what, segment, *rest in said:
            if what == "frame":
                acknowledged[segment] = int(rest[0]) + 1
            elif what == "sealed":
                sealed.add(segment)
        store.recover(person.home, person.clock)
    report = store.verify(person.home, kek=person.kek()[1])
    assert report.ok, report
    verdicts = {each.id: each.verdict for each in report.segments}
    assert {verdicts[segment] for segment in sealed} <= {"ok"}
    for segment, count in acknowledged.items():
        found = numbers(person, segment)
        assert found[:count] == list(range(count)), (segment, count, found)
        assert len(found) <= count + 1  # at most the frame that was written and not yet acknowledged
    entries = Ledger(person.home, person.clock).entries()
    assert sum(entry["kind"] == "stopped" for entry in entries) >= noted
    return {"kills": 2 * kills, "frames": sum(acknowledged.values()), "entries": noted, "sealed": len(sealed)}


def purges(person: Person, kills: int, chance: random.Random, longest_s: float = 0.12) -> dict[str, int]:
    """Kill somebody who records and deletes; what was to go is gone or whole, what was not is untouched."""
    sealed: list[str] = []
    condemned: set[str] = set()
    for _ in range(kills):
        child = Child(purge_often(person))
        time.sleep(chance.uniform(0.01, longest_s))
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
    erased = sum(verdict == "erased" for verdict in verdicts.values())
    return {"purge kills": kills, "erased": erased}


def run(folder: str, kills: int, seed: int | None = None) -> dict[str, int]:
    """About ``kills`` kills: of writers and commands beside each other, and one in six of purges.

    Those who are killed live longer, and ever more of them do, until each has got somewhere: machines differ.
    """
    longest_s = 0.12
    chance, figures = (
        random.Random(seed),
        {"kills": 0, "purge kills": 0, "frames": 0, "entries": 0, "sealed": 0, "erased": 0},
    )
    for number in range(1_000_000):
        done = figures["kills"] + figures["purge kills"]
        if done >= kills and (all(figures[what] for what in ("frames", "entries", "erased")) or done >= 8 * kills):
            break
        few = min(KILLS_A_HOME, kills)
        found = writers(Person(os.path.join(folder, f"writers-{number}")), few, chance, longest_s)
        found |= purges(Person(os.path.join(folder, f"purges-{number}")), max(1, few // 2), chance, longest_s)
        longest_s *= 1 if found["erased"] and found["frames"] else 2
        for name, value in found.items():
            figures[name] += value
    return {**figures, "lost": 0}
