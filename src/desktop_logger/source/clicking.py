"""Single, double, drag: what kind of click it was, from when and how far; never from where.

A click is *double* when the same button was pressed within half a second before and the pointer has hardly moved
since. It is a *drag* when the pointer moves while the button is down, as far as that is known when the second of the
click is decided.
"""

from __future__ import annotations

from desktop_logger.records.classes import ClickKind
from desktop_logger.records.events import Event
from desktop_logger.records.layout import CLICK, LET_GO, MOVE

DOUBLE_MS = 500
STILL_PX = 5
DRAG_PX = 10


class Clicking:
    """Remembers the last press: its button, its time, and how far the pointer has moved since."""

    def __init__(self) -> None:
        self._button = 0
        self._t = 0
        self._x = self._y = self._far = 0

    def kinds(self, events: list[Event]) -> list[int]:
        """The kind of each click among the events, in order; takes the releases out of them."""
        found: list[int] = []
        dragging: dict[int, int] = {}
        released = False
        for t, what, code, _, dx, dy in events:
            if what == MOVE:
                self._x += dx
                self._y += dy
                self._far = max(self._far, abs(self._x), abs(self._y))
                if dragging and self._far > DRAG_PX:
                    for place in dragging.values():
                        found[place] = ClickKind.DRAG
                    dragging.clear()
            elif what == CLICK:
                double = code == self._button and t - self._t <= DOUBLE_MS and self._far <= STILL_PX
                dragging[code] = len(found)
                found.append(ClickKind.DOUBLE if double else ClickKind.SINGLE)
                self._button, self._t = (0 if double else code), t
                self._x = self._y = self._far = 0
            elif what == LET_GO:
                released = True
                dragging.pop(code, None)
        if released:
            events[:] = [event for event in events if event[1] != LET_GO]
        return found
