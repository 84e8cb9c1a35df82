"""What a minute of records can hold at most, in bits, from the field registry: a bound against any attacker.

Worst case, so far above what attacks reach: every field counts with all its values, as if each were chosen freely.
Three things keep it finite. Within a minute a time has as many values as the grid has steps. A run of text and edit
keys ends only at a pause of ``RUN_PAUSE_S`` or at another press, so typing alone makes at most 31 runs a minute, and
every other press at most one record more plus the run that it ended. Movement makes at most one record a tick, or one
stroke a pause or click. ``counts`` makes the same number of records every minute, whatever happens, and tasks beside
them. Each edge of a veil can end the runs of its minute once more; what is veiled holds no more than it would unveiled.

Not counted twice: under ``bursts`` the gap follows from the other times. How many records there are is counted where
their number is free, as one bit a record that could have been there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .classes import Action, Category, KeyClass, Role
from .profiles import PROFILES, RUN_PAUSE_S, Profile
from .registry import fields_of

_MINUTE_MS = 60_000


class Cap(NamedTuple):
    """Bits a minute: whatever is typed or moved (``steady``), and for each press or click that makes its own record."""

    steady: float
    each: float


def record_bits(kind: str, profile: Profile) -> float:
    """Most bits that one record can hold about the minute it lies in."""
    total = 0.0
    for field in fields_of(kind, profile.name):
        if field.name == "t":
            total += math.log2(max(_MINUTE_MS // profile.grid_ms, 1))
        elif field.name == "gap" and profile.name == "bursts":
            continue
        else:
            total += math.log2(field.values[profile.name])
    return total


def caps(profile: Profile) -> dict[str, Cap]:
    """The bound for each scope: a minute holds at most ``steady + presses × each`` bits."""
    runs = 60 // RUN_PAUSE_S + 1  # and the held short run that stands alone where a segment ends
    if profile.name == "counts":
        noisy = {
            "keyboard": ("presses", len(KeyClass)), "pointer": ("actions", len(Action)),
            "context": ("switches", len(Category)), "target": ("targets", len(Role)),
        }  # fmt: skip
        counted = {
            scope: Cap(count * _values(kind, "n", profile), 0.0) for scope, (kind, count) in noisy.items()
        }  # which minute and which class is known beforehand
        return {**counted, "task": Cap(0.0, record_bits("task", profile) + 1)}
    rest = {scope: Cap(0.0, record_bits(kind, profile) + 1)
            for scope, kind in (("context", "focus"), ("target", "target"), ("task", "task"))}  # fmt: skip
    if profile.name == "events":
        ticks = _MINUTE_MS // profile.grid_ms
        moved = _values("move", "dx", profile) + _values("move", "dy", profile)
        clicked = max(record_bits(kind, profile) for kind in ("click", "scroll"))
        keys = Cap(0.0, record_bits("key", profile) + 1)
        return {"keyboard": keys, "pointer": Cap(ticks * (moved + 1), clicked + 1), **rest}
    typing, stroke = record_bits("typing", profile) + 1, record_bits("stroke", profile) + 1
    pressed = record_bits("key", profile) + 1
    clicked = max(record_bits(kind, profile) for kind in ("click", "scroll")) + 1
    typed, pointed = Cap(runs * typing, pressed + typing), Cap(runs * stroke, clicked + stroke)
    return {"keyboard": typed, "pointer": pointed, **rest}


def in_words(profile: Profile) -> str:
    """One line for people who check the filter."""
    made = caps(profile)
    keyboard, pointer = made["keyboard"], made["pointer"]
    if profile.name == "counts":
        return f"At most {keyboard.steady:,.0f} bits a minute of the keyboard and {pointer.steady:,.0f} of the pointer."
    if profile.name == "events":
        typed = f"{keyboard.each:.0f} bits a key"
    else:
        typed = f"{keyboard.steady:,.0f} bits a minute of typing, {keyboard.each:.0f} more for each other key"
    moved = f"{pointer.steady:,.0f} bits a minute of movement, {pointer.each:.0f} more for each click"
    return f"At most {typed}; {moved}."


def _values(kind: str, name: str, profile: Profile) -> float:
    (field,) = (one for one in fields_of(kind, profile.name) if one.name == name)
    return math.log2(field.values[profile.name])


def table() -> list[tuple[str, str, float, float]]:
    """Profile, scope, steady bits a minute, bits for each press: the whole bound."""
    return [
        (profile.name, scope, cap.steady, cap.each)
        for profile in PROFILES.values()
        for scope, cap in caps(profile).items()
    ]
