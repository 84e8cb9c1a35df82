"""Scopes and profiles: what may be recorded, and how finely. Part of what is signed.

Two orders: ``events → bursts → coarse`` and ``events → bursts → counts``; never back, and never from ``coarse``
to ``counts`` or the other way, since neither holds what the other is made from.
"""

from __future__ import annotations

from typing import NamedTuple


class Profile(NamedTuple):
    """How finely records are made. All times are whole ticks of ``grid_ms``."""

    name: str
    rank: int
    """0 is the finest. ``may_become`` says what can stand beside or after what."""
    grid_ms: int
    part_bytes: dict[str, int]
    """Fixed plaintext bytes of one scope's part of a frame."""
    tick_s: int
    """Seconds between two frames of the own stream."""


SCOPES = ("keyboard", "pointer", "context", "target", "task")
"""What can be granted, each apart. A record belongs to exactly one scope (gaps: to each granted one)."""

EVENTS = Profile("events", 0, 20, {"keyboard": 384, "pointer": 1536, "context": 96, "target": 160, "task": 48}, 5)
BURSTS = Profile("bursts", 1, 1000, {"keyboard": 128, "pointer": 160, "context": 80, "target": 112, "task": 48}, 5)
COARSE = Profile("coarse", 2, 60_000, {"keyboard": 256, "pointer": 320, "context": 192, "target": 256, "task": 64}, 5)
COUNTS = Profile("counts", 3, 60_000, {"keyboard": 64, "pointer": 64, "context": 64, "target": 80, "task": 48}, 5)

PROFILES = {profile.name: profile for profile in (EVENTS, BURSTS, COARSE, COUNTS)}


def may_become(finer: Profile, other: Profile) -> bool:
    """Whether ``other`` is the same as ``finer`` or lies after it in one of the two orders."""
    return finer.rank == other.rank or (finer.rank < other.rank and (finer, other) != (COARSE, COUNTS))


RELEASE_TICK_S = 60
"""Seconds between two frames of the release stream, whatever its profile."""

RUN_PAUSE_S = 2
"""A run ends at a pause of this length (or at a record of another class in its scope)."""

SHORT_RUN = 12
"""A typing run of fewer keys is held and joins the next one."""

MOVE_CELL_PX = 4
STROKE_CELL_PX = 64
"""Displacements are counted in cells of this many pixels (``events``; ``bursts`` and ``coarse``)."""

SEGMENT_S = 600
SEGMENT_BYTES = 1 << 20
"""A segment is closed after this time or size, whichever comes first."""

CAPS = {"n_text": 8, "n": 5, "duration": 6, "gap": 5, "cells": 5, "seconds": 12}
"""``coarse``: highest log2 bucket of each quantity. Bucket of n is the bit length of n, capped."""

TASKS = 64
"""Most tasks that a policy can name; a record holds the number of one."""


def bucket(value: int, cap: int) -> int:
    """log2 bucket: 0 → 0, 1 → 1, 2–3 → 2, 4–7 → 3, … up to ``cap``."""
    return min(value.bit_length(), cap)


NOISE_PER_KEY = (1, 5)
"""``counts``: ε of the noise in each count for one press, click, step, switch or second of motion, as a fraction."""

COUNT_LOW, COUNT_HIGH = -63, 960
"""``counts``: a noisy count outside is set to the nearer end (1,024 values; both ends are beyond what people do)."""

COUNT_MINUTES = 12
"""``counts``: a segment has at most this many windows; what comes later falls into the last one."""
