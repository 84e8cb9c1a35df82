"""The streaming redactor: batches in, the records of both streams out.

Invariants: scopes that are not granted make nothing. The release stream is made from the same steps as the own
stream, later in the chain or equally far. Nothing here reads a clock; all times come with the batches. The one
source of chance is the noise of ``counts``, which is handed in and drawn once, here.
"""

from __future__ import annotations

from typing import Protocol

from desktop_logger.records.classes import Reason
from desktop_logger.records.events import Batch
from desktop_logger.records.layout import GAP, RECORD_BYTES, Redacted
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, Profile

from .coarsening import bucketed, unobserved
from .counting import Counting, Noise, laplace
from .gridding import Gridder
from .runs import Runs
from .veiling import Veiling

_TICKS = BURSTS.grid_ms // EVENTS.grid_ms


class Terms(Protocol):
    """What a redactor needs to know of a ``Grant``."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """The granted scopes."""

    @property
    def named_commands(self) -> bool:
        """Whether COMMAND may carry its name."""

    @property
    def own(self) -> Profile:
        """The stored profile."""

    @property
    def release(self) -> Profile | None:
        """The profile of what may leave; ``None``: nothing may."""


class Redactor:
    """Makes the records of one segment after another: ``begin``, then ``feed`` and ``take``, then ``flush``."""

    def __init__(self, terms: Terms, noise: Noise = laplace) -> None:
        self._own = terms.own
        self._release = terms.release
        self._gridder = Gridder(terms.scopes, named_commands=terms.named_commands)
        wanted = (self._own, self._release)
        self._veiling = Veiling() if any(one not in (COUNTS, None) for one in wanted) else None
        self._coarse = COARSE in wanted
        self._runs = Runs() if self._coarse or BURSTS in wanted else None
        self._counting = Counting(terms.scopes, noise) if COUNTS in wanted else None
        self._ready_own = bytearray()
        self._ready_release = bytearray()
        self._base = 0
        self.heard = 0
        """When the last record of the finest grid was made of something, ms of the events' clock."""

    def begin(self, ms: int) -> None:
        """Start a segment at ``ms`` (monotonic), rounded down to the grid of ``events``; times count from there."""
        self._base = ms - ms % EVENTS.grid_ms
        self._gridder.begin(self._base)

    def feed(self, batch: Batch) -> None:
        """Take a batch."""
        self._gridder.feed(batch.events)
        self._pass_on()

    def gap(self, reason: Reason, seconds: int, ms: int) -> None:
        """Nothing was observed for ``seconds`` (whole) from ``ms`` on; it ends every open run."""
        self._gridder.feed([(ms, GAP, reason, seconds, 0, 0)])
        self._pass_on()

    def advance(self, ms: int) -> None:
        """Nothing older than ``ms`` will follow: what a pause has ended becomes ready."""
        tick = self._gridder.tick_of(ms)
        self._gridder.advance(tick)
        self._pass_on()
        if self._veiling and (veiled := self._veiling.advance(tick)):
            self._pass_on(veiled)
        if self._runs:
            self._runs.advance(tick // _TICKS)
        if self._counting:
            self._counting.advance(tick)
        if self._runs or self._counting:
            self._pass_on()

    def flush(self, ms: int) -> None:
        """The segment ends at ``ms``: everything held becomes ready. ``begin`` comes next."""
        tick = self._gridder.tick_of(ms)
        self._gridder.finish()
        self._pass_on()
        if self._veiling:
            self._pass_on(self._veiling.flush(tick))
        if self._runs:
            self._runs.flush(tick // _TICKS)
        if self._counting:
            self._counting.flush(tick)
        if self._runs or self._counting:
            self._pass_on()
        self.begin(ms)

    def take(self) -> tuple[Redacted, Redacted]:
        """The records that are ready, ``(own, release)``; the second is empty where nothing may leave."""
        ready = Redacted(bytes(self._ready_own)), Redacted(bytes(self._ready_release))
        self._ready_own.clear()
        self._ready_release.clear()
        return ready

    def _pass_on(self, veiled: bytes = b"") -> None:
        """From step to step: each profile's records, then each stream's. ``veiled``: what a pause has let out."""
        gridded = self._gridder.take()
        if gridded:
            self.heard = self._base + int.from_bytes(gridded[-RECORD_BYTES:][:4], "little") * EVENTS.grid_ms
        made = [veiled + self._veiling.feed(gridded) if self._veiling else gridded, b"", b"", b""]
        if self._runs:
            self._runs.feed(made[0])
            made[1] = self._runs.take()
        if self._coarse:
            made[2] = bucketed(made[1])
        if self._counting:
            self._counting.feed(gridded)
            made[3] = self._counting.take()
        self._ready_own += made[self._own.rank]
        if self._release:
            self._ready_release += unobserved(made[self._release.rank], self._release)
