"""Time in which nothing is observed: since when, why, and told to the writer exactly once.

A stretch has one reason; a change of reason ends one stretch and begins the next. Seconds are those of a clock that
goes on while the machine sleeps, so that recorded time and gaps add up to the whole time. What cannot be told yet
(there is no writer) waits.
"""

from __future__ import annotations

from collections.abc import Callable

from desktop_logger.clock import Clock
from desktop_logger.records.classes import Reason
from desktop_logger.records.layout import Redacted, gap


class Unobserved:
    """At most one open stretch, and the ones that wait to be told."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.reason: Reason | None = None
        """Why nothing is observed now; ``None`` while capture runs and before it first does."""
        self._since = 0.0
        self._waiting: list[tuple[Reason, float]] = []
        self._owed = 0.0
        """Seconds that rounding has not told yet, or has told too many."""

    def _now(self) -> float:
        return self.clock.monotonic() + self.clock.suspended()

    def begin(self, reason: Reason, *, ago: float = 0.0) -> None:
        """From now on (or since ``ago`` seconds) nothing is observed, for this reason."""
        if reason == self.reason:
            return
        self._close()
        if self.reason is None:
            self._since = self._now() - ago
        self.reason = reason

    def rename(self, reason: Reason) -> None:
        """The open stretch turns out to have another reason from its beginning on."""
        if self.reason is not None:
            self.reason = reason

    def _close(self) -> None:
        """Let the open stretch wait to be told; the next one would begin here."""
        if self.reason is not None:
            now = self._now()
            self._waiting.append((self.reason, now - self._since))
            self._since = now

    def owe(self, reason: Reason, seconds: float) -> None:
        """A stretch that is over, of which whoever should have told it did not."""
        self._waiting.append((reason, seconds))

    def so_far(self) -> None:
        """Capture is about to begin: what has passed waits to be told; the moment until it runs joins the next gap."""
        self._close()

    def end(self) -> None:
        """Capture runs."""
        if self.reason is not None:
            self._owed += self._now() - self._since
        self.reason = None

    def tell(self, put: Callable[[Redacted], bool]) -> None:
        """Hand what waits to the writer, in order, each stretch in whole seconds and at least one.

        What a stretch loses or gains by that is carried over to the next ones. What ``put`` does not take waits on.
        """
        while self._waiting:
            reason, seconds = self._waiting[0]
            whole = max(1, round(seconds + self._owed))
            if not put(gap(reason, whole)):
                return
            self._owed += seconds - whole
            del self._waiting[0]


class Attempts:
    """When something that keeps failing is tried again: after 0.5 s, doubling up to 30 s.

    Only what has worked for half a minute counts as mended.
    """

    SETTLED_S = 30.0
    MOST_S = 30.0

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.failures = 0
        self._not_before = 0.0
        self._working: float | None = None

    def working(self) -> None:
        """It works now."""
        if self._working is None:
            self._working = self.clock.monotonic()

    def failed(self) -> None:
        """It does not, or no longer."""
        now = self.clock.monotonic()
        if self._working is not None and now - self._working >= self.SETTLED_S:
            self.failures = 0
        self._working = None
        self.failures += 1
        self._not_before = now + min(self.MOST_S, 0.25 * 2 ** min(self.failures, 10))

    def forgive(self) -> None:
        """Somebody asks for it: try at once."""
        self._not_before = 0.0

    def due(self) -> bool:
        """Whether it may be tried."""
        return self.clock.monotonic() >= self._not_before
