"""What the ledger says of every segment, and where its files lie: the ground on which the rest of the store stands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from desktop_logger import disk
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError, OtherVersion, Unavailable
from desktop_logger.ledger import Entry, Ledger, has_facts
from desktop_logger.paths import Home
from desktop_logger.records.layout import STREAMS
from desktop_logger.segments.format import LARGEST_HEADER, scan


class Known:
    """One segment as the ledger tells it."""

    __slots__ = ("approved", "bundles", "closed", "erased", "files", "how", "id", "intended", "opened", "recalled",
                 "stanzas")  # fmt: skip

    def __init__(self, segment: str) -> None:
        self.id = segment
        self.opened: dict[str, Any] = {}
        """Stream → header digest (hexadecimal)."""
        self.stanzas: set[str] = set()
        """Digests of the stanzas that its keystore entry holds since it was opened."""
        self.approved: set[str] = set()
        """Digests of stanzas that an approval may have added."""
        self.closed: dict[str, Any] = {}
        """Stream → ``{frames, bytes, head}``; empty while it is open."""
        self.how = "open"
        """``open``, ``sealed`` or ``recovered``."""
        self.bundles: list[str] = []
        """Header digests of the bundles that carried it away."""
        self.files: list[str] = []
        """Their names in the outbox."""
        self.recalled = False
        """Whether its readers have been asked to erase it."""
        self.intended = False
        self.erased = False


def known_segments(entries: Iterable[Entry]) -> dict[str, Known]:
    """Every segment the ledger mentions, oldest first. Raises ``IntegrityError`` for an entry that says too little."""
    found: dict[str, Known] = {}
    for number, entry in enumerate(entries, 1):
        kind = entry["kind"]
        if not has_facts(entry):
            raise IntegrityError(f"line {number} of the ledger is not an entry", "Run: desktop-logger verify")
        if kind == "segment.opened":
            segment = found.setdefault(entry["segment"], Known(entry["segment"]))
            segment.opened = entry["streams"]
            segment.stanzas.update(entry["stanzas"])
        elif kind in ("segment.sealed", "segment.recovered"):
            segment = found.setdefault(entry["segment"], Known(entry["segment"]))
            segment.closed, segment.how = entry["streams"], kind.removeprefix("segment.")
        elif kind == "approved":
            found.setdefault(entry["segment"], Known(entry["segment"])).approved.update(entry["stanzas"])
        elif kind in ("released", "erasure.requested", "erased.intent", "erased.done"):
            for name in entry.get("segments", ()):
                segment = found.setdefault(name, Known(name))
                if kind == "released":
                    segment.bundles.append(entry["bundle"])
                    segment.files.append(entry["file"])
                    segment.recalled = False
                elif kind == "erasure.requested":
                    segment.recalled = True
                else:
                    segment.intended = kind == "erased.intent"
                    segment.erased = kind == "erased.done"
    return found


def open_intent(entries: list[Entry]) -> Entry | None:
    """The intent of an erasure that is not done yet."""
    for entry in reversed(entries):
        if entry["kind"] in ("erased.done", "checkpoint"):
            return None
        if entry["kind"] == "erased.intent":
            return entry
    return None


def last_epoch(entries: Iterable[Entry]) -> int:
    """The newest epoch of the keystore that a deletion in the ledger names; 0 where none does."""
    return max((entry["epoch"] for entry in entries if entry["kind"] in ("erased.intent", "erased.done")), default=0)


_read: tuple[tuple[str, int, int, int], list[Entry], dict[str, Known]] | None = None


def _read_ledger(home: Home) -> tuple[list[Entry], dict[str, Known]]:
    """Entries and segments; parsed again only when the ledger has changed. Changes nothing, needs no lock."""
    global _read  # noqa: PLW0603 - one reading serves a command that opens thousands of segments
    ledger = Ledger(home, Clock())
    try:
        info = os.stat(ledger.path)
    except FileNotFoundError:
        return [], {}
    state = (ledger.path, info.st_ino, info.st_mtime_ns, info.st_size)
    if _read is None or _read[0] != state:
        entries = ledger.entries()
        _read = (state, entries, known_segments(entries))
    return _read[1], _read[2]


def known_now(home: Home) -> dict[str, Known]:
    """What the ledger says of every segment now."""
    return _read_ledger(home)[1]


def entries_now(home: Home) -> list[Entry]:
    """The ledger's entries now, for their facts."""
    return _read_ledger(home)[0]


def stream_path(home: Home, segment: str, stream: str) -> str:
    """Where a stream file lies."""
    return os.path.join(home.segments, f"{segment}.{stream}")


def files(home: Home) -> dict[str, set[str]]:
    """Segment → its streams that have a file; other names are left out."""
    found: dict[str, set[str]] = {}
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(home.segments)):
            segment, _, stream = name.partition(".")
            if stream in STREAMS:
                found.setdefault(segment, set()).add(stream)
    return found


def is_live(home: Home, segment: str) -> bool:
    """Whether a living writer holds this segment."""
    for stream in STREAMS:
        try:
            descriptor = disk.reopen(stream_path(home, segment, stream), os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            if disk.is_locked(descriptor):
                return True
        finally:
            os.close(descriptor)
    return False


def is_beginning(home: Home, segment: str, streams: Iterable[str]) -> bool:
    """Whether files that the ledger does not know hold no frame: a crash while opening them left that, and no data."""
    for stream in streams:
        try:
            body = scan(disk.read(stream_path(home, segment, stream), LARGEST_HEADER + 64))
        except (OSError, OtherVersion):
            return False
        except IntegrityError:
            continue  # no whole header, so nothing that counted: a loss of power leaves zeros and garbage too
        if body.frames or body.rest:
            return False
    return True


@contextmanager
def locked(home: Home, timeout_s: float = 10.0) -> Iterator[None]:
    """Hold the store: one process at a time. May be nested. Where there is no store yet, there is nothing to hold."""
    if not os.path.isdir(home.ledger):
        yield
        return
    home.check()
    try:
        with disk.locked(home.store_lock, timeout_s):
            yield
    except OSError as error:  # whatever the system refuses while the store is held, a person reads it in words
        raise unwritable(error, "the store") from None


def unwritable(error: OSError, what: str) -> Unavailable:
    """An error of the system while writing, in words."""
    return Unavailable(
        f"{what} cannot be written: {error.strerror or 'the system refused'}",
        "Free some room on the disk, or check that the folder is yours and writable. Nothing is retried by itself.",
    )
