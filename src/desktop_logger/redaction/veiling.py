"""Step 1½: what is veiled becomes ``coarse`` form within a stream of any profile (ADR 0023).

Between the edges of a veil the records of keyboard, pointer and target take all steps to ``coarse`` at once, on their
own: runs of their own, which no run from outside the veil joins, then buckets. What comes out bears the mark
``COARSE_FORM`` and the start of its minute as its time, so the steps that follow have nothing left to make coarser.
Focus, tasks and gaps pass; a gap ends veiled runs as it ends any other.
"""

from __future__ import annotations

import re

from desktop_logger.records.layout import (
    CLICK,
    COARSE_FORM,
    GAP,
    KEY,
    MOVE,
    RECORD,
    RECORD_BYTES,
    SCROLL,
    TARGET,
    VEIL,
)
from desktop_logger.records.profiles import BURSTS, COARSE, EVENTS

from .coarsening import bucketed
from .runs import Runs

_TICKS = BURSTS.grid_ms // EVENTS.grid_ms
_MINUTE = COARSE.grid_ms // EVENTS.grid_ms
_NOT_VEILED = re.compile(b"[^" + re.escape(bytes((KEY, CLICK, SCROLL, MOVE, TARGET))) + b"]")
_EDGE = re.compile(re.escape(bytes((VEIL,))))


class Veiling:
    """Passes records of ``events``, and holds the runs of a veiled stretch."""

    __slots__ = ("_on", "_runs")

    def __init__(self) -> None:
        self._on = False
        self._runs = Runs()

    def feed(self, records: bytes) -> bytes:
        """Take whole records and internal edges, in order; what is ready."""
        if not self._on and VEIL not in records[4::RECORD_BYTES]:
            return records
        out = bytearray()
        runs = self._runs
        kinds = records[4::RECORD_BYTES]
        here = 0
        while here < len(kinds):
            # Neighbours go the same way together: up to the next edge, or, under a veil, to what is not veiled.
            found = (_NOT_VEILED if self._on else _EDGE).search(kinds, here)
            there = found.start() if found else len(kinds)
            some = records[here * RECORD_BYTES : there * RECORD_BYTES]
            if self._on:
                runs.feed(some)
            else:
                out += some
            here = there
            if not found:
                break
            record = records[here * RECORD_BYTES : (here + 1) * RECORD_BYTES]
            here += 1
            t, kind, code, *_ = RECORD.unpack(record)
            if kind == VEIL:
                self._on = bool(code)
                if not self._on:
                    runs.stand_alone(t // _TICKS)
                    out += self._take()
                continue
            if kind == GAP:
                runs.interrupt(t // _TICKS)
            else:
                runs.advance(t // _TICKS)
            out += self._take() + record
        return bytes(out + self._take())

    def advance(self, tick: int) -> bytes:
        """Nothing before ``tick`` will follow; what has become ready."""
        if not self._on:
            return b""
        self._runs.advance(tick // _TICKS)
        return self._take()

    def flush(self, tick: int) -> bytes:
        """The segment ends at ``tick``; the veil goes on in the next. What has become ready."""
        self._runs.flush(tick // _TICKS)
        return self._take()

    def _take(self) -> bytes:
        made = self._runs.take()
        return bucketed(made, COARSE_FORM, _MINUTE) if made else b""
