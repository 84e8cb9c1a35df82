"""What every backend must show, each as a sentence and a check. ``BEHAVIOURS`` holds them all.

1. A check opens the backend through the rig, lets steps happen, and reads until nothing more comes.
2. It compares what came with what must come, and raises ``Failed`` with both.
3. A behaviour whose needs the rig cannot serve does not apply: ask ``applies`` first, and say so.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from desktop_logger.capture import Capture, DisplayLost
from desktop_logger.records.classes import Button, Command, Direction, KeyClass, Reason
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, GAP, KEY, MOVE, SCROLL

from . import Rig, Step, grant_for

_LONGEST_S = 30.0
_POLL_S = 0.05
_BOTH = ("keyboard", "pointer")


class Failed(AssertionError):
    """A backend does not show a behaviour."""


class Behaviour(NamedTuple):
    """One behaviour: its function's name, the sentence that must hold, and what a rig must be able to do for it."""

    name: str
    sentence: str
    needs: frozenset[str]
    run: Callable[[Rig], None]

    def applies(self, rig: Rig) -> bool:
        """Whether the rig can do what this needs."""
        return self.needs <= rig.can

    def check(self, rig: Rig) -> None:
        """Raise ``Failed`` unless the backend shows it."""
        try:
            self.run(rig)
        except Failed as error:
            sentence = self.sentence[0].lower() + self.sentence[1:]
            raise Failed(f"{rig.backend.name} does not show that {sentence} {error}") from None

    def __str__(self) -> str:
        return self.name


BEHAVIOURS: list[Behaviour] = []


def _behaviour(*needs: str) -> Callable[[Callable[[Rig], None]], Callable[[Rig], None]]:
    def add(run: Callable[[Rig], None]) -> Callable[[Rig], None]:
        BEHAVIOURS.append(Behaviour(run.__name__, (run.__doc__ or "").strip(), frozenset(needs), run))
        return run

    return add


# --- steps ---------------------------------------------------------------------------------------------------------


def press(key: str) -> Step:
    """A key goes down."""
    return {"key": key, "down": True}


def release(key: str) -> Step:
    """A key comes up."""
    return {"key": key, "down": False}


def tap(*keys: str) -> list[Step]:
    """Keys one after the other, each down and up."""
    return [step for key in keys for step in (press(key), release(key))]


def chord(*keys: str) -> list[Step]:
    """Keys held together: down in order, up in the other."""
    return [*map(press, keys), *map(release, reversed(keys))]


def click(button: int) -> list[Step]:
    """A button, down and up."""
    return [{"button": button, "down": True}, {"button": button, "down": False}]


def move(dx: int, dy: int) -> Step:
    """The pointer moves."""
    return {"move": [dx, dy]}


def scroll(dx: int, dy: int) -> Step:
    """Steps to the right and up."""
    return {"scroll": [dx, dy]}


# --- reading -------------------------------------------------------------------------------------------------------


def batches(opened: Capture, settle_s: float) -> list[Batch]:
    """What the capture hands on until it has ended or been quiet for ``settle_s``; batches without events too."""
    found: list[Batch] = []
    begun = quiet = time.monotonic()
    while time.monotonic() - begun < _LONGEST_S:
        due, descriptor = opened.due(), opened.fileno()
        wait = _POLL_S if due is None else min(_POLL_S, max(0.0, due))
        if descriptor >= 0:
            select.select([descriptor], [], [], wait)
        else:
            time.sleep(wait)
        batch = opened.read()
        found.append(batch)
        now = time.monotonic()
        if batch.events:
            quiet = now
        if opened.ended() or (descriptor >= 0 and now - quiet > settle_s):
            return found
    raise Failed(f"It did not become quiet within {_LONGEST_S:.0f} s.")


def played(rig: Rig, steps: Sequence[Step], *scopes: str) -> list[Batch]:
    """The batches that these steps make under a grant of these scopes."""
    opened = rig.begin(grant_for(*scopes), steps)
    try:
        return batches(opened, rig.settle_s)
    finally:
        opened.close()


def events(rig: Rig, steps: Sequence[Step], *scopes: str) -> list[Event]:
    """The events that these steps make."""
    return [event for batch in played(rig, steps, *scopes) for event in batch.events]


def _keys(rig: Rig, steps: Sequence[Step]) -> list[str]:
    return [_class(event[2]) for event in events(rig, steps, "keyboard") if event[1] == KEY]


def _class(number: int) -> str:
    try:
        return KeyClass(number).name
    except ValueError:
        return f"unknown class {number}"


def _moved(found: Iterable[Event]) -> tuple[int, int]:
    moves = [event for event in found if event[1] == MOVE]
    return sum(event[4] for event in moves), sum(event[5] for event in moves)


def _same(what: str, wanted: object, got: object) -> None:
    if wanted != got:
        raise Failed(f"Expected {what} {wanted}, got {got}.")


# --- keys ----------------------------------------------------------------------------------------------------------


@_behaviour("keyboard")
def text_is_one_class(rig: Rig) -> None:
    """Letters, digits, punctuation and space are all TEXT, once each."""
    _same("keys", ["TEXT"] * 7, _keys(rig, tap("a", "z", "7", "period", "minus", "space", "q")))


@_behaviour("keyboard")
def corrections_are_edit(rig: Rig) -> None:
    """BackSpace and Delete are EDIT."""
    _same("keys", ["EDIT", "EDIT"], _keys(rig, tap("BackSpace", "Delete")))


@_behaviour("keyboard")
def enter_and_tab_have_their_own(rig: Rig) -> None:
    """Return is ENTER and Tab is TAB."""
    _same("keys", ["ENTER", "TAB"], _keys(rig, tap("Return", "Tab")))


@_behaviour("keyboard")
def arrows_and_pages_are_nav(rig: Rig) -> None:
    """Arrows, Home, End and pages are NAV."""
    _same("keys", ["NAV"] * 6, _keys(rig, tap("Left", "Up", "Home", "End", "Prior", "Next")))


@_behaviour("keyboard")
def function_and_escape_have_their_own(rig: Rig) -> None:
    """F1 to F12 are FUNCTION and Escape is ESCAPE."""
    _same("keys", ["FUNCTION", "ESCAPE", "FUNCTION"], _keys(rig, tap("F1", "Escape", "F12")))


@_behaviour("keyboard")
def modifiers_are_seen_alone(rig: Rig) -> None:
    """Control, Alt and Super alone are MODIFIER."""
    _same("keys", ["MODIFIER"] * 3, _keys(rig, tap("Control_L", "Alt_L", "Super_L")))


@_behaviour("keyboard")
def shift_and_locks_make_nothing(rig: Rig) -> None:
    """Bare Shift and CapsLock make no event."""
    _same("keys", ["TEXT"], _keys(rig, tap("Shift_L", "Caps_Lock", "a", "Caps_Lock", "Shift_L")))


@_behaviour("keyboard")
def a_capital_does_not_show(rig: Rig) -> None:
    """A capital letter makes the same event as a small one."""
    small = [event[1:] for event in events(rig, tap("a"), "keyboard")]
    capital = [event[1:] for event in events(rig, chord("Shift_L", "a"), "keyboard")]
    _same("event", small, capital)


@_behaviour("keyboard")
def a_letter_with_control_is_a_command(rig: Rig) -> None:
    """A letter while Control is held is COMMAND, and TEXT again when it is let go."""
    _same("keys", ["MODIFIER", "COMMAND", "TEXT"], _keys(rig, [*chord("Control_L", "c"), *tap("c")]))


@_behaviour("keyboard")
def commands_have_names_from_a_closed_list(rig: Rig) -> None:
    """Control with c, v and Shift+z is COPY, PASTE and REDO; with j it has no name."""
    steps = [*chord("Control_L", "c"), *chord("Control_L", "v"), *chord("Control_L", "Shift_L", "z"),
             *chord("Control_L", "j")]  # fmt: skip
    found = [event[3] for event in events(rig, steps, "keyboard") if event[2] == KeyClass.COMMAND]
    _same("commands", [Command.COPY, Command.PASTE, Command.REDO, Command.NONE], found)


@_behaviour("keyboard")
def alt_with_tab_switches_windows(rig: Rig) -> None:
    """Alt with Tab is the command SWITCH_WINDOW."""
    found = [event[2:4] for event in events(rig, chord("Alt_L", "Tab"), "keyboard")]
    _same("keys", [(KeyClass.MODIFIER, 0), (KeyClass.COMMAND, Command.SWITCH_WINDOW)], found)


@_behaviour("keyboard")
def letting_go_makes_nothing(rig: Rig) -> None:
    """A key that comes up makes no event."""
    _same("keys", ["TEXT", "TEXT"], _keys(rig, [press("a"), press("b"), release("a"), release("b")]))


@_behaviour("keyboard")
def a_key_held_down_is_one_press(rig: Rig) -> None:
    """A key that goes down again without having come up is one press."""
    _same("keys", ["TEXT", "TEXT"], _keys(rig, [press("a"), press("a"), press("a"), release("a"), *tap("a")]))


@_behaviour("keyboard")
def keys_keep_their_order(rig: Rig) -> None:
    """Keys come in the order in which they were pressed."""
    wanted = ["TEXT", "ENTER", "EDIT", "TAB", "NAV", "TEXT", "ESCAPE"]
    _same("keys", wanted, _keys(rig, tap("a", "Return", "BackSpace", "Tab", "Left", "b", "Escape")))


@_behaviour("keyboard")
def fast_typing_is_all_counted(rig: Rig) -> None:
    """Five hundred presses as fast as they come are five hundred."""
    _same("presses", 500, len(_keys(rig, tap(*"asdfg" * 100))))


# --- pointer -------------------------------------------------------------------------------------------------------


@_behaviour("pointer")
def every_button_has_its_name(rig: Rig) -> None:
    """The left, middle and right buttons are told apart, one click for each press."""
    found = [event[2:4] for event in events(rig, [*click(1), *click(2), *click(3)], "pointer") if event[1] == CLICK]
    _same("clicks", [(Button.LEFT, 1), (Button.MIDDLE, 1), (Button.RIGHT, 1)], found)


@_behaviour("pointer")
def scrolling_has_directions_and_steps(rig: Rig) -> None:
    """Scrolling three steps down and two up is three steps down and two up."""
    steps = [*[scroll(0, -1)] * 3, *[scroll(0, 1)] * 2]
    found: Counter[int] = Counter()
    for event in events(rig, steps, "pointer"):
        if event[1] == SCROLL:
            found[event[2]] += event[3]
    _same("steps", {Direction.DOWN: 3, Direction.UP: 2}, dict(found))


@_behaviour("pointer")
def scrolling_is_no_click(rig: Rig) -> None:
    """Scrolling makes no click."""
    found = events(rig, [scroll(0, -1), *click(1), scroll(0, 1)], "pointer")
    _same("clicks", 1, sum(event[1] == CLICK for event in found))


@_behaviour("pointer")
def movements_add_up(rig: Rig) -> None:
    """Movements add up to the pixels moved, with their signs."""
    steps = [move(13, 7), move(4, -2), move(-5, 6), {"wait": 0.05}, move(-1, -1), move(9, 9)]
    _same("pixels", (20, 19), _moved(events(rig, steps, "pointer")))


@_behaviour("pointer")
def where_the_pointer_is_does_not_show(rig: Rig) -> None:
    """The first movement is a movement, never a place on the screen."""
    _same("pixels", (3, 2), _moved(events(rig, [move(3, 2)], "pointer")))


@_behaviour("pointer", "edges")
def the_edge_does_not_stop_a_movement(rig: Rig) -> None:
    """Movement that the edge of the screen stops is seen as it was made."""
    _same("pixels", (-5990, -5995), _moved(events(rig, [move(-6000, -6000), {"wait": 0.05}, move(10, 5)], "pointer")))


@_behaviour("pointer")
def a_flood_of_clicks_is_all_counted(rig: Rig) -> None:
    """A thousand clicks as fast as they come are a thousand."""
    found = events(rig, click(1) * 1000, "pointer")
    _same("clicks", 1000, sum(event[3] for event in found if event[1] == CLICK))


# --- grants, times, events -----------------------------------------------------------------------------------------

_MIXED: list[Step] = [*tap("a"), move(5, 5), *click(1), scroll(0, -1), *tap("Return"), move(-5, 2)]


@_behaviour("keyboard", "pointer")
def only_keys_where_only_keys_are_granted(rig: Rig) -> None:
    """Under a grant of the keyboard alone nothing of the pointer is handed on."""
    _same("kinds", [KEY], sorted({event[1] for event in events(rig, _MIXED, "keyboard")}))


@_behaviour("keyboard", "pointer")
def only_the_pointer_where_only_that_is_granted(rig: Rig) -> None:
    """Under a grant of the pointer alone no key is handed on."""
    _same("kinds", sorted((CLICK, SCROLL, MOVE)), sorted({event[1] for event in events(rig, _MIXED, "pointer")}))


@_behaviour("keyboard", "pointer")
def times_are_those_of_the_monotonic_clock(rig: Rig) -> None:
    """Every event has a time between opening and now, in ms of the monotonic clock."""
    begun = int(time.monotonic() * 1000)
    found = [event[0] for event in events(rig, _MIXED, *_BOTH)]
    now = int(time.monotonic() * 1000)
    wrong = [t - begun for t in found if not begun - 50 <= t <= now + 50]
    if wrong or not found:
        raise Failed(f"Of {len(found)} times {len(wrong)} lie outside, the first {wrong[:1]} ms from opening.")


@_behaviour("keyboard", "pointer")
def keys_never_go_back_in_time(rig: Rig) -> None:
    """Keys and clicks come in the order of their times."""
    found = [event[0] for event in events(rig, _MIXED * 3, *_BOTH) if event[1] in (KEY, CLICK)]
    if not found or found != sorted(found):
        raise Failed(f"Of {len(found)} times at least one lies before the one that came before it.")


@_behaviour("keyboard", "pointer")
def nothing_comes_that_is_older_than_said(rig: Rig) -> None:
    """No event is older than an earlier batch's ``until``, and ``until`` does not lie in the future."""
    said = 0
    for batch in played(rig, [*_MIXED, {"wait": 0.7}, *_MIXED], *_BOTH):
        late = [said - event[0] for event in batch.events if event[0] < said]
        if late:
            raise Failed(f"An event came {late[0]} ms after everything up to it was said to be through.")
        if batch.until > int(time.monotonic() * 1000) + 1:
            raise Failed("A batch says that a time is through which has not come.")
        said = max(said, batch.until)


_ALLOWED: dict[int, tuple[set[int], set[int]]] = {
    KEY: ({*KeyClass}, {*Command}), CLICK: ({*Button}, {1}), SCROLL: ({*Direction}, set(range(1, 1001))),
    MOVE: ({0}, {0}), GAP: ({*Reason}, set(range(86_401))),
}  # fmt: skip


@_behaviour("keyboard", "pointer")
def an_event_has_no_room_for_a_key(rig: Rig) -> None:
    """Every event is six whole numbers out of the closed lists, and only movements have a displacement."""
    found = events(rig, [*_MIXED, *tap(*"secret"), *chord("Control_L", "c")], *_BOTH)
    for event in found:
        if len(event) != 6 or not all(isinstance(part, int) for part in event) or event[1] not in _ALLOWED:
            raise Failed(f"An event of kind {event[1]} is not six whole numbers of a known kind.")
        codes, extras = _ALLOWED[event[1]]
        if event[2] not in codes or event[3] not in extras:
            raise Failed(f"An event of kind {event[1]} holds a number that no list has.")
        if event[1] != MOVE and event[4:] != (0, 0):
            raise Failed(f"An event of kind {event[1]} has a displacement.")
    if not found:
        raise Failed("Nothing came.")


# --- opening and closing -------------------------------------------------------------------------------------------


@_behaviour()
def a_probe_says_why_and_changes_nothing(rig: Rig) -> None:
    """Asking whether it would work gives a reason, and the same one when asked again."""
    one, other = rig.backend.probe(), rig.backend.probe()
    if not one.viable or not one.reason or one != other:
        raise Failed(f"Expected a reason twice, got {one} and {other}.")


@_behaviour()
def nothing_happening_makes_nothing(rig: Rig) -> None:
    """Where nothing happens there is no event."""
    _same("events", 0, len(events(rig, [], *_BOTH)))


@_behaviour("keyboard")
def what_was_read_does_not_come_again(rig: Rig) -> None:
    """What was read once is not handed on again."""
    opened = rig.begin(grant_for(*_BOTH), tap("a"))
    try:
        first = [event for batch in batches(opened, rig.settle_s) for event in batch.events]
        again = [event for _ in range(3) for event in opened.read().events]
    finally:
        opened.close()
    _same("events at first and then", (1, 0), (len(first), len(again)))


@_behaviour("keyboard")
def it_opens_again_after_it_was_closed(rig: Rig) -> None:
    """After closing it can be opened again, and has forgotten which keys were down."""
    _keys(rig, [press("a"), press("Control_L")])
    _same("keys", ["TEXT"], _keys(rig, [release("a"), release("Control_L"), *tap("a")]))


@_behaviour("keyboard", "lose")
def a_lost_device_is_said_and_stays_lost(rig: Rig) -> None:
    """When the display or device goes away, reading raises ``DisplayLost`` within three seconds, every time."""
    opened = rig.begin(grant_for(*_BOTH), tap("a"))
    try:
        batches(opened, rig.settle_s)
        rig.lose()
        end = time.monotonic() + 3
        with contextlib.suppress(DisplayLost):
            while time.monotonic() < end:
                opened.read()
                time.sleep(_POLL_S)
        for _ in range(2):
            try:
                opened.read()
            except DisplayLost:
                continue
            raise Failed("It went on reading.")
    finally:
        opened.close()
