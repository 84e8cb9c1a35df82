"""Rest: when nothing happens for long enough the segment ends, and what happens next begins another, whole."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_logger.records.classes import Button, KeyClass, Reason
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, END, GAP, KEY, MOVE, RECORD, START
from desktop_logger.redaction import Gridder
from desktop_logger.source import Outlet, Source
from desktop_logger.source.resting import Rest
from tests.granted import grant

QUIET = 120.0


class Hand:
    """A backend that hands over what the test puts into it."""

    gather_s = 0.05

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.waiting: list[Event] = []

    def fileno(self) -> int:
        return self.reading

    def due(self) -> float | None:
        return None

    def ended(self) -> bool:
        return False

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)

    def does(self, *whats: tuple[int, int, int, int, int]) -> None:
        now = int(time.monotonic() * 1000)
        self.waiting += [(now, *what) for what in whats]
        os.write(self.writing, b".")

    def read(self) -> Batch:
        os.read(self.reading, 4096)
        events, self.waiting = self.waiting, []
        return Batch(events, int(time.monotonic() * 1000))


class Running:
    """A source in a thread of its own, kept alive by heartbeats, that rests after one second."""

    def __init__(self, *scopes: str) -> None:
        self.hand = Hand()
        self.records, self.records_in = os.pipe()
        self.beats, self.beats_in = os.pipe()
        os.set_blocking(self.records, False)
        self.source = Source(self.hand, grant(*scopes), Outlet(self.records_in), self.beats, None, rest_s=0.1)
        self.words: list[str] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=target) for target in (self._beat, self._run)]
        for thread in self.threads:
            thread.start()

    def _run(self) -> None:
        self.words += self.source.run()

    def _beat(self) -> None:
        while not self.over.wait(0.1):
            os.write(self.beats_in, b".")

    def stop(self) -> list[tuple[int, ...]]:
        os.write(self.beats_in, b"q")
        self.over.set()
        for thread in self.threads:
            thread.join(5)
        data = b""
        while True:
            try:
                data += os.read(self.records, 1 << 16)
            except BlockingIOError:
                break
        self.hand.close()
        for descriptor in (self.records, self.records_in, self.beats, self.beats_in):
            os.close(descriptor)
        return list(RECORD.iter_unpack(data))


PRESS = (KEY, KeyClass.TEXT, 0, 0, 0)
CLICKED = (CLICK, Button.LEFT, 1, 0, 0)


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    if not made.over.is_set():
        made.stop()


def test_nothing_for_long_enough_ends_the_segment_and_the_next_event_begins_one(running: Running) -> None:
    running.hand.does(PRESS)
    time.sleep(4.5)  # rests after 1.1 s of nothing
    running.hand.does(PRESS, CLICKED)
    time.sleep(0.5)
    records = running.stop()
    assert [record[1] for record in records] == [START, KEY, END, GAP, START, KEY, CLICK, END]
    gap = records[3]
    assert gap[2] == Reason.RESTED
    assert gap[6] in (2, 3, 4)
    assert [record[0] for record in records[5:7]] == [0, 0]  # times count from what woke it
    assert [record[6] for record in records if record[1] == END] == [1, 2]  # what was handed out
    assert running.words == ["running", "resting", "awake"]


def test_stopping_while_at_rest_tells_the_rest(running: Running) -> None:
    time.sleep(4.5)
    records = running.stop()
    assert [record[1] for record in records] == [START, END, GAP]
    assert records[2][2] == Reason.RESTED
    assert running.source.status == 0


def test_what_makes_no_record_wakes_nobody_and_no_pixel_is_lost(running: Running) -> None:
    """Three pixels fill no cell; with two more they do."""
    time.sleep(3.5)
    running.hand.does((MOVE, 0, 0, 3, 0))
    time.sleep(0.5)
    assert running.words == ["running", "resting"]
    running.hand.does((MOVE, 0, 0, 2, 0))
    time.sleep(0.5)
    records = running.stop()
    assert [(record[1], record[3]) for record in records if record[1] == MOVE] == [(MOVE, 1)]
    assert running.words == ["running", "resting", "awake"]


def test_what_was_not_granted_wakes_nobody() -> None:
    running = Running("pointer")
    time.sleep(3.5)
    running.hand.does(PRESS)
    time.sleep(0.5)
    records = running.stop()
    assert [record[1] for record in records] == [START, END, GAP]
    assert running.words == ["running", "resting"]


@pytest.mark.parametrize(("own", "release"), [("counts", "counts"), ("bursts", "counts")])
def test_counts_never_rest(own: str, release: str) -> None:
    """When it rests would tell, without noise, that somebody was there."""
    rest = Rest(grant(own=own, release=release), QUIET)
    rest.heard(0)
    assert not rest.due(10**9)


SOME = st.lists(
    st.tuples(st.integers(0, 400_000), st.sampled_from([*((MOVE, 0, 0, n, 0) for n in (-5, -1, 1, 2, 9)), PRESS])),
    min_size=1, max_size=40,
)  # fmt: skip


@given(SOME, st.integers(0, 19))
def test_equal_on_the_grid_rests_alike(some: list[tuple[int, tuple[int, ...]]], shift: int) -> None:
    """Within one tick it does not matter when, in which pieces a motion came, or what else makes no record."""
    one: list[Event] = sorted((t - t % 20, *what) for t, what in some)  # type: ignore[misc]
    other: list[Event] = []
    for t, what, code, extra, dx, dy in one:
        whole = [(t + shift, what, code, extra, dx, dy)]
        if what == MOVE and dx > 1:
            whole = [(t + shift, MOVE, 0, 0, 1, 0), (t + shift, MOVE, 0, 0, dx - 1, 0)]
        other += whole
    assert _course(one) == _course(other)


def _course(events: list[Event]) -> list[tuple[str, int]]:
    """Ticks at which it began to rest and was woken, with the seconds told."""
    terms, told = grant(own="events"), []
    rest, gridder = Rest(terms, 60.0), Gridder(terms.scopes, named_commands=False)
    gridder.begin(0)
    rest.heard(0)
    base = 0
    ticks = sorted({event[0] // 20 for event in events})
    for tick in ticks:
        batch = [event for event in events if event[0] // 20 == tick]
        if rest.due(tick * 20):
            told.append(("rests", rest.since or 0))
        if rest.since is not None:
            woken = rest.woken(Batch(batch, tick * 20 + 20))
            if woken is None:
                continue
            base = woken[0][0] - woken[0][0] % 20
            told.append(("woken", rest.end(base)))
            gridder.begin(base)
            batch = woken
        gridder.feed(batch)
        gridder.advance(tick + 1 - base // 20)
        if made := gridder.take():
            rest.heard(base + RECORD.unpack(made[-16:])[0] * 20)
    return told
