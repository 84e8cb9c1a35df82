"""The conformance suite itself: the replay backend shows all of it, and no behaviour is one that cannot fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from desktop_logger.capture import Capture, DisplayLost, Probe
from desktop_logger.consent.grant import Grant
from desktop_logger.records.classes import Button, KeyClass
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, KEY, MOVE, SCROLL
from desktop_logger.testing import ReplayRig, Step
from desktop_logger.testing.conformance import BEHAVIOURS, Behaviour, Failed

Fault = Callable[[list[Event], dict[str, Any]], list[Event]]


class FaultyRig(ReplayRig):
    """A replay whose device can be lost, and what a broken backend would make of it."""

    can = ReplayRig.can | {"lose"}

    def __init__(self, folder: str, fault: Fault | None = None, **broken: Any) -> None:
        super().__init__(folder)
        self.fault, self.broken = fault, broken
        self.memory: dict[str, Any] = {"opened": 0}
        self.is_lost = False
        if "probe" in broken:
            self.backend.probe = lambda: broken["probe"]  # type: ignore[method-assign]

    def begin(self, grant: Grant, steps: Sequence[Step]) -> Capture:
        self.memory["opened"] += 1
        return Faulty(super().begin(grant, steps), self)

    def lose(self) -> None:
        self.is_lost = True


class Faulty:
    gather_s = 0.05

    def __init__(self, inner: Capture, rig: FaultyRig) -> None:
        self.inner, self.rig = inner, rig
        self.fileno, self.due, self.ended, self.close = inner.fileno, inner.due, inner.ended, inner.close

    def read(self) -> Batch:
        if self.rig.is_lost and not self.rig.broken.get("deaf"):
            raise DisplayLost("gone")
        batch = self.inner.read()
        if self.rig.fault:
            batch.events = self.rig.fault(list(batch.events), self.rig.memory)
        batch.until += self.rig.broken.get("ahead", 0)
        return batch


def becomes(old: int, new: int, kind: int = KEY) -> Fault:
    """One class, button or direction is taken for another."""
    return lambda found, _: [(t, k, new if k == kind and c == old else c, *rest) for t, k, c, *rest in found]  # type: ignore[misc]


def without(old: int) -> Fault:
    return lambda found, _: [event for event in found if event[1] != KEY or event[2] != old]


def twice(kind: int) -> Fault:
    return lambda found, _: [event for event in found for _ in range(1 + (event[1] == kind))]


def adds(*extra: int) -> Fault:
    """Something that did not happen, once."""

    def add(found: list[Event], memory: dict[str, Any]) -> list[Event]:
        if memory.setdefault("added", False):
            return found
        memory["added"] = True
        return [(int(time.monotonic() * 1000), *extra), *found]  # type: ignore[list-item]

    return add


def loses_one_in(many: int, kind: int) -> Fault:
    def lose(found: list[Event], memory: dict[str, Any]) -> list[Event]:
        kept = []
        for event in found:
            memory["seen"] = memory.get("seen", 0) + (event[1] == kind)
            if event[1] != kind or memory["seen"] % many:
                kept.append(event)
        return kept

    return lose


def late(found: list[Event], memory: dict[str, Any]) -> list[Event]:
    """The first event comes after the second."""
    if not found or memory.get("done"):
        return found
    if "held" not in memory:
        memory["held"] = found[0]
        found = found[1:]
    if found:
        memory["done"] = True
        return [found[0], memory["held"], *found[1:]]
    return found


def shifted(change: Callable[[int], int], by: Callable[[int], int] = lambda t: t) -> Fault:
    return lambda found, _: [(by(t), k, c, x, change(dx), dy) for t, k, c, x, dx, dy in found]


def backwards(found: list[Event], memory: dict[str, Any]) -> list[Event]:
    memory["n"] = memory.get("n", 0) + len(found)
    return [(event[0] - 1000 * (memory["n"] + at), *event[1:]) for at, event in enumerate(found)]


def from_a_place(found: list[Event], memory: dict[str, Any]) -> list[Event]:
    """The first movement is where the pointer is."""
    if memory.setdefault("first", True) and any(event[1] == MOVE for event in found):
        memory["first"] = False
        return [(t, k, c, x, dx + 640 * (k == MOVE), dy) for t, k, c, x, dx, dy in found]
    return found


def again(found: list[Event], memory: dict[str, Any]) -> list[Event]:
    memory.setdefault("all", []).extend(found)
    return list(memory["all"])


def only_second(change: Fault) -> Fault:
    """A fault that shows when it was opened before."""
    return lambda found, memory: change(found, memory) if memory["opened"] > 1 else found


def with_the_code(found: list[Event], _: dict[str, Any]) -> list[Event]:
    return [(t, kind, code, 38 if kind == KEY else extra, dx, dy) for t, kind, code, extra, dx, dy in found]


FAULTS: dict[str, dict[str, Any]] = {
    "text_is_one_class": {"fault": becomes(KeyClass.TEXT, KeyClass.OTHER)},
    "corrections_are_edit": {"fault": becomes(KeyClass.EDIT, KeyClass.TEXT)},
    "enter_and_tab_have_their_own": {"fault": becomes(KeyClass.ENTER, KeyClass.TEXT)},
    "arrows_and_pages_are_nav": {"fault": becomes(KeyClass.NAV, KeyClass.OTHER)},
    "function_and_escape_have_their_own": {"fault": becomes(KeyClass.ESCAPE, KeyClass.FUNCTION)},
    "modifiers_are_seen_alone": {"fault": without(KeyClass.MODIFIER)},
    "shift_and_locks_make_nothing": {"fault": adds(KEY, KeyClass.MODIFIER, 0, 0, 0)},
    "a_capital_does_not_show": {"fault": only_second(becomes(KeyClass.TEXT, KeyClass.OTHER))},
    "a_letter_with_control_is_a_command": {"fault": becomes(KeyClass.COMMAND, KeyClass.TEXT)},
    "commands_have_names_from_a_closed_list": {"fault": lambda found, _: [(*e[:3], 0, *e[4:]) for e in found]},
    "alt_with_tab_switches_windows": {"fault": becomes(KeyClass.COMMAND, KeyClass.TAB)},
    "letting_go_makes_nothing": {"fault": twice(KEY)},
    "a_key_held_down_is_one_press": {"fault": twice(KEY)},
    "keys_keep_their_order": {"fault": late},
    "fast_typing_is_all_counted": {"fault": loses_one_in(100, KEY)},
    "every_button_has_its_name": {"fault": becomes(Button.MIDDLE, Button.LEFT, CLICK)},
    "scrolling_has_directions_and_steps": {"fault": becomes(1, 2, SCROLL)},
    "scrolling_is_no_click": {"fault": lambda found, _: [(t, CLICK if k == SCROLL else k, *r) for t, k, *r in found]},
    "movements_add_up": {"fault": shifted(abs)},
    "where_the_pointer_is_does_not_show": {"fault": from_a_place},
    "the_edge_does_not_stop_a_movement": {"fault": shifted(lambda dx: max(dx, -640))},
    "a_flood_of_clicks_is_all_counted": {"fault": loses_one_in(300, CLICK)},
    "only_keys_where_only_keys_are_granted": {"fault": adds(MOVE, 0, 0, 1, 1)},
    "only_the_pointer_where_only_that_is_granted": {"fault": adds(KEY, KeyClass.TEXT, 0, 0, 0)},
    "times_are_those_of_the_monotonic_clock": {"fault": shifted(lambda dx: dx, lambda t: t + 60_000)},
    "keys_never_go_back_in_time": {"fault": backwards},
    "nothing_comes_that_is_older_than_said": {"ahead": 5000},
    "an_event_has_no_room_for_a_key": {"fault": with_the_code},
    "a_probe_says_why_and_changes_nothing": {"probe": Probe(True, "")},
    "nothing_happening_makes_nothing": {"fault": adds(KEY, KeyClass.TEXT, 0, 0, 0)},
    "what_was_read_does_not_come_again": {"fault": again},
    "it_opens_again_after_it_was_closed": {"fault": only_second(without(KeyClass.TEXT))},
    "a_lost_device_is_said_and_stays_lost": {"deaf": True},
}  # fmt: skip


def test_there_are_behaviours_each_with_a_sentence_and_a_fault() -> None:
    assert len(BEHAVIOURS) >= 25
    assert {one.name for one in BEHAVIOURS} == set(FAULTS)
    assert all(one.sentence.endswith(".") and len(one.sentence) < 130 for one in BEHAVIOURS)


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=str)
def test_the_replay_backend_shows_it_and_a_broken_one_does_not(behaviour: Behaviour, tmp_path: Path) -> None:
    behaviour.check(FaultyRig(str(tmp_path)))
    with pytest.raises(Failed, match="replay does not show that") as caught:
        behaviour.check(FaultyRig(str(tmp_path), **FAULTS[behaviour.name]))
    assert len(str(caught.value)) > len(behaviour.sentence) + 20
