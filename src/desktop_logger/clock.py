"""Time comes in through this door, so that tests can hold it.

Wall-clock time decides only expiry and days; order and grids use the monotonic clock.
"""

from __future__ import annotations

import time

from .errors import UsageError


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


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> int:
    """Whole seconds of a duration such as ``90s``, ``15m``, ``1h30m`` or ``2d``; ``UsageError`` otherwise."""
    total, digits = 0, ""
    for character in text.strip().lower():
        if character.isascii() and character.isdigit() and len(digits) < 6:
            digits += character
        elif character in _UNITS and digits:
            total, digits = total + int(digits) * _UNITS[character], ""
        else:
            total = 0
            break
    if digits or total <= 0:
        raise UsageError(f"not a duration: {text[:20]!r}", "Write a number and a unit: 90s, 15m, 1h30m or 2d.")
    return total


def in_words(seconds: int) -> str:
    """A duration for people: ``45 s``, ``15 min``, ``1 h 30 min``, ``2 d 3 h``."""
    parts = []
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= unit:
            parts.append(f"{seconds // unit} {name}")
            seconds %= unit
    return " ".join(parts[:2]) or "0 s"
