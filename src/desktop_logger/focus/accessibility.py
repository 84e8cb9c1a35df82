"""AT-SPI: what the focused application says of its focused element, and the role of what lies under a point.

Source: the D-Bus interfaces of at-spi2-core (``Accessible``, ``Component``, ``Event.Object``) and its list of roles,
by number: names are translated, and differ between toolkits. Never a name, a description, a text or an attribute.

The verdict is ``None`` while a question is open, which is at most 100 ms, and then:

``UNSAFE``      the focused element, or what it is part of, is a password field
``SAFE``        the focused application has answered, and its focused element is known not to be one
``UNKNOWN``     it answers, but not which element has the focus, or not in time
``UNANSWERED``  it is not on the accessibility bus, or says of such elements nothing that would tell (``judged``)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from desktop_logger.records.classes import Safety

from .bus import Answers, Bus

ANSWER_S = 0.1
"""An application that has not answered by then is taken for one that hangs."""
AGAIN_S = 2.0
"""What was found out holds for so long before it is asked again."""
_SOON_S, _SOONER_S = 0.03, 0.5
_TRIES = 3
_MOST = 400
"""Elements looked at, at most, to find the focused one of an application that has not said."""

_ROOT = "/org/a11y/atspi/accessible/root"
_NULL = "/org/a11y/atspi/null"
_ON_SCREEN, _DEEPEST = 0, 30
_REGISTRY = ("org.a11y.atspi.Registry", "/org/a11y/atspi/registry", "org.a11y.atspi.Registry")
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_ACCESSIBLE = "org.a11y.atspi.Accessible"
_COMPONENT = "org.a11y.atspi.Component"
_APPLICATION = "org.a11y.atspi.Application"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_EVENT = "object:state-changed:focused"
_RULE = "type='signal',interface='org.a11y.atspi.Event.Object',member='StateChanged',arg0='focused'"

_PASSWORD, _TERMINAL, _TEXT = 40, 60, 61
_NO_ELEMENT = frozenset({0, 14, 16, 20, 23, 24, 28, 30, 36, 39, 46, 49, 67, 68, 69, 75})
"""Roles of what holds elements, or of nothing: who has the focus inside is not said."""
_EDITABLE, _DEFUNCT, _FOCUSED, _MULTI_LINE = 7, 6, 12, 17
_ACTIVE = 1
_GRAVE = (Safety.UNSAFE, Safety.UNKNOWN, Safety.UNANSWERED)
"""What may not be missed when it was true for an instant, the gravest first."""


class Element(NamedTuple):
    """One accessible object: the connection that it lives on, and its path there."""

    name: str
    path: str


class Facts(NamedTuple):
    """What an element says of itself, as far as it matters here."""

    role: int
    states: int
    """Bits by the number of the state."""
    around: int
    """The role of the element that it is part of; 0 where there is none."""
    toolkit: str


def judged(facts: Facts) -> Safety:
    """What a focused element's own facts say of its safety.

    Two kinds of elements answer and still cannot tell: a terminal does not know that a program in it asks for a
    password, and GTK 4 says the same of a hidden one-line entry as of any other (its ``PasswordEntry`` does tell).
    """
    if _PASSWORD in (facts.role, facts.around):
        return Safety.UNSAFE
    if facts.role in _NO_ELEMENT or facts.states >> _DEFUNCT & 1:
        return Safety.UNKNOWN
    if facts.role == _TERMINAL:
        return Safety.UNANSWERED
    if facts.toolkit == "GTK" and facts.role == _TEXT and not facts.states >> _MULTI_LINE & 1:
        return Safety.UNANSWERED
    return Safety.SAFE


class Accessibility:
    """The accessibility bus, for one application at a time: the focused one."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        bus.heard = self._heard
        self._pids: dict[str, int] = {}
        """Connection name → process, of every application that has spoken."""
        self._told: dict[str, str] = {}
        """Connection name → path of the element that it said has the focus."""
        self._toolkits: dict[str, str] = {}
        self._pid: int | None = None
        self._anywhere = False
        self._element: Element | None = None
        self._verdict: Safety | None = Safety.UNANSWERED
        self._question = 0
        """Grows with every new question, so that a late answer to an earlier one is known as such."""
        self._asking = False
        self._passed: Safety | None = None
        self._again: float | None = None
        self._tries = 0

    @classmethod
    def open(cls, session: Bus | None) -> Accessibility | None:
        """Connect to the accessibility bus that the session bus names; ``None`` where there is none."""
        if session is None:
            return None
        place = ("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus")
        answer = session.ask(session.message(place, "GetAddress", starts=True))
        bus = Bus.open(str(answer[0])) if answer and answer[0] else None
        return cls(bus) if bus is not None else None

    @property
    def bus(self) -> Bus:
        """The connection, to wait on."""
        return self._bus

    def begin(self, *, anywhere: bool) -> None:
        """Ask applications to say where their focus goes.

        ``anywhere``: nobody can say which application is in front, so only a password field counts, in any of them.
        """
        self._anywhere = anywhere
        self._passed = None
        self._bus.tell(self._bus.message(_BUS, "AddMatch", "s", (_RULE,)))
        self._bus.tell(self._bus.message(_REGISTRY, "RegisterEvent", "s", (_EVENT,), starts=True))

    def rest(self) -> None:
        """Let them be silent again, and forget what they said."""
        self._bus.tell(self._bus.message(_REGISTRY, "DeregisterEvent", "s", (_EVENT,)))
        self._bus.tell(self._bus.message(_BUS, "RemoveMatch", "s", (_RULE,)))
        self._told.clear()
        self._pids.clear()
        self._toolkits.clear()
        self._pid, self._element, self._verdict, self._again = None, None, Safety.UNANSWERED, None
        self._question += 1

    def look(self, pid: int | None) -> None:
        """From now on the focused application is this process; ``None``: nobody knows which."""
        if pid == self._pid or self._anywhere:
            return
        self._leave()
        self._pid = pid
        self._element = None
        if pid is None:
            self._settle(Safety.UNANSWERED)
        else:
            self._ask(self._finding(pid))

    def verdict(self) -> Safety | None:
        """What is known of the focused element now; ``None`` while a question about it is open."""
        if self._anywhere and self._verdict != Safety.UNSAFE:
            return None if self._verdict is None else Safety.UNANSWERED
        return self._verdict

    @property
    def has_passed(self) -> bool:
        """Whether ``passed`` has something to tell."""
        return self._passed is not None

    def passed(self) -> Safety | None:
        """The gravest of what had the focus since this was last asked, also where it has lost it since.

        ``None``: each of them was safe. One that was left before it had answered may have been anything: ``UNKNOWN``.
        """
        passed, self._passed = self._passed, None
        if self._anywhere and passed != Safety.UNSAFE:
            return None
        return passed

    def turn(self, now: float, *, again: bool) -> None:
        """What time brings: answers that did not come, and questions to repeat.

        ``again``: whether what is known is asked again after a time; while nobody types it need not be.
        """
        self._bus.expire(now)
        if (again or self._verdict is None) and self._again is not None and now >= self._again and not self._asking:
            self._again = None
            if self._element is not None:
                self._ask(self._judging(self._element), keep=True)
            elif self._pid is not None and self._verdict in (None, Safety.UNKNOWN):
                self._ask(self._finding(self._pid), keep=True)

    def due(self, *, again: bool) -> float | None:
        """When ``turn`` has something to do."""
        repeats = not self._asking and (again or self._verdict is None)
        times = (self._bus.due(), self._again if repeats else None)
        return min((time for time in times if time is not None), default=None)

    # --- questions ------------------------------------------------------------------------------------------------

    def _ask(self, task: Generator[list[Any], Answers, Safety], *, keep: bool = False) -> None:
        """Run a task whose result is the verdict. ``keep``: what was known holds until then."""
        self._question += 1
        self._asking = True
        if not keep:
            self._verdict, self._tries = None, 0
        question = self._question
        self._bus.start(task, lambda result: self._judge(question, result), time.monotonic() + ANSWER_S)

    def _judge(self, question: int, result: Safety | None) -> None:
        if question != self._question:
            self._pass(Safety.UNKNOWN if result is None else result)
            return
        self._asking = False
        if result == Safety.UNKNOWN and self._verdict is None and self._tries < _TRIES:
            self._tries += 1  # GTK 4 says that an element has the focus before it can be asked about
            self._again = time.monotonic() + _SOON_S
        else:
            self._settle(Safety.UNKNOWN if result is None else result)

    def _pass(self, safety: Safety) -> None:
        """Note what something was that has, or had, the focus."""
        self._passed = next((one for one in _GRAVE if one in (safety, self._passed)), None)

    def _leave(self) -> None:
        """The focus goes on. What was to be asked once more will not be: it stays unknown."""
        if self._verdict is None and self._tries and not self._asking:
            self._pass(Safety.UNKNOWN)

    def _settle(self, verdict: Safety) -> None:
        self._question += 1
        self._asking = False
        self._verdict = verdict
        self._pass(verdict)  # the focus may go on before anybody looks
        self._again = time.monotonic() + (_SOONER_S if verdict == Safety.UNKNOWN else AGAIN_S)

    def _finding(self, pid: int) -> Generator[list[Any], Answers, Safety]:
        """Whether this process is on the bus, and which element of it has the focus."""
        question = self._question
        names = [name for name, one in self._pids.items() if one == pid]
        if not names:
            yield from self._meeting()
            names = [name for name, one in self._pids.items() if one == pid]
        if not names:
            return Safety.UNANSWERED
        for name in names:
            if name in self._told:
                element = Element(name, self._told[name])
                verdict = yield from self._judging(element, focused=True)
                if verdict != Safety.UNKNOWN:
                    self._found(question, element)
                    return verdict
        for name in names:
            found = yield from self._searching(name)
            if found is not None:
                self._found(question, found)
                return (yield from self._judging(found))
        return Safety.UNKNOWN

    def _found(self, question: int, element: Element) -> None:
        """This element has the focus, unless it has moved on since the question."""
        if question == self._question:
            self._element = element

    def _meeting(self) -> Generator[list[Any], Answers, None]:
        """Learn which processes are on the bus now."""
        (answer,) = yield [self._message(Element("org.a11y.atspi.Registry", _ROOT), "GetChildren")]
        strangers = sorted({name for name, _ in answer[0]} - set(self._pids)) if answer else []
        answers = yield [self._bus.message(_BUS, "GetConnectionUnixProcessID", "s", (name,)) for name in strangers]
        self._pids |= {name: one[0] for name, one in zip(strangers, answers, strict=True) if one}

    def _judging(self, element: Element, *, focused: bool = False) -> Generator[list[Any], Answers, Safety]:
        """Ask an element what it is. ``focused``: believe it only where it says that it has the focus."""
        if element.name not in self._toolkits:
            place = (element.name, _ROOT, _PROPERTIES)
            (said,) = yield [self._bus.message(place, "Get", "ss", (_APPLICATION, "ToolkitName"))]
            if said is None:
                return Safety.UNKNOWN
            self._toolkits[element.name] = str(said[0][1])
        place = (element.name, element.path, _PROPERTIES)
        role, states, parent = yield [
            self._message(element, "GetRole"), self._message(element, "GetState"),
            self._bus.message(place, "Get", "ss", (_ACCESSIBLE, "Parent")),
        ]  # fmt: skip
        if role is None or states is None:
            return Safety.UNKNOWN
        bits = _bits(states)
        if focused and not bits >> _FOCUSED & 1:
            return Safety.UNKNOWN
        around = 0
        if parent is not None and parent[0][1][1] != _NULL:
            (said,) = yield [self._message(Element(*parent[0][1]), "GetRole")]
            around = said[0] if said else 0
        return judged(Facts(role[0], bits, around, self._toolkits[element.name]))

    def _searching(self, name: str) -> Generator[list[Any], Answers, Element | None]:
        """The element of one application that says it has the focus; ``None`` where none is found in time."""
        level = [Element(name, _ROOT)]
        seen = 0
        while level and seen < _MOST:
            level = level[: _MOST - seen]
            seen += len(level)
            children = yield [self._message(one, "GetChildren") for one in level]
            level = [Element(*child) for answer in children if answer for child in answer[0] if child[0] == name]
            level = level[:_MOST]
            states = yield [self._message(one, "GetState") for one in level]
            bits = [_bits(one) if one else 0 for one in states]
            for element, state in zip(level, bits, strict=True):
                if state >> _FOCUSED & 1:
                    return element
            if seen == 1:  # of its windows only the one in front
                level = [one for one, state in zip(level, bits, strict=True) if state >> _ACTIVE & 1] or level
        return None

    def at(self, pid: int, x: int, y: int, then: Callable[[int], None]) -> None:
        """Find the role (AT-SPI's number; 0: unknown) of a process's innermost element at a point of the screen."""
        self._bus.start(self._pointing(pid, x, y), lambda role: then(role or 0), time.monotonic() + ANSWER_S)

    def _pointing(self, pid: int, x: int, y: int) -> Generator[list[Any], Answers, int]:
        if pid not in self._pids.values():
            yield from self._meeting()
        for name in [name for name, one in self._pids.items() if one == pid]:
            (answer,) = yield [self._message(Element(name, _ROOT), "GetChildren")]
            windows = [Element(*child) for child in answer[0]] if answer else []
            found = yield [self._point(one, x, y) for one in windows]
            for answer in found:
                if answer is not None and answer[0][1] != _NULL:
                    return (yield from self._innermost(Element(*answer[0]), x, y))
        return 0

    def _innermost(self, element: Element, x: int, y: int) -> Generator[list[Any], Answers, int]:
        """The role of the innermost element at a point, which lies in this one."""
        for _ in range(_DEEPEST):
            (answer,) = yield [self._point(element, x, y)]
            inner = Element(*answer[0]) if answer else element
            if inner.path == _NULL or inner == element:
                break
            element = inner
        (role,) = yield [self._message(element, "GetRole")]
        return role[0] if role else 0

    def _point(self, element: Element, x: int, y: int) -> Any:
        place = (element.name, element.path, _COMPONENT)
        return self._bus.message(place, "GetAccessibleAtPoint", "iiu", (x, y, _ON_SCREEN))

    def _message(self, element: Element, method: str, face: str = _ACCESSIBLE) -> Any:
        return self._bus.message((element.name, element.path, face), method)

    # --- what applications say ------------------------------------------------------------------------------------

    def _heard(self, member: str, path: str, sender: str, body: tuple[Any, ...]) -> None:
        if member != "StateChanged" or len(body) < 2 or body[0] != "focused":
            return
        if body[1]:
            self._told[sender] = path
        elif self._told.get(sender) == path:
            del self._told[sender]
        if sender not in self._pids:
            if body[1]:
                self._bus.start(self._meeting_one(sender), lambda _: self._moved(sender), time.monotonic() + ANSWER_S)
        else:
            self._moved(sender)

    def _meeting_one(self, name: str) -> Generator[list[Any], Answers, None]:
        (answer,) = yield [self._bus.message(_BUS, "GetConnectionUnixProcessID", "s", (name,))]
        if answer:
            self._pids[name] = answer[0]

    def _moved(self, sender: str) -> None:
        """The focus of one application is somewhere else now, which may matter."""
        if not self._anywhere and (self._pid is None or self._pids.get(sender) != self._pid):
            return
        self._leave()
        path = self._told.get(sender)
        if path is not None:
            self._element = Element(sender, path)
            self._ask(self._judging(self._element))
        elif self._element is not None and self._element.name == sender:
            if self._anywhere:
                self._element = None
                self._settle(Safety.UNANSWERED)
                return
            # Its application will now say who has it, or will not: then it is asked.
            self._question += 1
            self._element, self._asking, self._tries, self._verdict = None, False, 0, None
            self._again = time.monotonic() + ANSWER_S


def _bits(states: tuple[Any, ...]) -> int:
    """The states of an element as one number."""
    low, high = states[0]
    return int(low) | int(high) << 32
