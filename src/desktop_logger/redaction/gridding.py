"""Step 1: classified events → records of the profile ``events``, on a grid of 20 ms and 4 px.

Within one tick the order is fixed: keys as they came, then one MOVE, then the clicks as they came, then SCROLL
by direction with the notches merged. Displacement that fills no cell is carried to the next tick, so no pixel
is lost; time that goes back is held at the tick already reached. Every segment starts from nothing, but for a veil.

Focus, targets and tasks come out as they came. A focus that is said again makes nothing until a gap or the segment's
end. A veil's edge closes the tick, drops the displacement that fills no cell, and goes to the next step as an internal
record, so that nothing of one side reaches the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from desktop_logger.records.events import Event
from desktop_logger.records.layout import (
    CLICK,
    FOCUS,
    GAP,
    KEY,
    MOVE,
    RECORD,
    SCROLL,
    TARGET,
    TASK,
    U16,
    U32,
    VEIL,
)
from desktop_logger.records.profiles import EVENTS, MOVE_CELL_PX

_LIMIT = 0x7FFF


def cells(pixels: int, cell: int) -> int:
    """Whole cells of a displacement, towards zero, within what a record can hold (±32767)."""
    whole = pixels // cell if pixels >= 0 else -(-pixels // cell)
    return whole if -_LIMIT <= whole <= _LIMIT else _LIMIT if whole > 0 else -_LIMIT


class Gridder:
    """Holds one tick: sums and counts, never an event. ``base`` (ms) is where the segment's time starts."""

    __slots__ = (
        "_base", "_category", "_clicks", "_context", "_dx", "_dy", "_holds", "_keyboard", "_named", "_out", "_pointer",
        "_scrolls", "_target", "_task", "_tick", "_veiled",
    )  # fmt: skip

    def __init__(self, scopes: Iterable[str], *, named_commands: bool) -> None:
        granted = frozenset(scopes)
        self._keyboard = "keyboard" in granted
        self._pointer = "pointer" in granted
        self._context = "context" in granted
        self._target = "target" in granted
        self._task = "task" in granted
        self._veiled = False
        self._category = 0
        self._named = named_commands
        self._out = bytearray()
        self._dx = self._dy = 0
        self.begin(0)

    @property
    def carried(self) -> tuple[int, int]:
        """Displacement that fills no cell yet, in pixels."""
        return self._dx, self._dy

    def begin(self, base: int, *, carry: bool = False) -> None:
        """Start a segment at ``base`` ms; ``carry``: with the displacement that fills no cell yet.

        The focus that is known is said anew, once, so that segments stand alone.
        """
        self._base = base
        self._tick = 0
        if self._category and not self._out:
            self._out += RECORD.pack(0, FOCUS, self._category, 0, 0, 0, 0)
        if not carry:
            self._dx = self._dy = 0
        self._clicks = bytearray()
        self._scrolls: dict[int, int] = {}
        self._holds = self._fills_a_cell()

    def tick_of(self, ms: int) -> int:
        """The tick of the segment in which ``ms`` lies."""
        return (ms - self._base) // EVENTS.grid_ms

    def feed(self, events: Iterable[Event]) -> None:
        """Take the events of a batch, in order."""
        base, grid, tick = self._base, EVENTS.grid_ms, self._tick
        keyboard, pointer, named = self._keyboard, self._pointer, self._named
        out, pack = self._out, RECORD.pack
        for t, what, code, extra, dx, dy in events:
            now = (t - base) // grid
            if now > tick:
                if self._holds:
                    self._turn(now)
                self._tick = tick = now
            if what == MOVE:
                if pointer:
                    self._dx += dx
                    self._dy += dy
                    self._holds = True
            elif what == KEY:
                if keyboard:
                    out += pack(tick, KEY, code, extra if named else 0, 0, 0, 0)
            elif what == CLICK:
                if pointer:
                    self._clicks.append(code)
                    self._holds = True
            elif what == SCROLL:
                if pointer:
                    self._scrolls[code] = self._scrolls.get(code, 0) + extra
                    self._holds = True
            elif what == TARGET:
                if self._target:
                    out += pack(tick, TARGET, code, 1, extra, 0, 0)
            elif what == FOCUS:
                if self._context and code != self._category:
                    self._category = code
                    out += pack(tick, FOCUS, code, 0, 0, 0, 0)
            elif what == TASK:
                if self._task:
                    out += pack(tick, TASK, code, extra, 0, 0, 0)
            elif what == VEIL:
                if bool(code) != self._veiled:
                    self._veiled = bool(code)
                    self._turn(tick)
                    self._dx = self._dy = 0
                    out += pack(tick, VEIL, self._veiled, 0, 0, 0, 0)
            elif what == GAP:
                self._category = 0
                self._turn(tick)
                out += pack(max(min(now, tick), 0), GAP, code, 0, 0, 0, min(max(extra, 0), U32))

    def advance(self, tick: int) -> None:
        """Nothing before ``tick`` will follow: let out what the tick in hand holds."""
        if tick > self._tick:
            self._turn(tick)

    def finish(self) -> None:
        """Nothing will follow in this segment: let out everything."""
        self._turn(self._tick + 1)

    def take(self) -> bytes:
        """The records that are ready."""
        ready = bytes(self._out)
        self._out.clear()
        return ready

    def _turn(self, tick: int) -> None:
        """Close the tick in hand and go on to ``tick``."""
        here, pack, out = self._tick, RECORD.pack, self._out
        self._tick = tick
        if self._fills_a_cell():
            dx, dy = cells(self._dx, MOVE_CELL_PX), cells(self._dy, MOVE_CELL_PX)
            self._dx -= dx * MOVE_CELL_PX
            self._dy -= dy * MOVE_CELL_PX
            out += pack(here, MOVE, 0, dx & U16, dy & U16, 0, 0)
        if self._clicks:
            for button in self._clicks:
                out += pack(here, CLICK, button, 1, 0, 0, 0)
            self._clicks.clear()
        if self._scrolls:
            for direction, notches in sorted(self._scrolls.items()):
                left = notches
                while left:
                    n = min(left, U16)
                    out += pack(here, SCROLL, direction, n, 0, 0, 0)
                    left -= n
            self._scrolls.clear()
        self._holds = self._fills_a_cell()

    def _fills_a_cell(self) -> bool:
        return not (-MOVE_CELL_PX < self._dx < MOVE_CELL_PX and -MOVE_CELL_PX < self._dy < MOVE_CELL_PX)
