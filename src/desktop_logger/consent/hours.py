"""The signed hours: whether recording may happen at a moment, in the local time of the place that the policy names.

Standard library only; the time zone data is the system's, loaded when there are hours to keep. What cannot be
decided (an unknown zone) counts as outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AHEAD_S = 1.5
"""Recording ends this much before the hours do, so that nothing of what is then under way falls outside."""
_MINUTE_S = 60
_LOOK_AHEAD_MINUTES = 8 * 24 * 60


def within(schedule: Mapping[str, Any] | None, now: float) -> bool:
    """Whether ``now`` (Unix seconds) and the next second and a half lie inside; always where there is no schedule."""
    return schedule is None or (_inside(schedule, now) and _inside(schedule, now + _AHEAD_S))


def opens(schedule: Mapping[str, Any], now: float) -> float | None:
    """Unix seconds at which the hours begin next, to the minute; ``None`` when that is not within eight days."""
    minute = int(now // _MINUTE_S) + 1
    for ahead in range(_LOOK_AHEAD_MINUTES):
        if _inside(schedule, (minute + ahead) * _MINUTE_S):
            return float((minute + ahead) * _MINUTE_S)
    return None


def covers(wide: Mapping[str, Any] | None, narrow: Mapping[str, Any] | None) -> bool:
    """Whether every moment inside ``narrow`` is inside ``wide``. Different zones never are."""
    if wide is None:
        return True
    if narrow is None or narrow["zone"] != wide["zone"]:
        return False
    days = set(narrow["weekdays"]) <= set(wide["weekdays"])
    return days and bool(wide["start"] <= narrow["start"] and narrow["end"] <= wide["end"])


def _inside(schedule: Mapping[str, Any], now: float) -> bool:
    from datetime import datetime

    zone = _zone(str(schedule["zone"]))
    if zone is None:
        return False
    local = datetime.fromtimestamp(now, zone)
    clock = f"{local.hour:02}:{local.minute:02}"
    return WEEKDAYS[local.weekday()] in schedule["weekdays"] and bool(schedule["start"] <= clock < schedule["end"])


@lru_cache(maxsize=4)
def _zone(name: str) -> Any:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
