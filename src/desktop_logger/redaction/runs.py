"""Step 2: records of ``events`` → records of ``bursts``: runs, on a grid of 1 s and 64 px.

Rules (all times in whole seconds of the grid, so nothing finer than the grid decides anything):

- A run ends at a pause of 2 s or at a record of another class in its scope; the scopes do not split each
  other's runs. A gap and the segment's end close every run.
- TYPING gathers TEXT and EDIT. Every other class is a KEY record of its own.
- A TYPING run shorter than ``SHORT_RUN`` is held and joins the next: the counts add, start, duration and gap are the
  next run's. At the segment's end it stands alone, with that time.
- STROKE is a net displacement; what fills no cell is carried to the next stroke of the segment.
- ``gap`` counts from the end of the record before in the same scope, or from the segment's start.
- TARGET gathers clicks on elements of one role, of one kind of click. FOCUS and TASK are records of their own.
- A record in ``coarse`` form passes with its time on this grid, and closes every run: what is veiled joins nothing.
- Runs come out in the order in which they end, so that cutting the input differently changes nothing.
"""

from __future__ import annotations

from desktop_logger.records.classes import KeyClass
from desktop_logger.records.layout import (
    CLICK,
    COARSE_FORM,
    FOCUS,
    GAP,
    KEY,
    MOVE,
    RECORD,
    SCROLL,
    STROKE,
    TARGET,
    TASK,
    TYPING,
    U16,
    U32,
)
from desktop_logger.records.profiles import BURSTS, EVENTS, MOVE_CELL_PX, RUN_PAUSE_S, SHORT_RUN, STROKE_CELL_PX

from .gridding import cells

_TICKS = BURSTS.grid_ms // EVENTS.grid_ms
_CELL = STROKE_CELL_PX // MOVE_CELL_PX
_TEXT, _EDIT = int(KeyClass.TEXT), int(KeyClass.EDIT)


class Runs:
    """Holds at most one open run a scope, and with the open run of typing the counts of those that join it."""

    __slots__ = (
        "_f_last", "_k_end", "_k_last", "_k_open", "_k_start", "_n_edit", "_n_text", "_now", "_out", "_p_code",
        "_p_end", "_p_kind", "_p_last", "_p_start", "_px", "_py", "_rest_x", "_rest_y", "_t_code", "_t_end",
        "_t_kind", "_t_last", "_t_n", "_t_start",
    )  # fmt: skip

    def __init__(self) -> None:
        self._out = bytearray()
        self._begin()

    def _begin(self) -> None:
        self._now = 0
        self._k_open = False
        self._k_start = self._k_end = self._k_last = 0
        self._n_text = self._n_edit = 0
        self._p_kind = self._p_code = self._p_start = self._p_end = self._p_last = 0
        self._px = self._py = self._rest_x = self._rest_y = 0
        self._t_code = self._t_kind = self._t_n = self._t_start = self._t_end = self._t_last = 0
        self._f_last = 0

    def feed(self, records: bytes) -> None:
        """Take whole records of ``events``, in order."""
        pack = RECORD.pack
        for t, kind, code, a, b, c, d in RECORD.iter_unpack(records):
            second = t // _TICKS
            if second > self._now and kind < COARSE_FORM:
                self.advance(second)
            if kind == KEY:
                if code == _TEXT:
                    self._n_text += 1
                elif code == _EDIT:
                    self._n_edit += 1
                else:
                    self._close_keyboard()
                    self._out += pack(second, KEY, code, a, 0, 0, second - self._k_last)
                    self._k_last = second
                    continue
                self._k_end = second
                if not self._k_open:
                    self._k_open, self._k_start = True, second
                if self._n_text + self._n_edit == U16:  # the sum, so that where it is cut tells no corrections
                    self._close_keyboard()
            elif kind == MOVE:
                if self._p_kind != MOVE:
                    self._open_pointer(MOVE, code, second)
                self._p_end = second
                self._px += a - 0x10000 if a & 0x8000 else a
                self._py += b - 0x10000 if b & 0x8000 else b
            elif kind in (CLICK, SCROLL):
                if kind != self._p_kind or code != self._p_code:
                    self._open_pointer(kind, code, second)
                self._p_end = second
                if self._px + a > U16:
                    self._open_pointer(kind, code, second)
                self._px += a
            elif kind == TARGET:
                if (code, b) != (self._t_code, self._t_kind) or self._t_n + a > U16:
                    self._close_target()
                    self._t_code, self._t_kind, self._t_start = code, b, second
                self._t_n += a
                self._t_end = second
            elif kind == FOCUS:
                self._out += pack(second, FOCUS, code, 0, 0, 0, second - self._f_last)
                self._f_last = second
            elif kind == TASK:
                self._out += pack(second, TASK, code, a, 0, 0, 0)
            elif kind == GAP:
                self._close_until(U32)
                self._out += pack(second, GAP, code, 0, 0, 0, d)
            else:
                if self._k_open or self._p_kind or self._t_code:
                    self._close_until(U32)
                self._out += pack(second, kind, code, a, b, c, d)

    def advance(self, second: int) -> None:
        """Nothing before ``second`` will follow: close the runs that a pause has ended, the earlier one first."""
        self._now = max(self._now, second)
        self._close_until(second - RUN_PAUSE_S)

    def interrupt(self, second: int) -> None:
        """Nothing was observed from ``second`` on: close every run."""
        self.advance(second)
        self._close_until(U32)

    def stand_alone(self, second: int) -> None:
        """What follows ``second`` has nothing to do with what came before: let out the held run too."""
        self.interrupt(second)
        if self._n_text or self._n_edit:
            end = self._now
            self._out += RECORD.pack(end, TYPING, 0, self._n_text, self._n_edit, 0, end - self._k_last)
            self._n_text = self._n_edit = 0
            self._k_last = end

    def flush(self, second: int) -> None:
        """The segment ends at ``second``: close every run, let the held one stand alone, start from nothing."""
        self.stand_alone(second)
        self._begin()

    def take(self) -> bytes:
        """The records that are ready."""
        ready = bytes(self._out)
        self._out.clear()
        return ready

    def _close_until(self, limit: int) -> None:
        """Close the runs that ended at ``limit`` or before, in the order in which they ended."""
        ended = []
        if self._k_open and self._k_end <= limit:
            ended.append((self._k_end, 0))
        if self._p_kind and self._p_end <= limit:
            ended.append((self._p_end, 1))
        if self._t_code and self._t_end <= limit:
            ended.append((self._t_end, 2))
        for _, scope in sorted(ended) if len(ended) > 1 else ended:
            if scope == 0:
                self._close_keyboard()
            elif scope == 1:
                self._close_pointer()
            else:
                self._close_target()

    def _close_target(self) -> None:
        if not self._t_code:
            return
        start, end = self._t_start, self._t_end
        self._out += RECORD.pack(
            start, TARGET, self._t_code, self._t_n, self._t_kind, min(end - start, U16), start - self._t_last
        )
        self._t_code = self._t_kind = self._t_n = 0
        self._t_last = end

    def _close_keyboard(self) -> None:
        if not self._k_open:
            return
        self._k_open = False
        text, edit = self._n_text, self._n_edit
        if text + edit < SHORT_RUN:
            return  # held: the counts stay, and the next run adds to them
        self._n_text = self._n_edit = 0
        start, end = self._k_start, self._k_end
        self._out += RECORD.pack(start, TYPING, 0, text, edit, min(end - start, U16), start - self._k_last)
        self._k_last = end

    def _open_pointer(self, kind: int, code: int, second: int) -> None:
        self._close_pointer()
        self._p_kind, self._p_code, self._p_start = kind, code, second

    def _close_pointer(self) -> None:
        kind = self._p_kind
        if not kind:
            return
        start, end = self._p_start, self._p_end
        duration, since = min(end - start, U16), start - self._p_last
        if kind == MOVE:
            x, y = self._px + self._rest_x, self._py + self._rest_y
            dx, dy = cells(x, _CELL), cells(y, _CELL)
            self._rest_x, self._rest_y = x - dx * _CELL, y - dy * _CELL
            self._out += RECORD.pack(start, STROKE, 0, dx & U16, dy & U16, duration, since)
        else:
            self._out += RECORD.pack(start, kind, self._p_code, self._px, 0, duration, since)
        self._p_kind = self._p_code = self._px = self._py = 0
        self._p_last = end
