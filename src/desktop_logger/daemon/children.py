"""Starting and ending the daemon's processes: isolated, with a reduced environment and nothing inherited by chance.

Every child is our own interpreter with ``-I`` (no user site, no ``PYTHON*`` variables, no current folder) and the
descriptors it is given, by number. A child's report pipe ends when the child ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from typing import Any

ENVIRONMENT = (
    "DBUS_SESSION_BUS_ADDRESS", "DESKTOP_LOGGER_HOME", "DISPLAY", "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES",
    "SWAYSOCK", "TZ", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_SESSION_TYPE",
)  # fmt: skip
"""The only variables that reach a process of the daemon. No LD_PRELOAD, no PYTHON*, no PATH."""

DISPLAY_LOST = 4
"""Exit status of capture (``source.loop.DISPLAY_GONE``) and indicator when their display is gone."""

TOLD = (0, 3, DISPLAY_LOST)
"""Exit statuses with which capture has handed on everything, the gap of a rest included."""

_FIRST = 100  # descriptors are moved up here so that no dup2 meets its own number and keeps close-on-exec


def environment() -> dict[str, str]:
    """The reduced environment of every process of the daemon."""
    return {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}


class Child:
    """One process that we started, and the lines it reports."""

    def __init__(self, role: str, pid: int, report: int) -> None:
        self.role, self.pid, self.report = role, pid, report
        self.started = time.monotonic()
        self.heard = self.kept = self.started
        """When it last spoke; and, of a writer, when it last said that everything so far is written."""
        self.status: int | None = None
        self._rest = b""

    def lines(self) -> tuple[list[dict[str, Any]], bool]:
        """What the child has reported since, and whether its report has ended."""
        ended = False
        try:
            data = os.read(self.report, 4096)
            ended = not data
        except BlockingIOError:
            data = b""
        self.heard = time.monotonic() if data else self.heard
        *whole, self._rest = (self._rest + data).split(b"\n")
        facts = []
        for line in whole:
            with contextlib.suppress(ValueError):
                parsed = json.loads(line) if line.startswith(b"{") else {"mark": line.decode("utf-8", "replace")}
                facts.append(parsed)
        return facts, ended

    def wait(self, seconds: float) -> bool:
        """Whether the child has ended, after waiting at most ``seconds``."""
        deadline = time.monotonic() + seconds
        while self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.status = -1
                break
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                break
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        return True

    def end(self, seconds: float) -> None:
        """Give the child ``seconds`` to end by itself, then kill it; release what is left of it."""
        if not self.wait(seconds):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait(2.0)
        if self.report >= 0:
            os.close(self.report)
            self.report = -1


def spawn(role: str, module: str, arguments: list[str], descriptors: list[int], *,
          session: bool = False, quiet: bool = False) -> Child:  # fmt: skip
    """Start ``python -I -m module`` with ``arguments``, the numbers of ``descriptors``, and a report pipe.

    The child's command line ends with the numbers under which it finds the descriptors, the report's last. They
    are closed here. ``session``: in a session of its own, so that no terminal's end reaches it; ``quiet``: with
    nothing on its standard streams.
    """
    report, report_end = os.pipe()
    os.set_blocking(report, False)
    given = [*descriptors, report_end]
    numbers = list(range(_FIRST, _FIRST + len(given)))
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_DUP2, source, number) for source, number in zip(given, numbers, strict=True)
    ]
    if quiet:
        actions += [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    argv = [sys.executable, "-I", "-m", module, *arguments, *map(str, numbers)]
    pid = os.posix_spawn(
        sys.executable, argv, environment(), file_actions=actions, setsid=session, setsigmask=[], setsigdef=[]
    )
    for descriptor in given:
        os.close(descriptor)
    return Child(role, pid, report)
