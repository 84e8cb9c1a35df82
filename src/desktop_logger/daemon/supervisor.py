"""The supervisor: the gate, and when the other three processes live.

It never sees a key code, a record's content or a segment key. Its rules:

1. Capture exists only while consent is valid, the indicator shows its sign, and nobody has paused.
2. Capture lives on our heartbeat: it ends by itself when we are late or gone.
3. The writer's end is capture's end. A writer never outlives the key it was given.
4. Nothing is captured outside the hours that were signed.
5. Whatever ends capture, other than stop, is a gap with a reason; nothing that happens here is silent.
6. A display that is gone ends the run: whoever comes back under the same name may be somebody else.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from typing import Any

from desktop_logger import confine, control, disk
from desktop_logger.clock import Clock
from desktop_logger.consent import gate, hours
from desktop_logger.consent.grant import Grant
from desktop_logger.control.answering import Answering
from desktop_logger.errors import ClockSetBack, DesktopLoggerError, NoConsent, Refused
from desktop_logger.paths import Home, home
from desktop_logger.records.classes import Reason

from .children import DISPLAY_LOST, TOLD, Child
from .crew import Crew
from .gaps import Attempts, Unobserved
from .tasks import ENDINGS, Tasks

BEAT_S = 0.25
GATE_S = 4.0
INDICATOR_S = 3.0
"""Without a sign of life from the indicator for this long, there is no capture."""
BEGIN_S = 20.0
"""A new indicator's first sign of life may take so long: nothing is captured before it, and machines can be busy."""
WRITER_S = 20.0
WRITER_LIFE_S = 6 * 3600.0
HELD_S = 1.0
"""What a capture process that dies may have held: that second was not observed either."""
WARN_S = 30
TASK_MARK = "\ue000"
"""The mark of the first task that the menu offers; the others follow. Free for private use in Unicode."""
_ENDING_MARKS = {outcome[0]: outcome for outcome in ENDINGS}
TIMED_PAUSES = {"1": 300, "2": 900, "3": 3600}
"""Marks of the tray's menu, and how many seconds they pause for."""
SLEEP_S = 2.0
KEEPER_S = 10.0
"""A deletion or a withdrawal that has begun is waited for this long at the end."""
LOST_S = 120
"""After this long without anything that could show the sign, the daemon stops."""


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
        self.rested: float | None = None
        """Since when capture rests because nothing happens."""
        self.seen = False
        """Whether the indicator has said that its sign is there."""
        self.unseen_since = clock.monotonic()
        self.unobserved = Unobserved(clock)
        self.recording = Attempts(clock)
        self.signing = Attempts(clock)
        """Attempts at capture and writer, and at the sign."""
        self.tasks = Tasks(clock)
        self.warnings: list[str] = []
        self.stopping = False
        self.exit_status = 0
        self.beat_due = self.gate_due = 0.0
        self.suspended = clock.suspended()
        self.shown = ""
        self.menu: tuple[str | None, ...] = ()
        """What the sign's menu offers: the open task, then those that can begin."""
        self.sandbox: dict[str, confine.Layers] = {}
        """Which layers each process has put around itself, as it says."""
        self.lacks: list[str] = []
        """What the indicator lacks to tell about the focus, as it says."""
        self.poller.register(ready, 0)  # its other end gone means that whoever started us has left

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
            self._notice_sleep()
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
            if self._store_is_held():
                self.held_until = now + control.HOLD_S  # still at it
            else:
                self._go()
        self._judge(now)
        self._start_what_is_missing()
        self._show(now)

    def _store_is_held(self) -> bool:
        """Whether somebody still changes what is stored."""
        try:
            lock = os.open(self.home.store_lock, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return disk.is_locked(lock)
        finally:
            os.close(lock)

    def _notice_sleep(self) -> None:
        """What lies around a sleep is not one session; the sleep itself was not observed."""
        asleep = self.clock.suspended() - self.suspended
        if asleep > SLEEP_S:
            self.suspended += asleep
            if self.running:
                self._end_capture(Reason.SUSPENDED, ago=asleep)

    def _judge(self, now: float) -> None:
        """Who has not been heard of for too long? What they have said meanwhile is heard first."""
        if self._silent(now):
            for descriptor, _ in self.poller.poll(0):
                self._serve(descriptor)
        for child in self._silent(now):
            if child is self.crew.indicator:
                self._lose_indicator()
            else:
                self._lose_writer("the writer did not answer")
        writer = self.crew.writer
        if writer and now - writer.started > WRITER_LIFE_S and self.held_until is None and self.crew.keeper is None:
            # A new writer comes with the keeper's whole check: retention, release, the key's epoch.
            self._end_capture(Reason.UNKNOWN)
            self.crew.end_writer()

    def _silent(self, now: float) -> list[Child]:
        crew, silent = self.crew, []
        if crew.indicator and now - crew.indicator.heard > (INDICATOR_S if self.seen else BEGIN_S):
            silent.append(crew.indicator)
        if crew.writer and crew.keeper is None and now - crew.writer.heard > WRITER_S:
            silent.append(crew.writer)
        return silent

    def _start_what_is_missing(self) -> None:
        """Indicator, then writer (with the keeper's full check), then capture."""
        crew = self.crew
        if crew.indicator is None and self.signing.due():
            crew.start_indicator(self.sign_kind)
        if not self.wanted or self.held_until is not None or not self.seen or self.verdict == "invalid":
            return
        if crew.keeper is not None or not self.recording.due():
            return
        if crew.writer is None:
            crew.start_writer()
        elif crew.capture is None and self.grant is not None:
            if not self._in_hours():
                self._wait_for_hours()
                return
            self._check_gate()
            if self.verdict == "valid" and crew.writer is not None:
                self.unobserved.so_far()
                self.unobserved.tell(crew.put)
                crew.start_capture(self.asked, self.grant)

    def _serve(self, descriptor: int) -> None:
        """One descriptor that has something to say."""
        if descriptor == self.ready:
            self.stopping = True  # whoever started us has left before recording began: it must not begin
            return
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
        if "sandbox" in facts:
            self.sandbox[child.role] = facts["sandbox"]
            self.lacks = facts.get("lacks", self.lacks)
        if state in ("failed", "no-consent"):
            self._fail(child, facts)
        elif child.role == "indicator":
            for mark in str(facts.get("mark", "")):
                self._obey(mark)
        elif state == "running":
            self.running = True
            self.unobserved.end()
            self.recording.working()
            self.warnings.clear()
            self.backend = str(facts.get("backend", self.backend))
            self._tell_ready({"ok": True, "backend": self.backend, "why": facts.get("why")})
        elif state == "finished":  # a replay has reached its end
            self.stopping = True
        elif state == "grant":
            self.grant = gate.inherit(json.dumps(facts["grant"]).encode())
            self.verdict = "valid"
        elif state == "rotate":
            self.crew.tell_capture(b"r")
        elif state in ("resting", "awake"):
            self.rested = self.clock.monotonic() if state == "resting" else None
        elif state == "kept":
            child.kept = self.clock.monotonic()
        elif state == "miscounted":
            self._warn("records were lost between capture and the writer; the gap is marked")

    def _obey(self, mark: str) -> None:
        """A mark of the indicator: alive, or what somebody clicked."""
        try:
            if mark == ".":
                self.seen = True
                self.signing.working()
            elif mark == "p":
                self.do("pause" if self.wanted else "resume", None)
            elif mark == "s":
                self.stopping = True
            elif mark in TIMED_PAUSES:
                self.do("pause", TIMED_PAUSES[mark])
            elif mark == "w":
                self._withdraw()
            elif mark in _ENDING_MARKS:
                self.do("end", None, _ENDING_MARKS[mark])
            elif mark >= TASK_MARK:
                tasks = self.tasks.offered(self.grant)
                self.do("begin", None, dict(enumerate(tasks, ord(TASK_MARK))).get(ord(mark), ""))
            elif mark == "d" and self.crew.keeper is None and self.held_until is None:
                self._hold()
                self.crew.start_keeper("purge")
        except DesktopLoggerError as error:
            self._warn(error.message)

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
            self._end_capture(Reason.PERMISSION)
            self.wanted = False

    def _ended(self, child: Child) -> None:
        """A child has ended without being told to."""
        crew = self.crew
        if child is crew.capture:
            self._end_capture(Reason.CRASHED, ago=HELD_S)
            self.stopping |= self.unobserved.reason == Reason.DISPLAY_LOST
            self.recording.failed()
            if self.recording.failures > 2:
                self._give_up("capture cannot start")
        elif child is crew.writer:
            self._lose_writer("the writer ended")
        elif child is crew.indicator:
            self._lose_indicator()
        else:
            task = crew.end_keeper()
            self.stopping |= os.path.lexists(self.home.withdrawn)
            if child.status:
                self._give_up("the check before the start failed")
            if crew.writer:
                crew.writer.heard = self.clock.monotonic()
            if task == "purge" and self.held_until is not None:
                self._go()

    def _lose_indicator(self) -> None:
        """Nobody can see that we record, so we do not."""
        lost = self.crew.end_indicator() == DISPLAY_LOST
        self.stopping |= lost and self.ready < 0
        self._end_capture(Reason.DISPLAY_LOST if lost else self.unobserved.reason or Reason.INDICATOR)
        now = self.clock.monotonic()
        if self.seen:
            self.seen, self.unseen_since = False, now
        self.signing.failed()
        if lost or self.signing.failures > 2:
            self._give_up("nothing can show that recording is on, so there is no recording")
        self.stopping |= now - self.unseen_since > LOST_S

    def _lose_writer(self, message: str) -> None:
        """The writer is gone, and what came after its last frame; where recording was wanted, it is tried again."""
        writer = self.crew.writer
        self.crew.end_writer(0.0)
        if not self.wanted or self.verdict == "invalid":
            self._end_capture(self.unobserved.reason or Reason.CRASHED)
            return
        unwritten = self.clock.monotonic() - writer.kept if writer else 0.0
        tick = self.grant.own.tick_s if self.grant else 0.0
        self._end_capture(Reason.CRASHED, ago=min(tick, unwritten) + HELD_S)
        self._warn(message)
        self.recording.failed()
        if self.recording.failures > 2:
            self._give_up(message)

    def _give_up(self, message: str) -> None:
        """While the command that started us still waits, a failure is its answer, and the end."""
        if self.ready >= 0:
            self._tell_ready({"error": message, "hint": "Run: desktop-logger doctor", "status": 5})
            self.stopping, self.exit_status = True, 5

    # --- the gate ---------------------------------------------------------------------------------------------

    def _end_capture(self, reason: Reason, *, ago: float = 0.0) -> None:
        """From here on nothing is observed. A capture that is there ends, within half a second."""
        rested, self.rested = self.rested, None
        self.unobserved.begin(reason, ago=ago if rested is None else 0.0)
        self.running = False
        status = self.crew.end_capture()
        if rested is not None and status not in TOLD:
            self.unobserved.owe(Reason.RESTED, self.clock.monotonic() - rested)
        if status == DISPLAY_LOST:
            self.unobserved.rename(Reason.DISPLAY_LOST)
            self._warn("the display is gone")
        self.sandbox.pop("capture", None)

    def _check_gate(self) -> None:
        """Look again whether consent is valid; end capture at once when it is not."""
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
        self.unobserved.begin(Reason.SCHEDULE)
        self._tell_ready({"ok": True, "backend": self.backend, "why": "outside the signed hours", "waiting": True})

    def _close_gate(self, reason: Reason) -> None:
        self._end_capture(reason)
        self.verdict = "invalid"

    # --- what people ask for ----------------------------------------------------------------------------------

    def do(self, verb: str, seconds: int | None, word: str = "") -> dict[str, Any]:
        """One verb of the control channel, with the task of ``begin`` or outcome of ``end``; the status after it."""
        if verb == "pause":
            self.wanted = False
            self.until = self.clock.monotonic() + seconds if seconds else None
            self._end_capture(Reason.PAUSED)
            self._show(self.clock.monotonic())
        elif verb == "resume":
            self.wanted, self.until = True, None
            self.recording.forgive()
            self._look()
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
        elif verb == "begin":
            self.crew.tell_capture(self.tasks.begin(word, self.grant, recording=self.running))
        elif verb == "end":
            self.crew.tell_capture(self.tasks.end(word, self.grant, recording=self.running))
        return self.status()

    def _look(self) -> None:
        """Something about the consent has changed: look now, and let a closed gate be tried again."""
        if self.verdict == "invalid" and not os.path.lexists(self.home.withdrawn):
            self.crew.end_writer()
            self.grant, self.verdict = None, "unverified"
            self.recording.forgive()
        self._check_gate()

    def _hold(self) -> None:
        self._end_capture(Reason.PURGE if self.wanted else Reason.PAUSED)
        self.crew.end_writer(1.0)  # deleting takes two seconds at most, also where the writer hangs
        self.held_until = self.clock.monotonic() + control.HOLD_S

    def _go(self) -> None:
        self.held_until = None
        self.recording.forgive()

    def status(self) -> dict[str, Any]:
        """The live part of ``status --json``: closed words, process ids, numbers."""
        grant = self.grant
        reminder = gate.reminder(grant.expires, self.clock.now()) if grant else None
        return {
            "state": "recording" if self.running else "paused",
            "reason": self._why(),
            "resumes_in": None if self.until is None else max(0, round(self.until - self.clock.monotonic())),
            "pids": self.crew.pids(),
            "backend": self.backend,
            "profile": grant.own.name if grant else None,
            "scopes": list(grant.scopes) if grant else [],
            "indicator": self.sign_kind if self.seen else None,
            "task": self.tasks.open,
            "consent": {"state": self.verdict, "expires": grant.expires if grant else None},
            "sandbox": {role: self.sandbox.get(role, {}) for role, pid in self.crew.pids().items() if pid},
            "lacks": self.lacks,
            "warnings": [*([reminder] if reminder else []), *self.warnings[-4:]],
        }

    def _why(self) -> str | None:
        """Why nothing is recorded now, or that recording rests."""
        if self.running:
            return None if self.rested is None else Reason.RESTED.name.lower()
        return None if self.unobserved.reason is None else self.unobserved.reason.name.lower()

    def _show(self, now: float) -> None:
        """Tell the indicator what is true, when it changes."""
        if self.running:
            text = self._ending() or ("recording" if self.rested is None else "resting")
        elif self.until is not None and self.until - now <= WARN_S:
            text = f"resuming {max(0, round(self.until - now))}"
        else:
            text = "waiting" if self.wanted else "paused"
        if text != self.shown and self.seen:
            self.shown = text
            self.crew.show(text)
        elif not self.seen:
            self.shown, self.menu = "", ()
        menu = (self.tasks.open, *self.tasks.offered(self.grant)) if self.running else ()
        if self.seen and menu != self.menu and self.crew.offer(menu):
            self.menu = menu

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
            self.poller.unregister(self.ready)
            with contextlib.suppress(OSError):
                os.write(self.ready, json.dumps(facts).encode() + b"\n")
            os.close(self.ready)
            self.ready = -1

    # --- the end ----------------------------------------------------------------------------------------------

    def _shut_down(self) -> None:
        """End in the order of the data: capture, the last gap, the writer, the sign."""
        self.crew.end_capture()
        self.unobserved.so_far()
        self.unobserved.tell(self.crew.put)
        self.crew.end_writer()
        self.crew.end_keeper(KEEPER_S)
        self.crew.end_indicator(0.3)
        self._tell_ready({"error": "stopped before recording began", "status": 1})
        for path in (self.home.socket, self.home.pids, self.home.stop_marker):
            with contextlib.suppress(OSError):
                os.unlink(path)


def main(argv: list[str]) -> int:
    """``python -I -m desktop_logger.daemon.supervisor BACKEND SIGN LOCK READY REPORT``.

    LOCK is the instance lock, already taken: it is held for as long as this process lives.
    """
    confine.keep_only(*argv[2:])
    layers = confine.harden() | confine.unplug()
    supervisor = Supervisor(home(), Clock(), argv[0], argv[1], int(argv[3]))
    supervisor.sandbox["supervisor"] = layers
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: setattr(supervisor, "stopping", True))
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
