"""The capture process's main loop with a backend of our own: what it reads, when, and when not."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from desktop_logger.capture import GATHER_S
from desktop_logger.errors import Unavailable
from desktop_logger.records import attention
from desktop_logger.records.classes import Button, Category, KeyClass, Reason, Role, Safety
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, END, GAP, KEY, RECORD, RECORD_BYTES, RELEASE_STREAM, START, Redacted
from desktop_logger.source import Outlet, Source, loop
from desktop_logger.source.holding import Held
from desktop_logger.source.outlet import PENDING_BYTES
from tests import noninterference
from tests.granted import grant

Record = tuple[int, int, int, int, int, int, int]


class Typist:
    """A backend with a key press every 10 ms; counts how often it is read."""

    gather_s = GATHER_S

    def __init__(self) -> None:
        self.reads = 0
        self.last = time.monotonic()

    def fileno(self) -> int:
        return -1

    def due(self) -> float | None:
        return max(0.0, self.last + 0.01 - time.monotonic())

    def ended(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def read(self) -> Batch:
        self.reads += 1
        self.last = time.monotonic()
        event: Event = (int(self.last * 1000), KEY, KeyClass.TEXT, 0, 0, 0)
        return Batch([event], event[0])


class Pipes:
    def __init__(self) -> None:
        self.records, self.records_in = os.pipe()
        self.beats, self.beats_in = os.pipe()
        os.set_blocking(self.records, False)

    def read(self) -> list[Record]:
        data = b""
        while True:
            try:
                chunk = os.read(self.records, 1 << 16)
            except BlockingIOError:
                return list(RECORD.iter_unpack(data))
            data += chunk


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    for descriptor in (made.records, made.records_in, made.beats, made.beats_in):
        os.close(descriptor)


def test_a_segment_ends_after_its_time(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SEGMENT_S", 0.2)
    typist = Typist()
    source = Source(typist, grant(own="bursts", release="coarse"), Outlet(pipes.records_in), pipes.beats, None)
    assert [*source.run()] == ["running"]  # one heartbeat's length
    assert source.status == loop.LATE
    records = pipes.read()
    marks = [record[1] for record in records if record[1] in (START, END)]
    assert marks == [START, END] * (len(marks) // 2)
    assert len(marks) >= 6
    assert sum(r[3] for r in records if r[1] == 3) == typist.reads
    assert any(r[1] == 3 | RELEASE_STREAM for r in records)


def test_no_read_without_a_heartbeat(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    typist = Typist()
    source = Source(typist, grant(), Outlet(pipes.records_in), pipes.beats, None)
    running = source.run()
    assert next(running) == "running"
    monkeypatch.setattr(time, "monotonic", lambda: typist.last + 10)  # the machine stood still for ten seconds
    assert [*running] == []
    assert typist.reads == 0
    assert source.status == loop.LATE


def test_heartbeats_keep_it_alive_and_q_ends_it(pipes: Pipes) -> None:
    source = Source(Typist(), grant(), Outlet(pipes.records_in), pipes.beats, None)
    os.write(pipes.beats_in, b"..q.")
    assert [*source.run()] == ["running"]
    assert source.status == 0
    assert [record[1] for record in pipes.read()] == [START, END]


def test_a_backend_that_loses_its_input_loses_nothing_that_it_saw(pipes: Pipes) -> None:
    class Losing(Typist):
        def read(self) -> Batch:
            if self.reads == 5:
                raise Unavailable("gone")
            return super().read()

    source = Source(Losing(), grant(), Outlet(pipes.records_in), pipes.beats, None)
    with pytest.raises(Unavailable, match="gone"):
        [*source.run()]
    assert [record[1] for record in pipes.read()] == [START, *[KEY] * 5, END]


def test_the_outlet_writes_whole_chunks_and_bounds_what_waits(pipes: Pipes) -> None:
    outlet = Outlet(pipes.records_in)
    record = RECORD.pack(0, CLICK, Button.LEFT, 1, 0, 0, 0)
    while outlet.dropping_since is None:
        outlet.put(Redacted(record * 1000), Redacted(b""))
        outlet.send()
    assert outlet.waits
    assert not outlet.has_room
    outlet.mark(END)
    first = os.read(pipes.records, 1 << 20)
    assert len(first) % RECORD_BYTES == 0
    records = []
    while outlet.waits:
        outlet.send()
        records += pipes.read()
    assert outlet.has_room
    assert records[-1][1] == END
    assert len(first) + RECORD_BYTES * len(records) < PENDING_BYTES + (1 << 17)


def test_what_was_dropped_becomes_a_gap(pipes: Pipes) -> None:
    outlet = Outlet(pipes.records_in)
    source = Source(Typist(), grant(release="coarse"), outlet, pipes.beats, None)
    outlet.dropping_since = time.monotonic() - 3
    source._send(time.monotonic())
    records = pipes.read()
    assert [(r[1], r[2], r[6]) for r in records] == [
        (GAP, Reason.OVERFLOW, 3), (GAP | RELEASE_STREAM, Reason.UNOBSERVED, 2),
    ]  # fmt: skip


def test_twenty_thousand_pairs_that_are_equal_on_the_grid() -> None:
    assert noninterference.check(20_000) == 0


@pytest.mark.parametrize("is_told", [True, False])
def test_it_begins_with_the_indicators_first_word_or_without_it_after_a_time(
    is_told: bool, pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "WORD_S", 0.5)
    reading, writing = os.pipe()
    held = Held(reading, ("keyboard",), coarse=True)
    source = Source(Typist(), grant(), Outlet(pipes.records_in), pipes.beats, held)
    before = time.monotonic()

    def speak() -> None:
        now = int(time.monotonic() * 1000)
        os.write(writing, attention.pack(now, Safety.SAFE, Category.OTHER, Role.UNKNOWN, attention.ALLOWED))

    if is_told:
        speak()
    running = source.run()
    assert next(running) == "running"
    assert is_told or time.monotonic() - before >= 0.5
    begun = held.decided
    while time.monotonic() * 1000 < begun + 1800:
        time.sleep(0.02)
        speak()
    monkeypatch.setattr(loop, "SETTLED_S", 0.0)
    source._send(time.monotonic())
    assert held.decided > begun
    os.close(reading)
    os.close(writing)
    gaps = [record for record in pipes.read() if record[1] == GAP]
    source._outlet.send()
    assert bool(held._gap or gaps) != is_told


def test_a_word_to_stop_is_heard_while_the_indicator_is_silent(pipes: Pipes) -> None:
    reading, writing = os.pipe()
    os.write(pipes.beats_in, b".q")
    held = Held(reading, ("keyboard",), coarse=True)
    source = Source(Typist(), grant(), Outlet(pipes.records_in), pipes.beats, held)
    assert [*source.run()] == ["running"]
    assert source.status == 0
    os.close(reading)
    os.close(writing)


class Gathering(Typist):
    """A backend whose one event has not been read yet, at this many ms from the read."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def due(self) -> float | None:
        return None

    def read(self) -> Batch:
        self.reads += 1
        now = int(time.monotonic() * 1000)
        return Batch([(now + self._at, KEY, KeyClass.TEXT, 0, 0, 0)], now)


@pytest.mark.parametrize(("at", "gaps"), [(-10, 1), (2000, 0)], ids=["before", "after"])
def test_what_was_not_read_when_it_ends_is_a_gap_and_what_comes_later_is_nothing(
    at: int, gaps: int, pipes: Pipes
) -> None:
    reading, writing = os.pipe()
    backend = Gathering(at)
    source = Source(backend, grant(), Outlet(pipes.records_in), pipes.beats, Held(reading, ("keyboard",), coarse=True))
    running = source.run()
    os.write(writing, attention.pack(1, Safety.SAFE, Category.OTHER, Role.UNKNOWN, attention.ALLOWED))
    assert next(running) == "running"
    time.sleep(0.05)
    os.write(pipes.beats_in, b".q")
    assert [*running] == []
    assert backend.reads == 1
    assert [(r[1], r[2]) for r in pipes.read() if r[1] not in (START, END)] == [(GAP, Reason.UNKNOWN)] * gaps
    os.close(reading)
    os.close(writing)


def test_nothing_is_read_once_more_where_the_parent_is_gone() -> None:
    made = Pipes()
    reading, writing = os.pipe()
    backend = Gathering(-10)
    source = Source(backend, grant(), Outlet(made.records_in), made.beats, Held(reading, ("keyboard",), coarse=True))
    os.close(made.beats_in)
    assert [*source.run()] == ["running"]
    assert backend.reads == 0
    for descriptor in (made.records, made.records_in, made.beats, reading, writing):
        os.close(descriptor)
