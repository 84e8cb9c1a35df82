"""The capture process's end of the record pipe."""

from __future__ import annotations

import os
import time

from desktop_logger.records.layout import END, RECORD_BYTES, RELEASE_STREAM, Redacted, control

CHUNK_BYTES = 4096
"""One write; a multiple of the record, at most PIPE_BUF, so that it is whole among other writers' records."""
PENDING_BYTES = 1 << 20
_MARKED = bytes(kind | RELEASE_STREAM for kind in range(256))


class Outlet:
    """The record pipe: whole chunks, never waiting; what finds no room within bounds is dropped and counted."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.set_blocking(descriptor, False)
        self._pending = bytearray()
        self._handed = 0
        """Records since the last mark: the writer compares."""
        self.dropping_since: float | None = None

    def put(self, own: Redacted, release: Redacted) -> None:
        """Queue the records of both streams."""
        if release:
            marked = bytearray(release)
            marked[4::RECORD_BYTES] = marked[4::RECORD_BYTES].translate(_MARKED)
            own = Redacted(own + bytes(marked))
        if len(self._pending) + len(own) > PENDING_BYTES:
            if self.dropping_since is None:
                self.dropping_since = time.monotonic()
            return
        self._pending += own
        self._handed += len(own) // RECORD_BYTES

    def mark(self, kind: int) -> None:
        """Queue START or END: there is always room for these."""
        self._pending += control(kind, self._handed if kind == END else None)
        self._handed = 0

    @property
    def waits(self) -> bool:
        """Whether something waits for room in the pipe."""
        return bool(self._pending)

    @property
    def has_room(self) -> bool:
        """Whether the queue has drained far enough to go on after dropping."""
        return len(self._pending) < PENDING_BYTES // 2

    def send(self) -> None:
        """Write what the pipe takes. Raises ``BrokenPipeError`` when the writer is gone."""
        while self._pending:
            try:
                sent = os.write(self.descriptor, self._pending[:CHUNK_BYTES])
            except BlockingIOError:
                return
            del self._pending[:sent]
