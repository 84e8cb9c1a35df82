"""The supervisor: the gate, the control socket, and the other three processes' lives.

It never sees a key code, a record's content or a segment key. Its rules:

1. Capture exists only while consent is valid, the indicator shows its sign, and nobody has paused.
2. Capture lives on our heartbeat: it ends by itself when we are late or gone.
3. The writer's end is capture's end. A writer never outlives the key it was given.
4. Whatever ends capture, other than stop, is a gap with a reason; nothing that happens here is silent.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from desktop_logger import confine, control
from desktop_logger.clock import Clock
from desktop_logger.consent import gate
from desktop_logger.consent.grant import Grant
from desktop_logger.errors import ClockSetBack, DesktopLoggerError, NoConsent
from desktop_logger.paths import Home, home
from desktop_logger.records.classes import Reason
from desktop_logger.records.layout import END, Redacted, control as control_record, gap

from .children import Child, spawn

BEAT_S = 0.25
GATE_S = 4.0
INDICATOR_S = 3.0
"""Without a sign of life from the indicator for this long, there is no capture."""
WRITER_S = 20.0
WARN_S = 30
LOST_S = 120
"""After this long without a display the daemon stops."""


class Supervisor:
    """One life from start to stop."""

    def __init__(self, place: Home, clock: Clock, options: dict[str, str], ready: int) -> None:
        self.home, self.clock, self.options = place, clock, options
        self.ready = ready
        self.grant: Grant | None = None
        self.capture: Child | None = None
        self.writer: Child | None = None
        self.indicator: Child | None = None
        self.keeper: Child | None = None
        self.heartbeat = -1
        self.records = -1
        self.sign = -1
        self.wanted = True
        """Whether recording is wanted: false while paused."""
        self.running = False
        """Whether capture has said that it truly runs."""
        self.seen = False
        self.reason: Reason | None = None
        self.since = clock.monotonic()
        """Since when nothing has been observed."""
        self.until: float | None = None
        self.held_until: float | None = None
        self.not_before = 0.0
        self.failures = 0
        self.backend = ""
        self.why = ""
        self.warnings: list[str] = []
        self.verdict = "unverified"
        self.expires = 0
        self.stopping = False
        self.exit_status = 0
        self.gate_due = 0.0
        self.beat_due = 0.0
        self.suspended = clock.suspended()
        self.shown = ""
        self.server = control.listen(place)
        self.poller = select.poll()
        self.clients: dict[int, tuple[socket.socket, float]] = {}

    # --- the loop ---------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Live until stopped. Returns the exit status."""
        self.poller.register(self.server, select.POLLIN)
        self._start_indicator()
        while not self.stopping:
            now = self.clock.monotonic()
            self._advance(now)
            timeout = max(0.0, min(self.beat_due, self.gate_due) - self.clock.monotonic())
            for descriptor, _ in self.poller.poll(int(timeout * 1000) + 1):
                self._serve(descriptor)
        self._shut_down()
        return self.exit_status

    def _advance(self, now: float) -> None:
        """Everything that time brings: beats, deadlines, the gate, restarts."""
        if now >= self.beat_due:
            self.beat_due = now + BEAT_S
            if self.heartbeat >= 0:
                with contextlib.suppress(OSError):
                    os.write(self.heartbeat, b".")
            for descriptor, (client, deadline) in list(self.clients.items()):
                if now > deadline:
                    self._drop(descriptor, client)
            if os.path.lexists(self.home.stop_marker):
                self.stopping = True
        if now >= self.gate_due:
            self.gate_due = now + GATE_S
            self._check_gate()
        if self.until is not None and now >= self.until:
            self.until, self.wanted = None, True
        if self.held_until is not None and now >= self.held_until:
            self._go()
        if self.indicator is not None and self.seen and now - self.indicator.heard > INDICATOR_S:
            self._lost_indicator()
        if self.writer is not None and now - self.writer.heard > WRITER_S:
            self._lost_writer("the writer does not answer")
        if self.indicator is None and now >= self.not_before:
            self._start_indicator()
        if self._may_record() and now >= self.not_before:
            if self.writer is None:
                if self.keeper is None:
                    self._start_writer()
            elif self.capture is None and self.grant is not None:
                self._start_capture()
        self._show(now)

    def _may_record(self) -> bool:
        return self.wanted and self.held_until is None and self.seen and self.verdict != "invalid" and not self.stopping

    def _serve(self, descriptor: int) -> None:
        """One descriptor that has something to say."""
        if descriptor == self.server.fileno():
            with contextlib.suppress(OSError):
                client, _ = self.server.accept()
                client.settimeout(0.2)
                self.clients[client.fileno()] = (client, self.clock.monotonic() + 2.0)
                self.poller.register(client, select.POLLIN)
            return
        if descriptor in self.clients:
            self._answer(descriptor, self.clients[descriptor][0])
            return
        for child in (self.capture, self.writer, self.indicator, self.keeper):
            if child is not None and child.report == descriptor:
                lines, ended = child.lines()
                for facts in lines:
                    self._hear(child, facts)
                if ended:
                    self._ended(child)
                return

    # --- what the children say --------------------------------------------------------------------------------

    def _hear(self, child: Child, facts: dict[str, Any]) -> None:
        state = facts.get("state")
        if child.role == "indicator":
            self._hear_indicator(str(facts.get("mark", "")), facts)
        elif child.role == "capture":
            if state == "running":
                self.running, self.failures = True, 0
                self.backend, self.why = str(facts.get("backend", "")), str(facts.get("why", ""))
                self.reason = None
                self._tell_ready({"ok": True, "backend": self.backend, "why": self.why})
            elif state == "failed":
                self._fail(facts, child)
            elif state == "finished":
                self.stopping = True
        elif child.role == "keeper":
            if state == "grant":
                self.grant = gate.inherit(json.dumps(facts["grant"]).encode())
                self.verdict, self.expires = "valid", self.grant.expires
            elif state == "no-consent":
                self._close_gate(str(facts.get("error")), Reason.CONSENT)
                self._tell_ready(facts)
            elif state == "failed":
                self._fail(facts, child)
        elif child.role == "writer":
            if state == "rotate" and self.heartbeat >= 0:
                with contextlib.suppress(OSError):
                    os.write(self.heartbeat, b"r")
            elif state in ("failed", "no-consent"):
                self._fail(facts, child)

    def _hear_indicator(self, mark: str, facts: dict[str, Any]) -> None:
        if facts.get("state") == "failed":
            self._fail(facts, self.indicator)
        for sign in mark:
            if sign == ".":
                self.seen = True
            elif sign == "p":
                self._pause(None) if self.wanted else self._resume()
            elif sign == "s":
                self.stopping = True
            elif sign == "d" and self.keeper is None and self.held_until is None:
                self._hold()
                self._start_keeper("purge")

    def _fail(self, facts: dict[str, Any], child: Child | None) -> None:
        """A child cannot do its job: say so, and do not try at once again."""
        message = str(facts.get("error", "failed"))
        self._warn(message)
        if self.ready >= 0:
            self._tell_ready(facts)
            self.stopping, self.exit_status = True, int(facts.get("status", 5))
        elif child is not None and child.role == "writer" and facts.get("state") == "failed":
            # Fail-stop: what the disk refuses is not tried again behind the person's back.
            self.wanted, self.reason = False, Reason.PERMISSION

    def _ended(self, child: Child) -> None:
        self.poller.unregister(child.report)
        child.end(0.5)
        if child is self.capture:
            self.capture = None
            self._after_capture(child.status)
        elif child is self.writer:
            self._lost_writer("the writer ended")
        elif child is self.indicator:
            self.indicator, self.seen = None, False
            self._lost_indicator()
        elif child is self.keeper:
            self.keeper = None
            if self.held_until is not None:
                self._go()
            if child.status not in (0, None) and self.ready >= 0:
                self._tell_ready({"error": "the start-up check failed", "status": 1})
                self.stopping, self.exit_status = True, 1

    def _after_capture(self, status: int | None) -> None:
        """Capture has ended without being told to."""
        self._unhook_capture()
        self._observe_nothing(Reason.DISPLAY_LOST if status == 4 else Reason.CRASHED)  # noqa: PLR2004
        self.failures += 1
        self.not_before = self.clock.monotonic() + min(30.0, 0.25 * 2**self.failures)
        if self.ready >= 0 and self.failures > 2:
            self._tell_ready({"error": "capture cannot start", "hint": "Run: desktop-logger doctor", "status": 5})
            self.stopping, self.exit_status = True, 5
        if status == 4:  # noqa: PLR2004
            self._warn("the display is gone")

    def _lost_indicator(self) -> None:
        """Nobody can see that we record, so we do not."""
        self._end_capture(Reason.INDICATOR)
        if self.indicator is not None:
            self.poller.unregister(self.indicator.report)
            self.indicator.end(0.0)
            self.indicator = None
        self.seen = False
        if self.ready >= 0:
            self._tell_ready({
                "error": "nothing can show that recording is on, so there is no recording", "status": 5,
                "hint": "Start inside a graphical session, or with --foreground in a terminal.",
            })  # fmt: skip
            self.stopping, self.exit_status = True, 5
        self.failures += 1
        self.not_before = self.clock.monotonic() + min(30.0, 0.25 * 2**self.failures)
        if self.clock.monotonic() - self.since > LOST_S:
            self.stopping = True

    def _lost_writer(self, message: str) -> None:
        self._end_capture(Reason.CRASHED)
        if self.writer is not None:
            if self.writer.report >= 0:
                with contextlib.suppress(KeyError):
                    self.poller.unregister(self.writer.report)
            self.writer.end(0.0)
            self.writer = None
        if self.records >= 0:
            os.close(self.records)
            self.records = -1
        self._warn(message)
        self.failures += 1
        self.not_before = self.clock.monotonic() + min(30.0, 0.25 * 2**self.failures)

    # --- starting and ending children -------------------------------------------------------------------------

    def _adopt(self, child: Child) -> Child:
        self.poller.register(child.report, select.POLLIN)
        self._save_pids()
        return child

    def _start_indicator(self) -> None:
        out, self_end = os.pipe()
        os.set_blocking(self_end, False)
        if self.sign >= 0:
            os.close(self.sign)
        self.sign, self.shown = self_end, ""
        arguments = [self.options["indicator"]]
        self.indicator = spawn("indicator", "desktop_logger.daemon.indicator", arguments, [out])
        self._adopt(self.indicator)

    def _start_keeper(self, task: str, *extra: int) -> None:
        self.keeper = spawn("keeper", "desktop_logger.daemon.keeper", [task], list(extra))
        self._adopt(self.keeper)

    def _start_writer(self) -> None:
        """A keeper validates everything and hands the key to the writer; it never passes through here."""
        key, key_end = os.pipe()
        records, self.records = os.pipe()
        os.set_blocking(self.records, False)
        self.writer = spawn("writer", "desktop_logger.sink", [], [records, key])
        self._adopt(self.writer)
        self._start_keeper("start", key_end)

    def _start_capture(self) -> None:
        assert self.grant is not None
        if self._check_gate() != "valid":
            return
        given, given_end = os.pipe()
        beats, self.heartbeat = os.pipe()
        os.set_blocking(self.heartbeat, False)
        elapsed = self.clock.monotonic() - self.since
        if self.reason is not None and elapsed >= 1:
            self._put(gap(self.reason, round(elapsed)))
        os.write(given_end, self.grant.to_wire())
        os.close(given_end)
        arguments = ["--backend", self.options["backend"]]
        self.running = False
        self.capture = spawn("capture", "desktop_logger.source", arguments, [given, os.dup(self.records), beats])
        os.write(self.heartbeat, b".")
        self._adopt(self.capture)

    def _unhook_capture(self) -> None:
        """Forget a capture process that has ended; the segment it filled ends with it."""
        if self.heartbeat >= 0:
            os.close(self.heartbeat)
            self.heartbeat = -1
        self._put(control_record(END))
        self.running = False
        self._save_pids()

    def _observe_nothing(self, reason: Reason) -> None:
        if self.reason is None:
            self.since = self.clock.monotonic()
        self.reason = reason

    def _end_capture(self, reason: Reason) -> None:
        """End capture now: ask, wait a little, kill."""
        self._observe_nothing(reason)
        if self.capture is None:
            return
        with contextlib.suppress(OSError):
            os.write(self.heartbeat, b"q")
        self.poller.unregister(self.capture.report)
        self.capture.end(0.4)
        self.capture = None
        self._unhook_capture()

    def _end_writer(self, seconds: float) -> None:
        """End the writer by ending its pipe: it seals first. Kill it if it hangs."""
        if self.records >= 0:
            os.close(self.records)
            self.records = -1
        if self.writer is not None:
            with contextlib.suppress(KeyError):
                self.poller.unregister(self.writer.report)
            self.writer.end(seconds)
            self.writer = None
            self._save_pids()

    def _put(self, record: Redacted) -> None:
        """Hand a gap or a mark to the writer. One record is atomic on a pipe (POSIX PIPE_BUF)."""
        if self.records < 0:
            return
        os.set_blocking(self.records, False)
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            try:
                os.write(self.records, record)
            except BlockingIOError:
                time.sleep(0.005)
            except OSError:
                return
            else:
                return

    # --- gate -------------------------------------------------------------------------------------------------

    def _check_gate(self) -> str:
        """Look again whether consent is valid; end capture at once when it is not."""
        grown = self.clock.suspended()
        if grown - self.suspended > 2:  # noqa: PLR2004  the machine slept: what was captured around it is no session
            self.suspended = grown
            self._end_capture(Reason.SUSPENDED)
        if self.grant is None:
            return self.verdict
        try:
            gate.recheck(self.home, self.grant, self.clock)
        except ClockSetBack as error:
            self._close_gate(error.message, Reason.CLOCK)
        except NoConsent as error:
            self._close_gate(error.message, Reason.CONSENT)
            if error.state == "ConsentWithdrawn":
                self.stopping = True
            elif error.state == "ConsentInvalidated" and self.keeper is None and self.held_until is None:
                # A file changed. If the change only narrows, go on under what full validation now grants.
                self.grant = None
                self._end_writer(1.0)
                self.verdict = "unverified"
        except DesktopLoggerError as error:
            self._close_gate(error.message, Reason.CONSENT)
        else:
            if self.verdict == "invalid":
                self.verdict = "valid"
        return self.verdict

    def _close_gate(self, message: str, reason: Reason) -> None:
        self._end_capture(reason)
        self.reason = reason
        self.verdict = "invalid"
        self._warn(message)

    # --- what people ask for ----------------------------------------------------------------------------------

    def _answer(self, descriptor: int, client: socket.socket) -> None:
        """Read one request, do it, answer, close."""
        answer: dict[str, Any]
        try:
            if control.peer_uid(client) not in (os.getuid(), 0):
                self._drop(descriptor, client)
                return
            data = client.recv(control.FRAME_BYTES)
            if not data.endswith(b"\n"):
                self._drop(descriptor, client)
                return
            request = control.parse(data)
            verb = request["verb"]
            if verb in ("pause", "hold", "stop"):
                client.sendall(b"wait\n")
            answer = self._do(verb, request.get("seconds"))
        except DesktopLoggerError as error:
            answer = {"error": error.message, "hint": error.hint}
        except OSError:
            self._drop(descriptor, client)
            return
        with contextlib.suppress(OSError):
            client.sendall(json.dumps(answer).encode() + b"\n")
        self._drop(descriptor, client)

    def _drop(self, descriptor: int, client: socket.socket) -> None:
        self.poller.unregister(descriptor)
        del self.clients[descriptor]
        client.close()

    def _do(self, verb: str, seconds: int | None) -> dict[str, Any]:
        if verb == "pause":
            self._pause(seconds)
        elif verb == "resume":
            return self._resume()
        elif verb == "stop":
            self._end_capture(Reason.PAUSED)
            self.stopping = True
        elif verb == "hold":
            self._hold()
        elif verb == "go":
            self._go()
        return self.status()

    def _pause(self, seconds: int | None) -> None:
        self.wanted = False
        self.until = self.clock.monotonic() + seconds if seconds else None
        self._end_capture(Reason.PAUSED)
        self.reason = Reason.PAUSED
        self._show(self.clock.monotonic())

    def _resume(self) -> dict[str, Any]:
        if self.verdict == "invalid":
            return {"error": self.warnings[-1] if self.warnings else "no valid consent", "status": 3,
                    "hint": "Run: desktop-logger consent status"}  # fmt: skip
        self.wanted, self.until, self.not_before = True, None, 0.0
        self._advance(self.clock.monotonic())
        return self.status()

    def _hold(self) -> None:
        self._end_capture(Reason.PURGE)
        self._end_writer(1.5)
        self.held_until = self.clock.monotonic() + control.HOLD_S

    def _go(self) -> None:
        self.held_until, self.not_before = None, 0.0

    def status(self) -> dict[str, Any]:
        """The live part of ``status --json``: closed words, process ids, numbers."""
        live = self.capture is not None and self.running
        left = None if self.until is None else max(0, round(self.until - self.clock.monotonic()))
        return {
            "state": "recording" if live else "paused",
            "reason": None if live or self.reason is None else self.reason.name.lower(),
            "resumes_in": left,
            "pids": self._pids(),
            "backend": self.backend or None,
            "profile": self.grant.own.name if self.grant else None,
            "scopes": list(self.grant.scopes) if self.grant else [],
            "indicator": self.options["indicator"] if self.seen else None,
            "consent": {"state": self.verdict, "expires": self.expires or None},
            "warnings": self.warnings[-4:],
        }

    def _pids(self) -> dict[str, int | None]:
        return {
            "supervisor": os.getpid(),
            "capture": self.capture.pid if self.capture else None,
            "writer": self.writer.pid if self.writer else None,
            "indicator": self.indicator.pid if self.indicator else None,
        }

    def _save_pids(self) -> None:
        with contextlib.suppress(OSError):
            control.save_pids(self.home, self._pids())

    def _show(self, now: float) -> None:
        """Tell the indicator what is true, when it changes."""
        if self.capture is not None and self.running:
            text = "recording"
        elif self.until is not None and self.until - now <= WARN_S:
            text = f"resuming {max(0, round(self.until - now))}"
        else:
            text = "paused" if not self.wanted else "waiting"
        if text != self.shown and self.sign >= 0:
            self.shown = text
            with contextlib.suppress(OSError):
                os.write(self.sign, text.encode() + b"\n")

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
        self._end_capture(Reason.PAUSED)
        if self.reason not in (None, Reason.PAUSED) or not self.wanted:
            elapsed = round(self.clock.monotonic() - self.since)
            if elapsed >= 1:
                self._put(gap(self.reason or Reason.PAUSED, elapsed))
        self._end_writer(2.0)
        if self.keeper is not None:
            self.keeper.end(0.0)
        if self.sign >= 0:
            os.close(self.sign)
        if self.indicator is not None:
            self.indicator.end(0.3)
        self._tell_ready({"error": "stopped before recording began", "status": 1})
        for path in (self.home.socket, self.home.pids, self.home.stop_marker):
            with contextlib.suppress(OSError):
                os.unlink(path)


def main(argv: list[str]) -> int:
    """``python -I -m desktop_logger.daemon.supervisor BACKEND INDICATOR LOCK READY``: the last two descriptors.

    LOCK is the instance lock, already taken: it is held for as long as this process lives.
    """
    confine.harden()
    options = {"backend": argv[0], "indicator": argv[1]}
    ready = int(argv[3])
    supervisor = Supervisor(home(), Clock(), options, ready)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: setattr(supervisor, "stopping", True))
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
