"""What every start does first: finish what a crash left, without any segment's key.

1. an append and a keystore rewrite that were cut · 2. beginnings that never counted · 3. an unfinished purge or
folding · 4. torn segments are noted in the ledger with what is good of them. Invariants: a body is never changed and
never appended to; what is not in the ledger and holds a frame is left alone, for ``verify`` to name; a segment that
lives is not touched.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, NamedTuple

from desktop_logger import disk, keystore
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError, OtherVersion
from desktop_logger.ledger import Ledger
from desktop_logger.paths import Home
from desktop_logger.segments.format import LARGEST_FILE, scan

from . import ballast
from .known import entries_now, files, is_beginning, is_live, known_now, locked, stream_path, unwritable
from .purging import resume


class Recovery(NamedTuple):
    """What there was to do. All empty after an orderly end."""

    segments: list[str]
    """Segments that a crash had ended."""
    dropped_bytes: int
    """Torn ends of them: what was never acknowledged."""
    notes: list[str]
    """What an unfinished purge, or a segment that was left alone, says to the person."""


def recover(home: Home, clock: Clock) -> Recovery:
    """Finish what a crash left. Nothing happens, and nothing is created, where there is no store."""
    with locked(home), ballast.dropped(home):
        ledger = Ledger(home, clock)
        if not ledger.exists():
            return Recovery([], 0, [])
        try:
            # 1. the ledger's torn end, the keystore
            with suppress(IntegrityError):  # not a torn end: ``verify`` says what it is
                ledger.settle()
            keystore.settle(home)
            # 2. beginnings: neither the ledger nor any frame knows them
            known = known_now(home)
            for segment, streams in files(home).items():
                if segment not in known and not is_live(home, segment) and is_beginning(home, segment, streams):
                    for stream in streams:
                        with suppress(FileNotFoundError):
                            os.unlink(stream_path(home, segment, stream))
            if begun := [segment for segment in keystore.listed(home) if segment not in known]:
                keystore.remove_entries(home, begun)
            # 3. a purge, a folding
            if any(entry["kind"] == "checkpoint" for entry in entries_now(home)):
                ledger.finish_fold()
            notes = resume(home, clock)
            # 4. torn segments
            recovered, dropped = [], 0
            for segment, state in known_now(home).items():
                if state.how == "open" and not (state.erased or state.intended) and not is_live(home, segment):
                    try:
                        found = {stream: _good_part(home, segment, stream) for stream in state.opened}
                    except OtherVersion as error:
                        notes.append(f"Segment {segment} is left as it is: {error.message}. {error.hint}")
                        continue
                    ledger.append("segment.recovered", segment=segment, streams=found)
                    recovered.append(segment)
                    dropped += sum(each["dropped"] for each in found.values() if each)
        except OSError as error:
            raise unwritable(error, "the store") from None
    return Recovery(recovered, dropped, notes)


def _good_part(home: Home, segment: str, stream: str) -> dict[str, Any] | None:
    try:
        path = stream_path(home, segment, stream)
        disk.sync_again(path)  # what the ledger is about to vouch for may not have reached the medium yet
        data = disk.read(path, LARGEST_FILE)
        body = scan(data)
    except OtherVersion:
        raise
    except (FileNotFoundError, IntegrityError):
        return None  # any other error may pass: then nothing is noted, and the next start looks again
    return {
        "frames": len(body.frames),
        "bytes": body.good_bytes,
        "head": body.head.hex(),
        "dropped": len(data) - body.good_bytes,
    }
