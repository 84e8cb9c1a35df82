"""The writer process: redacted records in, sealed frames out.

It sees classes and counts, never a key code; it has no socket and no display. It can seal and cannot read back.
It ends when the record pipe ends (seals first), when consent is no longer valid at a segment's start, or at the
first error of the disk (never retried). Frames are written on the clock, whether or not there is something in
them, so that the file's growth does not tell when somebody types.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time

from . import confine
from .clock import Clock
from .consent import gate
from .consent.grant import Grant
from .errors import DesktopLoggerError, NoConsent, Unavailable
from .paths import Home, home
from .records.classes import Reason
from .records.layout import END, GAP, RECORD, RECORD_BYTES, RELEASE_STREAM, START, STREAMS, Redacted, gap
from .records.profiles import RELEASE_TICK_S, SEGMENT_BYTES
from .redaction import release_gaps
from .sealing import Kek, wipe
from .store import Segment, note_stopped, open_segment

READ_BYTES = 1 << 16
BEAT_S = 5.0
"""The supervisor hears from the writer at least this often."""


class Sink:
    """One writer's life: at most one open segment, and the gaps that wait for the next one."""

    def __init__(self, place: Home, clock: Clock, grant: Grant, kek: Kek, epoch: int) -> None:
        self.home, self.clock, self.grant, self.kek, self.epoch = place, clock, grant, kek, epoch
        self.segment: Segment | None = None
        self.waiting = bytearray()
        self.gap_seconds: dict[str, int] = {}
        self.taken = 0
        """Records of this segment so far; capture's END says how many it has handed out."""
        self.miscounted = False
        self.kept = False
        """Whether a segment has begun, or a frame of the own stream was written, since this was last told."""
        self.due = dict.fromkeys(STREAMS, 0.0)
        self.period = {"own": float(grant.own.tick_s), "release": float(RELEASE_TICK_S)}

    def take(self, data: bytes) -> None:
        """Accept whole records from the pipe, in order."""
        own, release = bytearray(), bytearray()
        for offset in range(0, len(data), RECORD_BYTES):
            kind = data[offset + 4]
            if kind in (START, END):
                if kind == END and self.segment is not None and data[offset + 5]:
                    own += self._compared(int.from_bytes(data[offset + 12 : offset + 16], "little"))
                self._append(own, release)
                own, release = bytearray(), bytearray()
                self.close()
                if kind == START:
                    self._open()
                self.taken = 0
                continue
            self.taken += 1
            if kind & RELEASE_STREAM:
                release += data[offset : offset + 4]
                release.append(kind ^ RELEASE_STREAM)
                release += data[offset + 5 : offset + RECORD_BYTES]
                continue
            if kind == GAP:
                record = RECORD.unpack_from(data, offset)
                name = Reason(record[2]).name.lower()
                self.gap_seconds[name] = self.gap_seconds.get(name, 0) + record[6]
            own += data[offset : offset + RECORD_BYTES]
        self._append(own, release)

    def _compared(self, handed: int) -> bytes:
        """What was lost on the way from capture is said, by a gap: empty where nothing was."""
        if handed == self.taken & 0xFFFFFFFF:
            return b""
        self.miscounted = True
        return gap(Reason.UNKNOWN, 1)

    def _append(self, own: bytearray, release: bytearray) -> None:
        if self.segment is None:
            self.waiting += own  # between two segments there are only gaps
            return
        for stream, records in (("own", own), ("release", release)):
            if records and (stream == "own" or self.grant.release is not None):
                self.segment.append(stream, Redacted(bytes(records)))

    def _open(self) -> None:
        gate.recheck(self.home, self.grant, self.clock)
        self.segment = open_segment(self.home, self.clock, self.grant, self.kek, self.epoch)
        self.kept = True
        now = self.clock.monotonic()
        self.due = {stream: now + self.period[stream] for stream in STREAMS}
        if self.waiting:
            own, self.waiting = self.waiting, bytearray()
            self.segment.append("own", Redacted(bytes(own)))
            if self.grant.release is not None:
                self.segment.append("release", _unobserved(own, self.grant))

    def tick(self) -> None:
        """Write the frames that are due."""
        now = self.clock.monotonic()
        for stream in STREAMS:
            if self.segment is None or now < self.due[stream]:
                continue
            if stream == "own" or self.grant.release is not None:
                self.segment.tick(stream)
                self.kept |= stream == "own"
            self.due[stream] += self.period[stream] * max(1, int((now - self.due[stream]) / self.period[stream]) + 1)

    def wait_s(self) -> float:
        """Seconds until the next frame is due."""
        if self.segment is None:
            return BEAT_S
        return max(0.0, min(BEAT_S, min(self.due.values()) - self.clock.monotonic()))

    def finish(self) -> None:
        """Seal, and keep the gap in which recording ended in a last short segment, if consent still allows one."""
        self.close()
        if self.waiting:
            with contextlib.suppress(NoConsent):
                self._open()
                self.close()

    def close(self) -> None:
        """Seal the open segment, if there is one."""
        if self.segment is not None:
            segment, self.segment = self.segment, None
            segment.seal()


def _unobserved(own: bytearray, grant: Grant) -> Redacted:
    """Gaps of the own stream as the release stream may know them: one reason, in log2 buckets."""
    return release_gaps(bytes(own), grant.own, grant.release or grant.own)


def _given(key: int) -> tuple[Kek, int, Grant] | None:
    """Epoch, key and grant from the keeper. The key goes from a buffer of ours to guarded memory, and nowhere else."""
    head = bytearray(36)
    got = os.readv(key, [head])
    while 0 < got < len(head) and (more := os.readv(key, [memoryview(head)[got:]])):
        got += more
    if got < len(head):
        return None
    kek, epoch = Kek.from_bytes(memoryview(head)[4:]), int.from_bytes(head[:4], "little")
    wipe(head)
    wire = bytearray()
    while chunk := os.read(key, 4096):
        wire += chunk
    os.close(key)
    return kek, epoch, gate.inherit(bytes(wire))


def _confine(sink: Sink) -> confine.Layers:
    """No socket, no program, and of files: the home's; to read, what the consent rests on and Python's own library."""
    return confine.shut(
        write=(sink.home.root,), read=(*(path for path, _ in sink.grant.watched), *filter(os.path.isdir, sys.path))
    )


def run(records: int, key: int, report: int, layers: confine.Layers) -> int:
    """Write until the record pipe ends. Returns the exit status; says everything else on ``report``."""

    def say(**facts: object) -> None:
        os.write(report, json.dumps(facts).encode() + b"\n")

    try:
        given = _given(key)
        if given is None:
            return 1  # the keeper has said why
        kek, epoch, grant = given
        sink = Sink(home(), Clock(), grant, kek, epoch)
        layers |= _confine(sink)
        say(state="ready", sandbox=layers)
        poller = select.poll()
        poller.register(records, select.POLLIN)
        rest = b""
        spoken = time.monotonic()
        while True:
            ready = poller.poll(int(sink.wait_s() * 1000) + 1)
            if ready:
                data = os.read(records, READ_BYTES)
                if not data:
                    break
                data = rest + data
                whole = len(data) - len(data) % RECORD_BYTES
                sink.take(data[:whole])
                rest = data[whole:]
            sink.tick()
            if sink.miscounted:
                sink.miscounted = False
                say(state="miscounted")
            if sink.segment is not None and sink.segment.size > SEGMENT_BYTES:
                say(state="rotate")
            if sink.kept or time.monotonic() - spoken >= BEAT_S - 0.5:
                say(state="kept" if sink.kept else "alive")
                sink.kept = False
                spoken = time.monotonic()
        sink.finish()
        note_stopped(sink.home, sink.clock, sink.gap_seconds)
    except NoConsent as error:
        say(state="no-consent", error=error.message, hint=error.hint, status=error.exit_status)
        return error.exit_status
    except DesktopLoggerError as error:
        say(state="failed", error=error.message, hint=error.hint, status=error.exit_status)
        return error.exit_status
    except OSError as error:
        say(state="failed", error=f"the store cannot be written: {error.strerror}", status=Unavailable.exit_status,
            hint="Run: desktop-logger doctor")  # fmt: skip
        return Unavailable.exit_status
    return 0


def main(argv: list[str]) -> int:
    """``python -I -m desktop_logger.sink RECORDS KEY REPORT``: inherited descriptors, by number."""
    confine.keep_only(*argv)
    layers = confine.harden()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the supervisor ends it by ending the pipe
    records, key, report = (int(number) for number in argv[:3])
    return run(records, key, report, layers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
