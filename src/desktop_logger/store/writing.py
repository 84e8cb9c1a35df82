"""A segment being written: records in, sealed frames out, and no way to read back.

Opening, under the store lock: 1. new keys and headers; 2. stream files with their headers; 3. the keystore entry;
4. the ledger commits to headers and stanzas. Only then does the first frame exist, so that a crash before 4 leaves
nothing that counts. Invariants: a record goes to the part of its scope and to no other; what is acknowledged is on the
medium; the first error of the disk ends the segment; queues are bounded and what they drop is a gap.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from desktop_logger import disk, keystore
from desktop_logger.clock import Clock
from desktop_logger.errors import Refused, Unavailable
from desktop_logger.ledger import Ledger
from desktop_logger.paths import Home
from desktop_logger.records.classes import Reason
from desktop_logger.records.layout import (
    COARSE_FORM,
    GAP,
    RECORD_BYTES,
    SCOPE_OF_KIND,
    STREAMS,
    VEILED_KINDS,
    Redacted,
    gap,
)
from desktop_logger.records.profiles import PROFILES, RELEASE_TICK_S, SCOPES, Profile
from desktop_logger.sealing import Kek, StreamKeys, fingerprint, fresh_key, random_id, seal_to, wipe
from desktop_logger.segments.format import DATA, FINAL, Header, key_context, stanza_info
from desktop_logger.segments.writing import StreamFile

from .known import locked, stream_path, unwritable

if TYPE_CHECKING:
    from desktop_logger.consent.grant import Grant

QUEUE_RECORDS = 65_536
"""Records that may wait, for each scope and stream."""

_EVERY = len(SCOPES) + 1
_SCOPE_OF = bytes(
    _EVERY if kind == GAP else SCOPES.index(SCOPE_OF_KIND[plain]) + 1 if plain in SCOPE_OF_KIND else 0
    for kind in range(256)
    for plain in [kind & ~COARSE_FORM if kind & ~COARSE_FORM in VEILED_KINDS else kind]
)
"""Kind → 0 (not a record that is stored), 1 … (the scope's place in SCOPES), or every granted scope."""


class _Queue:
    """Records of one scope that wait for a frame. What does not fit is counted, and becomes a gap."""

    __slots__ = ("first_lost", "last_lost", "losing", "waiting")

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.losing = False
        self.first_lost = self.last_lost = 0

    def put(self, records: bytes, profile: Profile, stream: str) -> None:
        limit = QUEUE_RECORDS * RECORD_BYTES
        if self.losing and len(self.waiting) + len(records) < limit // 2:
            self.note_loss(profile, stream)
        room = 0 if self.losing else limit - RECORD_BYTES - len(self.waiting)  # one place is kept for the gap
        self.waiting += records[:room]
        if lost := records[room:]:
            if not self.losing:
                self.losing, self.first_lost = True, int.from_bytes(lost[:4], "little")
            self.last_lost = int.from_bytes(lost[-RECORD_BYTES:][:4], "little")

    def note_loss(self, profile: Profile, stream: str) -> None:
        """Put the gap where the lost records would be."""
        if not self.losing:
            return
        self.losing = False
        ticks = max(self.last_lost - self.first_lost, 0) + 1
        record = gap(Reason.OVERFLOW, -(-ticks * profile.grid_ms // 1000), self.first_lost)
        if stream == "release":
            from desktop_logger.redaction import coarsen_gap

            record = coarsen_gap(record, profile)
        self.waiting += record


def _split(records: bytes, granted: tuple[str, ...]) -> dict[str, bytes]:
    """Records by scope, in order. Raises ``Refused`` for a record of a scope that is not granted: none is kept."""
    kinds = records[4::RECORD_BYTES].translate(_SCOPE_OF)
    seen = set(kinds)
    allowed = {SCOPES.index(scope) + 1 for scope in granted} | {_EVERY}
    if len(records) % RECORD_BYTES or not seen <= allowed:
        raise Refused("a record that the consent does not cover reached the store; nothing of it was kept")
    if len(seen) == 1 and _EVERY not in seen:
        return {SCOPES[kinds[0] - 1]: records}
    split = {scope: bytearray() for scope in granted}
    for place, kind in enumerate(kinds):
        record = records[place * RECORD_BYTES :][:RECORD_BYTES]
        for scope in granted if kind == _EVERY else (SCOPES[kind - 1],):
            split[scope] += record
    return {scope: bytes(found) for scope, found in split.items() if found}


class Segment:
    """One open segment. The first error of the disk abandons it; the next start recovers what is on the medium."""

    def __init__(self, home: Home, clock: Clock, segment: str, streams: dict[str, StreamFile]) -> None:
        self.id = segment
        self._home, self._clock = home, clock
        self._began = clock.monotonic()
        self._streams = streams
        self._queues = {
            stream: {scope: _Queue() for scope in file.header.scopes} for stream, file in self._streams.items()
        }
        self._open = True

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self._streams.values())

    @property
    def streams(self) -> tuple[str, ...]:
        """``own``, and ``release`` where the policy names a recipient."""
        return tuple(self._streams)

    def append(self, stream: str, records: Redacted) -> None:
        """Let whole records of one stream wait for its next frame. Not durable yet."""
        file = self._stream(stream)
        profile = PROFILES[file.header.profile]
        for scope, found in _split(records, file.header.scopes).items():
            self._queues[stream][scope].put(found, profile, stream)

    def waiting(self, stream: str) -> int:
        """Records that wait in the fullest queue of a stream."""
        return max(len(queue.waiting) for queue in self._queues[stream].values()) // RECORD_BYTES

    def tick(self, stream: str) -> None:
        """Write one frame, whether or not anything waits; when this returns, it is on the medium."""
        file = self._stream(stream)
        try:
            self._frame(file, stream, DATA)
            file.sync()
        except OSError as error:
            self.abandon()
            raise unwritable(error, "the segment") from None

    def _frame(self, file: StreamFile, stream: str, kind: int) -> None:
        queues = self._queues[stream]
        taken = file.frame(kind, {scope: queue.waiting for scope, queue in queues.items()})
        for scope, count in taken.items():
            del queues[scope].waiting[: count * RECORD_BYTES]

    def seal(self) -> None:
        """Write all that waits and the final frames, then let the ledger commit to the whole body."""
        closed = {}
        try:
            for stream, file in self._streams.items():
                self._stream(stream)
                for queue in self._queues[stream].values():
                    queue.note_loss(PROFILES[file.header.profile], stream)
                self._frame(file, stream, DATA)  # even an empty one: the size must not tell what came just before
                while self.waiting(stream):
                    self._frame(file, stream, DATA)
                self._frame(file, stream, FINAL)
                file.sync()
                closed[stream] = {"frames": file.frames, "bytes": file.size, "head": file.head.hex()}
            with locked(self._home):
                if not all(os.path.exists(file.path) for file in self._streams.values()):
                    raise Unavailable("this segment was deleted while it was written", "Nothing of it remains.")
                seconds = round(self._clock.monotonic() - self._began)
                ledger = Ledger(self._home, self._clock)
                ledger.append("segment.sealed", segment=self.id, seconds=seconds, streams=closed)
        except OSError as error:
            raise unwritable(error, "the segment") from None
        finally:
            self.abandon()

    def abandon(self) -> None:
        """End without sealing: keys gone, files released. What is on the medium stays. May be called twice."""
        self._open = False
        for file in self._streams.values():
            file.close()

    def _stream(self, stream: str) -> StreamFile:
        if not self._open:
            raise Unavailable("this segment is closed", "The next start recovers what it holds.")
        if stream not in self._streams:
            raise Refused(f"this segment has no {stream} stream")
        return self._streams[stream]


def open_segment(home: Home, clock: Clock, grant: Grant, kek: Kek, epoch: int) -> Segment:
    """A new segment under this grant and this epoch's KEK. Raises ``Unavailable`` where the KEK has been rotated."""
    with locked(home):
        ledger = Ledger(home, clock)
        if keystore.current_epoch(home) != epoch:
            raise Unavailable("the key-encryption key was rotated", "Start again: desktop-logger start")
        segment = random_id()
        streams: dict[str, StreamFile] = {}
        stanzas: list[keystore.Stanza] = []
        try:
            # 1. keys and headers, 2. stream files
            for stream, profile in zip(STREAMS, (grant.own, grant.release), strict=True):
                if profile is not None:
                    opened = int(clock.now() // 60) if stream == "own" else None
                    path = stream_path(home, segment, stream)
                    streams[stream], wrapped = _open_stream(path, grant, segment, profile, opened)
                    stanzas += wrapped
            disk.sync_folder(home.segments)
            # 3. the keystore entry
            keystore.write_entry(home, kek, epoch, segment, stanzas)
            # 4. the ledger
            ledger.append(
                "segment.opened",
                segment=segment,
                streams={stream: file.header_digest.hex() for stream, file in streams.items()},
                stanzas=[stanza.digest for stanza in stanzas],
            )
        except BaseException as error:
            for file in streams.values():
                file.close()
            if isinstance(error, OSError):
                raise unwritable(error, "a new segment") from None
            raise
    return Segment(home, clock, segment, streams)


def _open_stream(
    path: str, grant: Grant, segment: str, profile: Profile, opened: int | None
) -> tuple[StreamFile, list[keystore.Stanza]]:
    """A stream file and the stanzas of its keys; ``opened`` (minutes) is what only the own stream says."""
    stream = "release" if opened is None else "own"
    scopes = tuple(scope for scope in SCOPES if scope in grant.scopes)
    root = fresh_key()
    keys = StreamKeys(root, key_context(segment, stream, grant.receipt_hash), scopes)
    header = Header(
        segment=segment,
        stream=stream,
        profile=profile.name,
        scopes=scopes,
        parts={scope: profile.part_bytes[scope] for scope in scopes},
        commit={scope: keys.commitment(scope).hex() for scope in scopes},
        receipt=grant.receipt_hash,
        policy=grant.policy_hash,
        tick_s=RELEASE_TICK_S if stream == "release" else profile.tick_s,
        opened=opened,
    )
    info = stanza_info("subject", "*", header.digest)
    subject = grant.subject_reader
    stanzas = [keystore.Stanza(stream, "subject", fingerprint(subject), "*", seal_to(subject, root, info))]
    wipe(root)
    if stream == "release" and grant.release_mode == "cooling-off":
        scope_keys = {scope: keys.scope_key(scope) for scope in scopes}
        stanzas += admin_stanzas(grant, header.digest, scope_keys)
        for key in scope_keys.values():
            wipe(key)
    return StreamFile(path, header, keys), stanzas


def admin_stanzas(grant: Grant, header_digest: bytes, scope_keys: dict[str, bytearray]) -> list[keystore.Stanza]:
    """One stanza for each recipient and each scope that both the policy names for it and the receipt grants."""
    return [
        keystore.Stanza(
            "release", "admin", fingerprint(who.public), scope,
            seal_to(who.public, key, stanza_info("admin", scope, header_digest)),
        )
        for who in grant.admins
        for scope, key in scope_keys.items()
        if scope in who.scopes and scope in grant.scopes
    ]  # fmt: skip
