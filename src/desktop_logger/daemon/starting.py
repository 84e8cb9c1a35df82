"""Starting the daemon: checked first, then launched, and not reported as running before it runs.

1. the home is ours · 2. consent is valid · 3. the backend can see input · 4. something can show the sign
5. nothing runs already · 6. launch the supervisor and wait until capture truly runs, or say why not
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from desktop_logger import capture, control
from desktop_logger.clock import Clock
from desktop_logger.consent import gate
from desktop_logger.errors import DesktopLoggerError, Ended, NoConsent, Refused, Unavailable
from desktop_logger.paths import Home

from .children import spawn

START_S = 60.0
Began = Callable[[dict[str, Any]], None]
STOP_S = 3.0
"""What a supervisor that could not begin gets to end by itself; it ends when we hang up."""


def start(place: Home, clock: Clock, backend: str, *, foreground: bool, began: Began) -> None:
    """Start recording and tell ``began`` what the supervisor said first; raises when it cannot be.

    In the foreground it returns when recording was stopped, and raises ``Ended`` when it ended by itself.
    """
    place.check()
    try:
        grant = gate.check(place, clock)
    except NoConsent:
        _retain(place, clock)
        raise
    chosen, why = capture.choose(backend, grant.backends, place.backends)
    indicator = _indicator(foreground=foreground)
    place.create(place.run)
    lock = _take_instance_lock(place)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place.stop_marker)
    ready, ready_end = os.pipe()
    child = spawn(
        "supervisor", "desktop_logger.daemon.supervisor", [chosen, indicator], [lock, ready_end],
        session=not foreground, quiet=not foreground,
    )  # fmt: skip
    answer = _await(ready)
    if not answer.get("ok"):
        child.end(STOP_S)
    if answer.get("ok"):
        answer["why"] = why or answer.get("why")
        began(answer)
        if foreground and _stay(child.pid) and not os.path.lexists(place.stop_marker):
            raise Ended("the background process ended by itself", "Start again with: desktop-logger start")
        return
    answer["hint"] = answer.get("hint") or "Run: desktop-logger doctor"
    raise DesktopLoggerError.reported(answer, "the background process ended before recording began")


def _retain(place: Home, clock: Clock) -> None:
    """What is over its time goes, also after the consent has ended: the receipt said for how long."""
    from desktop_logger import store
    from desktop_logger.consent import validation

    if not os.path.isdir(place.segments) or control.runs(place):
        return
    with contextlib.suppress(DesktopLoggerError):
        _, receipt = validation.read(place)
        store.retention(place, clock, receipt.processing.retention_days)


def _indicator(*, foreground: bool) -> str:
    """Where the sign can be shown: a window where there is a display, else the terminal in the foreground."""
    if os.environ.get("DISPLAY") and capture.load("x11").probe().viable:
        return "window"
    if foreground and sys.stdout.isatty():
        return "terminal"
    raise Unavailable(
        "nothing can show that recording is on, so there is no recording",
        "Start inside a graphical session, or with --foreground in a terminal.",
    )


def _take_instance_lock(place: Home) -> int:
    lock = os.open(place.instance_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + 1.0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                pid = control.recorded_pids(place).get("supervisor")
                raise Refused(
                    f"it already runs (process {pid})" if pid else "it already runs",
                    "See: desktop-logger status · if it is paused: desktop-logger resume",
                ) from None
            time.sleep(0.05)
        else:
            return lock


def _await(ready: int) -> dict[str, Any]:
    """The supervisor's first word, or what its silence means."""
    data = b""
    deadline = time.monotonic() + START_S
    try:
        while not data.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([ready], [], [], left)[0]:
                return {"error": f"recording did not begin within {START_S:.0f} s", "status": 5}
            chunk = os.read(ready, 4096)
            if not chunk:
                break
            data += chunk
    finally:
        os.close(ready)  # where nothing was said yet, this tells the supervisor that nobody waits any more
    try:
        answer = json.loads(data)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _stay(pid: int) -> int:
    """Remain in the foreground until the supervisor ends, and return how (0: it was stopped); Ctrl-C stops it."""
    signal.signal(signal.SIGINT, lambda *_: os.kill(pid, signal.SIGTERM))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    while True:
        with contextlib.suppress(InterruptedError):
            return os.waitpid(pid, 0)[1]
