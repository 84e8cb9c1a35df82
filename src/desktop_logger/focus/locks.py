"""Whether the screen is locked: what the session's screen saver and logind say.

A lock that says nothing on either bus is known by the name of its window, where it takes the focus (``applications``).
"""

from __future__ import annotations

import time
from typing import Any

from .bus import Bus

SAVERS = tuple(f"org.{one}.ScreenSaver" for one in ("freedesktop", "gnome", "cinnamon", "mate", "xfce"))
_LOGIND, _SESSION = "org.freedesktop.login1", "org.freedesktop.login1.Session"
_PATH = "/org/freedesktop/login1"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_ASK_S = 1.0


class Savers:
    """``ActiveChanged`` of every screen saver on the session bus, and what they say at the beginning."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._active: set[str] = set()
        self._asked = len(SAVERS)
        bus.heard = self._heard
        bus.tell(bus.message(_BUS, "AddMatch", "s", ("type='signal',member='ActiveChanged'",)))
        for name in SAVERS:
            path = "/" + name.replace(".", "/")
            bus.start(self._first(name, path), self._answered, time.monotonic() + _ASK_S)

    def locked(self) -> bool | None:
        """Whether one of them is active; ``None`` until all have been asked."""
        return None if self._asked else bool(self._active)

    def _answered(self, _: object) -> None:
        self._asked -= 1

    def _first(self, name: str, path: str) -> Any:
        (answer,) = yield [self._bus.message((name, path, name), "GetActive")]
        if answer and answer[0] is True:
            self._active.add(path)

    def _heard(self, member: str, path: str, _sender: str, body: tuple[Any, ...]) -> None:
        if member == "ActiveChanged" and body:
            (self._active.add if body[0] is True else self._active.discard)(path)


class Logind:
    """``LockedHint`` of this process's session, on the system bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._locked: bool | None = None
        self._path = ""
        bus.heard = self._heard
        bus.start(self._first(), self._answered, time.monotonic() + _ASK_S)

    def locked(self) -> bool | None:
        """What logind said last; ``None`` until it has been asked."""
        return self._locked

    def _answered(self, _: object) -> None:
        self._locked = bool(self._locked)  # no logind, or no session: it will never say that this one is locked

    def _first(self) -> Any:
        """Our session is ``auto`` also for a service of the user's; signals carry its true path."""
        bus = self._bus
        (found,) = yield [bus.message((_LOGIND, f"{_PATH}/session/auto", _PROPERTIES), "Get", "ss", (_SESSION, "Id"))]
        if found is None:
            return
        manager = (_LOGIND, _PATH, f"{_LOGIND}.Manager")
        (answer,) = yield [bus.message(manager, "GetSession", "s", (found[0][1],))]
        if answer is None:
            return
        self._path = answer[0]
        rule = f"type='signal',sender='{_LOGIND}',path='{self._path}',member='PropertiesChanged'"
        place = (_LOGIND, self._path, _PROPERTIES)
        _, hint = yield [
            bus.message(_BUS, "AddMatch", "s", (rule,)), bus.message(place, "Get", "ss", (_SESSION, "LockedHint")),
        ]  # fmt: skip
        if hint is not None:
            self._locked = hint[0][1] is True

    def _heard(self, member: str, path: str, _sender: str, body: tuple[Any, ...]) -> None:
        if member == "PropertiesChanged" and path == self._path and len(body) > 1 and "LockedHint" in body[1]:
            self._locked = body[1]["LockedHint"][1] is True
