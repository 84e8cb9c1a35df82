"""Gaps are told once, in order, and add up; what keeps failing is tried less and less often."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from desktop_logger.clock import Clock
from desktop_logger.daemon.gaps import Attempts, Unobserved
from desktop_logger.records.classes import Reason
from desktop_logger.records.layout import RECORD, Redacted


class Held(Clock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.awake = 100.0
        self.asleep = 0.0

    def monotonic(self) -> float:
        return self.awake

    def suspended(self) -> float:
        return self.asleep


class Writer:
    """What a writer is told."""

    def __init__(self) -> None:
        self.there = True
        self.told: list[tuple[str, int]] = []

    def put(self, record: Redacted) -> bool:
        if self.there:
            _, _, reason, _, _, _, seconds = RECORD.unpack(record)
            self.told.append((Reason(reason).name, seconds))
        return self.there


def test_a_gap_is_told_once() -> None:
    clock, writer = Held(), Writer()
    unobserved = Unobserved(clock)
    unobserved.begin(Reason.PAUSED)
    clock.awake += 7.2
    unobserved.so_far()
    for _ in range(3):
        unobserved.tell(writer.put)
    assert writer.told == [("PAUSED", 7)]


def test_a_change_of_reason_parts_the_time() -> None:
    """Three hours of a pause do not become three hours of a clock fault."""
    clock, writer = Held(), Writer()
    unobserved = Unobserved(clock)
    unobserved.begin(Reason.PAUSED)
    clock.awake += 10_800
    unobserved.begin(Reason.CLOCK)
    clock.awake += 5
    unobserved.so_far()
    unobserved.tell(writer.put)
    assert writer.told == [("PAUSED", 10_800), ("CLOCK", 5)]


def test_attempts_that_fail_do_not_count_time_twice() -> None:
    clock, writer = Held(), Writer()
    unobserved = Unobserved(clock)
    unobserved.begin(Reason.CRASHED)
    for _ in range(5):
        clock.awake += 10
        unobserved.so_far()
        unobserved.tell(writer.put)
        unobserved.begin(Reason.CRASHED)
    assert sum(seconds for _, seconds in writer.told) == 50


def test_a_sleep_counts_in_full() -> None:
    clock, writer = Held(), Writer()
    unobserved = Unobserved(clock)
    clock.asleep += 8 * 3600
    unobserved.begin(Reason.SUSPENDED, ago=8 * 3600)
    clock.awake += 1
    unobserved.so_far()
    unobserved.tell(writer.put)
    assert writer.told == [("SUSPENDED", 8 * 3600 + 1)]


def test_what_no_writer_takes_waits() -> None:
    clock, writer = Held(), Writer()
    writer.there = False
    unobserved = Unobserved(clock)
    unobserved.begin(Reason.PURGE)
    clock.awake += 3
    unobserved.so_far()
    unobserved.tell(writer.put)
    assert writer.told == []
    writer.there = True
    unobserved.tell(writer.put)
    assert writer.told == [("PURGE", 3)]


@given(st.lists(st.tuples(st.sampled_from(list(Reason)), st.floats(0.5, 1000)), min_size=1, max_size=30))
def test_gaps_add_up_to_the_whole_time(stretches: list[tuple[Reason, float]]) -> None:
    clock, writer = Held(), Writer()
    unobserved = Unobserved(clock)
    for reason, seconds in stretches:
        unobserved.begin(reason)
        clock.awake += seconds
    unobserved.so_far()
    unobserved.tell(writer.put)
    whole = sum(seconds for _, seconds in stretches)
    assert abs(sum(seconds for _, seconds in writer.told) - whole) <= 1 + len(writer.told) * 0.5


def test_back_off_doubles_and_only_lasting_work_forgives() -> None:
    clock = Held()
    attempts = Attempts(clock)
    waits = []
    for _ in range(9):
        attempts.failed()
        began = clock.awake
        while not attempts.due():
            clock.awake += 0.25
        waits.append(clock.awake - began)
        attempts.working()
        clock.awake += 1  # works for a moment, and dies again
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    clock.awake += Attempts.SETTLED_S
    attempts.failed()
    assert attempts.failures == 1


def test_asking_for_it_tries_at_once() -> None:
    attempts = Attempts(Held())
    attempts.failed()
    assert not attempts.due()
    attempts.forgive()
    assert attempts.due()
