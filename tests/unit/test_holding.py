"""Events wait for the indicator's word, and whole seconds are observed or a gap."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_logger.records import attention
from desktop_logger.records.classes import Category, ClickKind, KeyClass, Reason, Role, Safety
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, FOCUS, GAP, KEY, LET_GO, MOVE, TARGET, VEIL
from desktop_logger.source.holding import AFTER_MS, BEFORE_MS, CELL_MS, GAP_MOST_S, MOST, SILENT_MS, Held

BASE = 1_000_000
FINE = attention.ALLOWED
OTHER = Category.OTHER


class Told:
    """A ``Held`` with the indicator's end of its pipe. Times are ms since the beginning."""

    def __init__(self, *scopes: str, coarse: bool = True) -> None:
        reading, self._writing = os.pipe()
        self.held = Held(reading, scopes or ("keyboard", "pointer"), coarse=coarse)
        self.held.begin(BASE)
        self._reading = reading

    def close(self) -> None:
        os.close(self._reading)
        os.close(self._writing)

    def say(
        self, t: int, safety: int = Safety.SAFE, flags: int = FINE, role: int = Role.UNKNOWN, category: int = OTHER
    ) -> None:
        os.write(self._writing, attention.pack(BASE + t, Safety(safety), Category(category), Role(role), flags))

    def beats(self, first: int, last: int, safety: int = Safety.SAFE, flags: int = FINE, step: int = 250) -> None:
        for t in range(first, last + 1, step):
            self.say(t, safety, flags)

    def keys(self, *times: int, until: int | None = None) -> None:
        events: list[Event] = [(BASE + t, KEY, KeyClass.TEXT, 0, 0, 0) for t in times]
        self.put(events, times[-1] if until is None else until)

    def put(self, events: list[Event], until: int) -> None:
        self.held.put(Batch(events, BASE + until))

    def take(self, now: int) -> list[Event]:
        return [(t - BASE, *rest) for t, *rest in self.held.take(BASE + now, BASE + now - 1000).events]  # type: ignore[misc]

    def finish(self, now: int) -> list[Event]:
        return [(t - BASE, *rest) for t, *rest in self.held.finish(BASE + now).events]  # type: ignore[misc]


@pytest.fixture
def told() -> Iterator[Told]:
    one = Told()
    yield one
    one.close()


def kinds(events: list[Event]) -> list[tuple[int, int, int]]:
    """Without what only says again whether it is veiled."""
    found, veiled = [], 0
    for t, what, code, *_ in events:
        if what != VEIL or code != veiled:
            found.append((t, what, code))
        veiled = code if what == VEIL else veiled
    return found


def times(events: list[Event]) -> list[int]:
    return [event[0] for event in events if event[1] == KEY]


def gaps(events: list[Event]) -> list[tuple[int, Reason, int]]:
    return [(t, Reason(code), n) for t, what, code, n, *_ in events if what == GAP]


def test_what_was_typed_into_something_safe_is_let_out_unchanged(told: Told) -> None:
    told.beats(-10, 3490)
    told.keys(5, 400, 999, 1000, 2999, until=3600)
    assert kinds(told.take(3600)) == [(t, KEY, KeyClass.TEXT) for t in (5, 400, 999, 1000)]
    told.beats(3740, 4000)
    assert kinds(told.take(4600)) == [(2999, KEY, KeyClass.TEXT)]


def test_nothing_is_let_out_before_the_indicator_has_spoken_of_half_a_second_more(told: Told) -> None:
    told.beats(-10, CELL_MS + BEFORE_MS - 20)
    told.keys(5, 400)
    assert told.take(2000) == []
    told.say(CELL_MS + BEFORE_MS)
    assert times(told.take(2000)) == [5, 400]


def test_a_secure_field_takes_whole_seconds_with_it_before_and_after(told: Told) -> None:
    told.beats(-10, 2990)
    told.beats(3200, 4200, Safety.UNSAFE)
    told.beats(4450, 9000)
    told.keys(*range(0, 8000, 100))
    out = told.take(9000) + told.finish(9000)
    # It may have been secure from 2990, less half a second, to 4450, and a second more.
    assert gaps(out) == [(2000, Reason.SECURE, 4)]
    assert times(out) == [*range(0, 2000, 100), *range(6000, 8000, 100)]


@pytest.mark.parametrize("typed", [(), (3300,), tuple(range(3200, 4200, 7))])
def test_how_much_was_typed_into_it_changes_nothing(told: Told, typed: tuple[int, ...]) -> None:
    told.beats(-10, 2990)
    told.beats(3200, 4200, Safety.UNSAFE)
    told.beats(4450, 9000)
    told.keys(*sorted({100, *typed, 7000}), until=8000)
    out = told.take(9000)
    assert kinds(out) == [(100, KEY, KeyClass.TEXT), (2000, GAP, Reason.SECURE), (7000, KEY, KeyClass.TEXT)]


@pytest.mark.parametrize(
    ("safety", "flags", "reason"),
    [
        (Safety.UNKNOWN, FINE, Reason.UNKNOWN),
        (Safety.SAFE, 0, Reason.NOT_ALLOWED),
        (Safety.UNANSWERED, 0, Reason.NOT_ALLOWED),
        (Safety.UNSAFE, 0, Reason.SECURE),
        (Safety.SAFE, FINE | attention.LOCKED, Reason.LOCKED),
        (Safety.UNSAFE, attention.LOCKED, Reason.LOCKED),
        (77, FINE, Reason.UNKNOWN),
    ],
)
def test_each_reason_has_its_gap(told: Told, safety: int, flags: int, reason: Reason) -> None:
    told.beats(-10, 990)
    os.write(told._writing, attention.RECORD.pack(BASE + 1900, safety, OTHER, 0, flags))
    told.beats(2100, 7000)
    told.keys(*range(0, 6000, 50))
    out = told.take(7000)
    assert [one[1] for one in gaps(out)] == [reason]
    assert not [t for t in times(out) if 990 - BEFORE_MS < t <= 2100]


def test_a_change_that_was_over_between_two_looks_still_counts(told: Told) -> None:
    told.beats(-10, 1740)
    told.say(1990, Safety.UNSAFE)
    told.say(1991)
    told.beats(2240, 6000)
    told.keys(1745, 1985)
    assert times(told.take(6000)) == []


def test_silence_is_a_gap_and_not_consent(told: Told) -> None:
    told.beats(-10, 1000)
    told.keys(100, 2000, 3000)
    assert told.take(CELL_MS + BEFORE_MS + SILENT_MS - 10) == []
    assert gaps(told.take(20_000) + told.finish(20_000))[0][:2] == (0, Reason.UNKNOWN)
    told.keys(20_100)
    assert times(told.take(40_000) + told.finish(40_000)) == []


def test_who_speaks_again_after_a_silence_does_not_speak_for_it(told: Told) -> None:
    told.beats(-10, 2740)
    told.beats(2740 + SILENT_MS + 10, 12_000)
    told.keys(100, 3100, 4000, 9000, until=11_000)
    out = told.take(12_000)
    assert times(out) == [100, 9000]
    assert gaps(out) == [(2000, Reason.UNKNOWN, 4)]


def test_before_the_first_word_nothing_is_known(told: Told) -> None:
    told.beats(600, 5000)
    told.keys(100, 700, 1100)
    assert kinds(told.take(5000)) == [(0, GAP, Reason.UNKNOWN), (1100, KEY, KeyClass.TEXT)]


def test_where_nobody_answers_the_second_is_veiled(told: Told) -> None:
    told.beats(-10, 1740)
    told.beats(1990, 3990, Safety.UNANSWERED)
    told.beats(4240, 9000)
    told.keys(100, 1950, 6500, until=8000)
    assert kinds(told.take(9000)) == [
        (100, KEY, KeyClass.TEXT), (1000, VEIL, 1), (1950, KEY, KeyClass.TEXT), (5000, VEIL, 0),
        (6500, KEY, KeyClass.TEXT),
    ]  # fmt: skip


def test_a_stricter_policy_makes_a_gap_of_it() -> None:
    told = Told(coarse=False)
    told.beats(-10, 1740)
    told.beats(1990, 3990, Safety.UNANSWERED)
    told.beats(4240, 9000)
    told.keys(100, 1950, 6500, until=8000)
    out = told.take(9000)
    told.close()
    assert kinds(out) == [(100, KEY, KeyClass.TEXT), (1000, GAP, Reason.UNKNOWN), (6500, KEY, KeyClass.TEXT)]
    assert gaps(out) == [(1000, Reason.UNKNOWN, 4)]


def test_a_long_gap_is_told_in_parts_and_adds_up(told: Told) -> None:
    seconds = 3 * GAP_MOST_S + 20
    told.beats(-10, seconds * 1000 + 1000, Safety.UNSAFE, step=500)
    told.put([], seconds * 1000)
    out = told.take(seconds * 1000 + 1000) + told.finish(seconds * 1000)
    assert len(gaps(out)) == 4
    assert sum(n for _, _, n in gaps(out)) == seconds


def test_a_segment_that_ends_in_a_gap_holds_its_part_of_it(told: Told) -> None:
    told.beats(-10, 20_000, Safety.UNSAFE)
    told.put([], 10_000)
    batch = told.held.part(BASE + 10_000, BASE + 9000)
    assert gaps([(t - BASE, *rest) for t, *rest in batch.events]) == [(0, Reason.SECURE, 10)]  # type: ignore[misc]
    assert told.held.decided == BASE + 10_000
    told.put([], 15_000)
    assert gaps(told.take(15_500) + told.finish(15_500)) == [(10_000, Reason.SECURE, 6)]


def test_more_than_can_wait_is_a_gap_and_is_forgotten(told: Told) -> None:
    told.keys(*([10] * (MOST + 5)))
    told.beats(-10, 5000)
    told.keys(2500, until=4000)
    out = told.take(5000)
    assert gaps(out) == [(0, Reason.OVERFLOW, 1), (2000, Reason.OVERFLOW, 1)]
    assert times(out) == []


def test_the_last_moments_are_dropped_and_said(told: Told) -> None:
    told.beats(-10, 3000)
    told.keys(100, 2400, 2900)
    out = told.take(3000) + told.finish(3100)
    assert times(out) == [100, 2400]
    assert gaps(out) == [(2490, Reason.UNKNOWN, 1)]


def test_a_quiet_end_says_nothing(told: Told) -> None:
    told.beats(-10, 3000)
    told.keys(100, 2400)
    out = told.take(3000) + told.finish(3100)
    assert times(out) == [100, 2400]
    assert gaps(out) == []


def test_categories_are_told_where_they_are_granted() -> None:
    named = list(Category)[:2]
    for scopes, expected in ((("keyboard",), []), (("keyboard", "context"), [(0, named[0]), (1600, named[1])])):
        told = Told(*scopes)
        told.say(-10, category=named[0])
        told.say(1600, category=named[1])
        for t in range(1850, 5000, 250):
            told.say(t, category=named[1])
        told.keys(100, 1700, until=4000)
        out = told.take(5000)
        told.close()
        assert [(t, code) for t, what, code, *_ in out if what == FOCUS] == expected
        assert times(out) == [100, 1700]


def test_a_click_is_told_with_what_was_under_it() -> None:
    told = Told("pointer", "target")
    told.beats(-10, 5000)
    told.say(502, Safety.UNKNOWN, attention.CLICKED, Role.BUTTON)
    told.put([(BASE + t, CLICK, 1, 1, 0, 0) for t in (500, 2000)], 4000)
    out = told.take(5000)
    told.close()
    assert [event[:4] for event in out if event[1] != VEIL] == [
        (500, TARGET, Role.BUTTON, ClickKind.SINGLE), (500, CLICK, 1, 1),
        (2000, TARGET, Role.UNKNOWN, ClickKind.SINGLE), (2000, CLICK, 1, 1),
    ]  # fmt: skip


def test_double_clicks_and_drags_are_told_from_time_and_distance() -> None:
    told = Told("pointer", "target")
    told.beats(-10, 9000)
    line: list[tuple[int, ...]] = [
        (100, CLICK, 1), (150, LET_GO, 1), (300, CLICK, 1), (350, LET_GO, 1),  # a double click
        (450, CLICK, 1), (500, LET_GO, 1),  # the third is another first
        (1500, CLICK, 1), (1600, MOVE, 0, 0, 40, 0), (1700, LET_GO, 1),  # a drag
        (1750, MOVE, 0, 0, -40, 0), (1800, CLICK, 1), (1850, LET_GO, 1),  # near in time, but moved since
        (3000, CLICK, 3), (3100, LET_GO, 3), (3200, CLICK, 1), (3300, LET_GO, 1), (3400, MOVE, 0, 0, 99, 99),
    ]  # fmt: skip
    told.put([(BASE + t, *rest, *(0,) * (5 - len(rest))) for t, *rest in line], 8000)  # type: ignore[misc]
    out = told.take(9000)
    told.close()
    assert [ClickKind(event[3]).name for event in out if event[1] == TARGET] == [
        "SINGLE", "DOUBLE", "SINGLE", "DRAG", "SINGLE", "SINGLE", "SINGLE",
    ]  # fmt: skip
    assert LET_GO not in [event[1] for event in out]


STATES = st.sampled_from([(Safety.SAFE, FINE), (Safety.UNSAFE, FINE), (Safety.UNKNOWN, FINE), (Safety.SAFE, 0)])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 900), STATES), min_size=1, max_size=40),
    st.lists(st.integers(0, 15_000), max_size=60),
    st.lists(st.integers(200, 3000), min_size=1, max_size=12),
)
def test_nothing_near_a_secret_is_ever_let_out_and_every_second_is_accounted_for(
    words: list[tuple[int, tuple[Safety, int]]], typed: list[int], steps: list[int]
) -> None:
    told = Told()
    said: list[tuple[int, Safety, int]] = []
    t = -10
    for pause, (safety, flags) in words:
        said.append((t, safety, flags))
        t += pause
    keys, out, now, at = sorted(typed), [], 0, 0
    for step in [*steps, 4000, 4000]:
        now += step
        while at < len(said) and said[at][0] <= now:
            told.say(*said[at])
            at += 1
        told.keys(*[k for k in keys if now - step <= k < now], until=now) if any(
            now - step <= k < now for k in keys
        ) else told.put([], now)
        out += told.take(now)
    out += told.finish(now)
    told.close()
    for k in times(out):
        around = [one for one in said if k - 1 <= one[0] <= k + BEFORE_MS]
        before = [one for one in said if one[0] <= k][-1:]
        after = [one for one in said if one[0] >= k][:1]
        for _, safety, flags in (*around, *before, *after):
            assert (safety, flags) == (Safety.SAFE, FINE), (k, said)
        for past, safety, _ in said:
            assert not (safety == Safety.UNSAFE and k - AFTER_MS <= past <= k), (k, said)
    observed = set(range((told.held.decided - BASE) // 1000))
    for begin, _, seconds in gaps(out):
        observed -= set(range(begin // 1000, begin // 1000 + seconds))
    assert all(k // 1000 in observed for k in times(out) if k // 1000 < (told.held.decided - BASE) // 1000)


def test_what_happened_before_the_beginning_is_not_looked_at(told: Told) -> None:
    told.beats(-50, 3000)
    told.keys(-30, -1, 0, 500, until=2000)
    assert kinds(told.take(2000)) == [(0, KEY, KeyClass.TEXT), (500, KEY, KeyClass.TEXT)]


def test_it_knows_whether_anything_was_told(told: Told) -> None:
    assert not told.held.is_told()
    told.say(0)
    assert told.held.is_told()
