"""Time comes in through this door, so that tests can hold it.

Wall-clock time decides only expiry and days; order and grids use the monotonic clock.
"""

from __future__ import annotations

import time


class Clock:
    """The system's clocks. Seconds everywhere; ``now`` is Unix time (UTC)."""

    def now(self) -> float:
        """Wall-clock time in seconds since 1970-01-01 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back and stand still while the machine is suspended."""
        return time.monotonic()

    def suspended(self) -> float:
        """Seconds the machine has been suspended since boot; its growth means a resume. 0 where unknown."""
        if not hasattr(time, "CLOCK_BOOTTIME"):
            return 0.0
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


def day(seconds: float) -> str:
    """The UTC day of a Unix time as ``YYYY-MM-DD``: the only time that the ledger carries."""
    moment = time.gmtime(seconds)
    return f"{moment.tm_year:04d}-{moment.tm_mon:02d}-{moment.tm_mday:02d}"
