"""A capture process of one's own, with the three pipes that its parent would hold."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from typing import Any

from desktop_logger.consent.grant import Grant
from desktop_logger.records import attention
from desktop_logger.records.classes import Category, Role, Safety
from desktop_logger.records.layout import END, RECORD, RECORD_BYTES, RELEASE_STREAM, START, Redacted
from tests.testbed import wait_until

Record = tuple[int, int, int, int, int, int, int]


class CaptureProcess:
    """``python -I -m desktop_logger.source`` kept alive by heartbeats from a thread until told otherwise."""

    def __init__(self, backend: str, grant: Grant, env: dict[str, str] | None = None) -> None:
        grant_out, grant_in = os.pipe()
        self.records, records_in = os.pipe()
        beat_out, self.heartbeat = os.pipe()
        attention_out, self.attention = os.pipe()
        os.set_blocking(self.attention, False)
        self.report, report_in = os.pipe()
        os.write(grant_in, grant.to_wire())
        os.close(grant_in)
        given = {
            "--grant": grant_out, "--records": records_in, "--heartbeat": beat_out, "--attention": attention_out,
            "--report": report_in,
        }  # fmt: skip
        self.argv = [sys.executable, "-I", "-m", "desktop_logger.source", "--backend", backend]
        for name, descriptor in given.items():
            self.argv += [name, str(descriptor)]
        os.write(self.heartbeat, b".")
        self.safety: Safety | None = Safety.SAFE
        """What is said of the focus four times a second; ``None``: nothing."""
        self._attend()
        self.process = subprocess.Popen(
            self.argv, pass_fds=tuple(given.values()), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for descriptor in given.values():
            os.close(descriptor)
        self.data = bytearray()
        self.reported = bytearray()
        self.beating = True
        self.draining = True
        self._closed = False
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        """Beat four times a second; drain what the process writes."""
        beat = time.monotonic()
        open_ends = {self.records, self.report}
        while open_ends:
            watched = open_ends if self.draining else open_ends - {self.records}
            for descriptor in select.select(list(watched), [], [], 0.02)[0]:
                chunk = os.read(descriptor, 1 << 16)
                if not chunk:
                    open_ends.discard(descriptor)
                (self.data if descriptor == self.records else self.reported).extend(chunk)
            if self.beating and time.monotonic() - beat >= 0.25:
                beat = time.monotonic()
                self._write(b".")
                self._attend()

    def _attend(self) -> None:
        if self.safety is not None:
            now = int(time.monotonic() * 1000)
            with contextlib.suppress(OSError):
                os.write(
                    self.attention,
                    attention.pack(now, self.safety, Category.OTHER, Role.UNKNOWN, attention.ALLOWED),
                )

    def _write(self, mark: bytes) -> None:
        try:
            os.write(self.heartbeat, mark)
        except OSError:
            self.beating = False

    def tell(self, mark: str) -> None:
        """``q`` to stop, ``r`` to begin another segment."""
        self._write(mark.encode())

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in bytes(self.reported).splitlines()]

    def wait_running(self) -> None:
        def running() -> bool:
            assert self.process.poll() is None, (self.process.returncode, self.said())
            return any(line["state"] == "running" for line in self.said())

        wait_until(running, 20, "running")

    def wait(self, seconds: float = 60) -> int:
        """The exit status, after everything it wrote has been read."""
        status = self.process.wait(seconds)
        self._thread.join(30)
        return status

    def stop(self, settle_s: float = 1.0) -> int:
        """Let the last input arrive and be attended to, then stop in the ordinary way."""
        time.sleep(settle_s)
        self._attend()
        self.tell("q")
        return self.wait()

    def lose_parent(self) -> None:
        """As when the supervisor is killed: its end of the heartbeat closes."""
        self.beating = False
        os.close(self.heartbeat)
        self._closed = True

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)
        self._thread.join(30)
        if self.process.stdout:
            self.process.stdout.close()
        for descriptor in (self.records, self.report, self.attention, *(() if self._closed else (self.heartbeat,))):
            os.close(descriptor)

    def output(self) -> bytes:
        """What it printed, which must be nothing."""
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def stream(self, name: str = "own") -> list[Record]:
        """The records of one stream, without START and END."""
        assert len(self.data) % RECORD_BYTES == 0
        bit = RELEASE_STREAM if name == "release" else 0
        return [
            (r[0], r[1] ^ bit, *r[2:])
            for r in RECORD.iter_unpack(self.data)
            if r[1] not in (START, END) and r[1] & RELEASE_STREAM == bit
        ]

    def marks(self) -> list[int]:
        return [r[1] for r in RECORD.iter_unpack(self.data) if r[1] in (START, END)]


def pack(records: list[Record]) -> Redacted:
    return Redacted(b"".join(RECORD.pack(*record) for record in records))
