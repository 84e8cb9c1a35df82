"""Where events wait until it is known what had the focus when they happened: the joint of capture and indicator.

Time is cut into whole seconds of the segment. A second is decided as one, when the indicator has spoken of all of
it and of ``BEFORE_MS`` more, and is either observed or a gap:

1. A record of attention holds from the one before it to the one after it: whoever changes in between was one of them.
2. A secure field or a locked screen anywhere in the second, ``AFTER_MS`` before it or ``BEFORE_MS`` after it, makes a
   gap of it; an application that may not be recorded, or an element that cannot be told, in it or ``BEFORE_MS`` after.
   An application that is slow to move its focus is why the time before counts.
3. A second in which nobody answered for the focused application is veiled (``coarse`` at most) or a gap, as signed.
4. Silence of more than ``SILENT_MS`` is a gap, for not knowing never means safe.

5. What the person says of a task stands in any second: it is told, not observed. In a gap it has the second's time.

What happened in a gap is dropped here, uncounted: not how much it was, not that it was. Gaps begin and end on whole
seconds, so that they do not tell how long a password is. Held are classified events, in bounds; what finds no room
makes its second a gap.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from typing import NamedTuple

from desktop_logger.records import attention
from desktop_logger.records.classes import Category, Reason, Role, Safety
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, FOCUS, GAP, TARGET, VEIL

from .clicking import Clicking

CELL_MS = 1000
BEFORE_MS, AFTER_MS = 500, 1000
SILENT_MS = 3000
MOST = 1 << 16
"""Events that may wait."""
GAP_MOST_S = 60
"""A gap that goes on is told in parts of at most this, so that a crash loses little of it."""
_NEAR_MS = 150
"""A click and the role under it belong together within this time: the two processes read it off different clocks."""
_ORDER = (Reason.LOCKED, Reason.SECURE, Reason.NOT_ALLOWED, Reason.UNKNOWN, Reason.OVERFLOW)
"""Which reason a second has where several hold."""
_CATEGORIES = frozenset(Category)


class _Told(NamedTuple):
    """What the indicator said at one time (ms)."""

    t: int
    block: Reason | None
    veiled: bool
    category: int


class Held:
    """The events of the seconds that are not decided yet. Times are ms of the monotonic clock.

    ``pipe``: where attention records come from. ``coarse``: whether what nobody answers for is veiled; else a gap.
    """

    def __init__(self, pipe: int, scopes: tuple[str, ...], *, coarse: bool) -> None:
        self._pipe = pipe
        os.set_blocking(pipe, False)
        self._coarse = coarse
        self._context, self._target = "context" in scopes, "target" in scopes
        self._clicking = Clicking()
        self._rest = b""
        self._told: deque[_Told] = deque()
        self._roles: deque[tuple[int, int]] = deque()
        self._events: list[Event] = []
        self._said: list[Event] = []
        self._full: set[int] = set()
        self._until = self._since = 0
        self.decided = 0
        """Up to here everything is decided."""
        self._category: int | None = None
        self._veiled = False
        self._gap: tuple[int, Reason] | None = None

    def is_told(self) -> bool:
        """Whether the indicator has said anything."""
        self._hear()
        return bool(self._told)

    def begin(self, now: int) -> None:
        """Capture begins at ``now``: seconds count from here, and what happened before is not looked at."""
        self.decided = self._until = self._since = now
        self._forget()

    def put(self, batch: Batch) -> None:
        """Take a batch."""
        self._until = max(self._until, batch.until)
        if batch.events and batch.events[0][0] < self._since:
            batch = Batch([event for event in batch.events if event[0] >= self._since], batch.until)
        room = MOST - len(self._events)
        self._events += batch.events if len(batch.events) <= room else batch.events[:room]
        if len(batch.events) > room:
            self._full.update(self._cell(event[0]) for event in batch.events[max(0, room) :])

    def say(self, event: Event) -> None:
        """Take what the person says of a task."""
        self._said.append(event)

    def take(self, now: int, settled: int) -> Batch:
        """What is decided by now. No event older than ``settled`` will come in any more."""
        self._hear()
        known = max(self._until, settled)
        out: list[Event] = []
        while (end := self.decided + CELL_MS) <= known:
            heard = self._told and self._told[-1].t >= end + BEFORE_MS
            if not heard and now < end + BEFORE_MS + SILENT_MS:
                break
            self._decide(end, end + BEFORE_MS, out)
        return Batch(out, self._gap[0] if self._gap else self.decided)

    def part(self, now: int, settled: int) -> Batch:
        """What is decided by now, for the segment that ends at ``decided``; the next must say anew what holds."""
        batch = self.take(now, settled)
        self._close_gap(batch.events)
        self._forget()
        return Batch(batch.events, self.decided)

    def finish(self, now: int) -> Batch:
        """Capture ends: what is known of the last moments is let out; what is not is dropped, and said."""
        batch = self.take(now, now)
        out = batch.events
        last = min(self._told[-1].t - BEFORE_MS, now) if self._told else 0
        if self.decided < last:
            self._decide(last, last + BEFORE_MS, out)
        self._close_gap(out)
        out += [(self.decided, *event[1:]) for event in self._said]
        self._said.clear()
        if self._events or self._full:
            out.append((self.decided, GAP, Reason.UNKNOWN, max(1, round((now - self.decided) / 1000)), 0, 0))
            self._events.clear()
            self._full.clear()
        return Batch(out, now)

    # --- one second -----------------------------------------------------------------------------------------------

    def _decide(self, end: int, known: int, out: list[Event]) -> None:
        """Let out, or drop, everything from ``decided`` to ``end``."""
        begin = self.decided
        events = [event for event in self._events if event[0] < end]
        self._events = [event for event in self._events if event[0] >= end]
        said = [event for event in self._said if event[0] < end]
        self._said = [event for event in self._said if event[0] >= end]
        reason, veiled = self._over(begin, known)
        if self._cell(begin) in self._full:
            self._full.discard(self._cell(begin))
            reason = reason or Reason.OVERFLOW
        clicks = self._clicking.kinds(events)
        if reason is not None:
            if said:
                self._close_gap(out)
                out += [(begin, *event[1:]) for event in said]
            if self._gap is None or self._gap[1] != reason or begin - self._gap[0] >= GAP_MOST_S * 1000:
                self._close_gap(out)
                self._gap = begin, reason
            self.decided = end
            self._category = None
            return
        self._close_gap(out)
        self.decided = end
        if events or veiled != self._veiled:  # said again with all that it is about: who rests hears nothing else
            self._veiled = veiled
            out.append((begin, VEIL, int(veiled), 0, 0, 0))
        made = said + (self._focuses(begin, end) if self._context else [])
        if made or (self._target and clicks):
            made += self._targets(events, clicks) if self._target else []
            events = sorted(made + events, key=lambda event: event[0])  # stable: what is said of an event comes first
        out += events

    def _over(self, begin: int, known: int) -> tuple[Reason | None, bool]:
        """The reason why this second is a gap, if it is one, and whether it is veiled."""
        wide, narrow = self._between(begin - AFTER_MS, known), self._between(begin, known)
        found = {one.block for one in narrow} | {
            one.block for one in wide if one.block in (Reason.SECURE, Reason.LOCKED)
        }
        before: int | None = None
        for one in narrow:
            if before is not None and one.t - before > SILENT_MS:
                found.add(Reason.UNKNOWN)
            before = one.t
        if not narrow or narrow[0].t > begin or narrow[-1].t < known:
            found.add(Reason.UNKNOWN)
        reason = next((reason for reason in _ORDER if reason in found), None)
        return reason, any(one.veiled for one in narrow)

    def _between(self, low: int, high: int) -> list[_Told]:
        """The records that hold somewhere from ``low`` to ``high``: with the one before and the one after."""
        told = self._told
        first = max((place for place, one in enumerate(told) if one.t <= low), default=0)
        last = next((place for place, one in enumerate(told) if one.t >= high), len(told) - 1)
        return [told[place] for place in range(first, last + 1)]

    def _focuses(self, begin: int, end: int) -> list[Event]:
        """The changes of category in an observed second; the first word after anything else is one too."""
        made: list[Event] = []
        for one in self._between(begin, end):
            if one.t < end and one.category != self._category:
                self._category = one.category
                made.append((max(begin, one.t), FOCUS, one.category, 0, 0, 0))
        return made

    def _targets(self, events: list[Event], clicks: list[int]) -> list[Event]:
        """What was clicked, for each click of an observed second."""
        made: list[Event] = []
        pressed = [event[0] for event in events if event[1] == CLICK]
        for t, kind in zip(pressed, clicks, strict=True):
            while self._roles and self._roles[0][0] < t - _NEAR_MS:
                self._roles.popleft()
            near = self._roles and self._roles[0][0] <= t + _NEAR_MS
            role = self._roles.popleft()[1] if near else Role.UNKNOWN
            made.append((t, TARGET, role, kind, 0, 0))
        return made

    def _close_gap(self, out: list[Event]) -> None:
        if self._gap is not None:
            since, reason = self._gap
            seconds = -(-(self.decided - since) // 1000)
            if seconds:
                out.append((since, GAP, reason, seconds, 0, 0))
            self._gap = None

    def _cell(self, t: int) -> int:
        return max(0, t - self.decided) // CELL_MS * CELL_MS + self.decided

    def _forget(self) -> None:
        self._category = None

    # --- the indicator's word -------------------------------------------------------------------------------------

    def _hear(self) -> None:
        """Take the attention records that have come; forget those that are too old to matter."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._pipe, 1 << 16):
                data = self._rest + data
                whole = len(data) - len(data) % attention.BYTES
                self._rest = data[whole:]
                for record in attention.RECORD.iter_unpack(data[:whole]):
                    self._note(*record)
        old = self.decided - AFTER_MS
        while len(self._told) > 1 and self._told[1].t <= old:
            self._told.popleft()

    def _note(self, t: int, safety: int, category: int, role: int, flags: int) -> None:
        if flags & attention.CLICKED:
            self._roles.append((t, role))
            return
        block, veiled = None, False
        if flags & attention.LOCKED:
            block = Reason.LOCKED
        elif safety == Safety.UNSAFE:
            block = Reason.SECURE
        elif not flags & attention.ALLOWED:
            block = Reason.NOT_ALLOWED
        elif safety == Safety.UNANSWERED:
            veiled = self._coarse
            block = None if self._coarse else Reason.UNKNOWN
        elif safety != Safety.SAFE:
            block = Reason.UNKNOWN
        if self._told and t < self._told[-1].t:
            return  # time does not go back
        self._told.append(_Told(t, block, veiled, category if category in _CATEGORIES else Category.OTHER))
