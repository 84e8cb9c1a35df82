"""The plain codec (records → part) and the stream file that it is written to. Standard library, zstd, sealing.

A part is ``u16 n | u16 size | zstd(byte planes) | zero padding`` to its fixed size: plane k holds byte k of each of
the n records, with ``t`` as differences (modulo 2**32). Invariants: a stream file is created, appended to and never
opened for writing again; an error of the system while writing abandons it; a key is used for one part and gone.
"""

from __future__ import annotations

import os
import struct
import sys

from desktop_logger import disk
from desktop_logger.records.layout import RECORD_BYTES
from desktop_logger.sealing import StreamKeys

from .format import Header, part_aad, write_frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PART = struct.Struct("<HH")
LEVEL = 6
"""Within 1.2 × the densest level on parts of any size, at a few microseconds more a frame (`make bench`)."""
MOST_RECORDS = 0xFFFF
TRIES = 6
"""Compressions spent on filling one part."""
_TIMES = struct.Struct("<I12x")


def planes(records: bytes | bytearray | memoryview) -> bytes:
    """Whole records as byte planes, ``t`` as differences."""
    count = len(records) // RECORD_BYTES
    times = [t for (t,) in _TIMES.iter_unpack(records)]
    deltas = [(t - before) & 0xFFFFFFFF for t, before in zip(times, [0, *times], strict=False)]
    first = struct.pack(f"<{count}I", *deltas)
    rest = bytes(records)
    return b"".join([first[k::4] for k in range(4)] + [rest[k::RECORD_BYTES] for k in range(4, RECORD_BYTES)])


class Packer:
    """Fills parts of one size, keeping what it learned about how well this scope's records compress."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._likely = MOST_RECORDS

    def pack(self, records: bytes | bytearray) -> tuple[bytes, int]:
        """One part and the number of records, from the first, that it holds (as many as a few tries find)."""
        room = self.size - PART.size
        # A record rarely takes less than a fifth of a byte: beyond that, trying more costs time for nothing.
        wanted = min(len(records) // RECORD_BYTES, 5 * self.size, max(2 * self._likely, 16), MOST_RECORDS)
        if wanted == 0:
            return bytes(self.size), 0
        low, high, best = 0, wanted, b""  # ``low`` records fit, as ``best``; more than ``high`` do not
        trial, tries = wanted, 0
        while low < trial and (low == 0 or tries < TRIES):
            tries += 1
            packed = zstd.compress(planes(memoryview(records)[: trial * RECORD_BYTES]), LEVEL)
            guess = trial * room // len(packed)
            if len(packed) <= room:
                low, best = trial, packed
                guess = guess * 31 // 32  # more records compress a little worse than they promise
            else:
                high = trial - 1
            trial = min(max(guess, low + 1), high)
        self._likely = low
        return (PART.pack(low, len(best)) + best).ljust(self.size, b"\0"), low


def fit(records: bytes, size: int) -> int:
    """How many records, from the first, one part of ``size`` bytes holds."""
    return Packer(size).pack(records)[1]


class StreamFile:
    """One stream of one segment, being written. ``frame`` and ``sync`` raise ``OSError``: then ``abandon``."""

    def __init__(self, path: str, header: Header, keys: StreamKeys) -> None:
        data = header.to_bytes()
        self.path, self.header, self.keys = path, header, keys
        self.header_digest = self.head = header.digest
        self.frames = 0
        self._packers = {scope: Packer(header.parts[scope]) for scope in header.scopes}
        self.size = len(data)
        self._file = disk.create(path, append=True)
        try:
            disk.lock(self._file)  # for as long as this process lives, others see that the segment does
            disk.write_all(self._file, data)
            disk.sync(self._file)
        except OSError:
            self.close()
            raise

    def frame(self, kind: int, queues: dict[str, bytearray]) -> dict[str, int]:
        """Write one frame from the heads of the queues; returns how many records of each scope it holds.

        Not yet synced, and nothing is taken from the queues.
        """
        sealed, taken = [], {}
        for scope in self.header.scopes:
            part, taken[scope] = self._packers[scope].pack(queues[scope])
            sealed.append(self.keys.seal_part(scope, part, part_aad(self.header_digest, self.frames, kind, scope)))
        data, self.head = write_frame(self.frames, kind, sealed, self.head)
        disk.write_all(self._file, data)
        self.frames += 1
        self.size += len(data)
        return taken

    def sync(self) -> None:
        """Return only when all frames are on the medium."""
        disk.sync(self._file)

    def close(self) -> None:
        """End writing: the keys are gone, the file is released. May be called twice."""
        self.keys.erase()
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)
