"""One's own segments, opened with one's own key: the own stream, or the release stream exactly as an admin gets it.

A segment's time is the minute in which it was opened plus each record's own time; the release stream says no time,
so it is taken from the own stream beside it. Nothing here writes, and nothing is kept after the command ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from desktop_logger import store
from desktop_logger.errors import IntegrityError
from desktop_logger.paths import Home
from desktop_logger.records.profiles import PROFILES, Profile
from desktop_logger.sealing import Kek, ReaderKey
from desktop_logger.segments import reading
from desktop_logger.store.known import stream_path

from .rows import Row, segment_rows
from .summary import Records, Span, Summary

OWN, RELEASE = "own", "release"


class Part(NamedTuple):
    """One segment's stream, opened and decoded."""

    span: Span
    profile: Profile
    parts: dict[str, list[Records]]
    released: bool

    def rows(self) -> list[Row]:
        """Its rows, made as for an export, with the segment named."""
        return [{**row, "segment": self.span.segment} for row in segment_rows(self.parts, self.profile)]


class Wanted(NamedTuple):
    """Which records: Unix seconds, from ``since`` to before ``until``; ``None`` is open."""

    since: float | None = None
    until: float | None = None
    segments: frozenset[str] | None = None
    """Only these; ``None``: all."""
    scopes: frozenset[str] | None = None
    """Only these; ``None``: all that are in the stream."""


def opened(home: Home, kek: Kek, reader: ReaderKey, stream: str, wanted: Wanted) -> Iterator[Part]:
    """The wanted segments, oldest first. Raises ``IntegrityError`` or ``Unreadable`` for one that is not whole."""
    for segment in store.segments(home):
        if segment.state == "foreign" or (wanted.segments is not None and segment.id not in wanted.segments):
            continue
        start, last = float(segment.opened * 60), float(segment.until * 60)
        if (wanted.until is not None and start >= wanted.until) or (wanted.since is not None and last < wanted.since):
            continue
        try:
            profile = PROFILES[store.read_header(home, segment.id, stream).profile]
        except IntegrityError:
            if stream == RELEASE:
                continue  # recorded when nobody else was a reader
            raise
        own = store.read_header(home, segment.id, OWN)
        frames = max(os.stat(stream_path(home, segment.id, OWN)).st_size - len(own.to_bytes()), 0) // own.frame_bytes
        lasted = max(frames * own.tick_s, 1.0)
        parts: dict[str, list[Records]] = {}
        for scope, _, part in store.open_stream(home, kek, segment.id, stream, reader):
            if wanted.scopes is None or scope in wanted.scopes:
                records = reading.unpack(part)
                if records.size:  # of a writer that was held up, the records tell more than the number of frames
                    lasted = max(lasted, int(records["t"].max()) * profile.grid_ms / 1000)
                parts.setdefault(scope, []).append(_within(records, start, profile, wanted))
        yield Part(Span(segment.id, start, start + lasted), profile, parts, stream == RELEASE)


def summarise(parts: Iterator[Part]) -> Summary:
    """Count everything."""
    summary = Summary()
    for part in parts:
        summary.add(part.span, part.profile, part.parts, released=part.released)
    return summary


def _within(records: Records, start: float, profile: Profile, wanted: Wanted) -> Records:
    """Records whose time lies in what is wanted, to the precision of the profile's grid."""
    if wanted.since is None and wanted.until is None:
        return records
    times = start + records["t"].astype(np.float64) * (profile.grid_ms / 1000)
    keep: np.ndarray[Any, Any] = np.ones(records.size, np.bool_)
    if wanted.since is not None:
        keep &= times + profile.grid_ms / 1000 > wanted.since
    if wanted.until is not None:
        keep &= times < wanted.until
    kept: Records = records[keep]
    return kept
