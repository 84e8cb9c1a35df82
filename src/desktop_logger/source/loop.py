"""The capture process: one backend, one redactor, one pipe. It exists only while recording.

It sees raw input for one batch and has neither a file nor a key. What leaves is records, about once a second.

1. Harden; read the grant to its end; open the backend; say ``running``.
2. START. From then on, before every read of input, the supervisor's heartbeat must be at most 0.8 s old.
3. Input is waited for, then left to gather for a moment, then read in one go: waking up is what costs.
4. After ten minutes, or when told to, the segment ends and the next begins: flush, END, START.
5. Nothing has happened for two minutes: the segment ends, and the next begins with what happens next (``resting``).
6. Told to stop, left alone, or without a display: flush, END, and gone. Who is told reads once more before it goes.

Exit status: 0 told to stop, 3 the heartbeat was late, 4 the display is gone, else the error's own.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator

from desktop_logger.capture import Capture, DisplayLost
from desktop_logger.consent.grant import Grant
from desktop_logger.errors import Unavailable
from desktop_logger.records import telling
from desktop_logger.records.classes import Reason
from desktop_logger.records.events import Batch
from desktop_logger.records.layout import END, START, TASK, Redacted, gap
from desktop_logger.records.profiles import EVENTS, SEGMENT_S
from desktop_logger.redaction import Redactor

from .holding import Held
from .outlet import Outlet
from .resting import REST_S, Rest

BEAT_S = 0.8
SEND_S = 1.0
SETTLED_S = 1.0
"""No backend hands on an event later than this after it happened."""
LEAVE_S = 0.25
WORD_S = 2.0
"""How long the indicator's first word is waited for: without it the first second could only be a gap."""
LATE, DISPLAY_GONE = 3, 4


class Source:
    """The main loop. ``run`` returns the exit status."""

    def __init__(
        self, opened: Capture, grant: Grant, outlet: Outlet, beats: int, held: Held | None, *, rest_s: float = REST_S
    ) -> None:
        """``held``: where live input waits for the indicator's word; ``None`` where the input brings its own."""
        self._capture = opened
        self._redactor = Redactor(grant)
        self._rest = Rest(grant, rest_s + SETTLED_S)
        self._outlet = outlet
        self._held = held
        self._beats = beats
        self._half = b""
        """The first byte of a word whose second has not come yet."""
        os.set_blocking(beats, False)
        self._stop = self._rotate = self._told = False
        self._status: int | None = None
        self._poll, self._came = select.poll(), select.poll()
        self._poll.register(beats, select.POLLIN)
        self._poll.register(outlet.descriptor, 0)
        self._input = opened.fileno()
        if self._input >= 0:
            self._poll.register(self._input, select.POLLIN)
            self._came.register(self._input, select.POLLIN)
        now = time.monotonic()
        self._rest.heard(int(now * 1000))
        self._beat = self._sent = self._segment = self._turned = now
        self._read_at: float | None = None

    def stop(self, *_: object) -> None:
        """Ask the loop to end (signal handler)."""
        self._stop = True

    def run(self) -> Iterator[str]:
        """Record until told otherwise; yields words worth reporting. Afterwards ``status`` says how it ended."""
        if self._held is not None:
            self._await_word(self._held)
        start = int(time.monotonic() * 1000)
        start -= start % EVENTS.grid_ms
        if self._held is not None:
            self._held.begin(start)
        self._begin(start)
        yield "running"
        finished = rested = False
        try:
            while (status := self._turn()) is None:
                if rested != (self._rest.since is not None):
                    rested = not rested
                    yield "resting" if rested else "awake"
                if not finished and self._capture.ended() and not self._outlet.waits:
                    finished = True
                    yield "finished"
        except DisplayLost:
            status = DISPLAY_GONE
            yield "display_lost"
        except Unavailable:
            self._finish()  # what was seen until then is not lost with it
            self._leave()
            raise
        self._finish()
        self._leave()
        self._status = status

    def _await_word(self, held: Held) -> None:
        """Begin when it is known what has the focus: that word then holds from before the first moment."""
        end = time.monotonic() + WORD_S
        while not held.is_told() and not self._stop and (now := time.monotonic()) < end:
            self._stop = not self._listen(now)
            time.sleep(0.01)
        time.sleep(EVENTS.grid_ms / 1000)
        self._sent = self._segment = self._turned = time.monotonic()

    @property
    def status(self) -> int:
        """The exit status, once ``run`` is through."""
        return 0 if self._status is None else self._status

    def _turn(self) -> int | None:
        """Wait for what comes next and do it; the exit status when it is time to go."""
        now = time.monotonic()
        wait = max(0.0, self._beat + BEAT_S - now)
        due = self._read_at - now if self._read_at is not None else self._capture.due()
        if due is not None:
            wait = min(wait, due)
        for descriptor, what in self._poll.poll(int(max(0.0, wait) * 1000) + 1):
            if descriptor == self._input:
                self._poll.unregister(self._input)
                self._read_at = time.monotonic() + self._capture.gather_s
            elif descriptor == self._outlet.descriptor:
                if what & ~select.POLLOUT:
                    raise BrokenPipeError
                self._send(time.monotonic())
        expected, now = now + max(0.0, wait), time.monotonic()
        if now - expected > BEAT_S or expected - self._turned > 2 * BEAT_S:
            return LATE  # this process stood still: beats that lie in the pipe say nothing about now
        self._turned = now
        if not self._listen(now):
            return 0
        if now - self._beat > BEAT_S:
            return LATE
        if self._read_at is not None:
            if now >= self._read_at - self._capture.gather_s / 4:  # awake for something else: that saves a wake-up
                self._go_on_reading(now)
        elif (due := self._capture.due()) is not None and due <= 0:
            self._read()
        if self._rest.since is None and (now - self._segment >= SEGMENT_S or self._rotate):
            self._turn_over(int(now * 1000))
        self._rotate = False
        if now - self._sent >= SEND_S:
            self._send(now)
        return None

    def _listen(self, now: float) -> bool:
        """Take the heartbeats that have come; whether to go on."""
        try:
            beats = os.read(self._beats, 512)
        except BlockingIOError:
            return not self._stop
        said, self._half = telling.words(self._half + beats)
        for task, outcome in said:
            self._say(task, outcome, now)
        if not beats or b"q" in beats or self._stop:
            self._told = bool(beats)  # a parent that is gone has told nothing, and without it nothing is read
            return False
        if b"r" in beats:
            self._rotate = True
        if b"." in beats:
            self._beat = now
        return True

    def _say(self, task: int, outcome: int, now: float) -> None:
        """The person says that a task begins, or how it ended: at this moment."""
        event = (int(now * 1000), TASK, task, outcome, 0, 0)
        if self._held is not None:
            self._held.say(event)
        else:
            self._take(Batch([event], int((now - SETTLED_S) * 1000)))

    def _go_on_reading(self, now: float) -> None:
        """Read what has gathered. While input comes it is read by the clock; when it stops, it is waited for."""
        if self._came.poll(0):
            self._read()
            self._read_at = now + self._capture.gather_s
        else:
            self._read_at = None
            self._poll.register(self._input, select.POLLIN)

    def _read(self) -> None:
        batch = self._capture.read()
        if self._held is not None:
            self._held.put(batch)
        else:
            self._take(batch)

    def _take(self, batch: Batch) -> None:
        """Let in what is known to be safe to record."""
        if self._rest.since is not None:
            events = self._rest.woken(batch)
            if events is None:
                return
            batch = Batch(events, batch.until)
            self._wake(events[0][0])
            self._begin(events[0][0])
        self._redactor.feed(batch)
        self._redactor.advance(batch.until)

    def _begin(self, ms: int) -> None:
        self._segment = time.monotonic()
        self._outlet.mark(START)
        self._redactor.begin(ms)
        self._outlet.send()

    def _turn_over(self, now: int) -> None:
        """One segment ends where the next begins: now, or at the last moment that is decided."""
        if self._held is not None:
            self._take(self._held.part(now, now - int(SETTLED_S * 1000)))
            now = self._held.decided
        self._end(now)
        self._begin(now)

    def _finish(self) -> None:
        """Capture ends. What has happened until this moment is looked at once more, so that a gap can say so."""
        now = int(time.monotonic() * 1000)
        if self._held is not None:
            if self._told:
                self._drain(self._held, now)
            self._take(self._held.finish(now))
        self._end(now)

    def _drain(self, held: Held, now: int) -> None:
        """Read what has gathered; what is later than ``now`` is none of ours."""
        with contextlib.suppress(Unavailable):  # lost at the end is no longer of interest
            batch = self._capture.read()
            held.put(Batch([event for event in batch.events if event[0] <= now], min(batch.until, now)))

    def _end(self, ms: int) -> None:
        if self._rest.since is not None:
            self._wake(ms)
            return
        self._redactor.flush(ms)
        self._outlet.put(*self._redactor.take())
        self._outlet.mark(END)

    def _wake(self, ms: int) -> None:
        """Tell the gap of the rest that is over. It lies between two segments."""
        if seconds := self._rest.end(ms):
            self._outlet.put(gap(Reason.RESTED, seconds), Redacted(b""))

    def _send(self, now: float) -> None:
        self._sent = now
        outlet = self._outlet
        known = int((now - SETTLED_S) * 1000)
        if self._held is not None:
            batch = self._held.take(int(now * 1000), known)
            known = batch.until
            self._take(batch)
        if self._rest.since is not None:
            outlet.send()
            self._poll.modify(outlet.descriptor, select.POLLOUT if outlet.waits else 0)
            return
        if outlet.dropping_since is not None and outlet.has_room:
            since, outlet.dropping_since = outlet.dropping_since, None
            self._redactor.gap(Reason.OVERFLOW, max(1, round(now - since)), int(since * 1000))
        self._redactor.advance(known)
        outlet.put(*self._redactor.take())
        self._rest.heard(self._redactor.heard)
        reached = int(now * 1000) if self._held is None else known
        if self._rest.due(reached):
            self._redactor.flush(reached)
            outlet.put(*self._redactor.take())
            outlet.mark(END)
        outlet.send()
        self._poll.modify(outlet.descriptor, select.POLLOUT if outlet.waits else 0)

    def _leave(self) -> None:
        """Get the last records out, within a quarter of a second."""
        deadline = time.monotonic() + LEAVE_S
        self._outlet.send()
        while self._outlet.waits and time.monotonic() < deadline:
            time.sleep(0.005)
            self._outlet.send()
