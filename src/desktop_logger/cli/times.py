"""Dates and moments as people write them, checked; a bad word names itself and the forms that work.

Written in local time, returned in Unix seconds. Durations are understood by ``clock.duration``.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from desktop_logger.clock import duration
from desktop_logger.errors import UsageError

_MOMENTS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_CLOCKS = ("%H:%M:%S", "%H:%M")


def moment(text: str, *, end: bool = False, today: float | None = None) -> float:
    """Unix seconds of ``2026-03-01``, ``2026-03-01 14:00`` or ``14:00`` (today), local time.

    ``end``: a bare date means the end of that day. Raises ``UsageError``.
    """
    word = text.strip()
    for form in _MOMENTS:
        try:
            day = datetime.strptime(word, form)  # noqa: DTZ007 - made local on the next line
            if end and form == "%Y-%m-%d":
                day += timedelta(days=1)  # before it gets a time zone: a day may have 23 or 25 hours
            return day.astimezone().timestamp()
        except (ValueError, OverflowError, OSError):
            continue
    for form in _CLOCKS:
        try:
            clock = datetime.strptime(word, form)  # noqa: DTZ007 - only hour, minute and second are used
        except ValueError:
            continue
        now = datetime.fromtimestamp(time.time() if today is None else today).astimezone()
        return now.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0).timestamp()
    raise UsageError(f"'{text}' is not a date or time", "Write for example 2026-03-01, '2026-03-01 14:00' or 14:00.")


def span(last: str | None, since: str | None, until: str | None, now: float) -> tuple[float | None, float | None]:
    """The half-open range ``[since, until)`` that ``--last``, ``--since`` and ``--until`` name; None is open."""
    if last is not None:
        if since is not None or until is not None:
            raise UsageError("--last does not go together with --since or --until", "Use one or the other.")
        return now - duration(last), None
    start = None if since is None else moment(since, today=now)
    stop = None if until is None else moment(until, end=True, today=now)
    if start is not None and stop is not None and stop <= start:
        raise UsageError("--until lies before --since", "Exchange the two.")
    return start, stop
