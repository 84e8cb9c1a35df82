"""The other last step: records of ``events`` → ``counts``: presses and actions a minute, with noise drawn once.

Rules:

- Each press, click and step counts in the minute in which it happened, not where a run started: one press more
  or less then changes one count by one, and that is what the noise is measured against (ADR 0009). Motion counts
  the seconds in which the pointer moved. Categories count how often they got the focus, roles how often they were
  clicked. A task that begins or ends is its own record, without noise: the person said it.
- Every minute of the segment has a record of every class of each granted scope, also where nothing happened, so
  how many records there are tells nothing. A veil changes nothing here.
- Noise is a discrete Laplace distribution, P(k) ∝ exp(-ε|k|), ε = 0.2: exact, in integers (Canonne, Kamath and
  Steinke 2020, algorithm 2; floating-point Laplace noise is known to leak). A count is then set into its bounds.
- Gaps pass. Nothing is counted twice: noise could otherwise be averaged away.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from desktop_logger.records.classes import Action, Category, KeyClass, Role
from desktop_logger.records.layout import (
    ACTIONS,
    CLICK,
    FOCUS,
    GAP,
    KEY,
    MOVE,
    PRESSES,
    RECORD,
    SCROLL,
    SWITCHES,
    TARGET,
    TARGETS,
    TASK,
    U16,
)
from desktop_logger.records.profiles import COUNT_HIGH, COUNT_LOW, COUNT_MINUTES, COUNTS, EVENTS, NOISE_PER_KEY

Noise = Callable[[], int]
"""Draws one whole number to add to one count."""
Draw = Callable[[int], bytes]
"""Gives so many random bytes."""

_MINUTE = COUNTS.grid_ms // EVENTS.grid_ms
_SECOND = 1000 // EVENTS.grid_ms
_SCROLLS = Action.SCROLL_UP - 1
_COUNTED = (("keyboard", PRESSES, len(KeyClass)), ("pointer", ACTIONS, len(Action)),
            ("context", SWITCHES, len(Category)), ("target", TARGETS, len(Role)))  # fmt: skip
"""Scope, kind of record and number of counts, in the order in which they come out."""


def _below(limit: int, draw: Draw) -> int:
    """A whole number from 0 to ``limit - 1``, each equally likely."""
    size = (limit - 1).bit_length()
    while True:
        value = int.from_bytes(draw(4), "little") & ((1 << size) - 1)
        if value < limit:
            return value


def _one_in_e(top: int, bottom: int, draw: Draw) -> bool:
    """True with probability exp(-top/bottom), for 0 <= top <= bottom, without a floating-point number."""
    k = 1
    while _below(bottom * k, draw) < top:
        k += 1
    return k % 2 == 1


def laplace(epsilon: tuple[int, int] = NOISE_PER_KEY, draw: Draw = os.urandom) -> int:
    """One draw of the discrete Laplace distribution: P(x) is proportional to exp(-ε·|x|).

    ``epsilon`` is a fraction (by itself that of ``counts``); ``draw`` gives so many random bytes.
    """
    top, bottom = epsilon
    while True:
        u = _below(bottom, draw)
        if not _one_in_e(u, bottom, draw):
            continue
        whole = 0
        while _one_in_e(1, 1, draw):
            whole += 1
        size = (u + bottom * whole) // top
        negative = _below(2, draw) == 1
        if not (negative and size == 0):
            return -size if negative else size


class Counting:
    """Holds the counts of one minute and no time within it."""

    __slots__ = ("_counts", "_granted", "_minute", "_moved", "_noise", "_out")

    def __init__(self, scopes: Iterable[str], noise: Noise = laplace) -> None:
        self._granted = frozenset(scopes)
        self._noise = noise
        self._out = bytearray()
        self._begin()

    def _begin(self) -> None:
        self._minute = 0
        self._moved = -1
        self._counts = {kind: [0] * (number + 1) for _, kind, number in _COUNTED}

    def feed(self, records: bytes) -> None:
        """Take whole records of ``events``, in order."""
        presses, actions = self._counts[PRESSES], self._counts[ACTIONS]
        switches, targets = self._counts[SWITCHES], self._counts[TARGETS]
        for t, kind, code, a, _, _, d in RECORD.iter_unpack(records):
            if t >= (self._minute + 1) * _MINUTE:
                self.advance(t)
            if kind == KEY:
                presses[code] += 1
            elif kind == CLICK:
                actions[code] += a
            elif kind == SCROLL:
                actions[_SCROLLS + code] += a
            elif kind == MOVE:
                if t // _SECOND > self._moved:
                    self._moved = t // _SECOND
                    actions[Action.MOVING] += 1
            elif kind == FOCUS:
                switches[code] += 1
            elif kind == TARGET:
                targets[code] += a
            elif kind == TASK:
                self._out += RECORD.pack(t // _MINUTE, TASK, code, a, 0, 0, 0)
            elif kind == GAP:
                self._out += RECORD.pack(t // _MINUTE, GAP, code, 0, 0, 0, d)

    def advance(self, tick: int) -> None:
        """Nothing before ``tick`` (of ``events``) will follow: let out the minutes that are over."""
        last = min(tick // _MINUTE, COUNT_MINUTES - 1)
        while self._minute < last:
            self._let_out()

    def flush(self, tick: int) -> None:
        """The segment ends at ``tick``: let out the minute in hand too, and start from nothing."""
        self.advance(tick)
        self._let_out()
        self._begin()

    def take(self) -> bytes:
        """The records that are ready."""
        ready = bytes(self._out)
        self._out.clear()
        return ready

    def _let_out(self) -> None:
        pack, noise, minute = RECORD.pack, self._noise, self._minute
        for scope, kind, _ in _COUNTED:
            counts = self._counts[kind]
            for code in range(1, len(counts)):
                if scope in self._granted:
                    noisy = max(COUNT_LOW, min(COUNT_HIGH, counts[code] + noise()))
                    self._out += pack(minute, kind, code, noisy & U16, 0, 0, 0)
                counts[code] = 0
        self._minute += 1
