"""The writer between pipe and store: frames on the clock, the gate at every segment, and what release may know."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_logger.clock import Clock
from desktop_logger.errors import NoConsent
from desktop_logger.records.classes import Reason
from desktop_logger.records.layout import END, GAP, KEY, RECORD, START, control, gap
from desktop_logger.sink import Sink
from tests.storage import Person


class Moving(Clock):
    """Real wall time, and a monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(str(tmp_path / "home"))


def sink_of(person: Person) -> tuple[Sink, Moving]:
    epoch, kek = person.kek()
    clock = Moving()
    return Sink(person.home, clock, person.grant(), kek, epoch), clock


def key(t: int, stream: int = 0) -> bytes:
    return RECORD.pack(t, KEY | stream, 1, 0, 0, 0, 0)


def test_frames_are_written_on_the_clock_whether_or_not_anybody_types(person: Person) -> None:
    """Two hours that differ only in what was typed have files of one size."""
    sizes = []
    for typed in (0, 7):
        sink, clock = sink_of(person)
        sink.take(control(START))
        assert sink.segment is not None
        segment = sink.segment.id
        for second in range(1, 301):
            clock.at = float(second)
            if second < 290:
                sink.take(key(second) * (typed if second % 10 == 0 else 0))
            sink.tick()
        sink.take(control(END))
        folder = Path(person.home.segments)
        sizes.append([(folder / f"{segment}.{stream}").stat().st_size for stream in ("own", "release")])
    assert sizes[0] == sizes[1]


def test_what_happened_just_before_the_end_does_not_show_in_the_size(person: Person) -> None:
    sizes = []
    for typed in (b"", key(1) + key(1, 0x80)):
        sink, _ = sink_of(person)
        sink.take(control(START))
        assert sink.segment is not None
        segment = sink.segment.id
        sink.take(typed)
        sink.take(control(END))
        folder = Path(person.home.segments)
        sizes.append([(folder / f"{segment}.{stream}").stat().st_size for stream in ("own", "release")])
    assert sizes[0] == sizes[1]


def test_the_gate_is_asked_at_every_segment(person: Person) -> None:
    sink, _ = sink_of(person)
    sink.take(control(START))
    sink.take(control(END))
    Path(person.home.consent).mkdir(mode=0o700, exist_ok=True)
    Path(person.home.withdrawn).touch()
    with pytest.raises(NoConsent):
        sink.take(control(START))
    assert sink.segment is None


def test_release_knows_one_reason_only(person: Person) -> None:
    sink, _ = sink_of(person)
    sink.take(gap(Reason.PAUSED, 90))
    sink.take(gap(Reason.CLOCK, 3))
    sink.take(control(START))
    assert sink.segment is not None
    segment = sink.segment.id
    sink.take(control(END))
    found = {
        stream: [
            (record[2], record[6])
            for record in RECORD.iter_unpack(person.read(segment, stream)["keyboard"])
            if record[1] == GAP
        ]
        for stream in ("own", "release")
    }
    assert found["own"] == [(Reason.PAUSED, 90), (Reason.CLOCK, 3)]
    assert found["release"] == [(Reason.UNOBSERVED, 7), (Reason.UNOBSERVED, 2)]


def test_the_last_gap_lies_in_a_last_short_segment(person: Person) -> None:
    sink, _ = sink_of(person)
    sink.take(control(START))
    sink.take(control(END))
    sink.take(gap(Reason.PAUSED, 5))
    sink.finish()
    assert sink.gap_seconds == {"paused": 5}
    assert len(person.verdicts()) == 2
    assert set(person.verdicts().values()) == {"ok"}


def test_what_is_lost_between_capture_and_writer_is_a_gap(person: Person) -> None:
    """Capture's END says how many records it handed out; a supervisor's END, after a crash, says nothing."""
    for handed, told in ((2, []), (5, [Reason.UNKNOWN]), (None, [])):
        sink, _ = sink_of(person)
        sink.take(control(START))
        assert sink.segment is not None
        segment = sink.segment.id
        sink.take(key(1) + key(2))
        sink.take(control(END, handed))
        assert sink.miscounted == bool(told)
        records = RECORD.iter_unpack(person.read(segment)["keyboard"])
        assert [record[2] for record in records if record[1] == GAP] == told


def test_a_gap_between_two_segments_is_not_counted_as_handed_out(person: Person) -> None:
    sink, _ = sink_of(person)
    sink.take(gap(Reason.PAUSED, 3) + control(START) + key(1) + control(END, 1))
    assert not sink.miscounted


def test_it_is_told_when_everything_so_far_is_written_and_at_no_other_time(person: Person) -> None:
    """What a crash of the writer costs is counted from there; whether anybody types does not show in it."""
    sink, clock = sink_of(person)
    told = []
    sink.take(control(START))
    for second in range(12):
        clock.at = float(second)
        sink.take(key(second) * (second % 3))
        sink.tick()
        if sink.kept:
            told.append(second)
            sink.kept = False
    assert told == [0, 5, 10]
