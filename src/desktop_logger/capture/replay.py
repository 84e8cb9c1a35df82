"""The replay backend: input written down in a file, played as if it came from a keyboard and a mouse.

JSON Lines, UTF-8, one input event a line, ``t`` in seconds from the start, never going back::

    {"t": 0.132, "key": "a", "down": true}          an X keysym name
    {"t": 0.5, "move": [12, -3]}                    pixels, right and down
    {"t": 1, "button": 1, "down": true}             1 left, 2 middle, 3 right, 8 back, 9 forward
    {"t": 1.2, "scroll": [0, -1]}                   steps, right and up
    {"t": 2, "focus": "org.gnome.Terminal", "secure": false}
    {"t": 3, "task": 1, "outcome": "begin"}         number in the policy's list; begin, ok, failed, gave_up

A press of a button may name the ``role`` of what was under it and the kind of ``click`` (single, double, drag); else it
is unknown and single. While the focus is on something secure, or in an application that the grant does not allow,
nothing is recorded; when it leaves, that time is a gap. ``"answered": false`` in a focus line says that nobody can
tell whether the field is secure: what follows is veiled, or a gap, as the grant says. Before the first focus line
everything is answered and allowed, and its category is ``OTHER``.

The whole file is checked before the first event is played, and a message about a bad line never repeats what it holds.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from desktop_logger.consent.grant import Grant
from desktop_logger.errors import UsageError
from desktop_logger.records.applications import Applications, category_of
from desktop_logger.records.classes import (
    MODIFIER_BITS,
    Button,
    Category,
    ClickKind,
    Direction,
    Outcome,
    Reason,
    Role,
    classify,
    keysym_of,
)
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, FOCUS, GAP, KEY, MOVE, SCOPE_OF_KIND, SCROLL, TARGET, TASK, VEIL
from desktop_logger.records.profiles import EVENTS, TASKS

from . import GATHER_S, Probe

_FIELDS = {
    "key": {"down"},
    "move": set(),
    "button": {"down"},
    "scroll": set(),
    "focus": {"secure"},
    "task": {"outcome"},
}
_OPTIONS = {"button": {"role", "click"}, "focus": {"answered"}}
_FLAGS = ("down", "secure", "answered")
_BUTTONS = {1: Button.LEFT, 2: Button.MIDDLE, 3: Button.RIGHT, 8: Button.BACK, 9: Button.FORWARD}
_MOST_PX, _MOST_STEPS, _MOST_S = 32767, 1000, 86400
_HINT = "The format of replay files is described in docs/reference/replay.md."


class Rule(NamedTuple):
    """What of a grant decides over a focus."""

    applications: Applications = Applications("all")
    unanswered: str = "coarse"
    categories: Mapping[str, int] = MappingProxyType({})


class Reader:
    """Reads one file line by line; keeps which keys are held and what has the focus."""

    def __init__(self, path: str, rule: Rule | None = None) -> None:
        self.path = path
        self.last = 0
        """The time of the last line, in ms."""
        self._rule = rule or Rule()
        self._held: dict[str, int] = {}
        self._closed: tuple[int, Reason] | None = None
        self._veiled = False

    def first(self) -> list[Event]:
        """What holds before the first line."""
        return [(0, FOCUS, Category.OTHER, 0, 0, 0)]

    def lines(self) -> Iterator[tuple[dict[str, Any], list[Event]]]:
        """Each line as it stands and the classified events (ms from the start) that it makes.

        Raises ``UsageError`` naming file, line and reason.
        """
        try:
            with open(self.path, "rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        try:
                            yield self.line(line)
                        except ValueError as error:
                            raise UsageError(f"{self.path}, line {number}: {error}", _HINT) from None
        except OSError as error:
            raise UsageError(f"cannot read {self.path}: {error.strerror}", _HINT) from None

    def rest(self) -> list[Event]:
        """What the end of the file makes: the gap of a focus that never left where nothing is recorded."""
        return self._leave(self.last)

    def line(self, line: bytes) -> tuple[dict[str, Any], list[Event]]:
        """One line and what it makes. Raises ``ValueError`` with the reason."""
        raw = _parsed(line)
        t = self._time(raw)
        what = _what(raw)
        events: list[Event] = []
        if what == "key":
            events = self._key(raw, t)
        elif what == "focus":
            events = self._focus(raw, t)
        elif what == "button":
            events = _button(raw, t)
        elif what == "task":
            task = raw["task"]
            if type(task) is not int or not 1 <= task <= TASKS:
                raise ValueError(f'"task" is not a number from 1 to {TASKS}')
            events = [(t, TASK, task, _word(raw, "outcome", Outcome), 0, 0)]
        elif what == "move":
            dx, dy = _pair(raw, what, _MOST_PX)
            events = [(t, MOVE, 0, 0, dx, dy)]
        else:
            dx, dy = _pair(raw, what, _MOST_STEPS)
            across = Direction.RIGHT if dx > 0 else Direction.LEFT
            along = Direction.UP if dy > 0 else Direction.DOWN
            events = [(t, SCROLL, way, abs(n), 0, 0) for way, n in ((across, dx), (along, dy)) if n]
        if self._closed is not None and what != "focus":
            events = []
        return raw, events

    def _time(self, raw: dict[str, Any]) -> int:
        t: float = raw.get("t", -1)
        if type(t) not in (int, float) or not 0 <= t <= _MOST_S:  # NaN is not in any range
            raise ValueError('"t" is not a number of seconds from 0 to 86400')
        ms = round(t * 1000)
        if ms < self.last:
            raise ValueError('"t" is before the line above')
        self.last = ms
        return ms

    def _key(self, raw: dict[str, Any], t: int) -> list[Event]:
        name = raw["key"]
        keysym = keysym_of(name) if isinstance(name, str) and name else None
        if keysym is None:
            raise ValueError('"key" is not an X keysym name')
        if len(name) == 1:
            name = name.lower()  # Shift may be let go between the press and the release of a letter
        if not raw["down"]:
            self._held.pop(name, None)
            return []
        if name in self._held:
            return []  # autorepeat is not typing
        bits = 0
        for bit in self._held.values():
            bits |= bit
        self._held[name] = MODIFIER_BITS.get(keysym, 0)
        kind, command = classify(keysym, bits)
        return [(t, KEY, kind, command, 0, 0)] if kind else []

    def _focus(self, raw: dict[str, Any], t: int) -> list[Event]:
        if not isinstance(raw["focus"], str):
            raise ValueError('"focus" is not the name of an application')  # noqa: TRY004 (a bad line is a ValueError)
        events = self._leave(t)
        name, rule, answered = raw["focus"].lower(), self._rule, raw.get("answered", True)
        if raw["secure"]:
            self._closed = t, Reason.SECURE
        elif not rule.applications.allows((name,)):
            self._closed = t, Reason.NOT_ALLOWED
        elif not answered and rule.unanswered == "nothing":
            self._closed = t, Reason.UNKNOWN
        else:
            if answered == self._veiled:
                self._veiled = not answered
                events.append((t, VEIL, int(self._veiled), 0, 0, 0))
            events.append((t, FOCUS, category_of((name,), rule.categories), 0, 0, 0))
        return events

    def _leave(self, t: int) -> list[Event]:
        closed, self._closed = self._closed, None
        if closed is None:
            return []
        since, reason = closed
        return [(since, GAP, reason, max(1, round((t - since) / 1000)), 0, 0)]


def _button(raw: dict[str, Any], t: int) -> list[Event]:
    button = raw["button"]
    if type(button) is not int or not 1 <= button <= 255:
        raise ValueError('"button" is not a number from 1 to 255')
    role = _word(raw, "role", Role) if "role" in raw else Role.UNKNOWN
    kind = _word(raw, "click", ClickKind) if "click" in raw else ClickKind.SINGLE
    if not raw["down"]:
        return []
    return [(t, CLICK, _BUTTONS.get(button, Button.OTHER), 1, 0, 0), (t, TARGET, role, kind, 0, 0)]


def _word(raw: dict[str, Any], name: str, words: type[IntEnum]) -> int:
    """A word of a closed list, as records spell it."""
    for one in words:
        if raw[name] == one.name.lower():
            return one.value
    raise ValueError(f'"{name}" is not one of ' + ", ".join(one.name.lower() for one in words))


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(raw, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 (a bad line is a ValueError)
    return raw


def _what(raw: dict[str, Any]) -> str:
    """Which kind of line this is; checks that it has exactly the fields of its kind."""
    kinds = [kind for kind in _FIELDS if kind in raw]
    if len(kinds) != 1:
        raise ValueError('not exactly one of "key", "move", "button", "scroll", "focus", "task"')
    kind = kinds[0]
    needed, options = {"t", kind} | _FIELDS[kind], _OPTIONS.get(kind, set())
    if not needed <= set(raw) <= needed | options:
        may = f", and may have {', '.join(sorted(options))}" if options else ""
        raise ValueError(f"a {kind} line has the fields " + ", ".join(["t", kind, *sorted(_FIELDS[kind])]) + may)
    for flag in _FLAGS:
        if flag in raw and type(raw[flag]) is not bool:
            raise ValueError(f'"{flag}" is not true or false')
    return kind


def _pair(raw: dict[str, Any], kind: str, most: int) -> tuple[int, int]:
    pair = raw[kind]
    if not isinstance(pair, list) or len(pair) != 2 or any(type(n) is not int or abs(n) > most for n in pair):
        raise ValueError(f'"{kind}" is not a pair of whole numbers from -{most} to {most}')
    return pair[0], pair[1]


class Replay:
    """Plays one file in real time."""

    name = "replay"

    def __init__(self, path: str) -> None:
        self._path = path

    def probe(self) -> Probe:
        """Whether the file can be read; its lines are checked when it is opened."""
        if os.path.isfile(self._path) and os.access(self._path, os.R_OK):
            return Probe(True, f"plays {self._path}")
        return Probe(False, f"cannot read {self._path}", "Name a replay file that exists.")

    def capture(self, grant: Grant) -> ReplayCapture:
        """Check the whole file, then begin to play. Raises ``UsageError``."""
        return ReplayCapture(self._path, grant.scopes, Rule(grant.applications, grant.unanswered, grant.categories))


class ReplayCapture:
    """A file being played. Scopes that are not granted are left out here already."""

    gather_s = GATHER_S

    def __init__(self, path: str, scopes: tuple[str, ...], rule: Rule) -> None:
        reader = Reader(path, rule)
        granted = {GAP, VEIL} | {kind for kind, scope in SCOPE_OF_KIND.items() if scope in scopes}
        self._events: list[tuple[int, Event]] = [(0, event) for event in reader.first() if event[1] in granted]
        """When to play (ms from the start) and what. A gap starts early and is known, and played, when it ends."""
        for raw, made in reader.lines():
            self._events += [(round(raw["t"] * 1000), event) for event in made if event[1] in granted]
        self._events += [(reader.last, event) for event in reader.rest()]
        self._next = 0
        now = int(time.monotonic() * 1000)
        self._start = now - now % -EVENTS.grid_ms  # on the grid, so that every playing makes the same records

    def fileno(self) -> int:
        """No descriptor: ``due`` says when."""
        return -1

    def due(self) -> float | None:
        """Seconds until the next event's time."""
        if self.ended():
            return None
        return max(0.0, (self._start + self._events[self._next][0]) / 1000 - time.monotonic())

    def read(self) -> Batch:
        """The events whose time has come."""
        now = int(time.monotonic() * 1000)
        first = self._next
        start = self._start
        while self._next < len(self._events) and start + self._events[self._next][0] <= now:
            self._next += 1
        events = [(start + t, *rest) for _, (t, *rest) in self._events[first : self._next]]
        return Batch(events, now)  # type: ignore[arg-type]  # an unpacked tail has no length for the type checker

    def ended(self) -> bool:
        """Whether all has been played."""
        return self._next >= len(self._events)

    def close(self) -> None:
        """Forget the events."""
        self._events.clear()
        self._next = 0
