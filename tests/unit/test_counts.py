"""The profile ``counts``: exact where nobody blurs, blurred as stated, and the same number of records always."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_logger.errors import Refused
from desktop_logger.inspection import drawing
from desktop_logger.inspection.rows import segment_rows
from desktop_logger.inspection.summary import Span, Summary
from desktop_logger.records.classes import Action, Button, Category, Direction, KeyClass, Reason, Role
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import ACTIONS, GAP, KEY, PRESSES, RECORD, Redacted, signed
from desktop_logger.records.profiles import (
    BURSTS,
    COARSE,
    COUNT_HIGH,
    COUNT_LOW,
    COUNT_MINUTES,
    COUNTS,
    EVENTS,
    PROFILES,
    SCOPES,
    Profile,
    may_become,
)
from desktop_logger.redaction import Redactor, coarsen, release_gaps
from desktop_logger.redaction.counting import Noise, laplace
from desktop_logger.segments.reading import RECORDS
from tests.unit.test_redaction import Terms, click, inputs, key, move, scroll

Record = tuple[int, int, int, int, int, int, int]


def silent() -> int:
    return 0


def counted(events: list[Event], end: int, noise: Noise = silent, scopes: tuple[str, ...] = SCOPES,
            cuts: tuple[int, ...] = ()) -> list[Record]:  # fmt: skip
    redactor = Redactor(Terms(own=COUNTS, scopes=scopes), noise)
    redactor.begin(0)
    data = b""
    for first, last in pairwise((0, *cuts, len(events))):
        part = events[first:last]
        redactor.feed(Batch(part, 0))
        if part:
            redactor.advance(part[-1][0])
        data += redactor.take()[0]
    redactor.flush(end)
    return list(RECORD.iter_unpack(data + redactor.take()[0]))


def totals(records: list[Record]) -> dict[tuple[int, int, int], int]:
    return {(r[0], r[1], r[2]): signed(r[3]) for r in records if r[1] != GAP and signed(r[3])}


def test_presses_and_actions_count_in_the_minute_in_which_they_happened() -> None:
    events = [
        key(100), key(59_990), key(60_010), key(60_500, KeyClass.EDIT), click(61_000, Button.RIGHT),
        scroll(62_000, 3, Direction.UP), move(63_000, 80), move(63_400, 80), move(65_000, 80),
    ]  # fmt: skip
    assert totals(counted(events, 70_000)) == {
        (0, PRESSES, KeyClass.TEXT): 2, (1, PRESSES, KeyClass.TEXT): 1, (1, PRESSES, KeyClass.EDIT): 1,
        (1, ACTIONS, Action.CLICK_RIGHT): 1, (1, ACTIONS, Action.SCROLL_UP): 3, (1, ACTIONS, Action.MOVING): 2,
    }  # fmt: skip


def test_a_minute_without_input_has_as_many_records_as_one_with() -> None:
    nothing, much = counted([], 599_000), counted([key(n * 100) for n in range(5000)], 599_000)
    assert Counter((r[0], r[1], r[2]) for r in nothing) == Counter((r[0], r[1], r[2]) for r in much)
    assert len(nothing) == 10 * (len(KeyClass) + len(Action) + len(Category) + len(Role))


def test_scopes_that_are_not_granted_are_not_counted_and_get_no_noise() -> None:
    drawn = 0

    def noise() -> int:
        nonlocal drawn
        drawn += 1
        return 1

    records = counted([key(1), click(2)], 30_000, noise, scopes=("pointer",))
    assert {r[1] for r in records} == {ACTIONS}
    assert drawn == len(records) == len(Action)


def test_a_gap_passes_with_its_minute() -> None:
    records = counted([(61_000, GAP, Reason.PAUSED, 7, 0, 0)], 62_000)
    assert [r for r in records if r[1] == GAP] == [(1, GAP, Reason.PAUSED, 0, 0, 0, 7)]


def test_a_count_stays_within_its_bounds() -> None:
    assert {signed(r[3]) for r in counted([], 1000, lambda: -10_000)} == {COUNT_LOW}
    assert {signed(r[3]) for r in counted([], 1000, lambda: 10_000)} == {COUNT_HIGH}


def test_what_comes_long_after_the_last_window_falls_into_it() -> None:
    records = counted([key(40 * 60_000)], 50 * 60_000)
    assert totals(records) == {(COUNT_MINUTES - 1, PRESSES, KeyClass.TEXT): 1}


@given(inputs(), st.data())
def test_how_input_is_cut_does_not_show(events: list[Event], data: st.DataObject) -> None:
    cuts = tuple(sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=6))))
    end = max((event[0] for event in events), default=0)
    assert counted(events, end, cuts=cuts) == counted(events, end)


@given(inputs(), st.data())
def test_one_press_changes_one_count_by_one(events: list[Event], data: st.DataObject) -> None:
    """What the noise is measured against."""
    if events:
        place = data.draw(st.integers(0, len(events) - 1))
        extra = (events[place][0], KEY, data.draw(st.sampled_from(list(KeyClass))), 0, 0, 0)
        end = events[-1][0]
        before, after = counted(events, end), counted([*events[:place], extra, *events[place:]], end)
        changed = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
        assert len(changed) == 1
        assert changed[0][1][3] - changed[0][0][3] == 1


def test_every_press_click_step_and_second_of_motion_is_counted() -> None:
    events = [
        event for n in range(900) for event in (key(n * 330, KeyClass(1 + n % 11)), click(n * 330), move(n * 330, 40))
    ]
    counts = totals(counted(events, 300_000))
    assert sum(n for (_, kind, _), n in counts.items() if kind == PRESSES) == 900
    assert sum(n for (_, kind, code), n in counts.items() if (kind, code) == (ACTIONS, Action.CLICK_LEFT)) == 900
    assert sum(n for (_, kind, code), n in counts.items() if (kind, code) == (ACTIONS, Action.MOVING)) == 297


def test_the_noise_is_the_discrete_laplace_distribution() -> None:
    draws = 60_000
    seen = Counter(laplace() for _ in range(draws))
    base = math.exp(-0.2)
    chi2 = 0.0
    for k in range(-15, 16):
        wanted = draws * (1 - base) / (1 + base) * base ** abs(k)
        chi2 += (seen[k] - wanted) ** 2 / wanted
    assert chi2 < 90  # 31 cells: a right sampler passes this but for one run in ten million
    assert abs(sum(k * n for k, n in seen.items()) / draws) < 0.25


def test_noise_is_drawn_anew_for_every_record() -> None:
    one, other = (counted([], 599_000, laplace) for _ in range(2))
    assert one != other


@pytest.mark.parametrize("frm", [EVENTS, BURSTS, COARSE], ids=lambda one: one.name)
def test_counts_cannot_be_made_later_nor_made_into_anything(frm: Profile) -> None:
    with pytest.raises(Refused):
        coarsen(Redacted(b""), frm, COUNTS)
    with pytest.raises(Refused):
        coarsen(Redacted(b""), COUNTS, frm)
    assert coarsen(Redacted(b"x"), COUNTS, COUNTS) == b"x"


def test_the_two_orders_of_profiles() -> None:
    allowed = {(a, b) for a, one in PROFILES.items() for b, other in PROFILES.items() if may_become(one, other)}
    assert allowed == {(name, name) for name in PROFILES} | {
        ("events", "bursts"), ("events", "coarse"), ("events", "counts"), ("bursts", "coarse"), ("bursts", "counts"),
    }  # fmt: skip


def test_a_gap_between_segments_reaches_a_release_of_counts() -> None:
    gap = RECORD.pack(0, GAP, Reason.PAUSED, 0, 0, 0, 9)
    assert release_gaps(gap, BURSTS, COUNTS) == RECORD.pack(0, GAP, Reason.UNOBSERVED, 0, 0, 0, 4)


def test_a_summary_copes_with_noise_below_nothing() -> None:
    typed = [key(n * 200) for n in range(250)]
    events = sorted([*typed, click(30_000), move(2000, 90)])
    redactor = Redactor(Terms(own=COUNTS), lambda: -3)
    redactor.begin(0)
    redactor.feed(Batch(events, 60_000))
    redactor.flush(59_000)
    made = np.frombuffer(redactor.take()[0], RECORDS)
    parts = {"keyboard": [made[made["kind"] == PRESSES]], "pointer": [made[made["kind"] == ACTIONS]]}
    summary = Summary()
    summary.add(Span("s", 0.0, 60.0), COUNTS, parts)
    facts = summary.to_json()
    assert facts["keys"] == {"TEXT": 247}
    assert facts["pointer"] == {"clicks": 0, "scrolls": 0, "moves": 0}
    assert facts["with_noise"] is True
    assert facts["records"] == len(KeyClass) + len(Action)
    lines = drawing.text(summary, ascii_only=True)
    assert any("about" in line and "247" in line for line in lines)
    assert not any("-3" in line for line in lines)
    rows = segment_rows(parts, COUNTS)
    assert rows[0] == {"record": "presses", "t": 0, "class": "TEXT", "n": 247, "scope": "keyboard"}
    assert {row["action"] for row in rows if row["record"] == "actions"} == {one.name.lower() for one in Action}
