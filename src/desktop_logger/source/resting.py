"""Rest: nothing has happened for two minutes, so the segment ends and no frame is written until something does.

What counts as something is decided by the grid itself, within the granted scopes: a key that makes no record, motion
that fills no cell and what was not granted end no rest, so that inputs that are equal on the grid rest alike. Under
``counts`` nothing rests: when it does would tell, without noise, that somebody was there.
"""

from __future__ import annotations

from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import MOVE
from desktop_logger.records.profiles import COUNTS
from desktop_logger.redaction import Gridder, Terms

REST_S = 120.0


class Rest:
    """When rest begins, and which batch ends it. Milliseconds of the events' clock everywhere."""

    def __init__(self, terms: Terms, after_s: float) -> None:
        self._terms = terms
        self._after = None if COUNTS in (terms.own, terms.release) else int(after_s * 1000)
        self.since: int | None = None
        """Since when it rests; ``None`` while it does not."""
        self._heard = 0
        self._gridder: Gridder | None = None

    def heard(self, ms: int) -> None:
        """Something made a record at ``ms``."""
        self._heard = max(self._heard, ms)

    def due(self, ms: int) -> bool:
        """Whether rest begins at ``ms``, and from then on it does."""
        if self._after is None or self.since is not None or ms < self._heard + self._after:
            return False
        self.since = self._heard + self._after
        self._gridder = Gridder(self._terms.scopes, named_commands=False)
        return True

    def woken(self, batch: Batch) -> list[Event] | None:
        """The events with which the next segment begins, or ``None`` where the batch makes no record.

        Motion that has filled no cell so far goes before them.
        """
        gridder = self._gridder
        if gridder is None or not batch.events:
            return None
        at, (dx, dy) = batch.events[0][0], gridder.carried
        gridder.begin(at, carry=True)
        gridder.feed(batch.events)
        gridder.finish()
        if not gridder.take():
            return None
        first: list[Event] = [(at, MOVE, 0, 0, dx, dy)] if dx or dy else []
        return [*first, *batch.events]

    def end(self, ms: int) -> int:
        """Rest is over at ``ms``: its whole seconds."""
        since, self.since, self._gridder, self._heard = self.since, None, None, ms
        return 0 if since is None else max(0, round((ms - since) / 1000))
