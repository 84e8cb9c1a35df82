"""The supervisor: the gate, and when the other three processes live.

It never sees a key code, a record's content or a segment key. Its rules:

1. Capture exists only while consent is valid, the indicator shows its sign, and nobody has paused.
2. Capture lives on our heartbeat: it ends by itself when we are late or gone.
3. The writer's end is capture's end. A writer never outlives the key it was given.
4. Nothing is captured outside the hours that were signed.
5. Whatever ends capture, other than stop, is a gap with a reason; nothing that happens here is silent.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from typing import Any

from desktop_logger import confine, control
from desktop_logger.clock import Clock
from desktop_logger.consent import gate, hours
from desktop_logger.consent.grant import Grant
from desktop_logger.control.answering import Answering
from desktop_logger.errors import ClockSetBack, DesktopLoggerError, NoConsent, Refused
from desktop_logger.paths import Home, home
from desktop_logger.records.classes import Reason
from desktop_logger.records.layout import gap

from .children import Child
from .crew import Crew

BEAT_S = 0.25
GATE_S = 4.0
INDICATOR_S = 3.0
"""Without a sign of life from the indicator for this long, there is no capture."""
WRITER_S = 20.0
WRITER_LIFE_S = 6 * 3600.0
WARN_S = 30
LOST_S = 120
"""After this long without anything that could show the sign, the daemon stops."""
DISPLAY_LOST = 4
"""Exit status of capture and indicator when their display is gone."""


class Supervisor:
    """One life from start to stop."""

    def __init__(self, place: Home, clock: Clock, backend: str, sign: str, ready: int) -> None:
        self.home, self.clock, self.asked, self.sign_kind = place, clock, backend, sign
        self.backend = backend
        self.ready = ready
        """Where the command that started us waits for one line; -1 once it has it."""
        self.poller = select.poll()
        self.crew = Crew(place, self.poller)
        self.answering = Answering(place, self.poller, self.do)
        self.grant: Grant | None = None
        self.verdict = "unverified"
        self.wanted = True
        """Whether recording is wanted: false while paused."""
        self.until: float | None = None
        self.held_until: float | None = None
        """While stored data is being changed: no writer, no capture."""
        self.running = False
        """Whether capture has said that it truly runs."""
        self.seen = False
        """Whether the indicator has said that its sign is there."""
        self.reason: Reason | None = None
        self.since = clock.monotonic()
        """Why, and since when, nothing is observed; no reason before the first time and while capture runs."""
        self.not_before = 0.0
        self.failures = 0
        self.warnings: list[str] = []
        self.stopping = False
        self.exit_status = 0
        self.beat_due = self.gate_due = 0.0
        self.suspended = clock.suspended()
        self.shown = ""

    # --- the loop ---------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Live until stopped. Returns the exit status."""
        while not self.stopping:
            self._advance()
            timeout = max(0.0, min(self.beat_due, self.gate_due) - self.clock.monotonic())
            for descriptor, _ in self.poller.poll(int(timeout * 1000) + 1):
                self._serve(descriptor)
        self._shut_down()
        return self.exit_status

    def _advance(self) -> None:
        """Everything that time brings: beats, deadlines, the gate, starts and restarts."""
        now = self.clock.monotonic()
        if now >= self.beat_due:
            self.beat_due = now + BEAT_S
            self.crew.tell_capture(b".")
            self.answering.expire(now)
            self.stopping |= os.path.lexists(self.home.stop_marker)
            if self.verdict == "valid" and os.path.lexists(self.home.withdrawn):
                self._check_gate()
            if self.running and not self._in_hours():
                self._end_capture(Reason.SCHEDULE)
        if now >= self.gate_due:
            self.gate_due = now + GATE_S
            self._check_gate()
        if self.until is not None and now >= self.until:
            self.until, self.wanted = None, True
        if self.held_until is not None and now >= self.held_until:
            self._go()
        if self.crew.indicator and now - self.crew.indicator.heard > INDICATOR_S:
            self._lose_indicator()
        if self.crew.writer and now - self.crew.writer.heard > WRITER_S:
            self._lose_writer("the writer did not answer")
        if self.crew.writer and now - self.crew.writer.started > WRITER_LIFE_S and self.held_until is None:
            self._hold()  # a new writer comes with the keeper's whole check: retention, release, the key's epoch
            self._go()
        if now >= self.not_before:
            self._start_what_is_missing()
        self._show(now)

    def _start_what_is_missing(self) -> None:
        """Indicator, then writer (with the keeper's full check), then capture."""
        crew = self.crew
        if crew.indicator is None:
            crew.start_indicator(self.sign_kind)
        if not self.wanted or self.held_until is not None or not self.seen or self.verdict == "invalid":
            return
        if crew.writer is None:
            if crew.keeper is None:
                crew.start_writer()
        elif crew.capture is None and self.grant is not None and crew.keeper is None:
            if not self._in_hours():
                self._wait_for_hours()
                return
            self._check_gate()
            if self.verdict == "valid":
                self._tell_gap()
                self.running = False
                crew.start_capture(self.asked, self.grant)

    def _serve(self, descriptor: int) -> None:
        """One descriptor that has something to say."""
        if self.answering.serve(descriptor, self.clock.monotonic()):
            return
        child = self.crew.reporting(descriptor)
        if child is None:
            return
        lines, ended = child.lines()
        for facts in lines:
            if self.crew.reporting(descriptor) is child:
                self._hear(child, facts)
        if ended and self.crew.reporting(descriptor) is child:
            self._ended(child)

    # --- what the children say --------------------------------------------------------------------------------

    def _hear(self, child: Child, facts: dict[str, Any]) -> None:
        state = facts.get("state")
        if state in ("failed", "no-consent"):
            self._fail(child, facts)
        elif child.role == "indicator":
            for mark in str(facts.get("mark", "")):
                self._obey(mark)
        elif state == "running":
            self.running, self.reason, self.failures = True, None, 0
            self.backend = str(facts.get("backend", self.backend))
            self._tell_ready({"ok": True, "backend": self.backend, "why": facts.get("why")})
        elif state == "finished":  # a replay has reached its end
            self.stopping = True
        elif state == "grant":
            self.grant = gate.inherit(json.dumps(facts["grant"]).encode())
            self.verdict = "valid"
        elif state == "rotate":
            self.crew.tell_capture(b"r")

    def _obey(self, mark: str) -> None:
        """A mark of the indicator: alive, or what somebody clicked."""
        if mark == ".":
            self.seen = True
        elif mark == "p":
            self.do("pause" if self.wanted else "resume", None)
        elif mark == "s":
            self.stopping = True
        elif mark == "w":
            self._withdraw()
        elif mark == "d" and self.crew.keeper is None and self.held_until is None:
            self._hold()
            self.crew.start_keeper("purge")

    def _withdraw(self) -> None:
        """Withdrawn at the sign: the gate is closed by the marker; the keeper signs the withdrawal."""
        gate.mark_withdrawn(self.home)
        self._close_gate(Reason.CONSENT)
        self.crew.end_writer()
        if self.crew.keeper is None:
            self.crew.start_keeper("withdraw")
        self.gate_due = self.clock.monotonic() + GATE_S

    def _fail(self, child: Child, facts: dict[str, Any]) -> None:
        """A child cannot do its job: say so; what is not going to mend itself is not tried again."""
        self._warn(str(facts.get("error", "failed")))
        if self.ready >= 0:
            self._tell_ready(facts)
            self.stopping, self.exit_status = True, int(facts.get("status", 5))
        elif facts["state"] == "no-consent":
            self._close_gate(Reason.CONSENT)
        elif child.role in ("writer", "keeper"):
            # Fail-stop: what the disk refuses is not tried again behind anybody's back.
            self._observe_nothing(Reason.PERMISSION)
            self.crew.end_capture()
            self.wanted = False

    def _ended(self, child: Child) -> None:
        """A child has ended without being told to."""
        crew = self.crew
        if child is crew.capture:
            self.running = False
            self._observe_nothing(Reason.CRASHED)
            if crew.end_capture() == DISPLAY_LOST:
                self.reason = Reason.DISPLAY_LOST
                self._warn("the display is gone")
            self._back_off()
            if self.failures > 2:
                self._give_up("capture cannot start")
        elif child is crew.writer:
            self._lose_writer("the writer ended")
        elif child is crew.indicator:
            self._lose_indicator()
        else:
            crew.end_keeper()
            self.stopping |= os.path.lexists(self.home.withdrawn)
            if child.status:
                self._give_up("the check before the start failed")
            if self.held_until is not None:
                self._go()

    def _lose_indicator(self) -> None:
        """Nobody can see that we record, so we do not."""
        lost = self.crew.end_indicator() == DISPLAY_LOST
        self._end_capture(Reason.DISPLAY_LOST if lost else self.reason or Reason.INDICATOR)
        self.seen = False
        self._back_off()
        self._give_up("nothing can show that recording is on, so there is no recording")
        if self.clock.monotonic() - self.since > LOST_S:
            self.stopping = True

    def _lose_writer(self, message: str) -> None:
        self._end_capture(Reason.CRASHED)
        self.crew.end_writer(0.0)
        self._warn(message)
        self._back_off()
        if self.failures > 2:
            self._give_up(message)

    def _back_off(self) -> None:
        """Wait before the next attempt: 0.5 s, doubling up to 30 s."""
        self.failures += 1
        self.not_before = self.clock.monotonic() + min(30.0, 0.25 * 2**self.failures)

    def _give_up(self, message: str) -> None:
        """While the command that started us still waits, a failure is its answer, and the end."""
        if self.ready >= 0:
            self._tell_ready({"error": message, "hint": "Run: desktop-logger doctor", "status": 5})
            self.stopping, self.exit_status = True, 5

    # --- gaps and the gate ------------------------------------------------------------------------------------

    def _observe_nothing(self, reason: Reason) -> None:
        """From now on, or still, nothing is observed; the reason is the one that holds now."""
        if self.running or self.reason is None:
            self.since = self.clock.monotonic()
        self.reason = reason

    def _end_capture(self, reason: Reason) -> None:
        self._observe_nothing(reason)
        self.running = False
        if self.crew.end_capture() == DISPLAY_LOST:
            self.reason = Reason.DISPLAY_LOST

    def _tell_gap(self) -> None:
        """Hand the writer the gap that ends here: whole seconds, at least one."""
        if self.reason is not None:
            self.crew.put(gap(self.reason, max(1, round(self.clock.monotonic() - self.since))))

    def _check_gate(self) -> None:
        """Look again whether consent is valid; end capture at once when it is not."""
        asleep = self.clock.suspended()
        if asleep - self.suspended > 2:
            self.suspended = asleep
            self._end_capture(Reason.SUSPENDED)
        if self.grant is None:
            return
        try:
            gate.recheck(self.home, self.grant, self.clock)
        except ClockSetBack as error:
            self._warn(error.message)
            self._close_gate(Reason.CLOCK)
        except NoConsent as error:
            self._warn(error.message)
            self._close_gate(Reason.CONSENT)
            self.stopping |= error.state == "ConsentWithdrawn"
            if error.state == "ConsentInvalidated":
                # A file changed. If that only narrows, go on under what the full check now grants.
                self.crew.end_writer()
                self.grant, self.verdict = None, "unverified"
        except DesktopLoggerError as error:
            self._warn(error.message)
            self._close_gate(Reason.CONSENT)
        else:
            self.verdict = "valid"

    def _in_hours(self) -> bool:
        return self.grant is None or hours.within(self.grant.schedule, self.clock.now())

    def _wait_for_hours(self) -> None:
        """Outside the signed hours: said once to whoever started us, and a gap of its own reason."""
        self._observe_nothing(Reason.SCHEDULE)
        self._tell_ready({"ok": True, "backend": self.backend, "why": "outside the signed hours", "waiting": True})

    def _close_gate(self, reason: Reason) -> None:
        self._end_capture(reason)
        self.verdict = "invalid"

    # --- what people ask for ----------------------------------------------------------------------------------

    def do(self, verb: str, seconds: int | None) -> dict[str, Any]:
        """One verb of the control channel; returns the status after it."""
        if verb == "pause":
            self.wanted = False
            self.until = self.clock.monotonic() + seconds if seconds else None
            self._end_capture(Reason.PAUSED)
            self._show(self.clock.monotonic())
        elif verb == "resume":
            if self.verdict == "invalid":
                raise NoConsent(self.warnings[-1], "Run: desktop-logger consent status")
            self.wanted, self.until, self.not_before = True, None, 0.0
            self._advance()
        elif verb == "stop":
            self.stopping, self.running = True, False
            self.crew.end_capture()
        elif verb == "hold":
            if self.held_until is not None:
                raise Refused("stored data is being changed already", "Try again in a moment.")
            self._hold()
        elif verb == "go":
            self._go()
        elif verb == "look":
            self._look()
        return self.status()

    def _look(self) -> None:
        """Something about the consent has changed: look now, and let a closed gate be tried again."""
        if self.verdict == "invalid" and not os.path.lexists(self.home.withdrawn):
            self.crew.end_writer()
            self.grant, self.verdict, self.not_before = None, "unverified", 0.0
        self._check_gate()

    def _hold(self) -> None:
        self._end_capture(Reason.PURGE if self.wanted else Reason.PAUSED)
        self.crew.end_writer()
        self.held_until = self.clock.monotonic() + control.HOLD_S

    def _go(self) -> None:
        self.held_until, self.not_before = None, 0.0

    def status(self) -> dict[str, Any]:
        """The live part of ``status --json``: closed words, process ids, numbers."""
        grant = self.grant
        reminder = gate.reminder(grant.expires, self.clock.now()) if grant else None
        return {
            "state": "recording" if self.running else "paused",
            "reason": None if self.running or self.reason is None else self.reason.name.lower(),
            "resumes_in": None if self.until is None else max(0, round(self.until - self.clock.monotonic())),
            "pids": self.crew.pids(),
            "backend": self.backend,
            "profile": grant.own.name if grant else None,
            "scopes": list(grant.scopes) if grant else [],
            "indicator": self.sign_kind if self.seen else None,
            "consent": {"state": self.verdict, "expires": grant.expires if grant else None},
            "warnings": [*([reminder] if reminder else []), *self.warnings[-4:]],
        }

    def _show(self, now: float) -> None:
        """Tell the indicator what is true, when it changes."""
        if self.running:
            text = self._ending() or "recording"
        elif self.until is not None and self.until - now <= WARN_S:
            text = f"resuming {max(0, round(self.until - now))}"
        else:
            text = "waiting" if self.wanted else "paused"
        if text != self.shown and self.seen:
            self.shown = text
            self.crew.show(text)
        elif not self.seen:
            self.shown = ""

    def _ending(self) -> str | None:
        """What the sign shows in the last fourteen days of a consent."""
        left = self.grant.expires - self.clock.now() if self.grant else 0.0
        return f"ending {int(left // 86_400)}" if 0 < left <= gate.REMINDERS[0] * 86_400 else None

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)

    def _tell_ready(self, facts: dict[str, Any]) -> None:
        """Answer the command that started us, once."""
        if self.ready >= 0:
            with contextlib.suppress(OSError):
                os.write(self.ready, json.dumps(facts).encode() + b"\n")
            os.close(self.ready)
            self.ready = -1

    # --- the end ----------------------------------------------------------------------------------------------

    def _shut_down(self) -> None:
        """End in the order of the data: capture, the last gap, the writer, the sign."""
        self.crew.end_capture()
        self._tell_gap()
        self.crew.end_writer()
        self.crew.end_keeper()
        self.crew.end_indicator(0.3)
        self._tell_ready({"error": "stopped before recording began", "status": 1})
        for path in (self.home.socket, self.home.pids, self.home.stop_marker):
            with contextlib.suppress(OSError):
                os.unlink(path)


def main(argv: list[str]) -> int:
    """``python -I -m desktop_logger.daemon.supervisor BACKEND SIGN LOCK READY REPORT``.

    LOCK is the instance lock, already taken: it is held for as long as this process lives.
    """
    confine.harden()
    supervisor = Supervisor(home(), Clock(), argv[0], argv[1], int(argv[3]))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: setattr(supervisor, "stopping", True))
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
