"""Looking at the store: what there is without any key, and the way through one stream with the subject's.

Invariants: nothing here writes, except ``approve``; what is opened is first compared with what the ledger commits to,
so that neither an altered nor an exchanged file is ever shown as the person's data.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, NamedTuple

from desktop_logger import disk, keystore
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError, Refused, Unreadable
from desktop_logger.ledger import Ledger
from desktop_logger.paths import Home
from desktop_logger.records.profiles import SEGMENT_S
from desktop_logger.sealing import Kek, ReaderKey, StreamKeys, fingerprint, wipe
from desktop_logger.segments.format import (
    LARGEST_FILE,
    LARGEST_HEADER,
    MAGIC,
    Body,
    Header,
    is_beginning,
    parse_header,
    refuse_other_version,
    scan,
)
from desktop_logger.segments.format import stanza_info as _stanza_info

from .known import Known, files, is_live, known_now, locked, stream_path
from .writing import admin_stanzas

if TYPE_CHECKING:
    from desktop_logger.consent.grant import Grant

_LONGEST_MINUTES = SEGMENT_S // 60 + 1


class SegmentInfo(NamedTuple):
    """One segment as it can be seen without any key."""

    id: str
    opened: int
    """Minutes since 1970-01-01 UTC, rounded down; by the file's time where the header cannot be read."""
    bytes: int
    state: str
    """``live``, ``open`` (a crash left it), ``sealed``, ``recovered`` or ``foreign`` (not in the ledger)."""
    until: int
    """Minutes, rounded up: everything it holds happened before."""


def segments(home: Home, only: Container[str] | None = None) -> list[SegmentInfo]:
    """All segments with a file, or ``only`` these, oldest first."""
    known = known_now(home)
    found = []
    for segment, streams in files(home).items():
        if only is not None and segment not in only:
            continue
        opened, size, changed = 0, 0, 0.0
        for stream in streams:
            path = stream_path(home, segment, stream)
            try:
                info = os.stat(path, follow_symlinks=False)
                size += info.st_size
                changed = max(changed, info.st_mtime)
                if stream == "own":
                    opened = _opened(path)
            except (OSError, IntegrityError):
                continue
        state = known[segment].how if segment in known else "foreign"
        if state == "open" and is_live(home, segment):
            state = "live"
        until = -int(-changed // 60)
        if not opened:  # its header cannot be read: the file's time is all there is, and rounding goes outward
            opened = max(0, until - _LONGEST_MINUTES)
        longest = opened + _LONGEST_MINUTES
        # A file's time is only a hint, believed where it fits; else the longest that a segment can be.
        found.append(SegmentInfo(segment, opened, size, state, until if opened <= until <= longest else longest))
    return sorted(found, key=lambda info: (info.opened, info.id))


_OPENED = re.compile(rb'[{,]"opened":([0-9]{1,13})[,}]')


def _opened(path: str) -> int:
    """The minute that an own stream's header names, without judging the rest of it; 0 where it names none."""
    with open(disk.reopen(path, os.O_RDONLY), "rb", buffering=0) as file:
        data = file.read(len(MAGIC) + 4 + LARGEST_HEADER) or b""
    found = _OPENED.search(data, len(MAGIC), len(MAGIC) + 4 + int.from_bytes(data[len(MAGIC) :][:4], "little"))
    return int(found[1]) if found and data.startswith(MAGIC) else 0


def choose_range(home: Home, since: float, until: float) -> list[str]:
    """Ids of all segments that may hold anything from this time (Unix seconds): rounded outward to whole segments."""
    return [
        info.id
        for info in segments(home)
        if info.state != "foreign" and info.opened * 60 <= until and (info.until * 60 >= since or info.state == "live")
    ]


def read_header(home: Home, segment: str, stream: str) -> Header:
    """The header of a stream file, unchecked against the ledger."""
    try:
        descriptor = disk.reopen(stream_path(home, segment, stream), os.O_RDONLY)
    except OSError:
        raise IntegrityError(f"segment {segment} has no {stream} stream here") from None
    with open(descriptor, "rb", buffering=0) as file:
        return parse_header(file.read(len(MAGIC) + 4 + LARGEST_HEADER) or b"")[0]


def read_body(home: Home, segment: str, stream: str) -> tuple[bytes, Body]:
    """A stream file and what a keyless look finds. Raises ``IntegrityError`` unless the ledger vouches for it.

    Of a segment that a crash ended, the good frames; of a live one, the frames so far.
    """
    known = known_now(home).get(segment)
    if known is None or stream not in known.opened:
        raise IntegrityError(f"segment {segment} has no {stream} stream in the ledger", "Run: desktop-logger verify")
    try:
        data = disk.read(stream_path(home, segment, stream), LARGEST_FILE)
    except OSError:
        raise IntegrityError(f"the {stream} stream of segment {segment} is missing") from None
    verdict, body = judge(known, stream, data)
    refuse_other_version(data)
    if body is None or verdict not in ("ok", "open", "recovered"):
        raise IntegrityError(f"the {stream} stream of segment {segment} is {verdict}", "Run: desktop-logger verify")
    return data[: body.good_bytes], body


def judge(known: Known, stream: str, data: bytes) -> tuple[str, Body | None]:
    """Verdict on one stream file by what the ledger says of it: one of those of ``verifying``."""
    closed = known.closed.get(stream)
    if closed is None and known.how != "open":
        return "missing", None  # it was not there, or not whole enough to count, when the segment ended
    try:
        body = scan(data)
    except IntegrityError:
        return ("truncated" if is_beginning(data) else "altered"), None
    if body.header_digest.hex() != known.opened[stream]:
        return "altered", body
    if closed is None:
        return ("altered" if body.rest == "altered" else "open"), body
    same = (len(body.frames), body.good_bytes, body.head.hex()) == (closed["frames"], closed["bytes"], closed["head"])
    if known.how == "recovered" and same and len(data) - body.good_bytes == closed["dropped"]:
        return "recovered", body
    if known.how == "sealed" and same and body.final and not body.rest:
        return "ok", body
    shorter = len(data) < closed["bytes"] + closed.get("dropped", 0)
    return ("truncated" if shorter and body.rest != "altered" else "altered"), body


def _stanza(home: Home, kek: Kek, segment: str, stream: str, reader: ReaderKey) -> keystore.Stanza:
    known = known_now(home)[segment]
    mine = fingerprint(reader.public)
    for stanza in keystore.read_entry(home, kek, segment):
        if (stanza.stream, stanza.role, stanza.reader) == (stream, "subject", mine):
            if stanza.digest not in known.stanzas | known.approved:
                raise Unreadable(f"segment {segment} has a key that the ledger does not know")
            return stanza
    raise Unreadable(f"segment {segment} is sealed to another person's key", "Sign in as who recorded it.")


def _root(home: Home, kek: Kek, body: Body, reader: ReaderKey) -> bytearray:
    header = body.header
    stanza = _stanza(home, kek, header.segment, header.stream, reader)
    return bytearray(reader.open(stanza.sealed, _stanza_info("subject", "*", body.header_digest)))


def open_stream(home: Home, kek: Kek, segment: str, stream: str, reader: ReaderKey) -> Iterator[tuple[str, int, bytes]]:
    """``(scope, frame number, part)`` in order, opened with the subject's reader key.

    Raises ``IntegrityError`` where the file is not what the ledger commits to, ``Unreadable`` where it does not open.
    """
    from desktop_logger.segments.reading import parts, scope_keys

    _, body = read_body(home, segment, stream)
    root = _root(home, kek, body, reader)
    keys = scope_keys(body, root)
    wipe(root)
    yield from parts(body, keys)


def for_release(home: Home, kek: Kek, segment: str) -> tuple[bytes, list[keystore.Stanza]]:
    """The bytes of a closed release stream and its admin stanzas: what a bundle carries. Nothing is opened.

    No stanza means that nobody may read it (yet). Of a recovered segment, the good frames.
    """
    known = known_now(home).get(segment)
    if known is None or known.how == "open" or "release" not in known.opened:
        raise Refused(f"segment {segment} has no closed release stream")
    data, _ = read_body(home, segment, "release")
    admin = [stanza for stanza in keystore.read_entry(home, kek, segment) if stanza.role == "admin"]
    if not {stanza.digest for stanza in admin} <= known.stanzas | known.approved:
        raise IntegrityError(f"segment {segment} has a key that the ledger does not know", "Run: desktop-logger verify")
    return data, admin


def approve(home: Home, clock: Clock, kek: Kek, segment: str, reader: ReaderKey, grant: Grant) -> int:  # noqa: PLR0917
    """Let the recipients of the grant read the release stream of one closed segment; returns how many stanzas it got.

    Needs the subject's reader key, because until now nobody else has one. Asking twice changes nothing.
    """
    with locked(home):
        known = known_now(home).get(segment)
        if known is None or known.how == "open":
            raise Refused(f"segment {segment} is not closed yet", "Stop or pause first, look at it, then approve.")
        _, body = read_body(home, segment, "release")
        if body.header.receipt != grant.receipt_hash:
            raise Refused(f"segment {segment} was recorded under another consent")
        stanzas = keystore.read_entry(home, kek, segment)
        if any(stanza.role == "admin" for stanza in stanzas):
            return sum(stanza.role == "admin" for stanza in stanzas)
        root = _root(home, kek, body, reader)
        keys = StreamKeys(root, body.header.context, body.header.scopes)
        wipe(root)
        for scope in body.header.scopes:
            if keys.commitment(scope).hex() != body.header.commit[scope]:
                raise Unreadable("the keys of this segment are not those that its header commits to")
        scope_keys = {scope: keys.scope_key(scope) for scope in body.header.scopes}
        added = admin_stanzas(grant, body.header_digest, scope_keys)
        for key in scope_keys.values():
            wipe(key)
        keys.erase()
        # The ledger first: the keystore never holds a stanza that the ledger does not know.
        noted = [stanza.digest for stanza in added]
        Ledger(home, clock).append("approved", segment=segment, stanzas=noted)
        keystore.replace_entry(home, kek, segment, stanzas + added)
        return len(added)
