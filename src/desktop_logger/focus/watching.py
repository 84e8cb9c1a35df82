"""What the indicator tells capture: an attention record at every change, and four a second (one while nobody types).

1. The time is taken first; whatever is heard after that belongs to it or to later.
2. Everything that has come is read. Where it changes something, and at every beat, the display is asked for the focus.
3. While a question to the focused application is open (at most 100 ms) nothing is told: capture waits.
4. Then one record says what holds, and that between it and the record before nothing else held.

Invariant: nothing leaves but the record. A pipe that is full drops records, which capture takes for silence.
"""

from __future__ import annotations

import contextlib
import os
import time

from desktop_logger.records import attention
from desktop_logger.records.classes import Category, Role, Safety

from .accessibility import Accessibility
from .applications import LOCKERS, PROMPTS, Rule, is_one_of
from .bus import Bus
from .fields import Field, of_this_system
from .locks import Logind, Savers
from .roles import role_of
from .sway import Sway
from .windows import Focused, Windows

BEAT_S, QUIET_BEAT_S = 0.25, 1.0
STOOD_STILL_S = 2.0
"""Who has not looked for so long has missed what lies in between."""
_SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"


def lacking(
    windows: Windows | Sway | None, session: Bus | None, access: Accessibility | None, field: Field | None = None
) -> list[str]:
    """Why less is known than could be.

    ``fields``: only the system itself tells of password fields, and of nothing else.
    ``library``, ``session-bus``, ``accessibility``: nobody tells what a field is, nor the role under a click.
    ``windows``: nobody tells which application is in front.
    """
    found = []
    if field is not None:
        found.append("fields")
    elif session is None:
        from importlib.util import find_spec

        found.append("session-bus" if find_spec("jeepney") else "library")
    elif access is None:
        found.append("accessibility")
    return found + (["windows"] if windows is None else [])


class Watching:
    """Everything that observes, opened once, before the process gives up its right to open."""

    def __init__(
        self, windows: Windows | Sway | None, session: Bus | None, system: Bus | None, field: Field | None = None
    ) -> None:
        self.windows, self._field = windows, field
        self.access = Accessibility.open(session)
        self._locks: list[Savers | Logind] = []
        self._buses = [bus for bus in (session, system) if bus is not None]
        if session is not None:
            self._locks.append(Savers(session))
        if system is not None:
            self._locks.append(Logind(system))
        if self.access is not None:
            self._buses.append(self.access.bus)
        self.lacks = lacking(windows, session, self.access, field)
        """What is missing here, in closed words."""
        self._rule: Rule | None = None
        self._out = -1
        self._last: tuple[Safety, Category, int] | None = None
        self._turned = self._beat_due = self._quiet_due = 0.0
        self._quiet = False
        self._known: object = None
        """What the buses had said at the last look."""

    @classmethod
    def open(cls) -> Watching:
        """Connect to what is there. Nothing of it is needed: what is not there is not known."""
        wayland = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("XDG_SESSION_TYPE") == "wayland"
        windows: Windows | Sway | None = None
        if os.environ.get("DISPLAY") and not wayland:  # under Wayland the X server knows only some of the windows
            with contextlib.suppress(Exception):  # python-xlib raises what it likes
                windows = Windows()
        if wayland and os.environ.get("SWAYSOCK"):
            with contextlib.suppress(OSError):
                windows = Sway()
        return cls(windows, Bus.open("SESSION"), Bus.open(_SYSTEM_BUS), of_this_system())

    def attend(self, rule: Rule, out: int) -> None:
        """Begin to tell about the focus, under this rule, to this descriptor."""
        self.rest()
        self._rule, self._out, self._last, self._beat_due, self._quiet_due = rule, out, None, 0.0, 0.0
        self._turned = time.monotonic()
        if self.windows is not None and rule.target:
            self.windows.hear_clicks()
        if self.access is not None:
            self.access.begin(anywhere=self.windows is None)

    def rest(self) -> None:
        """Tell nothing, ask nothing and listen to nothing more than a lock of the screen."""
        if self._rule is not None:
            self._rule = None
            if self.windows is not None:
                self.windows.hear_clicks(wanted=False)
            if self.access is not None:
                self.access.rest()

    def close(self) -> None:
        """Hang up everywhere."""
        for one in (self.windows, *self._buses):
            if one is not None:
                with contextlib.suppress(Exception):  # what is gone already cannot be told
                    one.close()

    def descriptors(self) -> list[int]:
        """What to wait on."""
        return [*([self.windows.fileno()] if self.windows is not None else []), *(bus.fileno() for bus in self._buses)]

    def due(self) -> float | None:
        """When ``turn`` has something to do by itself (monotonic seconds); ``None``: only when there is news."""
        times = [bus.due() for bus in self._buses]
        if self._rule is not None:
            times += [self._beat_due, self.access.due(again=not self._quiet) if self.access is not None else None]
        return min((time for time in times if time is not None), default=None)

    def turn(self) -> None:
        """Look, and tell. Raises where a bus or the display is gone."""
        now = time.monotonic()
        clicks = self.windows.read() if self.windows is not None else []
        for bus in self._buses:
            bus.read()
            bus.expire(now)
        if self._rule is None:
            return
        stood_still, self._turned = now - self._turned > STOOD_STILL_S, now
        if self.access is not None:
            self.access.turn(now, again=not self._quiet)
        if stood_still or now >= self._beat_due or self._is_news(clicks):
            self._look(self._rule, now, stood_still=stood_still)
        for click in clicks:
            self._point(self._rule, click)

    def _is_news(self, clicks: list[int]) -> bool:
        """Whether anything came in that may change what holds: an answer that says what was known does not."""
        return bool(clicks) or (self.windows is not None and self.windows.is_stale) or self._heard() != self._known

    def _heard(self) -> object:
        access = self.access
        said = (access.verdict(), access.has_passed) if access is not None else None
        return said, [lock.locked() for lock in self._locks]

    def _look(self, rule: Rule, now: float, *, stood_still: bool) -> None:
        """Ask the display who has the focus, and tell what holds."""
        focused = self.windows.focused() if self.windows is not None else None
        if self.access is not None:
            self.access.look(focused.pid if focused is not None else None)
        if stood_still and self._last is not None:
            self._tell(now, (Safety.UNKNOWN, self._last[1], self._last[2]))
        passed = self.access.passed() if self.access is not None else None
        state = self._state(rule, focused)
        self._known = self._heard()
        if passed is not None and (state is None or state[0] not in (passed, Safety.UNSAFE)):  # nothing is graver
            _, category, flags = self._last or (passed, Category.OTHER, attention.ALLOWED)
            self._last = passed, category, flags
            self._tell(now, self._last)
        if state is not None and (state != self._last or now >= self._beat_due):
            if self._quiet or now >= self._quiet_due:
                self._quiet = self.windows is not None and self.windows.is_quiet()
                self._quiet_due = now + QUIET_BEAT_S
            self._beat_due = now + (QUIET_BEAT_S if self._quiet else BEAT_S)
            self._last = state
            self._tell(now, state)
        elif state is None:
            self._beat_due = max(self._beat_due, now + 0.01)

    def _state(self, rule: Rule, focused: Focused | None) -> tuple[Safety, Category, int] | None:
        """What holds now; ``None`` while somebody has still to answer."""
        names = focused.names if focused is not None else ()
        locks = [lock.locked() for lock in self._locks]
        safety = self.access.verdict() if self.access is not None else self._asked()
        if is_one_of(names, PROMPTS):
            safety = Safety.UNSAFE
        if safety is None or None in locks:
            return None
        if safety == Safety.SAFE and self.windows is not None and not self.windows.vouches:
            safety = Safety.UNANSWERED
        denies = rule.applications.mode == "deny"
        if denies and not names and safety is Safety.SAFE:
            safety = Safety.UNANSWERED  # nobody says which application it is: it may be one of the list
        flags = 0
        allowed = denies if focused is None else rule.allows(names) and self._may_point(rule)
        if allowed or rule.allows_all:
            flags |= attention.ALLOWED
        if any(locks) or is_one_of(names, LOCKERS):
            flags |= attention.LOCKED
        return safety, rule.category(names), flags

    def _asked(self) -> Safety:
        """What the system itself says of the focused field, where it says anything."""
        return self._field() if self._field is not None else Safety.UNANSWERED

    def _may_point(self, rule: Rule) -> bool:
        """Whether what lies under the pointer, which gets clicks and scrolling, may be recorded too."""
        if rule.allows_all or self.windows is None:
            return True
        return all(rule.allows(one.names) for one in self.windows.under_pointer())

    def _point(self, rule: Rule, click: int) -> None:
        """Find out the role under the pointer, and tell it with the time of the click."""
        assert isinstance(self.windows, Windows)  # noqa: S101  only a display tells of clicks
        pointed, (x, y) = self.windows.pointed(), self.windows.place()
        if self.access is None or pointed.pid is None or not rule.allows(pointed.names):
            self._tell_role(click, Role.UNKNOWN)
        else:
            self.access.at(pointed.pid, x, y, lambda number: self._tell_role(click, role_of(number)))

    def _tell(self, now: float, state: tuple[Safety, Category, int]) -> None:
        safety, category, flags = state
        self._write(attention.pack(int(now * 1000), safety, category, Role.UNKNOWN, flags))

    def _tell_role(self, click: int, role: Role) -> None:
        self._write(attention.pack(click, Safety.UNKNOWN, Category.OTHER, role, attention.CLICKED))

    def _write(self, record: bytes) -> None:
        with contextlib.suppress(OSError):  # full, or nobody reads: both are silence to whoever listens
            os.write(self._out, record)
