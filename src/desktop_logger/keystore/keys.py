"""``keystore/keys``: every entry's own key under one epoch's KEK, and the only part of the keystore a purge rewrites.

::

    keys   := MAGIC | u32 epoch | record*
    record := segment (16) | nonce (12) | entry key (32) under the KEK | tag (16)

Records are appended, synced, and read back; a purge replaces the file as a whole, which changes epoch and records in
one rename. Invariants: all records of a file are under the KEK that its head names; a torn last record never counted.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress

from desktop_logger import disk
from desktop_logger.errors import IntegrityError, Unavailable, Unreadable
from desktop_logger.paths import Home
from desktop_logger.sealing import KEY_BYTES, NONCE_BYTES, TAG_BYTES, Kek

MAGIC = b"desktop-logger/keys/v1\n"
HEAD_BYTES = len(MAGIC) + 4
SEGMENT_BYTES = 16
RECORD_BYTES = SEGMENT_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES
_LARGEST = 1 << 30

_read: tuple[tuple[str, int, int, int], bytes, dict[str, bytes]] | None = None


def path(home: Home) -> str:
    """Where the file lies."""
    return os.path.join(home.keystore, "keys")


def _coming(home: Home) -> str:
    return path(home) + ".new"


def create(home: Home, epoch: int) -> None:
    """A file without records for this epoch."""
    disk.replace(path(home), _head(epoch))


def current_epoch(home: Home) -> int:
    """The epoch of all records. Raises ``Unavailable`` only where there is no keystore, ``Unreadable`` for all else."""
    try:
        descriptor = disk.reopen(path(home), os.O_RDONLY)
        with open(descriptor, "rb", buffering=0) as file:
            return _epoch(file.read(HEAD_BYTES) or b"")
    except OSError as error:
        raise _not_there(error) from None


def _not_there(error: OSError) -> Unavailable | Unreadable:
    """A file that is not there and one that cannot be read just now must never be taken for one another."""
    if isinstance(error, FileNotFoundError):
        return Unavailable("there is no keystore", "Sign a consent first: desktop-logger consent sign")
    return Unreadable(f"the keystore cannot be read: {error.strerror}", "Nothing was changed. Try again.")


def _head(epoch: int) -> bytes:
    return MAGIC + epoch.to_bytes(4, "little")


def _epoch(data: bytes) -> int:
    if len(data) < HEAD_BYTES or not data.startswith(MAGIC):
        raise IntegrityError("the keystore is of another version, or damaged", "Run: desktop-logger verify")
    return int.from_bytes(data[len(MAGIC) : HEAD_BYTES], "little")


def parse(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Head, and segment → its wrapped key. Of two records for one segment the later counts; a torn one does not.

    Raises ``IntegrityError``.
    """
    _epoch(data)
    records: dict[str, bytes] = {}
    for at in range(HEAD_BYTES, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
        records[data[at : at + SEGMENT_BYTES].hex()] = data[at + SEGMENT_BYTES : at + RECORD_BYTES]
    return data[:HEAD_BYTES], records


def _table(home: Home) -> tuple[bytes, dict[str, bytes]]:
    """Head and records, parsed again only when the file has changed."""
    global _read  # noqa: PLW0603 - one reading serves a command that opens thousands of entries
    try:
        info = os.stat(path(home), follow_symlinks=False)
        state = (path(home), info.st_ino, info.st_mtime_ns, info.st_size)
        if _read is None or _read[0] != state:
            head, records = parse(disk.read(path(home), _LARGEST))
            _read = (state, head, records)
    except OSError as error:
        raise _not_there(error) from None
    return _read[1], _read[2]


def segments(home: Home) -> list[str]:
    """Ids of all segments that have a record; none where there is no keystore."""
    with suppress(Unavailable):
        return list(_table(home)[1])
    return []


def append(home: Home, kek: Kek, epoch: int, segment: str, entry_key: bytes) -> None:
    """Add one record; on the medium before this returns. A torn last record of an earlier crash is cut first."""
    head = _head(epoch)
    record = bytes.fromhex(segment) + kek.wrap(entry_key, _aad(head, segment))
    descriptor = disk.reopen(path(home), os.O_RDWR | os.O_APPEND)
    try:
        if disk.read_at(descriptor, HEAD_BYTES, 0) != head:
            raise Unavailable("the key-encryption key was rotated", "Start again: desktop-logger start")
        size = os.fstat(descriptor).st_size
        if torn := (size - HEAD_BYTES) % RECORD_BYTES:
            os.ftruncate(descriptor, size - torn)
        disk.write_all(descriptor, record)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)


def find(home: Home, kek: Kek, segment: str) -> bytes:
    """The key of one segment's entry. Raises ``Unreadable`` where it is missing or under another KEK."""
    head, records = _table(home)
    if segment not in records:
        raise Unreadable(f"the keys of segment {segment} are not in the keystore")
    return kek.unwrap(records[segment], _aad(head, segment))


def _aad(head: bytes, segment: str) -> bytes:
    return head + bytes.fromhex(segment)


def rewrap(home: Home, old: Kek, new: Kek, epoch: int, gone: Collection[str]) -> list[str]:
    """``keys.new`` with all records but those of ``gone`` under the new KEK, synced; returns whose were damaged."""
    head, records = _table(home)
    coming, damaged = _head(epoch), []
    out = [coming]
    for segment, wrapped in records.items():
        if segment in gone:
            continue
        try:
            entry_key = old.unwrap(wrapped, _aad(head, segment))
        except Unreadable:
            damaged.append(segment)
            continue
        out.append(bytes.fromhex(segment) + new.wrap(entry_key, _aad(coming, segment)))
    _write_coming(home, out)
    return damaged


def _write_coming(home: Home, out: list[bytes]) -> None:
    with suppress(FileNotFoundError):
        os.unlink(_coming(home))
    disk.write_new(_coming(home), b"".join(out))


def swap(home: Home) -> None:
    """Put ``keys.new`` in the place of ``keys``: one rename changes epoch and records together."""
    os.replace(_coming(home), path(home))
    disk.sync_folder(home.keystore)


def forget(home: Home, gone: Collection[str]) -> None:
    """Drop records without any key; the epoch stays. Where the KEK cannot be changed, this is all that can be done."""
    try:
        head, records = _table(home)
    except Unavailable:
        return
    kept = [bytes.fromhex(segment) + wrapped for segment, wrapped in records.items() if segment not in gone]
    if len(kept) != len(records):
        _write_coming(home, [head, *kept])
        swap(home)


def settle(home: Home) -> None:
    """After a crash: a ``keys.new`` that was not renamed does not count."""
    with suppress(FileNotFoundError):
        os.unlink(_coming(home))
