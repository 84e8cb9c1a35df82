"""Counts over the rows of a dataset, kept while they are written, and added up over parts. Plain numbers only."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from desktop_logger.inspection.columns import Columns, words_of
from desktop_logger.records.layout import GAP
from desktop_logger.records.profiles import COARSE, PROFILES, SCOPES

from .arrow import Session

COUNTED = ("record", "scope", "form", "class", "command", "category", "role", "outcome")
"""Columns whose words are counted."""


def at_least(seconds: npt.NDArray[Any], profile: str) -> int:
    """The seconds that released gaps lasted at least, in all: under ``coarse`` and ``counts`` they are log2 buckets."""
    whole = seconds.astype(np.int64)
    if PROFILES[profile].rank >= COARSE.rank:
        whole = np.where(whole > 0, np.left_shift(1, np.maximum(whole, 1) - 1), 0)
    return int(whole.sum())


class Tally:
    """What the card says of the rows. ``minutes`` is the sum of each session's last minute, rounded up.

    ``unobserved``: seconds of gaps at least, each gap once, although it stands in every scope.
    """

    def __init__(self, wire: dict[str, Any] | None = None) -> None:
        wire = wire or {}
        self.rows = int(wire.get("rows", 0))
        self.gaps = int(wire.get("gaps", 0))
        self.minutes = int(wire.get("minutes", 0))
        self.unobserved = int(wire.get("unobserved", 0))
        self.scopes: Counter[str] = Counter(wire.get("scopes", {}))
        """Sessions that have rows of each scope."""
        self.profiles: Counter[str] = Counter(wire.get("profiles", {}))
        self.words: dict[str, Counter[str]] = {name: Counter(wire.get(name, {})) for name in COUNTED}

    def add(self, found: Columns) -> None:
        """Count the rows of some columns."""
        self.rows += found.records
        for name in COUNTED:
            if name not in found.fields:
                continue
            values, present = found.fields[name]
            words = words_of(name)
            counts = np.bincount(values if present is None else values[present], minlength=len(words))
            self.words[name].update({word: int(times) for word, times in zip(words, counts, strict=False) if times})
            if name == "record":
                self.gaps += int(counts[words.index("gap")])

    def session(self, session: Session) -> None:
        """Count one session and its length."""
        self.profiles[session.profile] += 1
        last = int(session.records["t"][-1]) if session.records.size else 0
        self.minutes += last * PROFILES[session.profile].grid_ms // 60_000 + 1
        here = np.bincount(session.scopes, minlength=len(SCOPES)) > 0
        self.scopes.update(one for one, there in zip(SCOPES, here.tolist(), strict=True) if there)
        gaps = session.records["kind"] == GAP
        if gaps.any():
            once = gaps & (session.scopes == session.scopes[gaps].min())
            self.unobserved += at_least(session.records["d"][once], session.profile)

    def merge(self, other: Tally) -> None:
        """Add another part's counts."""
        self.rows += other.rows
        self.gaps += other.gaps
        self.minutes += other.minutes
        self.unobserved += other.unobserved
        self.scopes.update(other.scopes)
        self.profiles.update(other.profiles)
        for name in COUNTED:
            self.words[name].update(other.words[name])

    def to_wire(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "rows": self.rows, "gaps": self.gaps, "minutes": self.minutes, "unobserved": self.unobserved,
            "scopes": dict(self.scopes), "profiles": dict(self.profiles),
            **{name: dict(self.words[name]) for name in COUNTED},
        }  # fmt: skip
