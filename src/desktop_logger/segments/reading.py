"""The numpy codec (part → records) and the way through a stream file with its scope keys.

Invariants: nothing is returned from a frame that did not open; a decompressor never gets more room than the records
that the part announces; every scope key is checked against the header's commitment before it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from desktop_logger.errors import IntegrityError, Unreadable
from desktop_logger.records.layout import RECORD_BYTES, RECORD_FIELDS
from desktop_logger.sealing import ReaderKey, ScopeReader, StreamKeys

from .format import LARGEST_FILE, Body, part_aad, stanza_info
from .writing import PART

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RECORDS = np.dtype(RECORD_FIELDS)
"""One record, field by field as in ``records.layout``."""

_MALFORMED = "a part is malformed although it opened"


def unpack(part: bytes) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """The records of one part, dtype ``RECORDS``. Raises ``IntegrityError``."""
    return unpack_all([part])


def unpack_all(parts: Iterable[bytes], most: int = LARGEST_FILE) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """The records of several parts of one scope, one after another; their times are put right in one go.

    Raises ``IntegrityError``, also for more than ``most`` records.
    """
    counts: list[int] = []
    datas: list[bytes] = []
    total = 0
    for part in parts:
        count, data = _planes(part)
        if count:
            counts.append(count)
            datas.append(data)
            total += count
            if total > most:  # compressed well, a small file could ask for all memory
                raise IntegrityError("more records than a segment can hold")
    if not total:
        return np.empty(0, RECORDS)
    planes = [np.frombuffer(data, np.uint8).reshape(RECORD_BYTES, -1) for data in datas]
    rows = np.ascontiguousarray(np.concatenate(planes, axis=1).T)
    records = rows.view(RECORDS).reshape(total)
    if len(counts) == 1:
        records["t"] = np.cumsum(records["t"], dtype=np.uint32)
    else:
        # each part's differences begin anew: what stood before it is taken off again
        times = np.cumsum(records["t"], dtype=np.uint32)
        starts = np.cumsum([0, *counts[:-1]])
        before = np.concatenate([np.zeros(1, np.uint32), times])[starts]
        records["t"] = times - np.repeat(before, counts)
    return records


def _planes(part: bytes) -> tuple[int, bytes]:
    """How many records a part holds, and their byte planes."""
    if len(part) < PART.size:
        raise IntegrityError(_MALFORMED)
    count, size = PART.unpack_from(part)
    packed, padding = part[PART.size : PART.size + size], part[PART.size + size :]
    if len(packed) != size or padding.strip(b"\0") or (count == 0) != (size == 0):
        raise IntegrityError(_MALFORMED)
    if count == 0:
        return 0, b""
    decompressor = zstd.ZstdDecompressor()
    try:
        data = decompressor.decompress(packed, max_length=count * RECORD_BYTES + 1)
    except zstd.ZstdError:
        raise IntegrityError(_MALFORMED) from None
    if len(data) != count * RECORD_BYTES or not decompressor.eof or decompressor.unused_data:
        raise IntegrityError(_MALFORMED)
    return count, data


def scope_keys(body: Body, root: bytes | bytearray) -> dict[str, bytes]:
    """The scope keys that a stream's root gives. Raises ``Unreadable`` where the header commits to others."""
    keys = StreamKeys(root, body.header.context, body.header.scopes)
    try:
        found = {scope: bytes(keys.scope_key(scope)) for scope in body.header.scopes}
    finally:
        keys.erase()
    for scope, key in found.items():
        check_commitment(body, scope, key)
    return found


def check_commitment(body: Body, scope: str, key: bytes) -> ScopeReader:
    """A reader of one scope. Raises ``Unreadable`` unless the header commits to this key."""
    reader = ScopeReader(key, body.header.context)
    if reader.commitment.hex() != body.header.commit.get(scope):
        raise Unreadable("the key that was sealed for you is not the key of this stream", "Run: desktop-logger verify")
    return reader


def open_stanza(body: Body, role: str, scope: str, sealed: bytes, reader: ReaderKey) -> bytes:
    """What a stanza holds: the stream's root (``subject``, scope ``*``) or one scope key (``admin``)."""
    return reader.open(sealed, stanza_info(role, scope, body.header_digest))


def parts(body: Body, keys: Mapping[str, bytes]) -> Iterator[tuple[str, int, bytes]]:
    """``(scope, frame number, part)`` in order, for the scopes whose keys are given.

    Raises ``Unreadable`` for a key that the header does not commit to and for a part that does not open.
    """
    readers = {scope: check_commitment(body, scope, key) for scope, key in keys.items()}
    for frame in body.frames:
        for scope in body.header.scopes:
            if scope in readers:
                aad = part_aad(body.header_digest, frame.seq, frame.kind, scope)
                yield scope, frame.seq, readers[scope].open_part(frame.parts[scope], aad)
