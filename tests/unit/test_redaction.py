"""The redactor: what it makes of input, and what no input can make it do."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_logger.errors import Refused
from desktop_logger.leakage import twin
from desktop_logger.records.classes import (
    Button,
    Category,
    ClickKind,
    Command,
    Direction,
    KeyClass,
    Outcome,
    Reason,
    Role,
)
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import (
    CLICK,
    COARSE_FORM,
    FOCUS,
    GAP,
    KEY,
    MOVE,
    RECORD,
    SCROLL,
    STROKE,
    TARGET,
    TASK,
    TYPING,
    VEIL,
    Redacted,
    gap,
    signed,
)
from desktop_logger.records.profiles import BURSTS, CAPS, COARSE, EVENTS, SCOPES, Profile, bucket
from desktop_logger.redaction import Redactor, coarsen, coarsen_gap, for_release

TEXT, EDIT, ENTER, NAV = KeyClass.TEXT, KeyClass.EDIT, KeyClass.ENTER, KeyClass.NAV
Record = tuple[int, int, int, int, int, int, int]


class Terms(NamedTuple):
    own: Profile = EVENTS
    release: Profile | None = None
    scopes: tuple[str, ...] = SCOPES
    named_commands: bool = True


def key(ms: int, kind: int = TEXT, command: int = 0) -> Event:
    return (ms, KEY, kind, command, 0, 0)


def click(ms: int, button: int = Button.LEFT) -> Event:
    return (ms, CLICK, button, 1, 0, 0)


def scroll(ms: int, n: int = 1, way: int = Direction.DOWN) -> Event:
    return (ms, SCROLL, way, n, 0, 0)


def move(ms: int, dx: int, dy: int = 0) -> Event:
    return (ms, MOVE, 0, 0, dx, dy)


def redact(
    events: list[Event], terms: Terms, end: int | None = None, cuts: tuple[int, ...] = ()
) -> tuple[Redacted, Redacted]:
    """One segment's records; the input is cut into batches after the events numbered in ``cuts``."""
    redactor = Redactor(terms)
    redactor.begin(0)
    own, release = b"", b""
    for first, last in zip((0, *cuts), (*cuts, len(events)), strict=True):
        part = events[first:last]
        redactor.feed(Batch(part, 0))
        if part:
            redactor.advance(part[-1][0])
        taken = redactor.take()
        own, release = own + taken[0], release + taken[1]
    redactor.flush(end if end is not None else max((event[0] for event in events), default=0))
    taken = redactor.take()
    return Redacted(own + taken[0]), Redacted(release + taken[1])


def made(events: list[Event], profile: Profile, end: int | None = None) -> list[Record]:
    return list(RECORD.iter_unpack(redact(events, Terms(own=profile), end)[0]))


# --- events ---------------------------------------------------------------------------------------------------


def test_events_are_classes_on_a_grid() -> None:
    events = [key(5), key(39, EDIT), key(40, KeyClass.COMMAND, Command.COPY), click(41), scroll(45, 2), scroll(59)]
    assert made(events, EVENTS) == [
        (0, KEY, TEXT, 0, 0, 0, 0),
        (1, KEY, EDIT, 0, 0, 0, 0),
        (2, KEY, KeyClass.COMMAND, Command.COPY, 0, 0, 0),
        (2, CLICK, Button.LEFT, 1, 0, 0, 0),
        (2, SCROLL, Direction.DOWN, 3, 0, 0, 0),
    ]


def test_movement_is_summed_per_tick_and_no_pixel_is_lost() -> None:
    records = made([move(0, 3), move(19, 3), move(20, 1), move(40, 1, -9)], EVENTS)
    assert records == [(0, MOVE, 0, 1, 0, 0, 0), (2, MOVE, 0, 1, 0xFFFE, 0, 0)]


def test_a_jump_too_far_for_one_record_goes_on_in_the_next_tick() -> None:
    records = made([move(0, 200_000), move(20, 0), move(60, 0)], EVENTS)
    assert sum(signed(r[3]) for r in records) == 50_000


def test_at_most_fifty_movements_a_second() -> None:
    assert len(made([move(ms, 10) for ms in range(1000)], EVENTS)) == 50


def test_time_that_goes_back_is_held() -> None:
    assert [r[0] for r in made([key(100), key(20), key(140)], EVENTS)] == [5, 5, 7]


def test_scopes_that_are_not_granted_make_nothing() -> None:
    events = [key(0), click(1), move(2, 50), scroll(3)]
    for profile in (EVENTS, BURSTS, COARSE):
        keyboard, _ = redact(events, Terms(own=profile, scopes=("keyboard",)))
        pointer, _ = redact(events, Terms(own=profile, scopes=("pointer",)))
        nothing, _ = redact(events, Terms(own=profile, scopes=()))
        assert {r[1] for r in RECORD.iter_unpack(keyboard)} <= {KEY, TYPING}
        assert {r[1] for r in RECORD.iter_unpack(pointer)} <= {CLICK, SCROLL, MOVE, STROKE}
        assert nothing == b""


def test_commands_lose_their_names_unless_granted() -> None:
    own, _ = redact([key(0, KeyClass.COMMAND, Command.PASTE)], Terms(named_commands=False))
    assert RECORD.unpack(own)[3] == Command.NONE


# --- bursts ---------------------------------------------------------------------------------------------------


def test_a_run_of_text_and_edit_is_one_record() -> None:
    events = [key(3000 + 200 * n, EDIT if n == 3 else TEXT) for n in range(14)]
    assert made(events, BURSTS) == [(3, TYPING, 0, 13, 1, 2, 3)]


def test_a_run_ends_at_a_pause_or_at_another_class() -> None:
    run = [key(50 * n) for n in range(15)]
    later = [key(4000 + 50 * n) for n in range(15)]
    assert made(run + later, BURSTS) == [(0, TYPING, 0, 15, 0, 0, 0), (4, TYPING, 0, 15, 0, 0, 4)]
    events = [*run, key(1500, ENTER), *(key(1600 + n) for n in range(12))]
    assert made(events, BURSTS) == [
        (0, TYPING, 0, 15, 0, 0, 0), (1, KEY, ENTER, 0, 0, 0, 1), (1, TYPING, 0, 12, 0, 0, 0),
    ]  # fmt: skip


def test_the_scopes_do_not_split_each_others_runs() -> None:
    events = [event for n in range(6) for event in (key(100 * n), click(100 * n + 50))]
    assert sorted(made(events, BURSTS)) == sorted(
        [(0, TYPING, 0, 6, 0, 0, 0), (0, CLICK, Button.LEFT, 6, 0, 0, 0)]
    )  # fmt: skip


def test_a_short_run_joins_the_next_one() -> None:
    joined = [key(0), key(100), key(1000, NAV), *(key(5000 + 80 * n, EDIT if n == 1 else TEXT) for n in range(10))]
    assert made(joined, BURSTS) == [(1, KEY, NAV, 0, 0, 0, 1), (5, TYPING, 0, 11, 1, 0, 4)]
    alone = [*(key(10 * n) for n in range(12)), *(key(5000 + 10 * n) for n in range(11))]
    assert made(alone, BURSTS, end=9000) == [(0, TYPING, 0, 12, 0, 0, 0), (9, TYPING, 0, 11, 0, 0, 9)]


def test_a_short_run_stands_alone_at_the_segments_end() -> None:
    assert made([key(0), key(100)], BURSTS, end=9000) == [(9, TYPING, 0, 2, 0, 0, 9)]


def test_runs_of_clicks_scrolls_and_strokes() -> None:
    events = [
        click(0), click(300), click(400, Button.RIGHT), scroll(1000, 3), scroll(1100, 2), scroll(1200, 1, Direction.UP),
        *(move(2000 + 20 * n, 8, -4) for n in range(20)), click(2600),
    ]  # fmt: skip
    assert made(events, BURSTS) == [
        (0, CLICK, Button.LEFT, 2, 0, 0, 0),
        (0, CLICK, Button.RIGHT, 1, 0, 0, 0),
        (1, SCROLL, Direction.DOWN, 5, 0, 0, 1),
        (1, SCROLL, Direction.UP, 1, 0, 0, 0),
        (2, STROKE, 0, 2, 0xFFFF, 0, 1),  # 160 px and -80 px in cells of 64
        (2, CLICK, Button.LEFT, 1, 0, 0, 0),
    ]


def test_what_a_stroke_leaves_over_is_carried_to_the_next() -> None:
    strokes = [move(3000 * n, 40) for n in range(8)]
    assert sum(signed(r[3]) for r in made(strokes, BURSTS)) == 5  # 320 px
    assert len(made(strokes, BURSTS)) == 8


def test_a_gap_ends_runs_and_holds_a_short_one() -> None:
    events = [
        *(key(50 * n) for n in range(12)),
        (1000, GAP, Reason.SECURE, 7, 0, 0),
        *(key(8000 + n) for n in range(12)),
    ]
    assert made(events, BURSTS) == [
        (0, TYPING, 0, 12, 0, 0, 0), (1, GAP, Reason.SECURE, 0, 0, 0, 7), (8, TYPING, 0, 12, 0, 0, 8),
    ]  # fmt: skip


def test_a_run_longer_than_a_field_is_cut_and_nothing_is_lost() -> None:
    records = made([key(n // 100) for n in range(70_000)], BURSTS)
    assert [r[3] for r in records] == [65_535, 4_465]


def test_where_a_long_run_is_cut_does_not_tell_corrections() -> None:
    text = [key(n // 100) for n in range(70_000)]
    mixed = [key(n // 100, EDIT if n % 2 else TEXT) for n in range(70_000)]
    assert made(text, COARSE) == made(mixed, COARSE)


# --- coarse, gaps, coarsening ---------------------------------------------------------------------------------


def test_coarse_is_bursts_in_buckets() -> None:
    events = [*(key(130_000 + 100 * n) for n in range(40)), move(200_000, -640, 64), click(200_100)]
    assert made(events, COARSE) == [
        (2, TYPING, 0, 6, 0, 0, 5),  # 40 keys, a gap of 130 s, and not that they took 3 s
        (3, STROKE, 0, 0x10000 - 4, 1, 0, 5),
        (3, CLICK, Button.LEFT, 1, 0, 0, 0),
    ]


def test_coarse_tells_neither_speed_nor_corrections() -> None:
    typed = [key(n * 100, EDIT if n % 5 == 4 else TEXT) for n in range(40)]
    slowly = [key(n * 1000) for n in range(40)]
    assert made(typed, COARSE) == made(slowly, COARSE) == [(0, TYPING, 0, bucket(40, CAPS["n_text"]), 0, 0, 0)]
    assert made(typed, BURSTS) != made(slowly, BURSTS)


def test_a_veiled_record_from_before_loses_speed_and_corrections_too() -> None:
    before = RECORD.pack(60, TYPING | COARSE_FORM, 0, 2, 3, 4, 5)
    after = RECORD.pack(1, TYPING, 0, 3, 0, 0, 5)
    assert coarsen(Redacted(before), BURSTS, COARSE) == after
    assert twin.coarse(before) == after


def test_no_bucket_exceeds_its_cap() -> None:
    events = [*(key(n) for n in range(9000)), *(key(9000 + n, EDIT) for n in range(900)), move(900_000, 32767 * 4)]
    typing, stroke = made(events, COARSE)
    assert typing[3:5] == (CAPS["n_text"], 0)
    assert stroke[3] == CAPS["cells"]
    assert stroke[6] == CAPS["gap"]


def test_a_released_gap_knows_no_reason() -> None:
    events: list[Event] = [(5000, GAP, Reason.SECURE, 100, 0, 0)]
    own, release = redact(events, Terms(EVENTS, COARSE))
    assert RECORD.unpack(own) == (250, GAP, Reason.SECURE, 0, 0, 0, 100)
    assert RECORD.unpack(release) == (0, GAP, Reason.UNOBSERVED, 0, 0, 0, 7)
    _, release = redact(events, Terms(EVENTS, BURSTS))
    assert RECORD.unpack(release) == (5, GAP, Reason.UNOBSERVED, 0, 0, 0, 100)
    assert coarsen_gap(gap(Reason.PAUSED, 9), COARSE) == RECORD.pack(0, GAP, Reason.UNOBSERVED, 0, 0, 0, 4)
    assert coarsen_gap(gap(Reason.PAUSED, 1 << 31), COARSE)[12] == CAPS["seconds"]


def test_nothing_is_ever_made_finer() -> None:
    with pytest.raises(Refused):
        coarsen(Redacted(b""), COARSE, BURSTS)


def test_a_segment_that_ends_before_its_last_event_loses_nothing() -> None:
    assert len(made([click(500), move(500, 40)], EVENTS, end=100)) == 2


def test_segments_stand_alone() -> None:
    redactor = Redactor(Terms(BURSTS, COARSE))
    events = [key(0), move(100, 70), key(500), click(700)]
    results = []
    for start in (0, 600_000):
        redactor.begin(start)
        redactor.feed(Batch([(start + e[0], *e[1:]) for e in events], 0))
        redactor.flush(start + 599_000)
        results.append(redactor.take())
    assert results[0] == results[1]
    assert results[0][0]


# --- properties -----------------------------------------------------------------------------------------------

KINDS = st.sampled_from([key(0), key(0), key(0, EDIT), key(0, ENTER), key(0, KeyClass.COMMAND, Command.COPY), click(0),
                         click(0, Button.RIGHT), scroll(0), scroll(0, 3, Direction.UP),
                         (0, GAP, Reason.SECURE, 3, 0, 0),
                         move(0, 5, -3), move(0, -200, 900), move(0, 1), move(0, 64)])  # fmt: skip
STEPS = st.sampled_from([0, 1, 7, 20, 150, 150, 400, 999, 2000, 2500, 61_000])


OTHERS = st.sampled_from([
    (0, FOCUS, Category.BROWSER, 0, 0, 0), (0, FOCUS, Category.MAIL, 0, 0, 0),
    (0, TARGET, Role.BUTTON, ClickKind.SINGLE, 0, 0), (0, TARGET, Role.LINK, ClickKind.DRAG, 0, 0),
    (0, TASK, 3, Outcome.BEGIN, 0, 0),
])  # fmt: skip
VEILS = st.sampled_from([(0, VEIL, 1, 0, 0, 0), (0, VEIL, 0, 0, 0, 0)])


@st.composite
def inputs(draw: st.DrawFn, *, veils: bool = True) -> list[Event]:
    """Input in order of time; ``veils``: with edges of veils."""
    t = draw(st.integers(0, 5000))
    events: list[Event] = []
    kinds = st.one_of(KINDS, KINDS, OTHERS, VEILS) if veils else st.one_of(KINDS, KINDS, OTHERS)
    for kind, step in draw(st.lists(st.tuples(kinds, STEPS), max_size=60)):
        t += step
        events.append((t, *kind[1:]))
    return events


PROFILE = st.sampled_from([EVENTS, BURSTS, COARSE])


@given(inputs())
def test_coarsening_composes(events: list[Event]) -> None:
    fine = redact(events, Terms(EVENTS))[0]
    assert coarsen(coarsen(fine, EVENTS, BURSTS), BURSTS, COARSE) == coarsen(fine, EVENTS, COARSE)


@given(inputs(), PROFILE, PROFILE)
def test_what_is_released_is_the_coarsening_of_what_is_kept(events: list[Event], own: Profile, to: Profile) -> None:
    if to.rank >= own.rank:
        kept, released = redact(events, Terms(own, to))
        end = max((event[0] for event in events), default=0) // own.grid_ms
        assert released == for_release(kept, own, to, end)
        assert kept == coarsen(
            redact(events, Terms(EVENTS))[0], EVENTS, own, max((e[0] for e in events), default=0) // 20
        )


@given(inputs(), PROFILE, st.data())
def test_how_input_is_cut_into_batches_does_not_show(events: list[Event], own: Profile, data: st.DataObject) -> None:
    cuts = tuple(sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=6))))
    assert redact(events, Terms(own, COARSE), cuts=cuts) == redact(events, Terms(own, COARSE))


@given(inputs(), PROFILE, st.data())
def test_what_is_equal_on_the_grid_is_equal_in_every_byte(
    events: list[Event], own: Profile, data: st.DataObject
) -> None:
    """Non-interference: times within one tick, and how a movement is cut up within it, do not show."""
    other: list[Event] = []
    floor = 0
    for t, what, code, extra, dx, dy in events:
        low = max(t - t % EVENTS.grid_ms, floor)
        floor = data.draw(st.integers(low, t - t % EVENTS.grid_ms + EVENTS.grid_ms - 1))
        if what == MOVE and data.draw(st.booleans()):
            part = data.draw(st.integers(-50, 50))
            other += [(floor, MOVE, 0, 0, part, -part), (floor, MOVE, 0, 0, dx - part, dy + part)]
        else:
            other.append((floor, what, code, extra, dx, dy))
    end = events[-1][0] if events else 0
    assert redact(other, Terms(own, COARSE), end) == redact(events, Terms(own, COARSE), end)


@given(inputs(), st.sampled_from([BURSTS, COARSE]), st.data())
def test_bursts_know_no_time_within_a_second_of_a_key_or_click(
    events: list[Event], own: Profile, data: st.DataObject
) -> None:
    events = [event for event in events if event[1] in (KEY, CLICK)]
    other: list[Event] = []
    floor = 0
    for event in events:
        second = event[0] - event[0] % 1000
        floor = data.draw(st.integers(max(second, floor), second + 999))
        other.append((floor, *event[1:]))
    end = events[-1][0] + 1000 if events else 0
    for scope in SCOPES:
        assert redact(other, Terms(own, scopes=(scope,)), end) == redact(events, Terms(own, scopes=(scope,)), end)


def shown(data: bytes, *, veiled: bool) -> list[Record]:
    """The records of keyboard, pointer and target that bear the mark, without it and with the minute; or the others."""
    found = []
    for t, kind, *rest in RECORD.iter_unpack(data):
        plain = kind & ~COARSE_FORM
        if plain in (KEY, TYPING, CLICK, SCROLL, MOVE, STROKE, TARGET) and bool(kind & COARSE_FORM) is veiled:
            found.append((t // 3000 if veiled else t, plain, *rest))
    return found


@given(inputs(veils=False))
def test_under_a_veil_the_stored_records_are_those_of_coarse(events: list[Event]) -> None:
    veiled: list[Event] = [(0, VEIL, 1, 0, 0, 0), *events]
    end = (events[-1][0] if events else 0) + 1000
    own, _ = redact(veiled, Terms(EVENTS), end)
    assert shown(own, veiled=False) == []
    coarse, _ = redact(events, Terms(COARSE), end)
    assert shown(own, veiled=True) == [r for r in RECORD.iter_unpack(coarse) if r[1] not in (FOCUS, TASK, GAP)]
    for profile in (EVENTS, BURSTS):
        made = redact(veiled, Terms(profile), end)[0]
        ticks = COARSE.grid_ms // profile.grid_ms
        assert all(r[0] % ticks == 0 for r in RECORD.iter_unpack(made) if r[1] & COARSE_FORM)


@given(
    inputs(veils=False),
    inputs(veils=False),
    inputs(veils=False),
    inputs(veils=False),
    st.sampled_from([EVENTS, BURSTS]),
)
def test_what_is_veiled_does_not_show_in_what_is_not(
    before: list[Event], one: list[Event], other: list[Event], after: list[Event], own: Profile
) -> None:
    def later(events: list[Event], ms: int) -> list[Event]:
        return [(one[0] + ms, *one[1:]) for one in events if one[1] not in (GAP, FOCUS)]

    made = []
    for hidden in (one, other):
        events = [*before, (5_000_000, VEIL, 1, 0, 0, 0), *later(hidden, 5_000_000), (10_000_000, VEIL, 0, 0, 0, 0),
                  *later(after, 10_000_000)]  # fmt: skip
        made.append(shown(redact(events, Terms(own), 16_000_000)[0], veiled=False))
    assert made[0] == made[1]


@given(inputs(veils=False), st.data())
def test_under_a_veil_no_time_within_a_second_shows(events: list[Event], data: st.DataObject) -> None:
    veil: Event = (0, VEIL, 1, 0, 0, 0)
    events = [event for event in events if event[1] in (KEY, CLICK, TARGET)]
    other: list[Event] = []
    floor = 0
    for event in events:
        second = event[0] - event[0] % 1000
        floor = data.draw(st.integers(max(second, floor), second + 999))
        other.append((floor, *event[1:]))
    end = events[-1][0] + 1000 if events else 0
    for scope in SCOPES:
        terms = Terms(EVENTS, scopes=(scope,))
        assert redact([veil, *other], terms, end) == redact([veil, *events], terms, end)


def test_runs_do_not_join_across_a_veil() -> None:
    typed = [key(70 * n) for n in range(42)]
    events = [*typed[:14], (970, VEIL, 1, 0, 0, 0), *typed[14:28], (1950, VEIL, 0, 0, 0, 0), *typed[28:]]
    assert [r[:5] for r in made(events, BURSTS)] == [
        (0, TYPING, 0, 14, 0), (0, TYPING | COARSE_FORM, 0, 4, 0), (1, TYPING, 0, 14, 0),
    ]  # fmt: skip
    assert [r[1:5] for r in made(events, COARSE)] == [(TYPING, 0, 4, 0)] * 3


def test_a_veil_holds_across_gaps_and_segments() -> None:
    redactor = Redactor(Terms(EVENTS))
    redactor.begin(0)
    redactor.feed(
        Batch([(0, VEIL, 1, 0, 0, 0), (0, FOCUS, Category.MAIL, 0, 0, 0), key(10), (20, GAP, 9, 1, 0, 0)], 30)
    )
    redactor.flush(600_000)
    redactor.take()
    redactor.begin(600_000)
    redactor.feed(Batch([(600_000, FOCUS, Category.MAIL, 0, 0, 0), key(600_100), key(600_200)], 600_300))
    redactor.flush(700_000)
    assert [r[1:4] for r in RECORD.iter_unpack(redactor.take()[0])] == [
        (FOCUS, Category.MAIL, 0), (TYPING | COARSE_FORM, 0, 2),
    ]  # fmt: skip


def test_focus_targets_and_tasks() -> None:
    events: list[Event] = [
        (0, FOCUS, Category.MAIL, 0, 0, 0), (500, FOCUS, Category.MAIL, 0, 0, 0),
        (70_000, FOCUS, Category.EDITOR, 0, 0, 0), (71_000, TARGET, Role.BUTTON, ClickKind.SINGLE, 0, 0),
        (71_900, TARGET, Role.BUTTON, ClickKind.SINGLE, 0, 0), (75_000, TASK, 2, Outcome.OK, 0, 0),
        (76_000, GAP, Reason.PAUSED, 3, 0, 0), (80_000, FOCUS, Category.EDITOR, 0, 0, 0),
    ]  # fmt: skip
    assert made(events, BURSTS) == [
        (0, FOCUS, Category.MAIL, 0, 0, 0, 0), (70, FOCUS, Category.EDITOR, 0, 0, 0, 70),
        (71, TARGET, Role.BUTTON, 2, ClickKind.SINGLE, 0, 71), (75, TASK, 2, Outcome.OK, 0, 0, 0),
        (76, GAP, Reason.PAUSED, 0, 0, 0, 3), (80, FOCUS, Category.EDITOR, 0, 0, 0, 10),
    ]  # fmt: skip
    assert made(events, COARSE)[1:3] == [
        (1, FOCUS, Category.EDITOR, 0, 0, 0, 5), (1, TARGET, Role.BUTTON, 2, ClickKind.SINGLE, 0, 5),
    ]  # fmt: skip
    for scope, kinds in (("context", {FOCUS}), ("target", {TARGET}), ("task", {TASK})):
        own, _ = redact(events, Terms(scopes=(scope,)))
        assert {r[1] for r in RECORD.iter_unpack(own)} == kinds | {GAP}


@given(inputs(veils=False))
def test_every_press_click_step_and_pixel_is_counted(events: list[Event]) -> None:
    end = (events[-1][0] if events else 0) + 1000
    fine, runs = made(events, EVENTS, end), made(events, BURSTS, end)
    pressed = Counter(e[2] for e in events if e[1] == KEY)
    assert Counter(r[2] for r in fine if r[1] == KEY) == pressed
    assert sum(r[3] for r in runs if r[1] == TYPING) == pressed[TEXT]
    assert sum(r[4] for r in runs if r[1] == TYPING) == pressed[EDIT]
    assert Counter(r[2] for r in runs if r[1] == KEY) == Counter({k: n for k, n in pressed.items() if k > EDIT})
    for kind in (CLICK, SCROLL):
        wanted: Counter[int] = Counter()
        for event in events:
            if event[1] == kind:
                wanted[event[2]] += event[3]
        for records in (fine, runs):
            counted: Counter[int] = Counter()
            for record in records:
                if record[1] == kind:
                    counted[record[2]] += record[3]
            assert counted == wanted
    x = sum(e[4] for e in events)
    assert abs(x - 4 * sum(signed(r[3]) for r in fine if r[1] == MOVE)) < 4
    assert abs(x - 64 * sum(signed(r[3]) for r in runs if r[1] == STROKE)) < 64 + 4
    assert sum(r[6] for r in fine if r[1] == GAP) == sum(e[3] for e in events if e[1] == GAP)


@given(inputs(), PROFILE)
def test_no_field_holds_more_than_its_closed_list(events: list[Event], own: Profile) -> None:
    kinds = {KEY: KeyClass, CLICK: Button, SCROLL: Direction, GAP: Reason, FOCUS: Category, TARGET: Role}
    for _, marked, code, a, b, c, d in made(events, own):
        kind = marked & ~COARSE_FORM
        assert kind != VEIL
        assert code in [int(value) for value in kinds[kind]] if kind in kinds else code == (3 if kind == TASK else 0)
        if kind == KEY:
            assert a in [int(value) for value in Command]
            assert (b, c) == (0, 0)
        if (own is COARSE or marked & COARSE_FORM) and kind not in (GAP, KEY):
            cells = CAPS["cells"]
            assert abs(signed(a)) <= max(cells, CAPS["n_text"])
            assert c <= CAPS["duration"]
            assert d <= CAPS["gap"]
    assert bucket(5, 9) == 3
