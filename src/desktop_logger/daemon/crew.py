"""The processes that live now and the pipes between them: how they are started and ended, not when.

The record pipe's writing end is held here for the writer's whole life, so that capture may come and go and gaps can be
told in between. The key goes from the keeper to the writer over a pipe whose ends are not kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import time

from desktop_logger import control
from desktop_logger.consent.grant import Grant
from desktop_logger.focus.applications import REST, Rule
from desktop_logger.paths import Home
from desktop_logger.records.layout import END, Redacted
from desktop_logger.records.layout import control as control_record

from .children import Child, spawn

ASK_S = 0.4
"""What a child gets to end by itself before it is killed."""
SEAL_S = 2.0
PUT_S = 0.5


class Crew:
    """Capture, writer, indicator and keeper: each there or not."""

    def __init__(self, place: Home, poller: select.poll) -> None:
        self.home, self.poller = place, poller
        self.capture: Child | None = None
        self.writer: Child | None = None
        self.indicator: Child | None = None
        self.keeper: Child | None = None
        self._task = ""
        self._beats = self._records = self._sign = self._attention = -1

    def reporting(self, descriptor: int) -> Child | None:
        """The child whose report a descriptor is."""
        for child in (self.capture, self.writer, self.indicator, self.keeper):
            if child is not None and child.report == descriptor:
                return child
        return None

    def pids(self) -> dict[str, int | None]:
        """Process ids by role; ``None`` where there is no process."""
        children = {"capture": self.capture, "writer": self.writer, "indicator": self.indicator}
        return {"supervisor": os.getpid()} | {role: child.pid if child else None for role, child in children.items()}

    def _adopt(self, child: Child) -> Child:
        self.poller.register(child.report, select.POLLIN)
        return child

    def _part(self, child: Child, seconds: float) -> None:
        """End a child: ``seconds`` to go by itself, then killed."""
        with contextlib.suppress(KeyError):
            self.poller.unregister(child.report)
        child.end(seconds)

    def save_pids(self) -> None:
        """Write down who lives, for those who must end them without being asked."""
        with contextlib.suppress(OSError):
            control.save_pids(self.home, self.pids())

    # --- indicator --------------------------------------------------------------------------------------------

    def start_indicator(self, kind: str) -> None:
        """Start the sign; what it shows is told with ``show``."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        self._sign = _replace(self._sign, writing)
        attention, attention_end = os.pipe()
        os.set_blocking(attention, False)
        self._attention = _replace(self._attention, attention)
        child = spawn("indicator", "desktop_logger.daemon.indicator", [kind], [reading, attention_end])
        self.indicator = self._adopt(child)
        self.save_pids()

    def show(self, text: str) -> None:
        """Tell the sign what is true."""
        with contextlib.suppress(OSError):
            os.write(self._sign, text.encode() + b"\n")

    def attend(self, rule: bytes) -> bool:
        """Tell the indicator to tell capture about the focus, under a rule, or to rest; whether it took it whole."""
        return self._tell_sign(rule)

    def offer(self, menu: tuple[str | None, ...]) -> bool:
        """Tell the sign which task is open, and which its menu can begin; nothing: none can be told now."""
        return self._tell_sign(json.dumps(menu).encode())

    def _tell_sign(self, told: bytes) -> bool:
        line = memoryview(told + b"\n")
        deadline = time.monotonic() + PUT_S
        while line and time.monotonic() < deadline:
            try:
                line = line[os.write(self._sign, line) :]
            except BlockingIOError:
                time.sleep(0.005)
            except OSError:
                break
        return not line

    def end_indicator(self, seconds: float = 0.0) -> int | None:
        """End the sign. Returns its status, if it had ended by itself."""
        self._sign, self._attention = _replace(self._sign), _replace(self._attention)
        if self.indicator is None:
            return None
        child, self.indicator = self.indicator, None
        self._part(child, seconds)
        self.save_pids()
        return child.status

    # --- keeper and writer ------------------------------------------------------------------------------------

    def start_keeper(self, task: str, *descriptors: int) -> None:
        """Start the short-lived process that may do what we may not."""
        self._task = task
        self.keeper = self._adopt(spawn("keeper", "desktop_logger.daemon.keeper", [task], list(descriptors)))

    def end_keeper(self, seconds: float = 0.0) -> str:
        """End the keeper, which gets ``seconds`` for anything but a start. Returns what its task was."""
        if self.keeper is not None:
            child, self.keeper = self.keeper, None
            self._part(child, 0.0 if self._task == "start" else seconds)
        return self._task

    def start_writer(self) -> None:
        """Start a writer, and the keeper that validates everything and hands it the key."""
        key, key_end = os.pipe()
        records, records_end = os.pipe()
        os.set_blocking(records_end, False)
        self._records = _replace(self._records, records_end)
        self.writer = self._adopt(spawn("writer", "desktop_logger.sink", [], [records, key]))
        self.start_keeper("start", key_end)
        self.save_pids()

    def end_writer(self, seconds: float = SEAL_S) -> None:
        """End the writer by ending its pipe: it seals first. Kill it if it hangs. Its keeper goes with it."""
        self._records = _replace(self._records)
        if self._task == "start":
            self.end_keeper()
        if self.writer is not None:
            child, self.writer = self.writer, None
            self._part(child, seconds)
            self.save_pids()

    def put(self, record: Redacted) -> bool:
        """Hand the writer a gap or a mark; whether it took it. One record is atomic on a pipe (``PIPE_BUF``)."""
        deadline = time.monotonic() + PUT_S
        while self._records >= 0 and time.monotonic() < deadline:
            try:
                os.write(self._records, record)
            except BlockingIOError:
                time.sleep(0.005)
            except OSError:
                return False
            else:
                return True
        return False

    # --- capture ----------------------------------------------------------------------------------------------

    def start_capture(self, backend: str, grant: Grant) -> None:
        """Start capture under a grant, on the writer's pipe; the indicator begins to look before it."""
        if not backend.startswith("replay:"):  # a file says itself what has the focus
            with contextlib.suppress(OSError):
                while os.read(self._attention, 1 << 16):  # what was said before a pause says nothing about now
                    pass
            self.attend(Rule.of_grant(grant).to_wire())
        given, given_end = os.pipe()
        beats, self._beats = os.pipe()
        os.set_blocking(self._beats, False)
        os.write(given_end, grant.to_wire())
        os.close(given_end)
        arguments = ["--backend", backend]
        descriptors = [given, os.dup(self._records), beats, os.dup(self._attention)]
        self.capture = self._adopt(spawn("capture", "desktop_logger.source", arguments, descriptors))
        self.tell_capture(b".")
        self.save_pids()

    def tell_capture(self, word: bytes) -> None:
        """A beat ``.``, a rotation ``r``, the end ``q``, or what was said of a task (``records.telling``)."""
        if self._beats >= 0:
            with contextlib.suppress(OSError):
                os.write(self._beats, word)

    def end_capture(self) -> int | None:
        """End capture now: ask, wait a little, kill; the segment it filled ends with it. Returns its status."""
        if self.capture is None:
            return None
        self.tell_capture(b"q")
        child, self.capture = self.capture, None
        self._part(child, ASK_S)
        self._beats = _replace(self._beats)
        self.attend(REST)
        self.put(control_record(END))
        self.save_pids()
        return child.status


def _replace(old: int, new: int = -1) -> int:
    if old >= 0:
        os.close(old)
    return new
